"""What was told of a bucket is remembered while there is one, and no longer."""

from collections.abc import AsyncIterator, Iterator

import pytest

from balances.ledger import Entry, Line
from balances.link import Link
from charging.catalogue.thresholds import UseThreshold
from ocs.webhooks.alerts import AlertBook, Standing, Watched
from ocs.webhooks.queue import Queue
from tests.servers import valkey

HALF = UseThreshold(at=50, percent=True)


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with valkey() as url:
        yield url


@pytest.fixture
async def link(store_url: str) -> AsyncIterator[Link]:
    link = Link(store_url)
    await link.open()
    await link.call("FLUSHALL")
    yield link
    await link.close()


def entry(id: str, session: str, **counters: int) -> Entry:
    line = Line(bucket="data#1", asset="octets", **counters)
    return Entry(id=id, shard=3, at=5, account="alice", operation="1", cause="update", session=session, lines=(line,))


def standing(used: int) -> Standing:
    return Standing(
        watched=(Watched(bucket="data#1", initial=10, used=used, ends_at=None, thresholds=(HALF,)),)
    )  # fmt: skip


async def test_a_share_is_told_once_and_forgotten_with_its_bucket(link: Link) -> None:
    queue = Queue(link, (), AlertBook(link, (), lambda *_: None, lambda _: ()))
    crossing = entry("1-0", "s", before=10, after=4, debited=6)
    await queue._keep(crossing, standing(6), 0)
    await queue._keep(crossing, standing(7), 0)  # found again after a crash
    await queue._keep(entry("2-0", "s", before=4, after=3, debited=1), standing(7), 0)
    await queue._keep(entry("3-0", "s", before=3, after=0, debited=3), standing(10), 0)
    told = [(one.event, one.remaining) for one in await queue.due(0)]
    assert sorted(told) == [("bucket.depleted", 0), ("bucket.low", 4)]
    assert await link.call("KEYS", "hooks:bucket:*") == [b"hooks:bucket:alice:data#1"]
    await queue._keep(entry("4-0", "", before=0, after=0, debited=1), Standing(), 0)
    assert await link.call("KEYS", "hooks:bucket:*") == []
