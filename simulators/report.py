"""What a run measured: result codes, latency from the moment a request was due, faults, and oddities."""

import math
from collections import Counter
from collections.abc import Iterable

import msgspec

PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class Latency:
    """Latencies in milliseconds by kind of request.

    Measured from the moment at which a request was due, not from when it was written: waiting for a connection, for a
    busy generator or for a repetition is part of what a user sees.
    """

    def __init__(self) -> None:
        self._samples: dict[str, list[float]] = {}

    def add(self, kind: str, seconds: float) -> None:
        """One request of this kind was answered so long after it was due."""
        self._samples.setdefault(kind, []).append(seconds * 1000)

    def kinds(self) -> tuple[str, ...]:
        """Everything that was measured."""
        return tuple(sorted(self._samples))

    def count(self, kind: str) -> int:
        """How many were measured."""
        return len(self._samples.get(kind, ()))

    def percentile(self, kind: str, percent: float) -> float:
        """Milliseconds within which ``percent`` of them were answered (nearest rank); 0 if there were none."""
        return percentile(self._samples.get(kind, ()), percent)

    def after(self, kind: str, count: int) -> list[float]:
        """Those measured after the first ``count``, in milliseconds."""
        return self._samples.get(kind, [])[count:]


def percentile(samples: Iterable[float], percent: float) -> float:
    """Within which ``percent`` of them lie (nearest rank); 0 if there are none."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


class Outcomes:
    """Everything a simulator counts while it runs."""

    def __init__(self) -> None:
        self.latency = Latency()
        self.results: Counter[tuple[str, str]] = Counter()
        """(kind of request, result code or status) -> how often."""
        self.events: Counter[str] = Counter()
        """Retransmissions, reconnections, unanswered requests, answers that differ from their first copy, and so on."""

    def answered(self, kind: str, result: object, seconds: float) -> None:
        """A request got its final answer so long after it was due."""
        self.results[kind, str(result)] += 1
        self.latency.add(kind, seconds)

    def note(self, event: str) -> None:
        """Count something worth telling."""
        self.events[event] += 1

    def requests(self) -> int:
        """How many requests were answered."""
        return sum(self.results.values())

    def summary(self) -> "Summary":
        """The figures as plain data, for ``--json``."""
        kinds = {}
        for kind in self.latency.kinds():
            codes = {code: count for (of, code), count in sorted(self.results.items()) if of == kind}
            times = {f"p{percent:g}": round(self.latency.percentile(kind, percent), 2) for percent in PERCENTILES}
            kinds[kind] = KindSummary(requests=self.latency.count(kind), results=codes, latency_ms=times)
        return Summary(kinds=kinds, events=dict(sorted(self.events.items())))


class KindSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request: how many were answered, how, and within which milliseconds."""

    requests: int
    results: dict[str, int]
    latency_ms: dict[str, float]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The measurements of a run."""

    kinds: dict[str, KindSummary]
    events: dict[str, int]
