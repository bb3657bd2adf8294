"""The HTTP application over a ledger of each kind."""

from collections.abc import AsyncIterator

import pytest

from balances.ledger import Ledger
from balances.memory import MemoryLedger
from tests.ledgers import ledger, store_url
from tests.ocs.http.http_desk import Desk

__all__ = ["ledger", "store_url"]


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
