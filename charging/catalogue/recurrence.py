"""Offers that renew: how often, for how much, and what becomes of what is left."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from balances.ledger import Record, Unit
from balances.money import LIMIT, format_amount
from charging.catalogue import quantities, times
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.schema import OfferText

CALENDAR = {"day": 43_200_000, "week": 302_400_000, "month": 1_209_600_000}
"""Periods by the calendar, and about half of each in milliseconds: no renewal comes sooner after another, though the
account may have moved to a plan with earlier midnights."""

ALL = LIMIT - 1


class Recurrence(Record, frozen=True, kw_only=True):
    """How an offer renews. Money in micro-units of ``currency``."""

    period: str
    """``day``, ``week`` or ``month`` by the calendar; empty: ``length``."""
    length: int
    """Milliseconds."""
    price: int
    currency: str
    """Empty: it costs nothing."""
    stops: bool
    """Without the money the subscription ends; else it waits for it."""
    carry: int
    """Units that are carried over into the next period at most."""
    prorated: bool
    """The first period is what is left of the calendar's, at its share of price and amount."""
    charges_missed: bool
    """Periods nobody renewed in time are charged afterwards, each; else only the one that runs."""

    def __str__(self) -> str:
        days, rest = divmod(self.length, 86_400_000)
        often = self.period or (f"{self.length // 1000} s" if rest else f"{days} days" if days > 1 else "24 h")
        return f"every {often} for {format_amount(self.price)} {self.currency}" if self.price else f"every {often}"

    def begins(self, at: int, zone: ZoneInfo) -> int:
        """What the periods of somebody who subscribes at a time are counted from (milliseconds both)."""
        if not self.prorated:
            return at
        day = times.local_day(at, zone)
        if self.period == "month":
            day = day.replace(day=1)
        elif self.period == "week":
            day -= timedelta(days=day.weekday())
        return times.midnight(day, zone)

    def next(self, since: int, at: int, zone: ZoneInfo) -> int:
        """The first end of a period after a time, where they are counted from ``since``.

        A month ends at midnight of the day of the month that ``since`` has, or of the last where there is none.
        """
        if not self.period:
            return since + ((at - since) // self.length + 1) * self.length
        first, day = times.local_day(since, zone), times.local_day(at, zone)
        if self.period == "month":
            found = times.day_of_month(day, first.day)
            if times.midnight(found, zone) <= at:
                found = times.day_of_month(day.replace(day=1) + timedelta(days=31), first.day)
            return times.midnight(found, zone)
        ahead = (first.weekday() - day.weekday() - 1) % 7 + 1 if self.period == "week" else 1
        return times.midnight(day + timedelta(days=ahead), zone)

    def after(self, since: int, end: int, zone: ZoneInfo) -> int:
        """When the period ends that begins where another ended."""
        return self.next(since, end + CALENDAR.get(self.period, 0), zone)


def recurrence(findings: Findings, entry: Entry, unit: Unit, currency: str) -> Recurrence | None:
    """Of an offer of this unit (in this currency, if it is bonus money); None: it does not renew."""
    written: OfferText = entry.written
    if not written.renews:
        for key in ("price", "rollover", "unpaid", "first", "missed"):
            if getattr(written, key):
                findings.problem(entry.source(key), f"{key}: the offer does not renew", 'renews = "month"')
        return None
    for key in ("validity", "since", "until"):
        if getattr(written, key):
            findings.problem(entry.source(key), f"{key}: an offer that renews lasts until it does", "leave it out")
    if written.begins != "gift":
        findings.problem(entry.source("begins"), "an offer that renews begins with its period", "leave it out")
    period = written.renews if written.renews in CALENDAR else ""
    length = 0
    if not period:
        length = findings.read(entry, "renews", lambda: quantities.seconds(written.renews), 3600)
        if length < 3600:
            findings.problem(entry.source("renews"), "a period is at least an hour long", 'renews = "30 days"')
            length = 3600
        if written.first == "pro-rata":
            message = "only what renews by the calendar has a first period that is shorter"
            findings.problem(entry.source("first"), message, 'renews = "month"')
    price, paid_in = _price(findings, entry)
    return Recurrence(
        period=period,
        length=length * 1000,
        price=price,
        currency=paid_in,
        stops=written.unpaid == "stop",
        carry=_carry(findings, entry, unit, currency) if written.rollover else 0,
        prorated=written.first == "pro-rata",
        charges_missed=written.missed == "charge",
    )


def _price(findings: Findings, entry: Entry) -> tuple[int, str]:
    text = entry.written.price
    if not text:
        return 0, ""
    price, currency = findings.read(entry, "price", lambda: quantities.money(text), (0, "EUR"))
    if not currency:
        findings.problem(entry.source("price"), f"{text!r} names no currency", f"{text} EUR")
    return price, currency


def _carry(findings: Findings, entry: Entry, unit: Unit, currency: str) -> int:
    """What is carried over at most."""
    text = entry.written.rollover
    if text == "all":
        return ALL
    if unit is not Unit.MONEY:
        return findings.read(entry, "rollover", lambda: quantities.quantity(text, unit), 0)
    carry, paid_in = findings.read(entry, "rollover", lambda: quantities.money(text), (0, ""))
    if paid_in not in ("", currency):
        findings.problem(entry.source("rollover"), f"rollover is in {paid_in}, the offer in {currency}")
    return carry
