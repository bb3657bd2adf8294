"""Checks 28 to 40: what is granted, debited, released and repeated."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from ocs.diameter import avps
from ocs.diameter.codec import encode_message
from ocs.diameter.message import Message
from tests.conformance.diameter.checks.wire import Wire
from tests.gateway import (
    CLOSE,
    HOST,
    OPEN,
    REALM,
    UPDATE,
    Gateway,
    body,
    ccr,
    granted,
    octets,
    result,
    service,
    services,
    subscriber,
)
from tests.house import House

Make = Callable[[str], tuple[str, str]]
MB = 1_000_000
VALIDITY = 5
REDIRECT = "http://topup.example.net/"
CATALOGUE = f"""
[countries.germany]
code = "49"

[services.data]
quota = "10 MB"
minimum = "100 kB"
maximum = "1 GB"
validity = "{VALIDITY} s"
final = {{ action = "redirect", redirect = "{REDIRECT}", filters = ["permit out ip from 198.51.100.10 to assigned"] }}
retry = "600 s"
empty = "keep"
lapse = "release"

[rates.data]
service = "data"
price = "0.01 EUR per MB"
blocks = "100 kB"

[plans.prepaid-basic]
currency = "EUR"
country = "germany"
data = [{{ rate = "data" }}]
"""


@pytest.fixture(scope="module")
def redirecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server that redirects who has no credit, and whose grants hold for seconds."""
    directory = tmp_path_factory.mktemp("redirecting")
    catalogue = directory / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    with House(directory, OCS_CHARGING__CATALOGUE=str(catalogue)) as house:
        yield house


