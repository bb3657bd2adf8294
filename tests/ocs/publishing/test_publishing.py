"""Publishing over a real store: several processes, here as followers side by side, switch together or not at all."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable

import pytest

from balances.link import Link
from balances.memory import MemoryLedger
from charging.catalogue import CatalogueError, parse
from charging.catalogue.load import SAMPLE, version_of
from charging.engine import Engine
from charging.settings import ChargingSettings
from ocs.metrics import Metrics
from ocs.publishing.archive import KEPT, Archive, NoSuchVersion, Publication, State, in_force
from ocs.publishing.follower import Follower
from ocs.publishing.publisher import LEAD, NotPublished, Publisher
from tests.ledgers import empty_store

TEXT = (SAMPLE / "catalogue.toml").read_text()


def version(price: str) -> dict[str, bytes]:
    return {"c.toml": TEXT.replace("0.01 EUR per MB", f"{price} EUR per MB").encode()}


FIRST, SECOND = version("0.01"), version("0.02")


@pytest.fixture
async def link(store_url: str) -> AsyncIterator[Link]:
    async with empty_store(store_url) as link:
        yield link


class Node:
    """A process, as far as catalogues are concerned."""

    def __init__(self, link: Link, name: str, now: int = 1_000_000) -> None:
        self.now = now
        self.metrics = Metrics("1")
        self.engine = Engine(MemoryLedger(), parse(FIRST), ChargingSettings())
        self.follower = Follower(Archive(link), self.engine, lambda: self.now, self.metrics)
        self.follower.process = name
        self.publisher = Publisher(Archive(link), lambda: self.now)

    @property
    def version(self) -> str:
        return self.engine.catalogue.version


@pytest.fixture
async def nodes(link: Link) -> AsyncIterator[list[Node]]:
    nodes = [Node(link, "here:1"), Node(link, "there:2")]
    tasks = [asyncio.create_task(node.follower.run()) for node in nodes]
    yield nodes
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - there is nothing to wait for but another task's progress
            await asyncio.sleep(0.02)


def reached(node: Node, place: str) -> bool:
    return node.follower._position == place


async def test_all_switch_at_the_moment_and_not_before(nodes: list[Node], link: Link) -> None:
    published, new = await nodes[0].publisher.publish(SECOND, "somebody", "dearer")
    assert (new, published.version, published.since) == (True, version_of(SECOND), 1_000_000 + LEAD)
    for node in nodes:
        await until(functools.partial(reached, node, published.id))
        assert node.version == version_of(FIRST)
        node.engine.pass_time(published.since - 1)
        assert node.version == version_of(FIRST)
        node.engine.pass_time(published.since)
        assert node.version == version_of(SECOND)
        assert node.metrics.registry.get_sample_value("ocs_catalogue_since_seconds") == published.since / 1000
    assert await Archive(link).proposed() == ""
    assert await Archive(link).files(published.version) == SECOND


async def test_the_same_again_is_nothing_new(nodes: list[Node]) -> None:
    first = await nodes[0].publisher.publish(SECOND, "a", "")
    assert await nodes[1].publisher.publish(SECOND, "b", "") == (first[0], False)


async def test_the_way_back(nodes: list[Node]) -> None:
    for files in (FIRST, SECOND):
        await nodes[0].publisher.publish(files, "", "")
    back, new = await nodes[1].publisher.again(version_of(FIRST), "b", "a mistake")
    assert (new, back.version, back.comment) == (True, version_of(FIRST), "a mistake")
    history = await nodes[0].publisher.history()
    assert [each.version for each in history.publications] == [
        version_of(FIRST),
        version_of(SECOND),
        version_of(FIRST),
    ]
    with pytest.raises(NoSuchVersion):
        await nodes[0].publisher.again("never-was", "", "")


async def test_a_catalogue_with_mistakes_is_not_published(nodes: list[Node], link: Link) -> None:
    with pytest.raises(CatalogueError):
        await nodes[0].publisher.publish({"c.toml": b"[rates.x]\n"}, "", "")
    assert await Archive(link).publications() == ()


async def test_nothing_is_published_that_one_process_cannot_load(nodes: list[Node], link: Link) -> None:
    async def of_another_release() -> None:
        files = version_of(SECOND)
        while True:
            state = State(version="x", failed={files: "it knows no such key"}, seen=1_000_000)
            await Archive(link).tell("old:3", state)
            await asyncio.sleep(0.02)

    other = asyncio.create_task(of_another_release())
    with pytest.raises(NotPublished, match="old:3: it knows no such key"):
        await nodes[0].publisher.publish(SECOND, "", "")
    other.cancel()
    assert await Archive(link).publications() == ()
    assert await Archive(link).proposed() == ""


async def test_a_process_that_is_gone_holds_up_nothing(nodes: list[Node], link: Link) -> None:
    await Archive(link).tell("gone:9", State(version="x", seen=900_000))
    await nodes[0].publisher.publish(SECOND, "", "")
    await until(lambda: "gone:9" not in nodes[0].follower.states)


async def test_two_at_once_do_not_mix(nodes: list[Node], link: Link) -> None:
    await Archive(link).propose("another")
    with pytest.raises(NotPublished, match="another is being published"):
        await nodes[0].publisher.publish(SECOND, "", "")


async def test_a_process_that_cannot_load_what_is_published_goes_on_and_says_so(nodes: list[Node], link: Link) -> None:
    node = nodes[0]
    await Archive(link).publish(Publication(version="lost", since=1))
    await until(node.follower.problems)
    assert node.follower.problems() == [
        "here:1: catalogue lost cannot be loaded: the store does not keep catalogue lost"
    ]
    assert node.version == version_of(FIRST)
    assert node.metrics.registry.get_sample_value("ocs_catalogue_failures_total") == 1
    await nodes[0].publisher.publish(SECOND, "", "")  # and a good one helps
    await until(lambda: not node.follower.problems())
    node.engine.pass_time(node.now + LEAD)
    assert node.version == version_of(SECOND)


async def test_of_what_was_missed_only_what_holds_is_loaded(link: Link) -> None:
    archive = Archive(link)
    await archive.publish(Publication(version="long-gone", since=1))
    await archive.publish(Publication(version=await archive.keep(SECOND), since=2))
    node = Node(link, "late:1")
    task = asyncio.create_task(node.follower.run())
    await until(lambda: node.version == version_of(SECOND))
    task.cancel()
    assert node.metrics.registry.get_sample_value("ocs_catalogue_failures_total") == 0


async def test_only_what_can_be_returned_to_is_kept(link: Link) -> None:
    archive = Archive(link)
    names = []
    for number in range(KEPT + 2):
        names.append(await archive.keep({"a.toml": f"# {number}".encode()}))
        await archive.publish(Publication(version=names[-1], since=number))
    for name in names[:2]:
        with pytest.raises(NoSuchVersion):
            await archive.files(name)
    assert await archive.files(names[2])


async def test_a_large_catalogue_comes_back_whole_and_a_damaged_one_not_at_all(link: Link) -> None:
    archive = Archive(link)
    large = {"decks/a.csv": b"".join(f"{number * 7919 % 10**9},{number}\n".encode() for number in range(300_000))}
    name = await archive.keep(large)
    assert await link.call("HLEN", f"catalogue:{name}") > 3
    assert await archive.files(name) == large
    await link.call("HDEL", f"catalogue:{name}", 1)
    with pytest.raises(NoSuchVersion):
        await archive.files(name)
    assert await archive.keep(large) == name
    assert await archive.files(name) == large


def test_in_force() -> None:
    listed = tuple(Publication(version=name, since=since) for name, since in (("a", 1), ("b", 100), ("c", 90)))
    assert [each and each.version for each in (in_force(listed, now) for now in (0, 1, 89, 90, 100))] == [
        None,
        "a",
        "a",
        "c",
        "c",
    ]
