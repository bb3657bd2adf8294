"""What an answer asks the gateway to do with its quota, and what a change of rating conditions costs."""

from collections.abc import Iterator

import pytest

from ocs.diameter import avps
from tests.gateway import CLOSE, OPEN, UPDATE, VOICE, Gateway, call_data, ccr, octets, result, service, services
from tests.gateway import subscriber as who
from tests.house import House

MB = 1_000_000
CATALOGUE = """
[countries.germany]
code = "49"

[destinations]
national = ["49"]

[services.data]
quota = "10 MB"
minimum = "100 kB"
validity = "1 h"
report_changes = ["rat", "qos"]
final = { action = "restrict", filters = ["permit out ip from 198.51.100.10 to assigned"], filter_ids = ["portal"] }
empty = "keep"
lapse = "release"

[services.voice]
quota = "60 s"
validity = "120 s"
consumption = "20 s"
report_changes = []
empty = "refuse"
lapse = "release"

[rates.lte]
service = "data"
price = "0.01 EUR per MB"
blocks = "100 kB"

[rates.gsm]
service = "data"
price = "0.05 EUR per MB"
blocks = "100 kB"

[rates.call]
service = "voice"
price = "0.06 EUR per min"
blocks = "1/1"

[plans.prepaid-basic]
currency = "EUR"
country = "germany"
data = [{ rat = "2", rate = "gsm" }, { rate = "lte" }]
voice = [{ to = "national", rate = "call" }]
"""
LTE, GSM = b"\x06", b"\x02"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two radio technologies at two prices; a profile that knows RFC 8506's final units."""
    catalogue = tmp_path_factory.mktemp("catalogue") / "c.toml"
    catalogue.write_text(CATALOGUE)
    settings = {
        "OCS_CHARGING__CATALOGUE": str(catalogue),
        "OCS_CREDIT_CONTROL__PROFILES": '[{peers = ["*"], qos_final_units = true}]',
    }
    with House(tmp_path_factory.mktemp("house"), **settings) as house:
        yield house


def radio(kind: bytes) -> bytes:
    return avps.SERVICE_INFORMATION.encode([avps.PS_INFORMATION.encode([avps.TGPP_RAT_TYPE.encode(kind)])])


def changed(used: int) -> bytes:
    """A report because the radio technology changed."""
    return avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(
        [
            avps.REQUESTED_SERVICE_UNIT.encode([]),
            avps.USED_SERVICE_UNIT.encode([octets(used)]),
            avps.RATING_GROUP.encode(10),
            avps.REPORTING_REASON.encode(6),
            avps.TRIGGER.encode([avps.TRIGGER_TYPE.encode(4)]),
        ]
    )


@pytest.mark.rfc("32.299", "6.5.7")
async def test_what_was_used_before_a_change_is_settled_at_the_old_conditions(house: House, gateway: Gateway) -> None:
    account = house.open_account("491740000001", "5.00")
    subject = who("491740000001")
    opened = await gateway.ask(ccr("r;1", OPEN, 0, subject, service(10, wanted=()), radio(LTE)))
    assert services(opened)[10].require(avps.TRIGGER).all(avps.TRIGGER_TYPE) == [2, 4]
    assert house.money(account)["reserved"] == 100_000
    update = ccr("r;1", UPDATE, 1, subject, changed(2 * MB), radio(GSM))
    first = await gateway.ask(update)
    assert result(first) == 2001
    assert house.money(account) == {"balance": 4_980_000, "reserved": 500_000, "available": 4_480_000, "overrun": 0}
    assert bytes(await gateway.ask(update, flags=0xD0))[20:] == bytes(first)[20:]
    end = ccr("r;1", CLOSE, 2, subject, service(10, used=[octets(MB)]), radio(GSM))
    assert result(await gateway.ask(end)) == 2001
    assert house.money(account) == {"balance": 4_930_000, "reserved": 0, "available": 4_930_000, "overrun": 0}


@pytest.mark.rfc("32.299", "6.5.4")
@pytest.mark.rfc("32.299", "6.5.7")
async def test_a_call_is_told_what_its_idle_time_counts_for_and_to_report_no_changes(
    house: House, gateway: Gateway
) -> None:
    house.open_account("491740000002", "5.00")
    asked = ccr("r;2", OPEN, 0, who("491740000002"), service(100, wanted=()), call_data("493012345678"), context=VOICE)
    told = services(await gateway.ask(asked))[100]
    assert told.get(avps.QUOTA_CONSUMPTION_TIME) == 20
    assert told.require(avps.TRIGGER).all(avps.TRIGGER_TYPE) == []


@pytest.mark.rfc("8506", "5.6.3")
@pytest.mark.rfc("8506", "8.68")
async def test_a_restriction_without_units_in_both_forms(house: House, gateway: Gateway) -> None:
    house.open_account("491740000003", "0")
    answer = await gateway.ask(ccr("r;3", OPEN, 0, who("491740000003"), service(10, wanted=()), radio(LTE)))
    told = services(answer)[10]
    assert (told.get(avps.RESULT_CODE), told.get(avps.VALIDITY_TIME)) == (2001, 600)
    plain, qos = told.require(avps.FINAL_UNIT_INDICATION), told.require(avps.QOS_FINAL_UNIT_INDICATION)
    assert [one.get(avps.FINAL_UNIT_ACTION) for one in (plain, qos)] == [2, 2]
    assert (plain.all(avps.FILTER_ID), qos.all(avps.FILTER_ID)) == (["portal"], ["portal"])
    assert len(qos.all(avps.FILTER_RULE)) == 1
