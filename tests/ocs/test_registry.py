"""Claims on identities, and orders on the bus, between processes (here: links) that share a store."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from balances.link import Link
from balances.target import parse_target
from ocs import registry
from ocs.bus import Alive, Bus, Word
from ocs.connection import PeerUnreachable
from ocs.dispatch import Dispatch
from ocs.registry import Registry
from tests.servers import valkey

HOST = "gw.example.net"


class Node:
    """What a process has of the store."""

    def __init__(self, link: Link, bus: Bus) -> None:
        self.link, self.bus = link, bus
        self.registry = Registry(link, bus, patience=0.5)
        self.doubted: asyncio.Queue[str] = asyncio.Queue()
        self.registry.doubted = self.doubted.put_nowait

    async def seek(self, host: str = HOST) -> bool:
        decided: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.registry.seek(host, decided.set_result)
        return await asyncio.wait_for(decided, 20)


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with valkey() as url:
        yield url


@pytest.fixture
async def nodes(store_url: str) -> AsyncIterator[list[Node]]:
    """Two of them, over an empty store."""
    target = parse_target(store_url)
    async with AsyncExitStack() as stack:
        found = []
        for name in ("one", "two"):
            link = Link(target, name=name)
            await link.open()
            await link.call("FLUSHALL")
            stack.push_async_callback(link.close)
            bus = Bus(link, target, f"{name}-bus")
            await bus.open(10)
            stack.push_async_callback(bus.close)
            found.append(Node(link, bus))
        yield found
        for node in found:
            await node.registry.close()


@pytest.fixture(autouse=True)
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LEASE", 0.6)


async def test_identity_is_one_process_s_until_it_gives_it_back(nodes: list[Node]):
    one, two = nodes
    assert await one.seek()
    assert await one.seek(), "a second time by the same process is no conflict"
    waiting = asyncio.create_task(two.seek())
    assert await asyncio.wait_for(one.doubted.get(), 10) == HOST
    one.registry.alive(HOST)
    assert not await waiting
    one.registry.drop(HOST)
    assert await two.seek()
    assert await one.seek("other.example.net")


async def test_claim_is_kept_alive_and_that_of_a_dead_process_passes_on(nodes: list[Node]):
    one, two = nodes
    assert await one.seek()
    one.registry.take(HOST)
    assert not await two.seek(), "it outlives its lease"
    one.registry._renewal.cancel()
    assert await two.seek()


async def test_whoever_reaches_no_store_lets_its_peers_in(nodes: list[Node]):
    one, two = nodes
    assert await one.seek()
    await two.link.close()
    assert await two.seek()


async def test_what_is_said_is_heard_by_all_and_in_order(nodes: list[Node]):
    heard: list[asyncio.Queue[Word]] = [asyncio.Queue(), asyncio.Queue()]
    for node, words in zip(nodes, heard, strict=True):
        node.bus.listeners.append(words.put_nowait)
    said = [Alive(host=str(number)) for number in range(50)]
    for word in said:
        await nodes[0].bus.say(word)
    await nodes[1].link.call("XADD", "bus", "*", "w", b"\xc1 of another version")
    await nodes[1].bus.say(Alive(host="last"))
    for words in heard:
        async with asyncio.timeout(10):
            assert [await words.get() for _ in range(51)] == [*said, Alive(host="last")]


async def test_order_that_nobody_takes_is_withdrawn(nodes: list[Node]):
    dispatch = Dispatch(nodes[0].bus, nodes[0].link, timeout=5)
    with pytest.raises(PeerUnreachable, match="no peer leads to"):
        await dispatch.ask(HOST, "example.net", 258, (b"",))
