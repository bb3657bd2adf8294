"""Ported numbers over a real store: several processes follow what one of them changes."""

from collections.abc import AsyncIterator

import pytest

from balances.link import Link
from charging.catalogue import parse
from charging.catalogue.load import SAMPLE
from charging.catalogue.places import Places
from charging.event import Service, ServiceKind
from ocs.publishing import numbers as module
from ocs.publishing.numbers import Numbers
from tests.ledgers import empty_store

TEXT = (
    (SAMPLE / "catalogue.toml").read_text()
    + """
[networks.ours]
own = true
prefixes = ["49152"]
[networks.theirs]
prefixes = ["49170"]
"""
)
PORTED = b"number,network\n491700000001,ours\n"


@pytest.fixture
async def link(store_url: str) -> AsyncIterator[Link]:
    async with empty_store(store_url) as link:
        yield link


def on_net(places: Places, number: str) -> bool:
    service = Service(kind=ServiceKind.VOICE, called=number)
    return "on-net" in places.call_types(service, number, "49")


async def test_updates_stand_before_the_catalogue_s_table_until_they_are_taken_back(link: Link) -> None:
    catalogue = parse({"c.toml": TEXT.encode(), "portability.csv": PORTED})
    numbers = Numbers(link)
    catalogue.follow(numbers.moved)
    asked = ("491700000001", "491700000002", "491520000001")

    def networks() -> list[str | None]:
        return [catalogue.places.network(number) for number in asked]

    assert networks() == ["ours", "theirs", "ours"]
    await numbers.put({"491700000001": "theirs", "491700000002": "ours", "491520000001": "theirs"})
    assert networks() == ["theirs", "ours", "theirs"]
    assert [on_net(catalogue.places, number) for number in asked] == [False, True, False]
    await numbers.put({"491700000001": "", "491520000001": ""})
    assert networks() == ["ours", "ours", "ours"]


async def test_every_process_follows(link: Link) -> None:
    one, other = Numbers(link), Numbers(link)
    for each in (one, other):
        await each.poll()
    await one.put({"491": "ours"})
    await other.put({"492": "theirs"})
    await one.poll()
    assert one.moved == other.moved == {"491": "ours", "492": "theirs"}
    late = Numbers(link)
    await late.poll()
    await one.put({"491": ""})
    await late.poll()
    assert late.moved == {"492": "theirs"}


async def test_many_come_in_batches_and_the_same_again_changes_nothing(link: Link) -> None:
    many = {str(4_917_000_000 + number): "ours" for number in range(25_000)}
    numbers, other = Numbers(link), Numbers(link)
    await other.poll()
    for _ in range(2):
        await numbers.put(many)
    await other.poll()
    assert numbers.moved == other.moved == many


async def test_who_is_far_behind_reads_everything_again(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 3)
    behind, numbers = Numbers(link), Numbers(link)
    await behind.poll()
    moved = behind.moved
    for number in range(10):
        await numbers.put({f"49{number}": "ours"})
    await numbers.put({"490": ""})
    await behind.poll()
    assert behind.moved is moved
    assert moved == {f"49{number}": "ours" for number in range(1, 10)}
