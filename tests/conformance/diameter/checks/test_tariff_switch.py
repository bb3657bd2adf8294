"""A tariff that changes in mid-session: the grant ends with it, or outlasts it and is reported in two parts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ocs.diameter import avps
from ocs.diameter.message import Group
from tests.gateway import CLOSE, HOST, OPEN, UPDATE, Gateway, ccr, granted, octets, result, service, services
from tests.gateway import subscriber as who
from tests.house import House

MB = 1_000_000
CATALOGUE = """
[countries.germany]
code = "49"

[times.evening]
hours = "20:00-08:00"

[services.data]
quota = "10 MB"
minimum = "100 kB"
validity = "1 h"
empty = "keep"
lapse = "release"

[rates.day]
service = "data"
price = "0.02 EUR per MB"
blocks = "100 kB"

[rates.evening]
service = "data"
price = "0.01 EUR per MB"
blocks = "100 kB"

[plans.prepaid-basic]
currency = "EUR"
country = "germany"
data = [{ when = "evening", rate = "evening" }, { rate = "day" }]
"""
BEFORE, AFTER, INDETERMINATE = 0, 1, 2


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Data at half the price from 20:00 to 08:00 UTC; the clients of these tests but ``old`` know how to split."""
    catalogue = tmp_path_factory.mktemp("catalogue") / "c.toml"
    catalogue.write_text(CATALOGUE)
    settings = {
        "OCS_CHARGING__CATALOGUE": str(catalogue),
        "OCS_CREDIT_CONTROL__PROFILES": f'[{{peers = ["{HOST}"], tariff_switch = true}}]',
    }
    with House(tmp_path_factory.mktemp("house"), **settings) as house:
        yield house


def yesterday(hour: int, minute: int) -> int:
    """Seconds since 1970: requests may be late, not early."""
    day = datetime.now(UTC) - timedelta(days=1)
    return int(day.replace(hour=hour, minute=minute, second=0, microsecond=0).timestamp())


def at(hour: int, minute: int) -> bytes:
    return avps.EVENT_TIMESTAMP.encode(yesterday(hour, minute))


def change(group: Group) -> int | None:
    units = group.get(avps.GRANTED_SERVICE_UNIT)
    return None if units is None else units.get(avps.TARIFF_TIME_CHANGE)


def split(*parts: tuple[int, int], wanted: bool) -> bytes:
    """A report in parts of Tariff-Change-Usage and megabytes."""
    used = [
        avps.USED_SERVICE_UNIT.encode([avps.TARIFF_CHANGE_USAGE.encode(when), octets(megabytes * MB)])
        for when, megabytes in parts
    ]
    asked = [avps.REQUESTED_SERVICE_UNIT.encode([])] if wanted else []
    return avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([*asked, *used, avps.RATING_GROUP.encode(10)])


@pytest.mark.rfc("8506", "8.20")
@pytest.mark.rfc("8506", "8.27")
@pytest.mark.rfc("8506", "5.3")
async def test_a_grant_outlasts_a_change_and_each_part_is_priced_at_its_own_tariff(
    house: House, gateway: Gateway
) -> None:
    account = house.open_account("491770000001", "5.00")
    subject = who("491770000001")
    opened = services(await gateway.ask(ccr("t;1", OPEN, 0, subject, service(10, wanted=()), at(19, 30))))[10]
    assert (granted(opened), change(opened)) == (10 * MB, yesterday(20, 0))
    assert opened.get(avps.VALIDITY_TIME) == 3600
    assert house.money(account)["reserved"] == 200_000  # by the dearer tariff
    update = ccr("t;1", UPDATE, 1, subject, split((BEFORE, 3), (AFTER, 4), (INDETERMINATE, 1), wanted=True), at(20, 10))
    first = await gateway.ask(update)
    again = services(first)[10]
    assert (result(first), granted(again), change(again)) == (2001, 10 * MB, None)
    assert house.money(account) == {"balance": 4_880_000, "reserved": 100_000, "available": 4_780_000, "overrun": 0}
    assert bytes(await gateway.ask(update, flags=0xD0))[20:] == bytes(first)[20:]
    end = await gateway.ask(ccr("t;1", CLOSE, 2, subject, service(10, used=[octets(2 * MB)]), at(20, 20)))
    assert result(end) == 2001
    assert house.money(account) == {"balance": 4_860_000, "reserved": 0, "available": 4_860_000, "overrun": 0}
    assert house.audit()["balanced"]


@pytest.mark.rfc("8506", "8.27")
async def test_use_before_the_change_alone_is_priced_as_before(house: House, gateway: Gateway) -> None:
    account = house.open_account("491770000002", "5.00")
    subject = who("491770000002")
    await gateway.ask(ccr("t;2", OPEN, 0, subject, service(10, wanted=()), at(19, 30)))
    end = ccr("t;2", CLOSE, 1, subject, split((BEFORE, 3), wanted=False), at(20, 10))
    assert result(await gateway.ask(end)) == 2001
    assert house.money(account)["balance"] == 4_940_000


@pytest.mark.rfc("8506", "8.27")
async def test_use_after_the_change_may_be_more_than_was_granted(house: House, gateway: Gateway) -> None:
    account = house.open_account("491770000003", "0.10")
    subject = who("491770000003")
    opened = services(await gateway.ask(ccr("t;3", OPEN, 0, subject, service(10, wanted=()), at(19, 30))))[10]
    assert granted(opened) == 5 * MB
    end = ccr("t;3", CLOSE, 1, subject, split((BEFORE, 4), (AFTER, 4), wanted=False), at(20, 10))
    assert result(await gateway.ask(end)) == 2001
    assert house.money(account) == {"balance": -20_000, "reserved": 0, "available": -20_000, "overrun": 20_000}


@pytest.mark.rfc("8506", "8.20")
@pytest.mark.rfc("8506", "8.33")
@pytest.mark.parametrize(
    ("hour", "peer"), [(19, "old.epc.example.net"), (7, HOST)], ids=["a client that cannot split", "a price that rises"]
)
async def test_else_a_grant_ends_with_the_tariff(house: House, gateway: Gateway, hour: int, peer: str) -> None:
    number = f"4917700000{hour:02}"
    house.open_account(number, "5.00")
    head, _, *rest = ccr(f"t;4;{hour}", OPEN, 0, who(number), service(10, wanted=()), at(hour, 30))
    told = services(await gateway.ask((head, avps.ORIGIN_HOST.encode(peer), *rest)))[10]
    assert (granted(told), change(told), told.get(avps.VALIDITY_TIME)) == (10 * MB, None, 1800)
