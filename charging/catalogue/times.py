"""Times of day, weekdays, holidays and dates in a plan's time zone, and when they change. Daylight saving included.

A clock cuts each local day into segments in which nothing changes. The cuts are found on the time line itself: where
the clocks go back a time of day comes twice and is cut twice, where they go forward it may not come at all.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from balances.ledger import Record

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")
MINUTES = 24 * 60


class Window(Record, frozen=True, kw_only=True):
    """A named time: all it says must hold. Minutes count from local midnight; a holiday is no weekday."""

    days: frozenset[str] = frozenset(DAYS)
    hours: tuple[tuple[int, int], ...] = ((0, MINUTES),)
    """From (included) to (excluded), not over midnight."""
    since: date | None = None
    until: date | None = None
    """The last day, included."""

    def holds(self, day: date, minute: int, kind: str) -> bool:
        return (
            kind in self.days
            and (self.since is None or day >= self.since)
            and (self.until is None or day <= self.until)
            and any(start <= minute < end for start, end in self.hours)
        )


class Segment(Record, frozen=True, kw_only=True):
    """A stretch of time, in milliseconds, in which the same windows hold."""

    start: int
    end: int
    holding: frozenset[str]


class Clock:
    """The times of one plan: its windows in its time zone, with its holidays."""

    def __init__(self, zone: ZoneInfo, windows: Mapping[str, Window], holidays: frozenset[date]) -> None:
        self.zone = zone
        self.windows = windows
        self.holidays = holidays
        self._cuts = {0} | {minute for window in windows.values() for pair in window.hours for minute in pair}
        self._now = Segment(start=0, end=0, holding=frozenset())
        self._day = lru_cache(maxsize=64)(self._segments)

    def segment(self, at: int) -> Segment:
        """The segment that holds ``at`` (milliseconds)."""
        if not self._now.start <= at < self._now.end:
            day = local_day(at, self.zone)
            self._now = next(part for part in self._day(day) if part.start <= at < part.end)
        return self._now

    def midnight(self, day: date) -> int:
        """When a local day begins, in milliseconds."""
        return _instant(datetime.combine(day, time(), self.zone))

    def _segments(self, day: date) -> tuple[Segment, ...]:
        start, end = self.midnight(day), self.midnight(day + timedelta(days=1))
        cuts = {start, end, *_transitions(self.zone, start, end)}
        for minute in self._cuts - {MINUTES}:
            local = datetime.combine(day, time(minute // 60, minute % 60), self.zone)
            cuts |= {_instant(local.replace(fold=fold)) for fold in (0, 1)}
        kind = "holiday" if day in self.holidays else DAYS[day.weekday()]
        parts = [
            Segment(start=one, end=two, holding=self._holding(one, day, kind))
            for one, two in pairwise(sorted(cut for cut in cuts if start <= cut <= end))
        ]
        return tuple(parts)

    def _holding(self, at: int, day: date, kind: str) -> frozenset[str]:
        local = datetime.fromtimestamp(at // 1000, self.zone)
        minute = local.hour * 60 + local.minute
        return frozenset(name for name, window in self.windows.items() if window.holds(day, minute, kind))


def _instant(local: datetime) -> int:
    return int(local.astimezone(UTC).timestamp()) * 1000


def _transitions(zone: ZoneInfo, start: int, end: int) -> list[int]:
    """When the offset from UTC changes between two moments: at most once a day, to the second."""

    def offset(at: int) -> timedelta | None:
        return datetime.fromtimestamp(at, zone).utcoffset()

    low, high = start // 1000, end // 1000 - 1
    before = offset(low)
    if offset(high) == before:
        return []
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    return [high * 1000]


def next_period(at: int, period: str, zone: ZoneInfo, first_day: int = 1) -> int:
    """When the calendar ``day``, ``week`` (from Monday) or ``month`` that holds ``at`` is over, in milliseconds.

    A month begins on its ``first_day``, of 1 to 28.
    """
    day = local_day(at, zone)
    if period == "month":
        begins = day.replace(day=first_day)
        return midnight(
            begins if day < begins else (begins.replace(day=1) + timedelta(days=31)).replace(day=first_day), zone
        )
    return after(day + timedelta(days=6 - day.weekday() if period == "week" else 0), zone)


def local_day(at: int, zone: ZoneInfo) -> date:
    """The day on which a time (milliseconds) falls there."""
    return datetime.fromtimestamp(at // 1000, zone).date()


def day_of_month(month: date, day: int) -> date:
    """That day of a month, or its last."""
    last = (month.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return month.replace(day=min(day, last.day))


def midnight(day: date, zone: ZoneInfo) -> int:
    """When a local day begins, in milliseconds."""
    return _instant(datetime.combine(day, time(), zone))


def after(day: date, zone: ZoneInfo) -> int:
    """When a local day is over, in milliseconds."""
    return _instant(datetime.combine(day + timedelta(days=1), time(), zone))
