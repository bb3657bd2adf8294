"""Packet data over Gy, as gateways charge it: figures by hand, money from the API."""

from collections.abc import Callable

from ocs.diameter import avps
from tests.gateway import (
    CLOSE,
    OPEN,
    UPDATE,
    Gateway,
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


async def test_what_was_used_is_debited_in_the_unit_it_is_priced_in_whatever_is_asked_or_reported_beside_it(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("5.00")
    who = subscriber(number)
    await gateway.ask(ccr("gw;units;1", OPEN, 0, who, service(10, wanted=())))
    other = await gateway.ask(
        ccr("gw;units;1", UPDATE, 1, who, service(10, wanted=[seconds(60)], used=[seconds(5), octets(2 * MB)]))
    )
    assert services(other)[10].get(avps.RESULT_CODE) == 5031
    assert house.money(account)["balance"] == 4_980_000
    twice = service(10, used=[seconds(5)]), service(10, used=[octets(3 * MB)])
    assert result(await gateway.ask(ccr("gw;units;1", CLOSE, 2, who, *twice))) == 2001
    assert house.money(account) == {"balance": 4_950_000, "reserved": 0, "available": 4_950_000, "overrun": 0}
