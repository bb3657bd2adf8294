"""Sessions over which the rate changes: by the clock, by the subscriber's plan, by where the subscriber is."""

from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from balances.ledger import AccountChange, Ledger
from charging.catalogue import Catalogue, load
from charging.event import ChargingEvent, Outcome, Phase, RequestItem, Service, ServiceKind
from charging.settings import ChargingSettings
from tests.charging.desk import Desk

GOLDEN = Path(__file__).parent / "golden" / "catalogue"
CALL = Service(kind=ServiceKind.VOICE, called="493012345678")
DATA = Service(kind=ServiceKind.DATA)


@pytest.fixture(scope="module")
def golden() -> Catalogue:
    return load(GOLDEN)


class Shift(Desk):
    """A desk whose clock is set to local times of day."""

    def at(self, text: str) -> "Shift":
        self.now = int(datetime.fromisoformat(text).timestamp()) * 1000
        return self

    async def call(self, phase: Phase, used: int = 0, wanted: int | None = 3600, **facts: str) -> Outcome:
        item = RequestItem(key="k", used=used, wanted=wanted if phase is not Phase.CLOSE else None)
        return await self.say(phase, item, service=replace(CALL, **facts))


@pytest.fixture
def desk(ledger: Ledger, golden: Catalogue) -> Shift:
    return Shift(ledger, golden)


async def test_a_call_into_the_night(desk: Shift) -> None:
    """Ten minutes at 0.06 until 22:00, then twenty at 0.03."""
    await desk.at("2026-03-03T21:50+01:00").open(balance="10", plan="clock")
    opened = await desk.call(Phase.OPEN)
    assert (opened.items[0].granted, opened.items[0].validity, opened.items[0].cost) == (600, 600, 600_000)
    desk.at("2026-03-03T22:00+01:00")
    night = await desk.call(Phase.UPDATE, used=600)
    assert (night.items[0].settled, night.items[0].granted, night.items[0].cost) == (600_000, 3600, 1_800_000)
    desk.at("2026-03-03T22:20+01:00")
    assert (await desk.call(Phase.CLOSE, used=1200)).spent == 600_000 + 600_000


async def test_usage_reported_after_the_switch_is_settled_as_it_was_granted(desk: Shift) -> None:
    await desk.at("2026-03-03T21:50+01:00").open(balance="10", plan="clock")
    await desk.call(Phase.OPEN)
    desk.at("2026-03-03T22:00:05+01:00")
    late = await desk.call(Phase.UPDATE, used=605)
    assert late.items[0].settled == 605_000
    assert (await desk.call(Phase.CLOSE, used=100)).spent == 605_000 + 50_000


async def test_the_night_when_the_clocks_go_forward(desk: Shift) -> None:
    """The night's minutes pay until six, which comes three and a half hours after half past one."""
    address = await desk.at("2026-03-29T01:30+01:00").open(balance="10", plan="bundled")
    await desk.give(address, "night-minutes")
    first = await desk.call(Phase.OPEN)
    assert (first.items[0].granted, first.items[0].cost) == (3600, 0)
    desk.at("2026-03-29T05:30+02:00")
    last = await desk.call(Phase.UPDATE, used=3600 - 1200)
    assert (last.items[0].granted, last.items[0].validity) == (1800, 1800)
    assert last.items[0].cost == 600_000  # twenty minutes of the bundle were left
    desk.at("2026-03-29T06:00+02:00")
    day = await desk.call(Phase.UPDATE, used=1800, wanted=60)
    assert (day.spent, day.items[0].cost) == (600_000, 60_000)


async def test_the_hour_that_comes_twice(desk: Shift) -> None:
    """02:00 to 03:00 is free, and in the last night of summer time it lasts two hours."""
    await desk.at("2026-10-25T01:30+02:00").open(balance="5", plan="office")
    data = RequestItem(key="k", rating_group=10, wanted=100_000_000)
    before = await desk.say(Phase.OPEN, data, service=DATA)
    assert (before.items[0].validity, before.items[0].cost) == (1800, 1_000_000)
    desk.at("2026-10-25T02:00+02:00")
    free = await desk.say(Phase.UPDATE, replace(data, used=50_000_000), service=DATA)
    assert (free.items[0].validity, free.items[0].cost, free.spent) == (7200, 0, 500_000)
    desk.at("2026-10-25T02:59+01:00")
    still = await desk.say(Phase.UPDATE, replace(data, used=90_000_000), service=DATA)
    assert (still.items[0].validity, still.spent) == (60, 500_000)
    desk.at("2026-10-25T03:00+01:00")
    over = await desk.say(Phase.UPDATE, replace(data, used=1_000_000), service=DATA)
    assert (over.items[0].cost, over.spent) == (1_000_000, 500_000)
    closed = await desk.say(Phase.CLOSE, replace(data, used=2_000_000, wanted=None), service=DATA)
    assert closed.spent == 520_000


