"""The life of a plan's accounts: how it begins, how long it lasts, what extends it. By the days of the plan's clock."""

import re
from datetime import date, timedelta
from fractions import Fraction
from functools import partial
from zoneinfo import ZoneInfo

from balances.ledger import LAST_DAY, Record, Validity
from charging.catalogue import quantities, times
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.quantities import QuantityError
from charging.catalogue.schema import LifeText, PlanText
from charging.catalogue.wallets import converted

_DAYS = re.compile(r"([0-9]{1,5}) (day|month|year)s?", re.ASCII)
_MONTHS = {"month": 1, "year": 12}


class Days(Record, frozen=True, kw_only=True):
    """So many days, or months, of the calendar."""

    count: int
    months: bool

    def after(self, day: date) -> date:
        """The last day of a life that is so long after a day; of a month that has no such day, its last."""
        try:
            if not self.months:
                return day + timedelta(days=self.count)
            month = day.month - 1 + self.count
            return times.day_of_month(date(day.year + month // 12, month % 12 + 1, 1), day.day)
        except (OverflowError, ValueError):
            return date.max


class Extending(Record, frozen=True, kw_only=True):
    """What a credit of at least ``amount`` (micro-units of the plan's currency) extends the validity by."""

    amount: int
    by: Days


class Life(Record, frozen=True, kw_only=True):
    """How accounts of a plan live."""

    begins: str
    """``opening``, ``first use`` or ``top-up``: what makes them active."""
    active: Days | None
    """From then on; None: for ever."""
    grace: Days | None
    """After that; None: they are never closed."""
    extends: tuple[Extending, ...]
    """By the amount, rising."""

    @property
    def waits(self) -> bool:
        """Are accounts opened before their life begins?"""
        return self.begins != "opening"

    def first(self, now: int, zone: ZoneInfo) -> Validity:
        """Of a life that begins now (milliseconds)."""
        return self._until(None if self.active is None else self.active.after(times.local_day(now, zone)), zone)

    def extended(self, amount: int, factor: Fraction, validity: Validity, now: int, zone: ZoneInfo) -> Validity | None:
        """What a credit of so much makes of a validity: counted from now, never shortened; None: it extends nothing.

        ``factor``: what the plan's currency is worth in the account's.
        """
        reached = [each for each in self.extends if converted(each.amount, factor) <= amount]
        if not reached or validity.until is None:
            return None
        longer = self._until(reached[-1].by.after(times.local_day(now, zone)), zone)
        return longer if longer.until is None or longer.until > validity.until else None

    def _until(self, last: date | None, zone: ZoneInfo) -> Validity:
        if last is None:
            return Validity()
        grace = None if self.grace is None else _end(self.grace.after(last), zone)
        return Validity(until=_end(last, zone), grace_until=grace)


def life(findings: Findings, entry: Entry) -> Life | None:
    """Of a plan; None: its accounts are active until an operator says otherwise."""
    plan: PlanText = entry.written
    written = plan.life
    if written is None:
        return None
    active = _days(findings, entry, "active", written.active)
    grace = _days(findings, entry, "grace", written.grace)
    if active is None:
        for key in ("grace", "extends"):
            if getattr(written, key):
                message = f"{key}: without active it never ends"
                findings.problem(entry.source("life", key), message, 'active = "90 days"')
    return Life(begins=written.begins, active=active, grace=grace, extends=_extends(findings, entry, written))


def _extends(findings: Findings, entry: Entry, written: LifeText) -> tuple[Extending, ...]:
    found: list[Extending] = []
    for place, text in enumerate(written.extends):
        path = ("life", "extends", place)
        amount, currency = findings.read(entry, (*path, "topup"), partial(quantities.money, text.topup), (1, ""))
        if currency not in ("", entry.written.currency):
            message = f"topup is in {currency}, the plan in {entry.written.currency}"
            findings.problem(entry.source(*path), message, "wrong currency")
        by = findings.read(entry, (*path, "by"), partial(days, text.by), Days(count=1, months=False))
        if found and amount <= found[-1].amount:
            findings.problem(entry.source(*path), "the amounts must rise", "the last that is reached counts")
        found.append(Extending(amount=amount, by=by))
    return tuple(found)


def _days(findings: Findings, entry: Entry, key: str, text: str) -> Days | None:
    if not text:
        return None
    return findings.read(entry, ("life", key), lambda: days(text), Days(count=1, months=False))


def days(text: str) -> Days:
    """``"90 days"``, ``"3 months"`` or ``"1 year"``; raises QuantityError."""
    match = _DAYS.fullmatch(text.strip())
    if not match or not int(match[1]):
        raise QuantityError(f'{text!r} is no number of days: write "90 days", "3 months" or "1 year"')
    months = _MONTHS.get(match[2], 0)
    return Days(count=int(match[1]) * (months or 1), months=bool(months))


def _end(day: date, zone: ZoneInfo) -> int:
    """When a day is over (milliseconds)."""
    return LAST_DAY if day >= date(9999, 12, 30) else times.after(day, zone)
