"""Content made to hurt: the precise error or a sane charge, and the connection and its neighbours live on."""

import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ocs.diameter import avps
from ocs.diameter.codec import encode_message
from tests.gateway import (
    CLOSE,
    EVENT,
    OPEN,
    UPDATE,
    Gateway,
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


@pytest.fixture(autouse=True)
async def survivors(gateway: Gateway, wire: Any, subscriber_with: Make) -> AsyncIterator[None]:
    """After each attack the connection it came over and another one are served."""
    yield
    number, _ = subscriber_with("1.00")
    fine = ccr(f"fine;{number}", OPEN, 0, subscriber(number), service(10, wanted=()))
    assert result(await wire.ask(fine)) == 2001
    assert result(await gateway.ask(fine)) == 2001


def raw(code: int, payload: bytes, flags: int = 0x40) -> bytes:
    return struct.pack(">II", code, flags << 24 | 8 + len(payload)) + payload + bytes(-len(payload) % 4)


@pytest.mark.rfc("6733", "7.1.5")
async def test_a_group_cut_short(wire: Any) -> None:
    inside = avps.RATING_GROUP.encode(10)[:-6]
    answer = await wire.ask(ccr("h;1", OPEN, 0, raw(456, inside)))
    assert result(answer) == 5014
    failed = answer.raw(avps.FAILED_AVP)[0][8:]
    assert failed[:4] == (456).to_bytes(4, "big")  # the way down to the culprit
    assert failed[8:12] == inside[:4]


async def test_groups_in_groups_fifty_deep(wire: Any) -> None:
    nested = b""
    for _ in range(50):
        nested = raw(284, nested)
    assert result(await wire.ask(ccr("h;2", OPEN, 0, nested))) // 1000 == 5


async def test_ten_thousand_services(wire: Any, connect: Any) -> None:
    many = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([]) * 7_900
    assert result(await wire.ask(ccr("h;3", OPEN, 0, many))) in (5006, 5009)
    other = await connect()
    await other.introduce()
    other.write(encode_message(0xC0, 272, 4, 1, 2, ccr("h;3", OPEN, 0, many, many)))
    assert result(await other.read()) == 5015
    assert await other.ended()


@pytest.mark.rfc("6733", "7.1.5")
async def test_a_session_id_that_is_no_text(wire: Any) -> None:
    parts = ccr("x", OPEN, 0, subscriber("491701234567"))[1:]
    answer = await wire.ask((raw(263, b"\xff\xfe\xfd!"), *parts))
    assert result(answer) == 5004
    assert answer.raw(avps.FAILED_AVP)[0][8:] == raw(263, b"\xff\xfe\xfd!")


@pytest.mark.rfc("6733", "4.3.1")
@pytest.mark.parametrize("seconds", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
async def test_a_time_long_ago_or_after_2036(wire: Any, subscriber_with: Make, seconds: int) -> None:
    number, _ = subscriber_with("1.00")
    stamp = raw(55, seconds.to_bytes(4, "big"))
    answer = await wire.ask(ccr(f"h;5;{seconds}", OPEN, 0, stamp, subscriber(number), service(10, wanted=())))
    assert (result(answer), granted(services(answer)[10])) == (2001, 10_000_000)


@pytest.mark.rfc("8506", "8.8")
@pytest.mark.parametrize(("digits", "exponent"), [(-5, 0), (1, 400), (1, -400), (2**62, 6), (5, -9)])
async def test_money_that_cannot_be(wire: Any, house: House, subscriber_with: Make, digits: int, exponent: int) -> None:
    number, account = subscriber_with("1.00")
    value = avps.UNIT_VALUE.encode([avps.VALUE_DIGITS.encode(digits), avps.EXPONENT.encode(exponent)])
    wanted = avps.REQUESTED_SERVICE_UNIT.encode([avps.CC_MONEY.encode([value, avps.CURRENCY_CODE.encode(978)])])
    action = avps.REQUESTED_ACTION.encode(0)
    answer = await wire.ask(ccr("h;6", EVENT, 0, subscriber(number), action, wanted))
    assert result(answer) == 5004
    assert avps.FAILED_AVP in answer
    assert house.money(account)["balance"] == 1_000_000


async def test_usage_of_nothing(wire: Any, house: House, subscriber_with: Make) -> None:
    number, account = subscriber_with("1.00")
    await wire.ask(ccr("h;7", OPEN, 0, subscriber(number), service(10, wanted=())))
    answer = await wire.ask(ccr("h;7", UPDATE, 1, subscriber(number), service(10, wanted=(), used=())))
    assert (result(answer), granted(services(answer)[10])) == (2001, 10_000_000)
    assert house.money(account)["balance"] == 1_000_000


@pytest.mark.rfc("8506", "8.19")
async def test_more_octets_than_there_are(wire: Any, house: House, subscriber_with: Make) -> None:
    """The largest number is capped to what one report may claim, charged and counted."""
    number, account = subscriber_with("1.00")
    await wire.ask(ccr("h;8", OPEN, 0, subscriber(number), service(10, wanted=[octets(2**64 - 1)])))
    answer = await wire.ask(ccr("h;8", CLOSE, 1, subscriber(number), service(10, used=[octets(2**64 - 1)])))
    assert result(answer) == 2001
    money = house.money(account)
    assert money["balance"] == 1_000_000 - 10**13 // 10**6 * 10_000
    assert money["overrun"] == -money["balance"]