async def test_a_plan_change_in_mid_session(desk: Shift) -> None:
    """What was granted is settled by the old plan, what follows by the new one."""
    address = await desk.at("2026-03-03T12:00+01:00").open(balance="10", plan="second")
    await desk.call(Phase.OPEN, wanted=300)
    await desk.ledger.change_account(address, AccountChange(plan="minute"), desk.now)
    changed = await desk.call(Phase.UPDATE, used=300, wanted=60)
    assert (changed.items[0].settled, changed.items[0].cost) == (300_000, 120_000)
    assert (await desk.call(Phase.CLOSE, used=60)).spent == 420_000


async def test_a_new_version_of_the_plan_in_mid_session(desk: Shift) -> None:
    await desk.at("2026-12-31T23:59+01:00").open(balance="10", plan="moving")
    opened = await desk.call(Phase.OPEN)
    assert (opened.items[0].granted, opened.items[0].validity) == (60, 60)
    desk.at("2027-01-01T00:00+01:00")
    changed = await desk.call(Phase.UPDATE, used=60, wanted=60)
    assert (changed.spent, changed.items[0].cost) == (60_000, 120_000)


async def test_a_border_crossed_in_mid_session(desk: Shift) -> None:
    """The change of the rating condition: used at home's price, reserved at France's."""
    await desk.at("2026-03-03T12:00+01:00").open(balance="10", plan="places")
    await desk.call(Phase.OPEN, wanted=60, visited="26201")
    abroad = await desk.call(Phase.UPDATE, used=60, wanted=60, visited="20801")
    assert (abroad.items[0].settled, abroad.items[0].cost) == (60_000, 120_000)
    assert (await desk.call(Phase.CLOSE, used=60, visited="20801")).spent == 180_000


async def test_the_connection_fee_is_due_once_over_a_switch(desk: Shift) -> None:
    await desk.at("2026-03-03T12:00+01:00").open(balance="10", plan="connect")
    await desk.call(Phase.OPEN, wanted=60)
    await desk.call(Phase.UPDATE, used=60, wanted=60)
    assert (await desk.call(Phase.CLOSE, used=60)).spent == 50_000 + 120_000


async def test_the_validity_is_spread_but_never_beyond_the_switch(ledger: Ledger, golden: Catalogue) -> None:
    desk = Shift(ledger, golden, ChargingSettings(validity_jitter=20)).at("2026-03-03T21:50+01:00")
    await desk.open(balance="100", plan="clock")
    found = set()
    for number in range(12):
        event: ChargingEvent = desk.event(
            Phase.OPEN, RequestItem(key="k", wanted=10), service=CALL, session=f"s{number}"
        )
        found.add((await desk.engine.handle(event)).items[0].validity)
    assert len(found) > 3
    assert max(found) == 600


async def test_why_a_price_is_what_it_is(desk: Shift) -> None:
    """The explanation names the line, what it selects, the deck's line and the tax."""
    await desk.at("2026-07-02T23:00+02:00").open(balance="10", plan="deck-plus")
    event = desk.event(Phase.EVENT, RequestItem(key="k", wanted=60), service=replace(CALL, called="491521234567"))
    (item,) = (await desk.engine.explain(event)).items
    assert (item.selectors, item.adjustment, item.price) == ("prefix = 4915", "surcharge 25 %", 37_500)
    assert item.rate_source == "decks/wholesale.csv:4"
    (item,) = (await desk.engine.explain(event, plan="places")).items
    assert item.selectors == "call = on-net"
    taxed = await desk.engine.explain(replace(event, identities=()), plan="taxed")
    assert (taxed.price, taxed.tax) == (60_000, 9_580)
