"""From ledger entries to watches that are due: which accounts have changed since somebody looked."""

from collections.abc import Callable

from balances.ledger import Address, Entry
from balances.watches import Watches
from ocs.chores import repeat
from ocs.metrics import Metrics
from ocs.observers import VaultObserver


class Changes(VaultObserver):
    """Observes the vault for the metrics, and marks the watches of every account whose entry passes by."""

    def __init__(self, metrics: Metrics, watches: Watches, clock: Callable[[], int]) -> None:
        super().__init__(metrics)
        self._watches = watches
        self._clock = clock
        self._changed: set[Address] = set()
        self._all = True
        """What the last process heard of and did not get marked, nobody knows: at the start all are looked at."""

    def journalled(self, entry: Entry) -> None:
        super().journalled(entry)
        self._changed.add(Address(shard=entry.shard, account=entry.account))

    async def run(self, interval: float = 0.1) -> None:
        """Mark until cancelled. While the store is away the changes are kept."""
        await repeat(self.round, interval, "marking of watches")

    async def round(self) -> None:
        """Mark once; may raise Unavailable, and forgets nothing then."""
        if self._all:
            await self._watches.mark_all(self._clock())
            self._all = False
        changed, self._changed = self._changed, set()
        if not changed:
            return
        try:
            await self._watches.mark(changed, self._clock())
        except BaseException:
            self._changed |= changed
            raise