@pytest.mark.rfc("8506", "5.1.2")
@pytest.mark.rfc("8506", "8.16")
@pytest.mark.rfc("32.299", "6.5.3")
async def test_check_28_two_rating_groups(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("5.00")
    answer = await gateway.ask(ccr("c;28", OPEN, 0, subscriber(number), service(10, wanted=()), service(20, wanted=())))
    assert result(answer) == 2001
    found = services(answer)
    assert {group: granted(units) for group, units in found.items()} == {10: 10 * MB, 20: 5 * MB}
    assert [units.get(avps.RESULT_CODE) for units in found.values()] == [2001, 2001]
    assert [units.get(avps.QUOTA_HOLDING_TIME) for units in found.values()] == [300, 300]
    assert house.money(account)["reserved"] == 100_000 + 500_000


@pytest.mark.rfc("8506", "5.2")
async def test_check_29_no_service_yet(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, _ = subscriber_with("5.00")
    first = await gateway.ask(ccr("c;29", OPEN, 0, subscriber(number)))
    assert (result(first), services(first), avps.GRANTED_SERVICE_UNIT in first) == (2001, {}, False)
    later = await gateway.ask(ccr("c;29", UPDATE, 1, subscriber(number), service(10, wanted=())))
    assert granted(services(later)[10]) == 10 * MB


@pytest.mark.rfc("8506", "8.16")
async def test_check_30_a_report_that_asks_for_nothing(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("5.00")
    await gateway.ask(ccr("c;30", OPEN, 0, subscriber(number), service(10, wanted=())))
    report = await gateway.ask(ccr("c;30", UPDATE, 1, subscriber(number), service(10, used=[octets(2 * MB)])))
    assert (result(report), granted(services(report)[10])) == (2001, None)
    assert house.money(account) == {"balance": 4_980_000, "reserved": 0, "available": 4_980_000, "overrun": 0}


@pytest.mark.rfc("8506", "5.3")
async def test_check_31_neighbours_are_left_alone(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("5.00")
    await gateway.ask(ccr("c;31", OPEN, 0, subscriber(number), service(10, wanted=()), service(20, wanted=())))
    update = await gateway.ask(ccr("c;31", UPDATE, 1, subscriber(number), service(10, used=[octets(MB)])))
    assert list(services(update)) == [10]
    assert house.money(account)["reserved"] == 500_000
    last = await gateway.ask(ccr("c;31", CLOSE, 2, subscriber(number), service(20, used=[octets(5 * MB)])))
    assert result(last) == 2001
    assert house.money(account) == {"balance": 4_490_000, "reserved": 0, "available": 4_490_000, "overrun": 0}


@pytest.mark.rfc("8506", "8.19")
async def test_check_32_more_used_than_granted(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("0.05")
    await gateway.ask(ccr("c;32", OPEN, 0, subscriber(number), service(10, wanted=())))
    answer = await gateway.ask(ccr("c;32", UPDATE, 1, subscriber(number), service(10, used=[octets(7 * MB)])))
    assert (result(answer), services(answer)[10].get(avps.RESULT_CODE)) == (2001, 2001)
    assert house.money(account) == {"balance": -20_000, "reserved": 0, "available": -20_000, "overrun": 20_000}


@pytest.mark.rfc("8506", "5.4")
@pytest.mark.rfc("6733", "7.1.5")
async def test_check_33_the_end_and_what_comes_after(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("5.00")
    who = subscriber(number)
    await gateway.ask(ccr("c;33", OPEN, 0, who, service(10, wanted=()), service(20, wanted=())))
    last = await gateway.ask(ccr("c;33", CLOSE, 1, who, service(10, used=[octets(MB)])))
    assert (result(last), granted(services(last)[10])) == (2001, None)
    ended = {"balance": 4_990_000, "reserved": 0, "available": 4_990_000, "overrun": 0}
    assert house.money(account) == ended
    assert result(await gateway.ask(ccr("c;33", CLOSE, 2, who, service(10, used=[octets(MB)])))) == 5002
    assert result(await gateway.ask(ccr("c;33;never", UPDATE, 1, who, service(10, wanted=())))) == 5002
    assert house.money(account) == ended


@pytest.mark.rfc("6733", "3")
@pytest.mark.rfc("8506", "5.7")
@pytest.mark.rfc("8506", "8.2")
async def test_check_34_repeats(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("5.00")
    who = subscriber(number)
    await gateway.ask(ccr("c;34", OPEN, 0, who, service(10, wanted=())))
    update = ccr("c;34", UPDATE, 1, who, service(10, wanted=(), used=[octets(MB)]))
    first = await gateway.ask(update, end_to_end=7)
    money = house.money(account)
    flagged = await gateway.ask(update, end_to_end=7, flags=0xD0)
    renumbered = await gateway.ask(update, end_to_end=8)
    at_once = await asyncio.gather(*(gateway.ask(update, end_to_end=9) for _ in range(8)))
    assert {body(answer) for answer in (first, flagged, renumbered, *at_once)} == {body(first)}
    assert house.money(account) == money
    overtaking = ccr("c;34", UPDATE, 2, who, service(10, wanted=(), used=[octets(MB)]))
    copy = await gateway.ask(overtaking, end_to_end=10, flags=0xD0)
    assert body(await gateway.ask(overtaking, end_to_end=10)) == body(copy)
    assert house.money(account)["balance"] == 4_980_000


@pytest.mark.rfc("8506", "5.1.2")
@pytest.mark.rfc("8506", "8.2")
async def test_check_35_numbers_in_any_order(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("5.00")
    await gateway.ask(ccr("c;35", OPEN, 1, subscriber(number), service(10, wanted=())))
    for turn, used in ((3, 2), (2, 3)):
        update = ccr("c;35", UPDATE, turn, service(10, wanted=(), used=[octets(used * MB)]))
        assert result(await gateway.ask(update)) == 2001
    assert result(await gateway.ask(ccr("c;35", CLOSE, 4))) == 2001
    assert house.money(account) == {"balance": 4_950_000, "reserved": 0, "available": 4_950_000, "overrun": 0}


@pytest.mark.rfc("8506", "5.6")
async def test_check_36_the_last_of_the_credit(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("0.03")
    answer = await gateway.ask(ccr("c;36", OPEN, 0, subscriber(number), service(10, wanted=[octets(10 * MB)])))
    group = services(answer)[10]
    assert granted(group) == 3 * MB
    final = group.require(avps.FINAL_UNIT_INDICATION)
    assert [final.get(avps.FINAL_UNIT_ACTION), len(final.index)] == [0, 1]  # TERMINATE stands alone
    report = await gateway.ask(ccr("c;36", UPDATE, 1, subscriber(number), service(10, used=[octets(3 * MB)])))
    assert (result(report), granted(services(report)[10])) == (2001, None)
    assert house.money(account) == {"balance": 0, "reserved": 0, "available": 0, "overrun": 0}


@pytest.mark.rfc("8506", "5.6.2")
@pytest.mark.rfc("8506", "8.34")
async def test_check_37_redirected_at_once(redirecting: House) -> None:
    redirecting.open_account("491737000001", "0")
    async with Gateway("127.0.0.1", redirecting.ports["diameter"]) as gateway:
        answer = await gateway.ask(ccr("c;37", OPEN, 0, subscriber("491737000001"), service(10, wanted=())))
        assert result(answer) == 2001
        group = services(answer)[10]
        assert (group.get(avps.RESULT_CODE), granted(group), group.get(avps.VALIDITY_TIME)) == (2001, None, 600)
        final = group.require(avps.FINAL_UNIT_INDICATION)
        server = final.require(avps.REDIRECT_SERVER)
        assert final.get(avps.FINAL_UNIT_ACTION) == 1
        assert server.get(avps.REDIRECT_ADDRESS_TYPE) == 2
        assert server.get(avps.REDIRECT_SERVER_ADDRESS) == REDIRECT
        assert final.all(avps.RESTRICTION_FILTER_RULE) == ["permit out ip from 198.51.100.10 to assigned"]


@pytest.fixture
async def redirected(redirecting: House, connect_to: Callable[[House], Awaitable[Wire]]) -> Wire:
    """A gateway on a connection that shows the server's own requests."""
    wire = await connect_to(redirecting)
    assert result(await wire.introduce(host=HOST)) == 2001
    return wire


async def top_up(house: House, wire: Wire, account: str) -> Message:
    """The RAR that a top-up causes."""
    await asyncio.to_thread(house.post, f"/v1/accounts/{account}/topups", {"amount": "1.00", "reference": "test"})
    rar = await wire.read()
    assert (rar.command, rar.is_request, rar.flags_octet, rar.application) == (258, True, 0xC0, 4)
    return rar


def answer_rar(wire: Wire, rar: Message, code: int) -> None:
    parts = (*rar.raw(avps.SESSION_ID), avps.RESULT_CODE.encode(code), avps.ORIGIN_HOST.encode(HOST))
    parts = (*parts, avps.ORIGIN_REALM.encode(REALM))
    wire.write(encode_message(0x40, 258, 4, rar.hop_by_hop, rar.end_to_end, parts))


@pytest.mark.rfc("8506", "5.5")
@pytest.mark.rfc("8506", "5.6.4")
@pytest.mark.rfc("6733", "8.3")
@pytest.mark.parametrize("code", [2002, 2001])
async def test_check_38_a_top_up_lifts_the_redirection(redirecting: House, redirected: Wire, code: int) -> None:
    number = f"49173800{code}"
    account = redirecting.open_account(number, "0")
    session = f"c;38;{code}"
    await redirected.ask(ccr(session, OPEN, 0, subscriber(number), service(10, wanted=())))
    rar = await top_up(redirecting, redirected, account)
    assert (rar.get(avps.SESSION_ID), rar.get(avps.DESTINATION_HOST)) == (session, HOST)
    assert rar.get(avps.RE_AUTH_REQUEST_TYPE) == 0
    answer_rar(redirected, rar, code)
    if code == 2001:
        return  # nothing follows: that is borne
    asked = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(
        [avps.REQUESTED_SERVICE_UNIT.encode(()), avps.RATING_GROUP.encode(10), avps.REPORTING_REASON.encode(7)]
    )
    group = services(await redirected.ask(ccr(session, UPDATE, 1, subscriber(number), asked)))[10]
    assert (granted(group), avps.FINAL_UNIT_INDICATION in group) == (10 * MB, False)


@pytest.mark.rfc("8506", "5.5")
async def test_check_38_a_client_that_lost_the_session(redirecting: House, redirected: Wire) -> None:
    account = redirecting.open_account("491738005002", "0.05")
    who = subscriber("491738005002")
    await redirected.ask(ccr("c;38;5002", OPEN, 0, who, service(10, wanted=())))
    assert redirecting.money(account)["reserved"] == 50_000
    answer_rar(redirected, await top_up(redirecting, redirected, account), 5002)
    for _ in range(50):
        if not redirecting.money(account)["reserved"]:
            break
        await asyncio.sleep(0.1)
    assert redirecting.money(account) == {"balance": 1_050_000, "reserved": 0, "available": 1_050_000, "overrun": 0}


@pytest.mark.rfc("8506", "7")
@pytest.mark.rfc("8506", "13")
async def test_check_39_silence_gives_the_reservation_back(redirecting: House) -> None:
    account = redirecting.open_account("491739000001", "1.00")
    who = subscriber("491739000001")
    async with Gateway("127.0.0.1", redirecting.ports["diameter"]) as gateway:
        answer = await gateway.ask(ccr("c;39", OPEN, 0, who, service(10, wanted=())))
        assert services(answer)[10].get(avps.VALIDITY_TIME) == VALIDITY
        await asyncio.sleep(VALIDITY * 1.5)
        assert redirecting.money(account)["reserved"] == 100_000  # Tcc is twice the validity
        for _ in range(100):
            if not redirecting.money(account)["reserved"]:
                break
            await asyncio.sleep(0.2)
        assert redirecting.money(account)["reserved"] == 0
        late = ccr("c;39", UPDATE, 1, who, service(10, wanted=(), used=[octets(MB)]))
        assert result(await gateway.ask(late)) == 5002
        assert redirecting.money(account)["balance"] == 990_000  # what was used is charged, once
        assert result(await gateway.ask(late)) == 5002
        assert redirecting.money(account)["balance"] == 990_000


@pytest.mark.rfc("8506", "5.1.1")
async def test_check_40_a_crowd_on_one_account(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("1.00")  # ten quotas of 10 MB at 0.01 per MB
    answers = await asyncio.gather(
        *(gateway.ask(ccr(f"c;40;{i}", OPEN, 0, subscriber(number), service(10, wanted=()))) for i in range(200))
    )
    found = [services(answer)[10] for answer in answers]
    assert [granted(group) for group in found if granted(group)] == [10 * MB] * 10
    assert [group.get(avps.RESULT_CODE) for group in found if not granted(group)] == [4012] * 190
    assert house.money(account) == {"balance": 1_000_000, "reserved": 1_000_000, "available": 0, "overrun": 0}


@pytest.mark.rfc("8506", "4.1.3")
@pytest.mark.rfc("8506", "9.2")
async def test_check_40_a_service_context_that_is_none(gateway: Gateway, subscriber_with: Make) -> None:
    number, _ = subscriber_with("1.00")
    answer = await gateway.ask(
        ccr("c;40b", OPEN, 0, subscriber(number), service(10, wanted=()), context="99999@3gpp.org")
    )
    assert result(answer) == 5031
    assert answer.require(avps.FAILED_AVP).get(avps.SERVICE_CONTEXT_ID) == "99999@3gpp.org"


@pytest.mark.rfc("8506", "8.27")
async def test_check_40_usage_before_and_after_a_tariff_change(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    """Both parts are debited; the sample's tariff is the same before and after."""
    number, account = subscriber_with("1.00")
    await gateway.ask(ccr("c;40c", OPEN, 0, subscriber(number), service(10, wanted=())))
    parts = [
        avps.USED_SERVICE_UNIT.encode([avps.TARIFF_CHANGE_USAGE.encode(when), octets(used * MB)])
        for when, used in ((0, 3), (1, 4))
    ]
    report = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([*parts, avps.RATING_GROUP.encode(10)])
    assert result(await gateway.ask(ccr("c;40c", CLOSE, 1, subscriber(number), report))) == 2001
    assert house.money(account)["balance"] == 930_000
