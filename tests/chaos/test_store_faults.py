"""One store that is killed, paused, cut off, full or read-only under load: nothing acknowledged is lost."""

import asyncio
import resource
import signal
from collections.abc import Awaitable, Callable

import pytest

from tests.chaos.conftest import LENGTH, ledger_on
from tests.chaos.load import Load
from tests.stores import Process, single


async def kill(store: Process, load: Load) -> None:
    store.kill()
    await asyncio.sleep(0.2)
    await asyncio.to_thread(store.start)


async def pause(store: Process, load: Load) -> None:
    store.signal(signal.SIGSTOP)
    await asyncio.sleep(5 if LENGTH > 1 else 1.5)
    store.signal(signal.SIGCONT)


async def cut(store: Process, load: Load) -> None:
    await asyncio.to_thread(store.ask, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def flap(store: Process, load: Load) -> None:
    for _ in range(20):
        await cut(store, load)
        await asyncio.sleep(0.05)


async def no_memory(store: Process, load: Load) -> None:
    await asyncio.to_thread(store.ask, "CONFIG", "SET", "maxmemory", 1)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(store.ask, "CONFIG", "SET", "maxmemory", 0)


async def full_disk(store: Process, load: Load) -> None:
    """No file may grow any more; the kernel says so to the store."""
    await asyncio.to_thread(store.limit_files, 1024)
    await asyncio.sleep(2.5)
    await asyncio.to_thread(store.limit_files, resource.RLIM_INFINITY)


async def read_only(store: Process, load: Load) -> None:
    await asyncio.to_thread(store.ask, "CONFIG", "SET", "min-replicas-to-write", 1)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(store.ask, "CONFIG", "SET", "min-replicas-to-write", 0)


async def clock_jump(store: Process, load: Load) -> None:
    await load.leave_open()
    for skew in (3_000_000, -3_000_000, 0):
        load.skew = skew
        await asyncio.sleep(0.3)
    assert load.lapsed, "a jump of 50 minutes passes the deadline of what runs"


Fault = Callable[[Process, Load], Awaitable[None]]

FAULTS: list[tuple[Fault, str]] = [
    (kill, "everysec"),
    (kill, "always"),
    (pause, "everysec"),
    (cut, "everysec"),
    (flap, "everysec"),
    (no_memory, "everysec"),
    (full_disk, "everysec"),
    (read_only, "everysec"),
    (clock_jump, "everysec"),
]


@pytest.mark.parametrize(("fault", "fsync"), FAULTS, ids=[f"{fault.__name__}-{fsync}" for fault, fsync in FAULTS])
async def test_nothing_is_lost(fault: Fault, fsync: str, tell: Callable[[str], None]) -> None:
    with single("--appendfsync", fsync) as store:
        async with ledger_on(f"redis://127.0.0.1:{store.port}") as ledger:
            load = Load(ledger)
            await load.begin()
            running = asyncio.create_task(load.run())
            faults = 0
            end = asyncio.get_running_loop().time() + LENGTH
            while not faults or asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.3)
                await fault(store, load)
                faults += 1
                answered = load.figures.requests
                async with asyncio.timeout(60):
                    while load.figures.requests < answered + 50:
                        assert not running.done(), running.exception()
                        await asyncio.sleep(0.02)
            load.stop.set()
            await running
            tell(f"{faults} faults; {await load.check()}")
