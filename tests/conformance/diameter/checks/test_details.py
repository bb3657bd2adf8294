"""Smaller rules, and habits of clients, that the forty checks do not name."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ocs.diameter import avps
from ocs.diameter.message import Message
from tests.gateway import (
    CLOSE,
    EVENT,
    HOST,
    OPEN,
    SMS,
    UPDATE,
    VOICE,
    Gateway,
    call_data,
    ccr,
    granted,
    octets,
    result,
    seconds,
    service,
    services,
    subscriber,
)
from tests.house import House

Make = Callable[[str], tuple[str, str]]
MB = 1_000_000
MMS = "32270@3gpp.org"
SETTINGS = {
    "OCS_CREDIT_CONTROL__FAILURE_HANDLING": "retry-and-terminate",
    "OCS_CREDIT_CONTROL__SESSION_FAILOVER": "true",
    "OCS_CREDIT_CONTROL__PROFILES": (
        f'[{{peers = ["{HOST}"], units_unasked = true, thresholds = false, longest_validity = 90, '
        "remaining_balance = true}]"
    ),
    "OCS_CREDIT_CONTROL__DEBIT_FAILURE_HANDLING": "continue",
    "OCS_DIAMETER__VENDOR_SPECIFIC_APPLICATION": "false",
    "OCS_DIAMETER__PROFILES": (
        '[{peers = ["*.old.example.net"], vendor_specific_application = true, '
        'addresses = ["192.0.2.9", "2001:db8::9"]}]'
    ),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Settings other than the defaults, and a profile for the clients of these tests but for ``plain``."""
    with House(tmp_path_factory.mktemp("house"), **SETTINGS) as house:
        yield house


def plain(parts: tuple[bytes, ...]) -> list[bytes]:
    """The same request from a client that has no profile."""
    return [avps.ORIGIN_HOST.encode("other.epc.example.net"), *(part for part in parts if part[3] != 8 or part[2] != 1)]


def money(group: Any) -> tuple[int | None, int | None, int | None]:
    """Value-Digits, Exponent and Currency-Code."""
    value = group.require(avps.UNIT_VALUE)
    return value.get(avps.VALUE_DIGITS), value.get(avps.EXPONENT), group.get(avps.CURRENCY_CODE)


@pytest.mark.rfc("6733", "5.3")
async def test_application_is_named_once_where_configured(connect: Any) -> None:
    cea = await (await connect()).introduce()
    assert cea.all(avps.AUTH_APPLICATION_ID) == [4]
    assert avps.VENDOR_SPECIFIC_APPLICATION_ID not in cea


@pytest.mark.rfc("6733", "5.3")
async def test_introduction_is_as_the_peers_profile_says(connect: Any) -> None:
    cea = await (await connect()).introduce(host="PGW1.old.example.net")
    [application] = cea.all(avps.VENDOR_SPECIFIC_APPLICATION_ID)
    assert application.get(avps.AUTH_APPLICATION_ID) == 4
    assert cea.all(avps.HOST_IP_ADDRESS) == ["192.0.2.9", "2001:db8::9"]
    other = await (await connect()).introduce()
    assert other.all(avps.HOST_IP_ADDRESS) == ["127.0.0.1"]


@pytest.mark.rfc("8506", "5.7")
async def test_failure_handling_and_failover_are_as_configured(gateway: Gateway, subscriber_with: Make) -> None:
    number, _ = subscriber_with("1.00")
    answer = await gateway.ask(ccr("d;1", OPEN, 0, subscriber(number), service(10, wanted=())))
    assert answer.get(avps.CREDIT_CONTROL_FAILURE_HANDLING) == 2
    assert answer.get(avps.CC_SESSION_FAILOVER) == 1


async def test_units_without_being_asked_where_the_profile_says_so(gateway: Gateway, subscriber_with: Make) -> None:
    number, _ = subscriber_with("5.00")
    await gateway.ask(ccr("d;2", OPEN, 0, subscriber(number), service(10, wanted=())))
    report = ccr("d;2", UPDATE, 1, subscriber(number), service(10, used=[octets(MB)]))
    assert granted(services(await gateway.ask(report))[10]) == 10 * MB
    final = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(
        [
            avps.USED_SERVICE_UNIT.encode([octets(MB)]),
            avps.RATING_GROUP.encode(10),
            avps.REPORTING_REASON.encode(2),
        ]
    )
    assert granted(services(await gateway.ask(ccr("d;2", UPDATE, 2, subscriber(number), final)))[10]) is None


