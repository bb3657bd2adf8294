"""Sessions over which something ends or begins, and emergencies whatever the account's state, through both doors."""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from msgspec.structs import replace

from balances.ledger import Account, AccountChange, Status
from charging.catalogue import Catalogue, load
from ocs.diameter import avps
from tests.charging.golden_cases import CASES, FOLDER, Case, milliseconds
from tests.end_to_end.test_golden_doors import Doors, books_close, doors, information, store_url
from tests.gateway import (
    CLOSE,
    DATA,
    OPEN,
    UPDATE,
    VOICE,
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
from tests.sip_caller import Caller

__all__ = ["books_close", "doors", "store_url"]

NUMBER = "491700000001"
STRANGER = "491799999999"
MB = 10**6


@pytest.fixture(scope="module")
def golden() -> Catalogue:
    return load(FOLDER / "catalogue")


def case(use: str, plan: str, at: str, **more: str) -> Case:
    """A case made here: its account, its time and its use."""
    blank = dict.fromkeys(CASES[0].row, "")
    return Case(
        "here", 0, {**blank, "case": "x", "plan": plan, "at": at, "use": use, "units": "1", "cost": "0", **more}
    )


@pytest.fixture
async def gateway(doors: Doors) -> AsyncIterator[Gateway]:
    server = await doors.diameter()
    async with Gateway("127.0.0.1", server.port) as gateway:
        yield gateway
    await server.close()


async def session(doors: Doors, gateway: Gateway, one: Case, *steps: tuple[str, int]) -> list[int | None]:
    """Each step is a time and what was used since the last one; what was granted."""
    unit, context = (octets, DATA) if one.kind == "data" else (seconds, VOICE)
    group = one.rating_group if one.rating_group is not None else 1
    grants = []
    for number, (time, used) in enumerate(steps):
        doors.now = milliseconds(time)
        last = number == len(steps) - 1
        kind = OPEN if not number else CLOSE if last else UPDATE
        wanted = None if last else [unit(10 * MB if one.kind == "data" else 3600)]
        part = service(group, wanted=wanted, used=[unit(used)] if number else None)
        stamp = avps.EVENT_TIMESTAMP.encode(int(datetime.fromisoformat(time).timestamp()))
        parts = ccr("t;1", kind, number, subscriber(NUMBER), part, information(one), stamp, context=context)
        answer = await gateway.ask(parts)
        assert result(answer) == 2001
        if not last:
            (found,) = services(answer).values()
            grants.append(granted(found))
    return grants


async def paid(doors: Doors, before: Account) -> tuple[int, dict[str, int]]:
    """Money, and units of each bundle."""
    after = await doors.ledger.account(before.address)
    assert after.money.reserved == 0
    spent = before.money.balance - after.money.balance
    return spent, {bucket.offer: bucket.counters.debited for bucket in after.buckets if bucket.counters.debited}


async def test_a_month_ends_and_with_it_the_bundle(doors: Doors, gateway: Gateway) -> None:
    """What was granted in January is paid by January's gigabyte, what is granted in February by money."""
    one = case("data rg=10", "bundled", "2026-01-31T23:50+01:00", bundles="gigabyte")
    before = await doors.begin(one)
    steps = (("2026-01-31T23:50+01:00", 0), ("2026-02-01T00:00+01:00", 8 * MB), ("2026-02-01T00:05+01:00", 3 * MB))
    assert await session(doors, gateway, one, *steps) == [10 * MB, 10 * MB]
    assert await paid(doors, before) == (30_000, {"gigabyte": 8 * MB})


async def test_a_plan_is_replaced_while_somebody_talks(doors: Doors, gateway: Gateway) -> None:
    """Ten minutes by the second at 0.06 a minute until new year, then by whole minutes at 0.12."""
    one = case("voice to=493012345678", "moving", "2026-12-31T23:50+01:00")
    before = await doors.begin(one)
    steps = (("2026-12-31T23:50+01:00", 0), ("2027-01-01T00:00+01:00", 600), ("2027-01-01T00:01+01:00", 61))
    assert await session(doors, gateway, one, *steps) == [600, 3600]
    assert await paid(doors, before) == (600_000 + 240_000, {})


async def test_the_leap_day_of_2028(doors: Doors, gateway: Gateway) -> None:
    """February's gigabyte holds on its 29th, and no longer."""
    one = case("data rg=10", "bundled", "2028-02-10T12:00+01:00", bundles="gigabyte")
    before = await doors.begin(one)
    steps = (("2028-02-29T23:59+01:00", 0), ("2028-03-01T00:00+01:00", MB), ("2028-03-01T00:01+01:00", MB))
    await session(doors, gateway, one, *steps)
    assert await paid(doors, before) == (10_000, {"gigabyte": MB})


BEFORE, AFTER, INDETERMINATE = 0, 1, 2
"""Tariff-Change-Usage."""


@pytest.mark.parametrize(
    ("parts", "due"),
    [
        ([(None, 645)], 645_000),
        ([(BEFORE, 600), (AFTER, 45)], 600_000 + 22_500),
        ([(BEFORE, 600), (AFTER, 44), (INDETERMINATE, 1)], 601_000 + 22_000),
        ([(AFTER, 45)], 22_500),
    ],
    ids=["in one", "apart", "apart but for one", "none of before"],
)
async def test_a_call_is_reported_late_over_the_night_s_beginning(
    doors: Doors, gateway: Gateway, parts: list[tuple[int | None, int]], due: int
) -> None:
    """0.06 a minute until 22:00, then 0.03. Each second has the tariff of its time where the client counts them apart.

    Otherwise all of the report has the tariff by which it was granted, and only what follows the report the new one.
    """
    one = case("voice to=493012345678", "clock", "2026-03-03T21:50+01:00")
    before = await doors.begin(one)
    used = [
        avps.USED_SERVICE_UNIT.encode(
            [*([] if when is None else [avps.TARIFF_CHANGE_USAGE.encode(when)]), seconds(units)]
        )
        for when, units in parts
    ]
    reports = (
        (OPEN, "2026-03-03T21:50+01:00", service(1, wanted=[seconds(3600)])),
        (UPDATE, "2026-03-03T22:00:45+01:00", service(1, wanted=[seconds(3600)], more=used)),
        (CLOSE, "2026-03-03T22:01:45+01:00", service(1, used=[seconds(60)])),
    )
    grants = []
    for number, (kind, time, part) in enumerate(reports):
        doors.now = milliseconds(time)
        stamp = avps.EVENT_TIMESTAMP.encode(doors.now // 1000)
        answer = await gateway.ask(
            ccr("late;1", kind, number, subscriber(NUMBER), part, information(one), stamp, context=VOICE)
        )
        assert result(answer) == 2001
        grants += [(granted(each), each.get(avps.VALIDITY_TIME)) for each in services(answer).values()]
    assert grants[0] == (600, 600)
    assert await paid(doors, before) == (due + 30_000, {})


async def test_a_call_over_sip_goes_on_into_the_night_at_the_night_s_price(doors: Doors) -> None:
    """A minute at 0.06 until 22:00, then one at 0.03."""
    one = case("voice to=493012345678", "clock", "2026-03-03T21:59+01:00", units="60")
    before = await doors.begin(one)
    server = await doors.sip(one)
    try:
        async with Caller(server.port) as proxy:
            answer = await proxy.invite("anonymous@example.net", "493012345678", "night-1")
            told = answer.headers.get("X-OCS-Session")
            await proxy.report("start", told, "night-1", 0)
            for event, milliseconds in (("interim", 60_000), ("stop", 120_000)):
                doors.now = one.at + milliseconds
                assert (await proxy.report(event, told, "night-1", milliseconds)).status == 200
    finally:
        await server.drain()
    assert await paid(doors, before) == (90_000, {})


STATES = [Status.SUSPENDED, Status.CLOSED, None]
"""None: nobody has the number."""


@pytest.mark.parametrize("state", STATES)
async def test_emergency_calls_and_data_over_diameter(doors: Doors, gateway: Gateway, state: Status | None) -> None:
    for number, use in enumerate(("voice to=112", "voice to=urn:service:sos", "data apn=sos")):
        one = case(use, "places", "2026-03-03T12:00+01:00", money="0")
        if not number:
            await _begin(doors, one, state)
        doors.now = one.at
        unit, context = (octets, DATA) if one.kind == "data" else (seconds, VOICE)
        for kind, wanted, used in ((OPEN, [unit(600)], None), (CLOSE, None, [unit(600)])):
            part = service(1, wanted=wanted, used=used)
            who = subscriber(NUMBER if state else STRANGER)
            answer = await gateway.ask(ccr(f"sos;{number}", kind, kind, who, part, information(one), context=context))
            assert result(answer) == 2001
            if kind == OPEN:
                assert granted(services(answer)[1]) == 600
    assert (await doors.ledger.audit()).sessions == 0


@pytest.mark.parametrize("state", STATES)
async def test_emergency_calls_over_sip(doors: Doors, state: Status | None) -> None:
    one = case("voice to=112", "places", "2026-03-03T12:00+01:00", money="0", units="600")
    await _begin(doors, one, state)
    server = await doors.sip(one)
    try:
        async with Caller(server.port) as proxy:
            for called in ("112", "urn:service:sos.fire"):
                answer = await proxy.invite(f"{STRANGER}@example.net", called, f"sos-{called}")
                assert answer.status == 302
                assert answer.headers.get("X-OCS-Max-Duration") == "600"
    finally:
        await server.drain()
    assert (await doors.ledger.audit()).sessions == 0


async def _begin(doors: Doors, one: Case, state: Status | None) -> None:
    if state is None:
        doors.now = one.at
        return
    account = await doors.begin(one)
    change = replace(AccountChange(), status=state)
    await doors.ledger.change_account(account.address, change, one.at)
