"""Changes become due watches, also those that were heard of while the store was away."""

from collections.abc import AsyncIterator, Iterator

import pytest

from balances.keys import Keys
from balances.ledger import Address, Entry, Line, Unavailable
from balances.link import Link
from balances.watches import Watch, Watches
from ocs.metrics import Metrics
from ocs.sy.changes import Changes
from tests.servers import valkey

NOW = 1_700_000_000_000
ALICE = Address(shard=1, account="alice")
WATCH = Watch(id="w", address=ALICE, context=b"")


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with valkey() as url:
        yield url


@pytest.fixture
async def watches(store_url: str) -> AsyncIterator[Watches]:
    """With one watch, not due."""
    link = Link(store_url)
    await link.open()
    await link.call("FLUSHALL")
    watches = Watches(link, [Keys(shard) for shard in range(2)])
    await watches.put(WATCH, NOW, NOW)
    await settle(watches)
    yield watches
    await link.close()


async def settle(watches: Watches) -> None:
    claim = await watches.claim(WATCH, NOW, 1000)
    assert claim is not None
    await watches.settle(claim, b"")
    assert await watches.due(NOW) == ()


def entry(account: str = "alice") -> Entry:
    line = Line(bucket="money", asset="EUR", debited=1)
    return Entry(id="1-0", at=NOW, shard=1, account=account, operation="o", cause="c", lines=(line,))


async def test_a_start_looks_at_all_and_then_only_at_what_changes(watches: Watches) -> None:
    changes = Changes(Metrics("test"), watches, lambda: NOW)
    await changes.round()
    assert len(await watches.due(NOW)) == 1
    await settle(watches)
    await changes.round()
    changes.journalled(entry("bob"))
    await changes.round()
    assert await watches.due(NOW) == ()
    changes.journalled(entry())
    await changes.round()
    assert len(await watches.due(NOW)) == 1


async def test_what_could_not_be_marked_is_marked_later(watches: Watches, store_url: str) -> None:
    link = Link(store_url)  # not open yet: the store is away
    changes = Changes(Metrics("test"), Watches(link, [Keys(shard) for shard in range(2)]), lambda: NOW)
    changes.journalled(entry())
    with pytest.raises(Unavailable):
        await changes.round()
    await link.open()
    await changes.round()
    assert len(await watches.due(NOW)) == 1
    await settle(watches)
    await link.close()
    changes.journalled(entry())
    with pytest.raises(Unavailable):
        await changes.round()
    assert changes._changed == {ALICE}


def test_money_is_still_counted() -> None:
    metrics = Metrics("test")
    changes = Changes(metrics, Watches(Link("unix:///nowhere"), [Keys(0)]), lambda: NOW)
    changes.journalled(entry())
    metrics.settle()
    assert metrics.debited_amount.labels("EUR", "house")._value.get() == 1e-6
