"""How a run went over time: sampled while it goes on, to be drawn afterwards."""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from simulators.report import Outcomes, percentile
from simulators.run import Network

INTERVAL = 0.5
"""Seconds between two samples."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One moment, ``at`` seconds after the beginning: answers a second since the last, and how fast (milliseconds)."""

    at: float
    running: int
    rate: float
    p50: float
    p99: float


Curve = list[Sample]


class Sampler:
    """Looks at networks now and then."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._seen: dict[str, dict[str, int]] = {network.name: {} for network in networks}
        self.curves: dict[str, Curve] = {network.name: [] for network in networks}

    async def run(self) -> None:
        """Until cancelled."""
        began = last = time.monotonic()
        while True:
            await asyncio.sleep(INTERVAL)
            now = time.monotonic()
            for network in self._networks:
                self.curves[network.name].append(self._look(network, now - began, now - last))
            last = now

    def _look(self, network: Network, at: float, passed: float) -> Sample:
        fresh = self._fresh(network.name, network.outcomes)
        return Sample(
            at=round(at, 1),
            running=network.loop.running,
            rate=round(len(fresh) / passed, 1),
            p50=round(percentile(fresh, 50), 2),
            p99=round(percentile(fresh, 99), 2),
        )

    def _fresh(self, name: str, outcomes: Outcomes) -> list[float]:
        """The latencies measured since the last look."""
        seen = self._seen[name]
        fresh: list[float] = []
        for kind in outcomes.latency.kinds():
            fresh += outcomes.latency.after(kind, seen.get(kind, 0))
            seen[kind] = outcomes.latency.count(kind)
        return fresh