async def test_thresholds_and_validity_as_the_profile_says(gateway: Gateway, subscriber_with: Make) -> None:
    number, _ = subscriber_with("5.00")
    asked = ccr("d;3", OPEN, 0, subscriber(number), service(10, wanted=()))
    group = services(await gateway.ask(asked))[10]
    assert (group.get(avps.VALIDITY_TIME), avps.VOLUME_QUOTA_THRESHOLD in group) == (90, False)
    other = ccr("d;3b", OPEN, 0, subscriber(number), service(10, wanted=()))
    group = services(await gateway.ask(plain(other)))[10]
    assert (group.get(avps.VALIDITY_TIME), group.get(avps.VOLUME_QUOTA_THRESHOLD)) == (3600, 2 * MB)


@pytest.mark.rfc("32.299", "6.3")
async def test_remaining_balance_where_the_profile_says_so(gateway: Gateway, subscriber_with: Make) -> None:
    for credit, low, rest in (("5.00", 0, (49, -1, 978)), ("1.05", 1, (95, -2, 978))):
        number, _ = subscriber_with(credit)
        asked = ccr(f"d;4;{credit}", OPEN, 0, subscriber(number), service(10, wanted=()))
        answer = await gateway.ask(asked)
        assert answer.get(avps.LOW_BALANCE_INDICATION) == low
        assert money(answer.require(avps.REMAINING_BALANCE)) == rest
        assert bytes(await gateway.ask(asked, flags=0xD0))[20:] == bytes(answer)[20:]
        other = ccr(f"d;4b;{credit}", OPEN, 0, subscriber(number), service(10, wanted=()))
        assert avps.REMAINING_BALANCE not in await gateway.ask(plain(other))


@pytest.mark.rfc("32.299", "6.3")
@pytest.mark.parametrize(("wish", "told"), [(0, False), (1, True), (2, True), (3, False)])
async def test_cost_so_far_for_who_asks(gateway: Gateway, subscriber_with: Make, wish: int, told: bool) -> None:
    number, _ = subscriber_with("5.00")
    aoc = avps.AOC_REQUEST_TYPE.encode(wish)
    await gateway.ask(ccr("d;5", OPEN, 0, subscriber(number), service(10, wanted=()), aoc))
    for turn, so_far in ((1, (3, -2, 978)), (2, (6, -2, 978))):
        report = ccr("d;5", UPDATE, turn, subscriber(number), service(10, wanted=(), used=[octets(3 * MB)]), aoc)
        answer = await gateway.ask(report)
        found = answer.get(avps.COST_INFORMATION)
        assert (found is not None) == told
        assert found is None or money(found) == so_far
    await gateway.ask(ccr("d;5", CLOSE, 3, subscriber(number)))


