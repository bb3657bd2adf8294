"""Sy at one process's Diameter door: what answers the requests and what sends the reports."""

import asyncio
from collections.abc import Callable, Mapping

from balances.link import Link
from balances.store import StoreLedger
from balances.watches import Watches
from charging.catalogue import Counter
from charging.engine import Engine
from ocs.pending import Handler
from ocs.sy.reporter import Reporter, Sender
from ocs.sy.spending_limits import SpendingLimits


class SpendingLimitDoor:
    """``answer`` handles SLR and STR; between ``start`` and ``stop`` reports are sent."""

    def __init__(self, ledger: StoreLedger, link: Link, engine: Engine, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._watches = Watches(link, ledger.keys)
        self._engine = engine
        self._clock = clock
        self._reporting: asyncio.Task[None] | None = None
        self.answer: Handler = SpendingLimits(ledger, self._watches, self._counters, clock)

    def _counters(self) -> Mapping[str, Counter]:
        """Those of the catalogue in force now."""
        return self._engine.catalogue.counters

    def start(self, sender: Sender) -> None:
        reporter = Reporter(self._ledger, self._watches, self._counters, sender, self._clock)
        self._reporting = asyncio.create_task(reporter.run(), name="spending reports")

    async def stop(self) -> None:
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.wait([self._reporting])
