"""Counting in plain numbers what every request counts; the metrics take it over ten times a second and at a scrape.

A counter of the metrics' library takes a lock and, with several workers, writes to a file: a request that told six of
them would spend a twentieth of its time there.
"""

from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client import Counter, Histogram

from balances.money import MICRO


class Durations:
    """Durations by the buckets of a histogram."""

    __slots__ = ("_bounds", "_counts", "_histogram", "_seconds")

    def __init__(self, histogram: Histogram, bounds: Sequence[float]) -> None:
        self._histogram = histogram
        self._bounds = bounds
        self._clear()

    def _clear(self) -> None:
        self._counts = [0] * (len(self._bounds) + 1)
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._seconds += seconds

    def settle(self) -> int:
        """Hand over what has come together; how many they are."""
        count = sum(self._counts)
        if count:
            # Histogram.observe takes one at a time; these are what it adds to.
            for bucket, times in zip(self._histogram._buckets, self._counts, strict=True):
                if times:
                    bucket.inc(times)
            self._histogram._sum.inc(self._seconds)
            self._clear()
        return count


class Answers:
    """Answers of one kind: how many, and how long each took."""

    __slots__ = ("_counters", "_durations", "add")

    def __init__(self, counters: tuple[Counter, ...], durations: Durations) -> None:
        self._counters = counters
        self._durations = durations
        self.add = durations.add

    def settle(self) -> None:
        if count := self._durations.settle():
            for counter in self._counters:
                counter.inc(count)


class Money:
    """A sum of micro-units."""

    __slots__ = ("_amount", "_counter")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._amount = 0

    def add(self, amount: int) -> None:
        self._amount += amount

    def settle(self) -> None:
        amount, self._amount = self._amount, 0
        if amount:
            self._counter.inc(amount / MICRO)
