"""What offers say about their renewal, when their periods end, and their mistakes."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from charging.catalogue import CatalogueError
from charging.catalogue.load import parse, read_files
from charging.catalogue.recurrence import ALL, Recurrence

SAMPLE = read_files("sample")
BERLIN = ZoneInfo("Europe/Berlin")


def offer(more: str, amount: str = "5 GB") -> dict[str, bytes]:
    return {**SAMPLE, "o.toml": f'[offers.o]\npays = ["data-standard"]\namount = "{amount}"\n{more}\n'.encode()}


def recurring(renews: str, more: str = "") -> Recurrence:
    found = parse(offer(f'renews = "{renews}"\n{more}')).offers["o"].recurrence
    assert found
    return found


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1000


def ends(recurrence: Recurrence, begun: str, many: int, zone: ZoneInfo = BERLIN) -> list[str]:
    """When the first periods of somebody who subscribes then end, by the clock there."""
    since = recurrence.begins(at(begun, zone), zone)
    found = [recurrence.next(since, at(begun, zone), zone)]
    while len(found) < many:
        found.append(recurrence.after(since, found[-1], zone))
    return [datetime.fromtimestamp(end // 1000, zone).strftime("%Y-%m-%d %H:%M") for end in found]


def test_all_that_an_offer_says_of_its_renewal() -> None:
    found = recurring("month", 'price = "9.99 EUR"\nunpaid = "stop"\nrollover = "2 GB"\nfirst = "pro-rata"')
    assert (found.period, found.price, found.currency, found.stops) == ("month", 9_990_000, "EUR", True)
    assert (found.carry, found.prorated, found.charges_missed) == (2 * 10**9, True, False)
    found = recurring("30 days", 'rollover = "all"\nmissed = "charge"')
    assert (found.length, found.price, found.stops, found.carry) == (30 * 86_400_000, 0, False, ALL)
    assert (found.prorated, found.charges_missed) == (False, True)
    bonus = parse(offer('renews = "week"\nrollover = "1.00"', "3.00 EUR")).offers["o"].recurrence
    assert bonus
    assert bonus.carry == 1_000_000


@pytest.mark.parametrize(
    ("renews", "price", "said"),
    [
        ("month", "9.99 EUR", "every month for 9.99 EUR"),
        ("30 days", "1 EUR", "every 30 days for 1.00 EUR"),
        ("24 h", "0", "every 24 h"),
        ("90 min", "0", "every 5400 s"),
    ],
)
def test_it_is_said_in_words(renews: str, price: str, said: str) -> None:
    assert str(recurring(renews, f'price = "{price}"' if price != "0" else "")) == said


@pytest.mark.parametrize(
    ("renews", "begun", "expected"),
    [
        ("month", "2026-01-31 15:00", ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("month", "2024-01-30 15:00", ["2024-02-29", "2024-03-30", "2024-04-30", "2024-05-30"]),
        ("month", "2026-12-31 00:00", ["2027-01-31", "2027-02-28", "2027-03-31"]),
        ("month", "2026-11-15 08:00", ["2026-12-15", "2027-01-15", "2027-02-15"]),
        ("week", "2026-03-25 23:59", ["2026-04-01", "2026-04-08"]),
        ("day", "2026-10-24 10:00", ["2026-10-25", "2026-10-26", "2026-10-27"]),
    ],
)
def test_periods_end_at_midnight_and_do_not_drift(renews: str, begun: str, expected: list[str]) -> None:
    assert ends(recurring(renews), begun, len(expected)) == [f"{day} 00:00" for day in expected]


def test_where_midnight_does_not_come_the_day_begins_all_the_same() -> None:
    """In Cairo the clocks go from 0:00 to 1:00 on the last Friday of April."""
    assert ends(recurring("day"), "2026-04-23 12:00", 2, ZoneInfo("Africa/Cairo")) == [
        "2026-04-24 01:00",
        "2026-04-25 00:00",
    ]


def test_a_length_is_exact_whatever_the_clocks_do() -> None:
    assert ends(recurring("30 days"), "2026-10-01 12:00", 2) == ["2026-10-31 11:00", "2026-11-30 11:00"]


@pytest.mark.parametrize(
    ("renews", "expected"), [("month", ["2026-02-01", "2026-03-01"]), ("week", ["2026-02-02", "2026-02-09"])]
)
def test_pro_rata_follows_the_calendar(renews: str, expected: list[str]) -> None:
    found = ends(recurring(renews, 'first = "pro-rata"'), "2026-01-31 15:00", 2)
    assert found == [f"{day} 00:00" for day in expected]


def test_a_plan_with_earlier_midnights_brings_no_second_renewal_in_a_day() -> None:
    daily, tokyo = recurring("day"), ZoneInfo("Asia/Tokyo")
    end = at("2026-05-05 00:00")  # it is 7:00 in Tokyo
    assert daily.after(at("2026-05-01 12:00"), end, tokyo) == at("2026-05-06 00:00", tokyo)
    assert daily.after(at("2026-05-01 12:00"), at("2026-05-05 00:00", tokyo), BERLIN) == at("2026-05-06 00:00")


def test_without_a_subscription_it_is_good_for_a_period() -> None:
    span = parse(offer('renews = "month"')).offers["o"].span(at("2026-01-31 15:00"), BERLIN)
    assert span.expires_at == at("2026-02-28 00:00")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('price = "1.00 EUR"', 4, "price: the offer does not renew"),
        ('rollover = "all"', 4, "rollover: the offer does not renew"),
        ('renews = "fortnight"', 4, "renews: "),
        ('renews = "5 min"', 4, "a period is at least an hour long"),
        ('renews = "month"\nprice = "9.99"', 5, "names no currency"),
        ('renews = "month"\nprice = "much"', 5, "price: "),
        ('renews = "month"\nrollover = "2 h"', 5, "rollover: "),
        ('renews = "month"\nvalidity = "30 days"', 5, "lasts until it does"),
        ('renews = "month"\nsince = 2026-01-01', 5, "lasts until it does"),
        ('renews = "month"\nvalidity = "1 day"\nbegins = "first use"', 6, "begins with its period"),
        ('renews = "30 days"\nfirst = "pro-rata"', 5, "renews by the calendar"),
        ('renews = "month"\nunpaid = "sue"', 5, "Invalid enum value"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, line: int, said: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        parse(offer(text))
    found = [problem for problem in refused.value.problems if said in str(problem)]
    assert [(problem.source.file, problem.source.line) for problem in found] == [("o.toml", line)]


def test_what_is_carried_over_of_bonus_money_is_in_its_currency() -> None:
    with pytest.raises(CatalogueError, match="rollover is in USD, the offer in EUR"):
        parse(offer('renews = "month"\nrollover = "1.00 USD"', "3.00 EUR"))
