"""What is counted by period, and what the ledger is told of it at a time."""

from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from balances.ledger import Metering, Record, Unit
from charging.catalogue import times
from charging.catalogue.source import Source

_QUARTER = 15 * 60_000
"""All time zones begin their days at a quarter of an hour."""


class Meter(Record, frozen=True, kw_only=True):
    """What is counted, and how far it may go in a period."""

    name: str
    unit: Unit | None
    """None: money only."""
    period: str
    """``day``, ``week`` or ``month``."""
    first_day: int
    """The day on which a month begins."""
    cap: int | None
    currency: str
    """Of the cap; empty: the plan's."""
    warn: Fraction
    """Share of the cap from which on the subscriber is warned; 0: never."""
    limit: int | None
    throttle: str
    """What the use beyond the limit is slowed down to; empty: nothing is granted there."""
    beyond: bytes = b""
    """The terms of grants beyond the limit, of the service whose line counts into it; empty: there are none."""
    source: Source

    def metering(self, at: int, zone: ZoneInfo, factor: Fraction, axis: str) -> Metering:
        """What the ledger is told at a time (milliseconds), for accounts in a currency worth ``factor``."""
        cap = None if self.cap is None else int(self.cap * factor)
        return Metering(
            meter=self.name,
            unit=self.unit,
            ends_at=end(at, self.period, self.first_day, zone),
            cap=cap,
            warn=int(cap * self.warn) if cap is not None and self.warn else None,
            limit=self.limit,
            axis=self.name == axis,
            beyond=self.beyond,
        )


def end(at: int, period: str, first_day: int, zone: ZoneInfo) -> int:
    """When the period ends in which a time lies (both in milliseconds)."""
    return _end(at // _QUARTER, period, first_day, zone)


@lru_cache(maxsize=4096)
def _end(quarter: int, period: str, first_day: int, zone: ZoneInfo) -> int:
    return times.next_period(quarter * _QUARTER, period, zone, first_day)
