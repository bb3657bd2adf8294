"""Both ledgers, and the store alone with its link."""

from collections.abc import AsyncIterator

import pytest

from balances.link import Link
from balances.store import StoreLedger
from tests.ledgers import empty_store, ledger, store_url

__all__ = ["ledger", "store_url"]


@pytest.fixture
async def link(store_url: str) -> AsyncIterator[Link]:
    """A link to an empty store."""
    async with empty_store(store_url) as link:
        yield link


@pytest.fixture
async def store(link: Link) -> StoreLedger:
    ledger = StoreLedger(link)
    await ledger.prepare()
    return ledger
