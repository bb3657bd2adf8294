"""The books, summed now and then for metrics and dashboard."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable

from balances.ledger import Audit, Ledger, Unavailable
from balances.money import MICRO
from ocs.metrics import Metrics
from ocs.observers import UNITS

log = logging.getLogger(__name__)

MOST_SESSIONS = 10_000
"""Sessions read to count them by door; beyond, the count stays at this."""

SHARE = 100
"""Summing the books may take one part in this many of the time: it keeps the store from other work."""


class Books:
    """Sums the books now and then, and sets the metrics that show them."""

    def __init__(self, ledger: Ledger, metrics: Metrics, clock: Callable[[], int], interval: float) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._interval = interval
        self._doors: set[str] = set()
        self.audit: Audit | None = None
        self.at = 0

    async def refresh(self) -> None:
        """Sum now; raises Unavailable."""
        audit = await self._ledger.audit()
        doors: defaultdict[str, int] = defaultdict(int)
        for session in await self._ledger.sessions(limit=MOST_SESSIONS):
            doors[session.door] += 1
        self._doors |= doors.keys()
        for door in self._doors:
            self._metrics.sessions.labels(door).set(doors[door])
        for one in audit.sums:
            if one.asset in UNITS:
                continue
            self._metrics.reserved_amount.labels(one.asset).set(one.accounts.reserved / MICRO)
            gap = max(
                abs(one.accounts.credited - one.house.credited),
                abs(one.accounts.debited - one.house.debited),
                abs(one.accounts.reserved - one.house.reserved),
                abs(one.accounts.overrun - one.house.overrun),
            )
            self._metrics.audit_imbalance.labels(one.asset).set(gap / MICRO)
        self.audit, self.at = audit, self._clock()

    async def run(self) -> None:
        """Refresh for ever, less often where the store is large; without the store, the last sums stay."""
        while True:
            started = time.monotonic()
            try:
                await self.refresh()
            except Unavailable as problem:
                log.info("the books are not summed: %s", problem)
            except Exception:
                log.exception("the books could not be summed")
            await asyncio.sleep(max(self._interval, SHARE * (time.monotonic() - started)))