@pytest.mark.rfc("8506", "8.5")
async def test_sub_sessions_stand_beside_each_other(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("5.00")
    for sub in (1, 2):
        part = avps.CC_SUB_SESSION_ID.encode(sub)
        answer = await gateway.ask(ccr("d;6", OPEN, 0, part, subscriber(number), service(10, wanted=())))
        assert (result(answer), answer.get(avps.CC_SUB_SESSION_ID)) == (2001, sub)
    assert house.money(account)["reserved"] == 200_000
    end = ccr("d;6", CLOSE, 1, avps.CC_SUB_SESSION_ID.encode(1), service(10, used=[octets(MB)]))
    assert result(await gateway.ask(end)) == 2001
    assert house.money(account) == {"balance": 4_990_000, "reserved": 100_000, "available": 4_890_000, "overrun": 0}


@pytest.mark.rfc("8506", "8.5")
async def test_requests_of_two_sub_sessions_are_no_copies_of_each_other(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("5.00")
    for sub in (None, 0, 2**40):
        part = [] if sub is None else [avps.CC_SUB_SESSION_ID.encode(sub)]
        await gateway.ask(ccr("d;6b", OPEN, 0, *part, subscriber(number), service(10, wanted=())))
        report = ccr("d;6b", UPDATE, 1, *part, service(10, used=[octets(MB)]))
        first = await gateway.ask(report)
        assert (result(first), first.get(avps.CC_SUB_SESSION_ID)) == (2001, sub)
        assert bytes(await gateway.ask(report, flags=0xD0))[20:] == bytes(first)[20:]
    assert house.money(account)["balance"] == 4_970_000


@pytest.mark.rfc("8506", "8.42")
async def test_a_parameter_that_must_be_understood_shows_itself(gateway: Gateway, subscriber_with: Make) -> None:
    number, _ = subscriber_with("1.00")
    info = bytearray(
        avps.SERVICE_PARAMETER_INFO.encode(
            [avps.SERVICE_PARAMETER_TYPE.encode(7), avps.SERVICE_PARAMETER_VALUE.encode(b"x")]
        )
    )
    asked = subscriber(number), service(10, wanted=())
    assert result(await gateway.ask(ccr("d;15", OPEN, 0, *asked, bytes(info)))) == 2001
    info[4] |= 0x40
    refused = await gateway.ask(ccr("d;15b", OPEN, 0, *asked, bytes(info)))
    assert result(refused) == 5031
    assert refused.require(avps.FAILED_AVP).raw(avps.SERVICE_PARAMETER_INFO) == [bytes(info)]


@pytest.mark.rfc("32.299", "6.5.8")
@pytest.mark.rfc("8506", "3.1")
async def test_envelopes_and_equipment_are_taken_beside_what_is_charged(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("1.00")
    equipment = avps.USER_EQUIPMENT_INFO_EXTENSION.encode([avps.USER_EQUIPMENT_INFO_IMEI.encode(b"35209900123456")])
    opened = ccr("d;16", OPEN, 0, subscriber(number), service(10, wanted=()), equipment)
    assert result(await gateway.ask(opened)) == 2001
    envelope = avps.ENVELOPE.encode(
        [avps.ENVELOPE_START_TIME.encode(1_768_471_200), avps.ENVELOPE_END_TIME.encode(1_768_471_260), octets(MB)]
    )
    report = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(
        [avps.USED_SERVICE_UNIT.encode([octets(2 * MB)]), avps.RATING_GROUP.encode(10), envelope, envelope]
    )
    assert result(await gateway.ask(ccr("d;16", CLOSE, 1, report))) == 2001
    assert house.money(account)["balance"] == 980_000


@pytest.mark.rfc("8506", "3.1")
async def test_units_at_command_level(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("1.00")
    asked = avps.REQUESTED_SERVICE_UNIT.encode([seconds(60)])
    who, data = subscriber(number), call_data("493012345678")
    first = await gateway.ask(ccr("d;7", OPEN, 0, who, asked, data, context=VOICE))
    assert first.require(avps.GRANTED_SERVICE_UNIT).get(avps.CC_TIME) == 60
    assert avps.MULTIPLE_SERVICES_CREDIT_CONTROL not in first
    assert first.get(avps.VALIDITY_TIME) == 90
    used = avps.USED_SERVICE_UNIT.encode([seconds(30)])
    assert result(await gateway.ask(ccr("d;7", CLOSE, 1, used, context=VOICE))) == 2001
    assert house.money(account)["balance"] == 970_000


def sms(recipients: int, parts: int | None) -> bytes:
    address = [avps.ADDRESS_TYPE.encode(1), avps.ADDRESS_DATA.encode("493012345678")]
    info = avps.RECIPIENT_INFO.encode([avps.RECIPIENT_ADDRESS.encode(address)])
    members = [info] * recipients
    if parts is not None:
        members.append(avps.NUMBER_OF_MESSAGES_SENT.encode(parts))
    return avps.SERVICE_INFORMATION.encode([avps.SMS_INFORMATION.encode(members)])


@pytest.mark.rfc("32.299", "5.2.1")
@pytest.mark.parametrize(
    ("units", "recipients", "parts", "charged"), [(None, 3, None, 3), (None, 2, 2, 4), (None, 0, None, 1), (5, 2, 2, 5)]
)
async def test_a_message_costs_by_recipient_and_part(
    house: House,
    gateway: Gateway,
    subscriber_with: Make,
    units: int | None,
    recipients: int,
    parts: int | None,
    charged: int,
) -> None:
    number, account = subscriber_with("1.00")
    wanted = [] if units is None else [avps.CC_SERVICE_SPECIFIC_UNITS.encode(units)]
    action, info = avps.REQUESTED_ACTION.encode(0), sms(recipients, parts)
    session = f"d;8;{units};{recipients};{parts}"
    answer = await gateway.ask(
        ccr(session, EVENT, 0, subscriber(number), action, service(300, wanted=wanted), info, context=SMS)
    )
    assert granted(services(answer)[300]) == charged
    assert answer.get(avps.DIRECT_DEBITING_FAILURE_HANDLING) == 1
    assert house.money(account)["balance"] == 1_000_000 - charged * 90_000


@pytest.mark.rfc("32.299", "5.2.1")
@pytest.mark.parametrize("context", [SMS, MMS])
@pytest.mark.parametrize(("delivered", "charged"), [(1, 1), (2, 2), (0, 0), (None, 0)])
async def test_a_message_is_reserved_at_submission_and_charged_by_what_was_delivered(
    house: House, gateway: Gateway, subscriber_with: Make, context: str, delivered: int | None, charged: int
) -> None:
    """ECUR: two recipients; reserved with CCR-I, settled or released with CCR-T."""
    number, account = subscriber_with("1.00")
    price, group = (90_000, 300) if context == SMS else (290_000, 400)
    address = avps.RECIPIENT_ADDRESS.encode([avps.ADDRESS_TYPE.encode(1), avps.ADDRESS_DATA.encode("493012345678")])
    mms = avps.SERVICE_INFORMATION.encode([avps.MMS_INFORMATION.encode([address, address])])
    info = sms(2, None) if context == SMS else mms
    session = f"d;18;{context};{delivered}"
    asked = ccr(session, OPEN, 0, subscriber(number), service(group, wanted=()), info, context=context)
    assert granted(services(await gateway.ask(asked))[group]) == 2
    assert house.money(account)["reserved"] == 2 * price
    used = None if delivered is None else [avps.CC_SERVICE_SPECIFIC_UNITS.encode(delivered)]
    end = ccr(session, CLOSE, 1, service(group, used=used), context=context)
    first = await gateway.ask(end)
    assert result(first) == 2001
    assert bytes(await gateway.ask(end, flags=0xD0))[20:] == bytes(first)[20:]
    left = 1_000_000 - charged * price
    assert house.money(account) == {"balance": left, "reserved": 0, "available": left, "overrun": 0}


@pytest.mark.rfc("8506", "6.3")
async def test_one_of_three_recipients_is_given_back(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("1.00")
    debit = avps.REQUESTED_ACTION.encode(0)
    sent = await gateway.ask(
        ccr("d;19", EVENT, 0, subscriber(number), debit, service(300, wanted=()), sms(3, None), context=SMS)
    )
    token = services(sent)[300].get(avps.REFUND_INFORMATION)
    assert token is not None
    one = avps.REQUESTED_SERVICE_UNIT.encode([avps.CC_SERVICE_SPECIFIC_UNITS.encode(1)])
    group = [one, avps.RATING_GROUP.encode(300), avps.REFUND_INFORMATION.encode(token)]
    back = avps.REQUESTED_ACTION.encode(1), avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(group)
    refund = ccr("d;19r", EVENT, 0, subscriber(number), *back, context=SMS)
    first = await gateway.ask(refund)
    assert (result(first), granted(services(first)[300])) == (2001, 1)
    assert money(first.require(avps.COST_INFORMATION)) == (9, -2, 978)
    assert bytes(await gateway.ask(refund, flags=0xD0))[20:] == bytes(first)[20:]
    assert house.money(account)["balance"] == 1_000_000 - 2 * 90_000


@pytest.mark.rfc("32.299", "5.2.1")
async def test_a_picture_message_costs_by_recipient(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("1.00")
    address = avps.RECIPIENT_ADDRESS.encode([avps.ADDRESS_TYPE.encode(1), avps.ADDRESS_DATA.encode("493012345678")])
    info = avps.SERVICE_INFORMATION.encode([avps.MMS_INFORMATION.encode([address, address])])
    action = avps.REQUESTED_ACTION.encode(0)
    asked = ccr("d;9", EVENT, 0, subscriber(number), action, service(400, wanted=()), info, context=MMS)
    assert granted(services(await gateway.ask(asked))[400]) == 2
    assert house.money(account)["balance"] == 1_000_000 - 2 * 290_000


async def test_an_update_after_the_end_of_credit_gets_nothing(gateway: Gateway, subscriber_with: Make) -> None:
    number, _ = subscriber_with("0.03")
    await gateway.ask(ccr("d;10", OPEN, 0, subscriber(number), service(10, wanted=())))
    for turn, used in ((1, [octets(3 * MB)]), (2, None), (3, None)):
        report = ccr("d;10", UPDATE, turn, subscriber(number), service(10, wanted=(), used=used))
        group = services(await gateway.ask(report))[10]
        assert (group.get(avps.RESULT_CODE), granted(group), avps.FINAL_UNIT_INDICATION in group) == (4012, None, False)


async def test_updates_of_several_services_at_once_are_each_answered_as_if_alone(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    """Magma sends one for each rating group after a Re-Auth-Request, without waiting for answers."""
    number, account = subscriber_with("5.00")
    groups = 10, 20, 99
    await gateway.ask(ccr("d;17", OPEN, 0, subscriber(number), *(service(group, wanted=()) for group in groups)))
    updates = [
        ccr("d;17", UPDATE, turn, service(group, wanted=(), used=[octets(MB)])) for turn, group in enumerate(groups, 1)
    ]
    answers = await asyncio.gather(*(gateway.ask(update) for update in reversed(updates)))
    found = {group: granted(units) for answer in answers for group, units in services(answer).items()}
    assert [result(answer) for answer in answers] == [2001] * 3
    assert found == {10: 10 * MB, 20: 5 * MB, 99: 5 * MB}
    assert house.money(account)["balance"] == 5_000_000 - 10_000 - 100_000


async def test_a_final_report_of_nothing(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("1.00")
    await gateway.ask(ccr("d;11", OPEN, 0, subscriber(number), service(10, wanted=())))
    final = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(
        [
            avps.USED_SERVICE_UNIT.encode([octets(0)]),
            avps.RATING_GROUP.encode(10),
            avps.REPORTING_REASON.encode(2),
        ]
    )
    assert result(await gateway.ask(ccr("d;11", UPDATE, 1, final))) == 2001
    assert house.money(account) == {"balance": 1_000_000, "reserved": 0, "available": 1_000_000, "overrun": 0}


@pytest.mark.rfc("8506", "9.1")
async def test_codes_of_services_are_those_every_client_knows(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    poor, _ = subscriber_with("0")
    rich, account = subscriber_with("1.00")

    async def code(session: str, number: str) -> tuple[int, int | None]:
        answer: Message = await gateway.ask(ccr(session, OPEN, 0, subscriber(number), service(10, wanted=())))
        found = services(answer)
        return result(answer), found[10].get(avps.RESULT_CODE) if found else None

    assert await code("d;12", poor) == (2001, 4012)
    house.patch(f"/v1/accounts/{account}", {"status": "suspended"})
    assert await code("d;13", rich) == (4010, None)


@pytest.mark.rfc("8506", "6.3")
async def test_a_refund_of_what_was_never_debited(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("1.00")
    token = avps.REFUND_INFORMATION.encode(b"nothing")
    one = avps.REQUESTED_SERVICE_UNIT.encode([avps.CC_SERVICE_SPECIFIC_UNITS.encode(1)])
    asked = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([one, avps.RATING_GROUP.encode(300), token])
    action = avps.REQUESTED_ACTION.encode(1)
    answer = await gateway.ask(ccr("d;14", EVENT, 0, subscriber(number), action, asked, context=SMS))
    assert result(answer) == 5031
    assert house.money(account)["balance"] == 1_000_000
