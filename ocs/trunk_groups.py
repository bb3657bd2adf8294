"""How many channels of each trunk group are in use, over all workers and nodes, for the metrics."""

from collections.abc import Callable, Mapping

from balances.channels import Channels
from ocs.chores import repeat
from ocs.metrics import Metrics

INTERVAL = 5.0
"""Seconds between two looks."""


class TrunkGauge:
    """Counts now and then. ``limits``: channels by group, 0 for any number."""

    def __init__(
        self, channels: Channels, limits: Mapping[str, int], metrics: Metrics, clock: Callable[[], int]
    ) -> None:
        self._channels = channels
        self._limits = limits
        self._metrics = metrics
        self._clock = clock

    async def refresh(self) -> None:
        """Count now; raises Unavailable."""
        for group, limit in self._limits.items():
            self._metrics.trunk_channels.labels(group).set(await self._channels.occupied(group, self._clock()))
            self._metrics.trunk_channel_limit.labels(group).set(limit)

    async def run(self) -> None:
        """Count for ever; without the store the last figures stay."""
        await repeat(self.refresh, INTERVAL, "count of channels in use")
