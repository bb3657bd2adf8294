"""A master dies behind Sentinels and in a Cluster, and slots move under load: credits that were confirmed are there."""

import asyncio
from collections.abc import Callable

from balances.server import Durability
from tests.chaos.conftest import LENGTH, ledger_on
from tests.chaos.load import Load
from tests.stores import cluster, eventually_async, watched


async def answered(load: Load, running: "asyncio.Task[None]", more: int) -> None:
    """Wait until so many more requests are answered."""
    goal = load.figures.requests + more
    async with asyncio.timeout(90):
        while load.figures.requests < goal:
            assert not running.done(), running.exception()
            await asyncio.sleep(0.02)


async def test_a_sentinel_s_master_is_killed(tell: Callable[[str], None]) -> None:
    with watched() as stores:
        async with ledger_on(stores.url, Durability.REPLICA) as ledger:
            load = Load(ledger)
            await load.begin()
            load.lossy = True
            running = asyncio.create_task(load.run())
            await answered(load, running, 200)
            master = stores.master
            master.kill()
            await eventually_async(lambda: stores.master is not master, "no failover")
            ledger.confirmation._replicas = 0  # there is none any more
            await answered(load, running, 300)
            load.stop.set()
            await running
            figures = await load.check()
            assert figures.lost_topups == 0
            tell(str(figures))


async def test_a_cluster_s_master_is_killed(tell: Callable[[str], None]) -> None:
    with cluster(masters=3, replicas=1) as stores:
        async with ledger_on(stores.url, Durability.REPLICA) as ledger:
            load = Load(ledger)
            await load.begin()
            load.lossy = True
            running = asyncio.create_task(load.run())
            await answered(load, running, 200)
            stores.masters[1].kill()
            heir = stores.nodes[4]
            await eventually_async(lambda: heir.says("INFO replication", "role:master"), "no failover")
            ledger.confirmation._replicas = 0
            await answered(load, running, 300)
            load.stop.set()
            await running
            figures = await load.check()
            assert figures.lost_topups == 0
            tell(str(figures))


async def test_slots_move_under_load(tell: Callable[[str], None]) -> None:
    with cluster(masters=3) as stores:
        async with ledger_on(stores.url) as ledger:
            load = Load(ledger)
            await load.begin()
            running = asyncio.create_task(load.run())
            moves = 0
            one, two, three = stores.masters
            for _ in range(max(1, int(LENGTH) // 4)):
                for source, target, first, last in (
                    (one, two, 0, 5460),
                    (two, three, 0, 10921),
                    (three, one, 0, 5460),
                    (three, two, 5461, 10921),
                ):
                    await answered(load, running, 100)
                    await asyncio.to_thread(stores.move, source, target, first, last)
                    moves += 1
            await answered(load, running, 100)
            load.stop.set()
            await running
            tell(f"{moves} moves; {await load.check()}")
