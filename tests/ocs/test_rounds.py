"""Rounds of re-authorisation in the store: one process at a time, and none is lost with the process that had it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from balances.ledger import Address
from balances.link import Link
from ocs.rounds import Rounds
from tests.servers import valkey

ANN, BOB = Address(shard=1, account="ann"), Address(shard=2, account="b\u00f6b")


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with valkey() as url:
        yield url


@pytest.fixture
async def rounds(store_url: str) -> AsyncIterator[Rounds]:
    link = Link(store_url)
    await link.open()
    await link.call("FLUSHALL")
    yield Rounds(link)
    await link.close()


async def test_what_is_not_over_in_time_is_taken_once(rounds: Rounds) -> None:
    await rounds.begin(ANN, 100)
    await rounds.begin(BOB, 200)
    assert await rounds.take(99, 150) == ()
    assert await rounds.take(100, 150) == (ANN,)
    assert await rounds.take(149, 300) == ()
    assert set(await rounds.take(200, 300)) == {ANN, BOB}


async def test_what_is_over_is_nobodys(rounds: Rounds) -> None:
    await rounds.end(await rounds.begin(ANN, 1_768_471_200_123))
    assert await rounds.take(1_768_471_200_123, 1_768_471_200_999) == ()


async def test_the_end_of_a_round_does_not_end_the_next(rounds: Rounds) -> None:
    first = await rounds.begin(ANN, 100)
    second = await rounds.begin(ANN, 120)
    await rounds.end(first)
    assert await rounds.take(150, 200) == (ANN,)
    await rounds.end(second)  # too late: it is another's now
    assert await rounds.take(200, 300) == (ANN,)
