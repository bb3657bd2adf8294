"""docs/tariffs.md says only what is so: its examples are a catalogue, its prices are charged, its errors are said."""

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from balances.ledger import NewAccount, Unit
from balances.memory import MemoryLedger
from balances.money import format_amount, parse_amount
from charging.catalogue import Catalogue, CatalogueError, parse
from charging.catalogue.quantities import quantity
from charging.event import Action, Phase, RequestItem, Result, Service, ServiceKind
from tests.charging.desk import MAIN, NOON, Desk

PAGE = (Path(__file__).parents[2] / "docs" / "tariffs.md").read_text()
FENCES = re.findall(r"```(\w+(?: \w+)?)\n(.*?)```", PAGE, re.DOTALL)
GOOD = "\n".join(text for kind, text in FENCES if kind == "toml")
DECK = next(text for kind, text in FENCES if kind == "csv")
FILES = {"page.toml": GOOD.encode(), "decks/world.csv": DECK.encode()}
TIMED = re.findall(r"^\| (traveller) \| (.+?) \| (\d.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
MISTAKE = next(text for kind, text in FENCES if kind == "toml mistake")
SAID = [text.splitlines() for kind, text in FENCES if kind == "text"]
BUNDLES = re.findall(
    r"^\| (bonus|capped|flat|unlimited) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.*?)\|$", PAGE, re.MULTILINE
)
ROWS = re.findall(r"^\| ((?:data|voice|sms) \S+) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)

METERED = re.findall(r"^\| monthly \| (\d+) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.*?)\|$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def page() -> Catalogue:
    return parse(FILES)


def asked(use: str, units: str) -> tuple[Service, RequestItem]:
    kind, _, what = use.partition(" ")
    if kind == "data":
        group, _, service_id = what.partition("/")
        number = int(service_id) if service_id else None
        item = RequestItem(key="k", rating_group=int(group), service_id=number, wanted=quantity(units, Unit.OCTETS))
        return Service(kind=ServiceKind.DATA), item
    unit = Unit.SECONDS if kind == "voice" else Unit.EVENTS
    return Service(kind=ServiceKind(kind), called=what), RequestItem(key="k", wanted=quantity(units, unit))


@pytest.mark.parametrize(("use", "units", "cost"), ROWS)
async def test_prices_of_the_page_are_charged(page: Catalogue, use: str, units: str, cost: str) -> None:
    desk = Desk(MemoryLedger(), page)
    new = NewAccount(id="alice", plan="starter", currency="EUR", credit_limit=10**9, identities=(MAIN,))
    await desk.ledger.open_account(new, NOON)
    service, item = asked(use, units)
    enquired = await desk.ask(Action.PRICE_ENQUIRY, item, service=service, session="p")
    debited = await desk.ask(Action.DEBIT, item, service=service, session="d")
    used = RequestItem(key="k", rating_group=item.rating_group, service_id=item.service_id, used=item.wanted or 0)
    opened = await desk.say(Phase.OPEN, service=service)
    if opened.result is Result.OK:
        report = await desk.say(Phase.UPDATE, used, service=service)
        spent = report.spent
    if cost == "unrateable":
        assert (debited.result, enquired.result) == (Result.UNRATEABLE, Result.UNRATEABLE)
    elif cost == "free":
        assert (enquired.result, debited.result) == (Result.OK, Result.OK)
        assert (enquired.spent, debited.spent, spent) == (0, 0, 0)
    else:
        due = parse_amount(cost)
        assert (enquired.spent, debited.spent, spent) == (due, due, due)


@pytest.mark.parametrize(("plan", "use", "when", "units", "cost"), TIMED)
async def test_prices_of_times_and_places(
    page: Catalogue, plan: str, use: str, when: str, units: str, cost: str
) -> None:
    desk = Desk(MemoryLedger(), page)
    desk.now = int(datetime.fromisoformat(when).timestamp()) * 1000
    await desk.open(balance="50", plan=plan)
    kind, *words = use.split()
    visited = next((word.removeprefix("visited=") for word in words if word.startswith("visited=")), "")
    called = next((word for word in words if word.startswith("+")), "")
    unit = Unit.OCTETS if kind == "data" else Unit.SECONDS
    service = Service(kind=ServiceKind(kind), called=called, visited=visited)
    item = RequestItem(key="k", wanted=quantity(units, unit))
    debited = await desk.ask(Action.DEBIT, item, service=service)
    assert (debited.result, debited.spent) == (Result.OK, parse_amount(cost))


@pytest.mark.parametrize(("bundle", "before", "use", "units", "granted", "cost", "throttle"), BUNDLES)
async def test_bundles_of_the_page(
    page: Catalogue, bundle: str, before: str, use: str, units: str, granted: str, cost: str, throttle: str
) -> None:
    desk = Desk(MemoryLedger(), page)
    address = await desk.open(balance="50", plan="starter")
    await desk.give(address, bundle)
    await use_up(desk, bundle, before)
    service, item = asked(use, units)
    opened = await desk.say(Phase.OPEN, item, service=service)
    (got,) = opened.items
    _, size = asked(use, granted)
    assert (got.granted, format_amount(got.cost), got.throttle) == (
        size.wanted,
        format_amount(parse_amount(cost)),
        throttle.strip(),
    )


async def use_up(desk: Desk, bundle: str, before: str) -> None:
    """Use this much of a bundle that was just given, or nothing."""
    offer = desk.engine.catalogue.offer(bundle)
    assert offer is not None
    money = before.endswith("EUR")
    octets = parse_amount(before.removesuffix(" EUR")) * 100 if money else quantity(before, Unit.OCTETS)  # 0.01 per MB
    if octets:
        await desk.ask(Action.DEBIT, RequestItem(key="k", rating_group=10, wanted=octets), session="before")


def test_there_are_prices_to_test() -> None:
    assert (len(ROWS), len(TIMED), len(BUNDLES)) == (20, 11, 9)


def test_spans_of_the_page(page: Catalogue) -> None:
    day, trial, advent = (page.offer(name) for name in ("day-pass", "trial", "advent"))
    assert day is not None
    assert trial is not None
    assert advent is not None
    berlin = ZoneInfo("Europe/Berlin")

    def at(text: str) -> int:
        return int(datetime.fromisoformat(text).timestamp()) * 1000

    given = at("2026-10-25T01:00+02:00")  # a day of 25 hours
    assert day.span(given, berlin).expires_at == at("2026-10-26T00:00+01:00")
    assert (trial.span(given, berlin).expires_at, trial.span(given, berlin).lasts) == (None, 3_600_000)
    span = advent.span(given, berlin)
    assert (span.starts_at, span.expires_at) == (at("2026-12-01T00:00+01:00"), at("2026-12-25T00:00+01:00"))


def test_offers_of_the_page(page: Catalogue) -> None:
    minutes = page.offer("weekend-minutes")
    assert minutes is not None
    assert (minutes.unit, minutes.amount, minutes.priority) == (Unit.SECONDS, 6_000, 50)


def mistakes(text: str) -> list[str]:
    with pytest.raises(CatalogueError) as caught:
        parse({**FILES, "mistake.toml": text.encode()})
    return str(caught.value).splitlines()


def test_mistakes_are_said_as_printed() -> None:
    (said,) = SAID
    assert mistakes(MISTAKE) == said
    assert mistakes(MISTAKE.replace("prize", "price")) == said[1:]


@pytest.mark.parametrize(("group", "before", "units", "granted", "cost", "throttle"), METERED)
async def test_meters_of_the_page_are_counted(
    page: Catalogue, group: str, before: str, units: str, granted: str, cost: str, throttle: str
) -> None:
    desk = Desk(MemoryLedger(), page)
    new = NewAccount(id="alice", plan="monthly", currency="EUR", credit_limit=10**12, identities=(MAIN,))
    await desk.ledger.open_account(new, NOON)
    service, number = Service(kind=ServiceKind.DATA), int(group)

    def item(used: str = "0", wanted: str | None = None) -> RequestItem:
        size = None if wanted is None else quantity(wanted, Unit.OCTETS)
        return RequestItem(key="k", rating_group=number, used=quantity(used, Unit.OCTETS), wanted=size)

    await desk.say(Phase.OPEN, item(), service=service)
    earlier = await desk.say(Phase.UPDATE, item(used=before), service=service)
    desk.now += 1000
    opened = await desk.say(Phase.OPEN, item(wanted=units), service=service, session="later")
    (got,) = opened.items
    assert (got.granted, got.throttle) == (quantity(granted, Unit.OCTETS), throttle.strip())
    closed = await desk.say(Phase.CLOSE, item(used=granted), service=service, session="later")
    assert format_amount(closed.spent) == cost
    assert earlier.result is Result.OK
