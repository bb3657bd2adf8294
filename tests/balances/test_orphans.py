"""Reports of calls nobody knows: kept once, newest first, the oldest of too many gone."""

import pytest

from balances.ledger import Unavailable
from balances.link import Link
from balances.orphans import Kept, Orphans

NOW = 1_700_000_000_000


async def test_a_report_is_kept_once_however_often_it_comes(link: Link) -> None:
    orphans = Orphans(link)
    assert await orphans.latest(10) == ()
    assert await orphans.keep("a", NOW, b"\x00first")
    assert not await orphans.keep("a", NOW + 5, b"again")
    assert await orphans.latest(10) == (Kept(id="a", at=NOW, report=b"\x00first"),)
    assert await orphans.count() == 1


async def test_the_newest_come_first_and_the_oldest_go(link: Link) -> None:
    orphans = Orphans(link, most=3)
    for number in (2, 1, 3, 5, 4):
        await orphans.keep(f"r{number}", NOW + number, b"%d" % number)
    assert [kept.id for kept in await orphans.latest(10)] == ["r5", "r4", "r3"]
    assert [kept.id for kept in await orphans.latest(2)] == ["r5", "r4"]
    assert await orphans.count() == 3


async def test_without_the_store_nothing_is_said_to_be_kept(link: Link) -> None:
    await link.close()
    with pytest.raises(Unavailable):
        await Orphans(link).keep("a", NOW, b"report")
