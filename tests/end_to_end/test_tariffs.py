"""Tariffs of a catalogue of one's own through the Diameter door: nights, borders of months, plans and countries."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from balances.money import parse_amount
from ocs.diameter import avps
from ocs.diameter.message import Message
from tests.gateway import (
    CLOSE,
    DATA,
    OPEN,
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

GOLDEN = Path(__file__).parents[1] / "charging" / "golden" / "catalogue"
MB = 10**6
Open = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("tariffs"), OCS_CHARGING__CATALOGUE=str(GOLDEN)) as house:
        yield house


@pytest.fixture
async def gateway(house: House) -> AsyncIterator[Gateway]:
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        yield gateway


_numbers = iter(range(491_760_000_000, 491_760_001_000))


def on_plan(house: House, plan: str, money: str = "50.00", currency: str = "EUR") -> tuple[bytes, str]:
    """A fresh subscriber: the Subscription-Id and the account."""
    number = str(next(_numbers))
    identities = [{"type": "e164", "value": number}]
    house.post("/v1/accounts", {"id": f"a{number}", "plan": plan, "currency": currency, "identities": identities})
    house.post(f"/v1/accounts/a{number}/topups", {"amount": money, "reference": "test"})
    return subscriber(number), f"a{number}"


def at(text: str) -> bytes:
    """Event-Timestamp of a local time."""
    return avps.EVENT_TIMESTAMP.encode(int(datetime.fromisoformat(text).timestamp()))


def spent(house: House, account: str, money: str = "50.00") -> int:
    found = house.money(account)
    assert found["reserved"] == 0
    return parse_amount(money) - found["balance"]


def only(answer: Message) -> tuple[int | None, int | None]:
    """What the only service was granted, and for how many seconds."""
    assert result(answer) == 2001
    (found,) = services(answer).values()
    return granted(found), found.get(avps.VALIDITY_TIME)


async def call(gateway: Gateway, who: bytes, name: str, *steps: tuple[str, int], to: str = "493012345678") -> list[int]:
    """A call: each step is a time and the seconds used since the last; the grants."""
    grants = []
    for number, (time, used) in enumerate(steps):
        last = number == len(steps) - 1
        kind = OPEN if not number else CLOSE if last else UPDATE
        wanted = None if last else [seconds(3600)]
        part = service(1, wanted=wanted, used=[seconds(used)] if number else None)
        parts = ccr(name, kind, number, who, part, call_data(to), at(time), context=VOICE)
        answer = await gateway.ask(parts)
        assert result(answer) == 2001
        if not last:
            grants.append(only(answer)[0] or 0)
    return grants


async def test_a_call_into_the_night(house: House, gateway: Gateway) -> None:
    who, account = on_plan(house, "clock")
    steps = (("2026-03-03T21:50+01:00", 0), ("2026-03-03T22:00+01:00", 600), ("2026-03-03T22:20+01:00", 1200))
    assert await call(gateway, who, "t;1", *steps) == [600, 3600]
    assert spent(house, account) == 600_000 + 600_000


async def test_a_friday_night_becomes_saturday(house: House, gateway: Gateway) -> None:
    who, account = on_plan(house, "clock")
    steps = (("2026-03-06T23:30+01:00", 0), ("2026-03-07T00:00+01:00", 1800), ("2026-03-07T00:10+01:00", 600))
    assert await call(gateway, who, "t;2", *steps) == [1800, 3600]
    assert spent(house, account) == 900_000 + 120_000


async def test_the_leap_day_is_a_day_of_its_own(house: House, gateway: Gateway) -> None:
    who, account = on_plan(house, "clock")
    steps = (("2024-02-29T23:59+01:00", 0), ("2024-03-01T00:00+01:00", 60), ("2024-03-01T00:01+01:00", 60))
    assert await call(gateway, who, "t;3", *steps) == [60, 3600]
    assert spent(house, account) == 30_000


async def test_a_deck_changes_with_the_month(house: House, gateway: Gateway) -> None:
    """First minute 0.06 and seconds in June, half of it from the first of July on."""
    who, account = on_plan(house, "deck")
    steps = (("2026-06-30T23:59+02:00", 0), ("2026-07-01T00:00+02:00", 60), ("2026-07-01T00:01+02:00", 60))
    assert await call(gateway, who, "t;4", *steps, to="491521234567") == [60, 3600]
    assert spent(house, account) == 60_000 + 30_000


@pytest.mark.parametrize(
    ("name", "first", "second", "validity", "due"),
    [
        ("spring", "2026-03-29T01:30+01:00", "2026-03-29T03:10+02:00", 7200, 200_000),
        ("autumn", "2026-10-25T02:30+02:00", "2026-10-25T02:40+01:00", 5400, 0),
    ],
)
async def test_the_nights_when_the_clocks_change(
    house: House, gateway: Gateway, name: str, first: str, second: str, validity: int, due: int
) -> None:
    """From two to three data is free: an hour that does not come in spring, and comes twice in autumn."""
    who, account = on_plan(house, "office")
    opened = await gateway.ask(ccr(f"t;{name}", OPEN, 0, who, service(10, wanted=()), at(first), context=DATA))
    assert only(opened) == (10 * MB, validity)
    used = service(10, wanted=(), used=[octets(10 * MB)])
    assert result(await gateway.ask(ccr(f"t;{name}", UPDATE, 1, who, used, at(second), context=DATA))) == 2001
    last = service(10, used=[octets(10 * MB)])
    assert result(await gateway.ask(ccr(f"t;{name}", CLOSE, 2, who, last, at(second), context=DATA))) == 2001
    assert spent(house, account) == due


async def test_a_plan_change_in_mid_session(house: House, gateway: Gateway) -> None:
    who, account = on_plan(house, "second")
    opening = service(1, wanted=[seconds(300)])
    parts = (call_data("493012345678"), at("2026-03-03T12:00+01:00"))
    assert only(await gateway.ask(ccr("t;p", OPEN, 0, who, opening, *parts, context=VOICE)))[0] == 300
    house.patch(f"/v1/accounts/{account}", {"plan": "minute"})
    more = service(1, wanted=[seconds(300)], used=[seconds(300)])
    assert only(await gateway.ask(ccr("t;p", UPDATE, 1, who, more, *parts, context=VOICE)))[0] == 300
    last = service(1, used=[seconds(61)])
    assert result(await gateway.ask(ccr("t;p", CLOSE, 2, who, last, *parts, context=VOICE))) == 2001
    assert spent(house, account) == 300_000 + 240_000


async def test_an_emergency_call_of_a_suspended_account(house: House, gateway: Gateway) -> None:
    who, account = on_plan(house, "second")
    house.patch(f"/v1/accounts/{account}", {"status": "suspended"})
    steps = (("2026-03-03T12:00+01:00", 0), ("2026-03-03T12:05+01:00", 300))
    assert await call(gateway, who, "t;sos", *steps, to="112") == [3600]
    assert spent(house, account) == 0


async def test_an_account_in_dollars_on_a_plan_in_euros(house: House, gateway: Gateway) -> None:
    """Six cents a minute are 0.065022 dollars."""
    who, account = on_plan(house, "second", currency="USD")
    steps = (("2026-03-03T12:00+01:00", 0), ("2026-03-03T12:01+01:00", 60))
    assert await call(gateway, who, "t;usd", *steps) == [3600]
    assert spent(house, account) == 65_022


def test_a_price_at_another_time_with_all_that_is_known(house: House) -> None:
    service = {"kind": "voice", "called": "03012345678", "access": "wifi", "rat": "3", "visited": "20801"}
    asked = {"plan": "clock", "service": service, "units": 60, "at": "2030-03-04T23:00:00+01:00", "door": "sip"}
    told = house.post("/v1/price", asked)
    (item,) = told["items"]
    assert (told["price"], item["selectors"], item["rate"]) == ("0.03", "when = night", "cheap")
    assert set(item["facts"]) >= {"to = germany", "visited = eu", "rat = 3", "door = sip", "when = night"}
    assert any("off-net" in fact and "national" in fact and "wifi" in fact for fact in item["facts"])
    by_day = house.post("/v1/price", {**asked, "at": "2030-03-04T12:00:00+01:00"})
    assert (by_day["price"], by_day["items"][0]["rate"]) == ("0.06", "second")
    assert told["plan_source"].startswith("plans.toml:")


async def test_buckets_are_told_in_order_with_what_is_left_and_why_not(house: House) -> None:
    _, account = on_plan(house, "bundled")
    for offer in ("minutes", "night-minutes", "gigabyte", "mobile-minute"):
        house.post(f"/v1/accounts/{account}/buckets", {"offer": offer})
    call = {"kind": "voice", "called": "493012345678"}
    told = house.post(
        "/v1/price", {"account": account, "service": call, "units": 7000, "at": "2030-03-04T12:00:00+01:00"}
    )
    noon = f"{datetime.now(UTC).date() + timedelta(days=1)}T12:00:00+00:00"
    later = house.post("/v1/price", {"account": account, "service": call, "units": 7000, "at": noon})
    assert told["items"][0]["payments"] == []  # thirty days are over by then
    (item,) = later["items"]
    assert [(one["bucket"], one["units"], one["left"]) for one in item["payments"]] == [("minutes#1", 6000, 0)]
    assert any("gigabyte#3 pays nothing: it does not pay for this use." in reason for reason in later["reasons"])
    assert any("Bucket minutes#1 pays 100:00 min first; 0 s are left in it." in reason for reason in later["reasons"])
    assert (item["granted"], item["cost"], later["available"]) == (7000, "1.00", "49.00")


def test_a_price_is_explained_with_line_selectors_adjustment_and_tax(house: House) -> None:
    service = {"kind": "voice", "called": "+431234567"}
    told = house.post("/v1/price", {"plan": "percent", "service": service, "units": 61})
    assert told["price"] == "0.264"
    assert any("(to = austria) leads to rate minute (rates.toml:" in reason for reason in told["reasons"])
    assert "The line has a surcharge 10 %." in told["reasons"]
    taxed = house.post("/v1/price", {"plan": "taxed", "service": service, "units": 60})
    assert any("0.00958" in reason and "tax" in reason for reason in taxed["reasons"])
