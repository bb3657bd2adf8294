"""Packet data over Gy, as gateways charge it: figures by hand, money from the API."""

import asyncio
from collections.abc import Callable

import pytest

from ocs.diameter import avps
from tests.gateway import (
    CLOSE,
    OPEN,
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


async def test_two_rating_groups_are_reserved_settled_and_released(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("5.00")
    who = subscriber(number)
    first = await gateway.ask(ccr("gw;d1;1", OPEN, 0, who, service(10, wanted=()), service(20, wanted=())))
    assert result(first) == 2001
    assert {group: granted(found) for group, found in services(first).items()} == {10: 10 * MB, 20: 5 * MB}
    assert house.money(account) == {"balance": 5_000_000, "reserved": 600_000, "available": 4_400_000, "overrun": 0}

    update = await gateway.ask(ccr("gw;d1;1", UPDATE, 1, who, service(10, wanted=(), used=[octets(8 * MB)])))
    assert granted(services(update)[10]) == 10 * MB
    assert house.money(account) == {"balance": 4_920_000, "reserved": 600_000, "available": 4_320_000, "overrun": 0}

    last = await gateway.ask(
        ccr("gw;d1;1", CLOSE, 2, who, service(10, used=[octets(1 * MB)]), service(20, used=[octets(4 * MB)]))
    )
    assert result(last) == 2001
    assert [granted(found) for found in services(last).values()] == [None, None]
    assert house.money(account) == {"balance": 4_510_000, "reserved": 0, "available": 4_510_000, "overrun": 0}


@pytest.mark.rfc("8506", "5.6")
async def test_the_last_of_the_credit_is_granted_as_final_units(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("0.03")
    answer = await gateway.ask(ccr("gw;d2;1", OPEN, 0, subscriber(number), service(10, wanted=())))
    group = services(answer)[10]
    assert granted(group) == 3 * MB
    assert group.require(avps.FINAL_UNIT_INDICATION).get(avps.FINAL_UNIT_ACTION) == 0
    report = await gateway.ask(ccr("gw;d2;1", UPDATE, 1, subscriber(number), service(10, used=[octets(3 * MB)])))
    assert result(report) == 2001
    assert granted(services(report)[10]) is None
    assert house.money(account) == {"balance": 0, "reserved": 0, "available": 0, "overrun": 0}


async def test_out_of_credit_blocks_what_costs_and_lets_run_what_is_free(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, _ = subscriber_with("0")
    answer = await gateway.ask(
        ccr("gw;d4;1", OPEN, 0, subscriber(number), service(10, wanted=()), service(99, wanted=()))
    )
    assert result(answer) == 2001
    blocked, free = services(answer)[10], services(answer)[99]
    assert (blocked.get(avps.RESULT_CODE), granted(blocked)) == (4012, None)
    assert (free.get(avps.RESULT_CODE), granted(free)) == (2001, 5 * MB)


@pytest.mark.rfc("8506", "8.19")
async def test_what_was_used_beyond_the_grant_is_debited_and_counted(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("0.05")
    await gateway.ask(ccr("gw;over;1", OPEN, 0, subscriber(number), service(10, wanted=())))
    answer = await gateway.ask(ccr("gw;over;1", CLOSE, 1, subscriber(number), service(10, used=[octets(7 * MB)])))
    assert result(answer) == 2001
    assert house.money(account) == {"balance": -20_000, "reserved": 0, "available": -20_000, "overrun": 20_000}


async def test_a_bundle_pays_before_money_and_both_may_pay_one_grant(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("1.00")
    house.post(f"/v1/accounts/{account}/buckets", {"offer": "data-1gb"})
    who = subscriber(number)
    first = await gateway.ask(ccr("gw;b;1", OPEN, 0, who, service(10, wanted=[octets(995 * MB)])))
    assert granted(services(first)[10]) == 995 * MB
    assert house.money(account)["reserved"] == 0
    second = await gateway.ask(
        ccr("gw;b;1", UPDATE, 1, who, service(10, wanted=[octets(10 * MB)], used=[octets(995 * MB)]))
    )
    assert granted(services(second)[10]) == 10 * MB
    assert house.money(account)["reserved"] == 50_000  # 5 MB from the bundle, 5 MB from money
    await gateway.ask(ccr("gw;b;1", CLOSE, 2, who, service(10, used=[octets(10 * MB)])))
    assert house.money(account)["balance"] == 950_000
    [bucket] = house.get(f"/v1/accounts/{account}")["buckets"]
    assert (bucket["remaining"], bucket["reserved"]) == (0, 0)


@pytest.mark.rfc("8506", "5.1.1")
async def test_two_hundred_parallel_sessions_get_exactly_the_ten_quotas_that_the_balance_covers(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("1.00")  # ten quotas of 10 MB at 0.01 per MB
    answers = await asyncio.gather(
        *(gateway.ask(ccr(f"gw;crowd;{i}", OPEN, 0, subscriber(number), service(10, wanted=()))) for i in range(200))
    )
    found = [services(answer)[10] for answer in answers]
    assert [granted(group) for group in found if granted(group)] == [10 * MB] * 10
    assert [group.get(avps.RESULT_CODE) for group in found if not granted(group)] == [4012] * 190
    assert house.money(account) == {"balance": 1_000_000, "reserved": 1_000_000, "available": 0, "overrun": 0}


@pytest.mark.rfc("8506", "8.2")
async def test_a_repeat_gets_the_octets_of_the_first_answer_and_moves_no_money(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("5.00")
    who = subscriber(number)
    await gateway.ask(ccr("gw;r;1", OPEN, 0, who, service(10, wanted=())))
    update = ccr("gw;r;1", UPDATE, 1, who, service(10, wanted=(), used=[octets(MB)]))
    first = await gateway.ask(update, end_to_end=7)
    money = house.money(account)
    flagged = await gateway.ask(update, end_to_end=7, flags=0xD0)
    renumbered = await gateway.ask(update, end_to_end=8)
    at_once = await asyncio.gather(*(gateway.ask(update, end_to_end=9) for _ in range(8)))
    assert {body(answer) for answer in (first, flagged, renumbered, *at_once)} == {body(first)}
    assert house.money(account) == money


@pytest.mark.rfc("6733", "7.1.5")
async def test_a_session_that_ended_or_never_was_is_unknown(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("5.00")
    who = subscriber(number)
    await gateway.ask(ccr("gw;e;1", OPEN, 0, who, service(10, wanted=())))
    assert result(await gateway.ask(ccr("gw;e;1", CLOSE, 1, who, service(10, used=[octets(MB)])))) == 2001
    assert result(await gateway.ask(ccr("gw;e;1", CLOSE, 2, who, service(10, used=[octets(MB)])))) == 5002
    assert result(await gateway.ask(ccr("gw;never;1", UPDATE, 1, who, service(10, wanted=())))) == 5002
    assert house.money(account)["balance"] == 4_990_000


async def test_reports_are_taken_in_any_order_and_without_any_identity(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("5.00")
    await gateway.ask(ccr("gw;o;1", OPEN, 1, subscriber(number), service(10, wanted=())))
    assert result(await gateway.ask(ccr("gw;o;1", UPDATE, 3, service(10, wanted=(), used=[octets(2 * MB)])))) == 2001
    assert result(await gateway.ask(ccr("gw;o;1", UPDATE, 2, service(10, wanted=(), used=[octets(3 * MB)])))) == 2001
    assert result(await gateway.ask(ccr("gw;o;1", CLOSE, 4))) == 2001
    assert house.money(account) == {"balance": 4_950_000, "reserved": 0, "available": 4_950_000, "overrun": 0}


async def test_who_is_nobody_and_what_is_no_service_are_said_precisely(gateway: Gateway, subscriber_with: Make) -> None:
    assert result(await gateway.ask(ccr("gw;n;1", OPEN, 0, subscriber("4999"), service(10, wanted=())))) == 5030
    number, _ = subscriber_with("1.00")
    answer = await gateway.ask(
        ccr("gw;n;2", OPEN, 0, subscriber(number), service(10, wanted=()), context="99999@3gpp.org")
    )
    assert result(answer) == 5031
    assert answer.require(avps.FAILED_AVP).get(avps.SERVICE_CONTEXT_ID) == "99999@3gpp.org"


async def test_suspension_stops_grants_and_keeps_debiting_what_is_reported(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("5.00")
    await gateway.ask(ccr("gw;s;1", OPEN, 0, subscriber(number), service(10, wanted=())))
    house.patch(f"/v1/accounts/{account}", {"status": "suspended"})
    answer = await gateway.ask(
        ccr("gw;s;1", UPDATE, 1, subscriber(number), service(10, wanted=(), used=[octets(10 * MB)]))
    )
    group = services(answer)[10]
    assert (group.get(avps.RESULT_CODE), granted(group)) == (4010, None)
    assert house.money(account) == {"balance": 4_900_000, "reserved": 0, "available": 4_900_000, "overrun": 0}
