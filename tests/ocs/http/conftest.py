"""The HTTP application over a ledger of each kind."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from http_desk import Desk
from servers import valkey

from balances.ledger import Ledger
from balances.link import Link
from balances.memory import MemoryLedger
from balances.scripts import all_scripts
from balances.store import StoreLedger


@pytest.fixture(scope="session")
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
async def desk(ledger: Ledger) -> AsyncIterator[Desk]:
    desk = Desk(ledger)
    yield desk
    await desk.client.aclose()


@pytest.fixture
async def quick() -> AsyncIterator[Desk]:
    """For what does not depend on the ledger's kind."""
    desk = Desk(MemoryLedger())
    yield desk
    await desk.client.aclose()
