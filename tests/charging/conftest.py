"""The ledgers under the engine: the specification and the store, and a desk over each."""

from collections.abc import AsyncIterator, Iterator

import pytest

from balances.ledger import Ledger
from balances.link import Link
from balances.memory import MemoryLedger
from balances.scripts import all_scripts
from balances.store import StoreLedger
from charging.catalogue import Catalogue, load
from tests.charging.desk import Desk
from tests.servers import valkey


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load("sample")


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with valkey() as url:
        yield url


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


@pytest.fixture
def desk(ledger: Ledger, catalogue: Catalogue) -> Desk:
    return Desk(ledger, catalogue)
