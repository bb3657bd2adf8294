"""One running server for a module, and accounts of each test's own."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.gateway import Gateway
from tests.house import House

_numbers = itertools.count(491_700_000_000)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
async def gateway(house: House) -> AsyncIterator[Gateway]:
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        yield gateway


@pytest.fixture
def subscriber_with(house: House) -> Callable[[str], tuple[str, str]]:
    """``subscriber_with("5.00")`` is the number and the account id of a fresh subscriber."""

    def make(money: str) -> tuple[str, str]:
        number = str(next(_numbers))
        return number, house.open_account(number, money, sip=f"u{number}@example.net")

    return make


@pytest.fixture(autouse=True)
def books_close(house: House) -> Iterator[None]:
    """After each test the books close."""
    yield
    audit = house.audit()
    assert audit["balanced"], audit["findings"]
