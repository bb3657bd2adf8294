"""The ledgers under test: the specification, and the store on a Valkey of its own. Fixtures for conftest files."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from balances.ledger import Account, Address, Billing, Ledger
from balances.levels import chain
from balances.link import Link
from balances.memory import MemoryLedger
from balances.scripts import all_scripts
from balances.store import StoreLedger
from tests.servers import valkey


@asynccontextmanager
async def empty_store(url: str) -> AsyncIterator[Link]:
    """A link to the store at ``url``, which is emptied first."""
    link = Link(url, scripts=all_scripts())
    await link.open()
    await link.call("FLUSHALL")
    yield link
    await link.close()


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with valkey() as url:
        yield url


@pytest.fixture(params=["memory", "store"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    """Each of both ledgers, empty."""
    if request.param == "memory":
        yield MemoryLedger()
        return
    async with empty_store(request.getfixturevalue("store_url")) as link:
        store = StoreLedger(link)
        await store.prepare()
        yield store


async def chain_above(ledger: Ledger, address: Address) -> list[tuple[Account, Billing]]:
    """The accounts up the chain of one, each with how the one below is tied to it."""
    accounts = await chain(ledger, address)
    return [(above, below.billing) for below, above in pairwise(accounts)]
