"""A desk over each of both ledgers."""

import pytest

from balances.ledger import Ledger
from charging.catalogue import Catalogue, load
from tests.charging.desk import Desk
from tests.ledgers import ledger, store_url

__all__ = ["ledger", "store_url"]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load("sample")


@pytest.fixture
def desk(ledger: Ledger, catalogue: Catalogue) -> Desk:
    return Desk(ledger, catalogue)
