"""The ledgers under test: the specification and the store, one fixture for both."""

from collections.abc import AsyncIterator, Iterator

import pytest

from balances.ledger import Ledger
from balances.link import Link
from balances.memory import MemoryLedger
from balances.scripts import all_scripts
from balances.store import StoreLedger
from tests.servers import valkey


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with valkey() as url:
        yield url


@pytest.fixture
async def link(store_url: str) -> AsyncIterator[Link]:
    """A link to an empty store."""
    link = Link(store_url, scripts=all_scripts())
    await link.open()
    await link.call("FLUSHALL")
    yield link
    await link.close()


@pytest.fixture
async def store(link: Link) -> StoreLedger:
    ledger = StoreLedger(link)
    await ledger.prepare()
    return ledger


@pytest.fixture(params=["memory", "store"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    link = Link(request.getfixturevalue("store_url"), scripts=all_scripts())
    await link.open()
    await link.call("FLUSHALL")
    store = StoreLedger(link)
    await store.prepare()
    yield store
    await link.close()
