"""Voice over Ro, messages as events, balance checks, price enquiries and refunds."""

from collections.abc import Callable

import pytest

from ocs.diameter import avps
from ocs.diameter.message import Message
from tests.gateway import (
    CLOSE,
    EVENT,
    OPEN,
    SMS,
    UPDATE,
    VOICE,
    Gateway,
    body,
    call_data,
    ccr,
    granted,
    result,
    seconds,
    service,
    services,
    subscriber,
)
from tests.house import House

Make = Callable[[str], tuple[str, str]]
ONE = avps.CC_SERVICE_SPECIFIC_UNITS.encode(1)


def cost(answer: Message) -> tuple[int | None, int | None, int | None]:
    """Value-Digits, Exponent and Currency-Code of the Cost-Information."""
    found = answer.require(avps.COST_INFORMATION)
    value = found.require(avps.UNIT_VALUE)
    return value.get(avps.VALUE_DIGITS), value.get(avps.EXPONENT), found.get(avps.CURRENCY_CODE)


def message(number: str, session: str, action: int = 0, token: bytes = b"") -> tuple[bytes, ...]:
    parts = [
        avps.REQUESTED_SERVICE_UNIT.encode([ONE]),
        avps.SERVICE_IDENTIFIER.encode(1),
        avps.RATING_GROUP.encode(300),
    ]
    if token:
        parts.append(avps.REFUND_INFORMATION.encode(token))
    mscc = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(parts)
    return ccr(session, EVENT, 0, subscriber(number), avps.REQUESTED_ACTION.encode(action), mscc, context=SMS)


async def test_a_call_is_charged_by_the_second(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("1.00")
    who, data = subscriber(number), call_data("493012345678")
    first = await gateway.ask(ccr("as;v;1", OPEN, 0, who, service(100, wanted=[seconds(60)]), data, context=VOICE))
    group = services(first)[100]
    assert (granted(group), group.get(avps.TIME_QUOTA_THRESHOLD)) == (60, 10)
    assert house.money(account)["reserved"] == 60_000
    await gateway.ask(
        ccr("as;v;1", UPDATE, 1, who, service(100, wanted=[seconds(60)], used=[seconds(50)]), data, context=VOICE)
    )
    assert house.money(account) == {"balance": 950_000, "reserved": 60_000, "available": 890_000, "overrun": 0}
    last = await gateway.ask(ccr("as;v;1", CLOSE, 2, who, service(100, used=[seconds(22)]), context=VOICE))
    assert cost(last) == (72, -3, 978)
    assert house.money(account) == {"balance": 928_000, "reserved": 0, "available": 928_000, "overrun": 0}


async def test_a_call_nobody_can_pay_is_refused_as_a_whole_and_leaves_no_session(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("0")
    answer = await gateway.ask(
        ccr(
            "as;p;1",
            OPEN,
            0,
            subscriber(number),
            service(100, wanted=[seconds(60)]),
            call_data("493012345678"),
            context=VOICE,
        )
    )
    assert result(answer) == 4012
    assert not answer.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    assert house.get(f"/v1/accounts/{account}")["sessions"] == []


async def test_a_call_that_is_not_answered_costs_nothing(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("1.00")
    who, data = subscriber(number), call_data("493012345678")
    await gateway.ask(ccr("as;u;1", OPEN, 0, who, service(100, wanted=[seconds(60)]), data, context=VOICE))
    await gateway.ask(ccr("as;u;1", CLOSE, 1, who, service(100, used=[seconds(0)]), context=VOICE))
    assert house.money(account) == {"balance": 1_000_000, "reserved": 0, "available": 1_000_000, "overrun": 0}


@pytest.mark.rfc("8506", "6.1")
async def test_a_message_is_debited_once_and_refunded_once(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("0.20")
    debit = message(number, "smsc;1;1")
    first = await gateway.ask(debit)
    assert result(first) == 2001
    assert cost(first) == (9, -2, 978)
    assert body(await gateway.ask(debit, flags=0xD0)) == body(first)
    assert house.money(account)["balance"] == 110_000
    token = services(first)[300].require(avps.REFUND_INFORMATION)
    refund = message(number, "smsc;1;2", action=1, token=token)
    refunded = await gateway.ask(refund)
    assert result(refunded) == 2001
    assert cost(refunded) == (9, -2, 978)
    assert body(await gateway.ask(refund, flags=0xD0)) == body(refunded)
    again = await gateway.ask(message(number, "smsc;1;3", action=1, token=token))
    assert result(again) in (2001, 5031)
    assert house.money(account)["balance"] == 200_000


async def test_a_message_is_all_or_nothing(house: House, gateway: Gateway, subscriber_with: Make) -> None:
    number, account = subscriber_with("0.08")
    assert result(await gateway.ask(message(number, "smsc;2;1"))) == 4012
    assert house.money(account) == {"balance": 80_000, "reserved": 0, "available": 80_000, "overrun": 0}


@pytest.mark.rfc("8506", "6.2")
async def test_a_balance_check_tells_without_touching_anything(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("4.51")

    async def check(cents: int) -> int | None:
        value = avps.UNIT_VALUE.encode([avps.VALUE_DIGITS.encode(cents), avps.EXPONENT.encode(-2)])
        wanted = avps.CC_MONEY.encode([value, avps.CURRENCY_CODE.encode(978)])
        answer = await gateway.ask(
            ccr(
                f"portal;{cents}",
                EVENT,
                0,
                subscriber(number),
                avps.REQUESTED_ACTION.encode(2),
                avps.REQUESTED_SERVICE_UNIT.encode([wanted]),
                context="balance@ocs.example.net",
            )
        )
        assert result(answer) == 2001
        return answer.get(avps.CHECK_BALANCE_RESULT)

    assert [await check(cents) for cents in (1200, 452, 451)] == [1, 1, 0]
    assert house.money(account)["reserved"] == 0


@pytest.mark.rfc("8506", "6.1")
async def test_a_price_enquiry_names_the_price_whatever_the_balance(gateway: Gateway, subscriber_with: Make) -> None:
    number, _ = subscriber_with("0")
    answer = await gateway.ask(
        ccr(
            "portal;price",
            EVENT,
            0,
            subscriber(number),
            avps.REQUESTED_ACTION.encode(3),
            avps.SERVICE_IDENTIFIER.encode(1),
            context="balance@ocs.example.net",
        )
    )
    assert result(answer) == 2001
    assert cost(answer) == (9, -2, 978)
