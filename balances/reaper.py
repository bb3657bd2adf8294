"""The reaper: lapses sessions nobody renewed, writes off expired buckets, carries on transfers somebody left lying.

Any number may run; none leads.
"""

import asyncio
import logging
from collections.abc import Callable

from balances.ledger import Ledger, Unavailable
from balances.observer import Observer, Unobserved
from balances.transfers import carry_stranded, transfer_name

log = logging.getLogger(__name__)


class Reaper:
    """Calls ``ledger.expire`` now and then. ``clock``: milliseconds since 1970; ``interval``: seconds.

    ``grace``: seconds for which nothing lapses at the start, and after the store was away.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], int],
        *,
        interval: float = 0.5,
        batch: int = 100,
        grace: float = 0.0,
        observer: Observer | None = None,
    ) -> None:
        self.ledger = ledger
        self.clock = clock
        self.interval = interval
        self.batch = batch
        self.grace = grace
        self.observer: Observer = observer or Unobserved()
        self._stuck: set[str] = set()

    async def run(self) -> None:
        """Reap until cancelled. A store that is away, or one bad round, only delays it."""
        loop = asyncio.get_running_loop()
        done = loop.time()
        await asyncio.sleep(self.grace)
        while True:
            try:
                found = await self.reap()
                done = loop.time()
            except Unavailable as problem:
                found = 0
                await self._give_way()
                log.debug("nothing reaped: %s", problem)
            except Exception:
                found = 0
                log.exception("reaping failed; trying again")
            self.observer.reaper_lag(loop.time() - done)
            if found < self.batch:
                await asyncio.sleep(self.interval)

    async def _give_way(self) -> None:
        """Let others do first, once the store is back, what they could not do meanwhile."""
        away = self.grace > 0
        while away:
            try:
                await self.ledger.probe()
                away = False
            except Unavailable:
                await asyncio.sleep(self.interval)
        await asyncio.sleep(self.grace)

    async def _carry_on(self, now: int) -> None:
        """Say once of a transfer that it cannot be credited."""
        stuck = {transfer_name(transfer) for transfer in await carry_stranded(self.ledger, now)}
        for name in sorted(stuck - self._stuck):
            log.warning("%s cannot be credited: it stays in transit", name)
        self._stuck = stuck

    async def reap(self) -> int:
        """One round; returns how many sessions lapsed. Raises Unavailable."""
        now = self.clock()
        await self._carry_on(now)
        lapsed = await self.ledger.expire(now, self.batch)
        for session in lapsed:
            self.observer.lapsed(session.door)
        return len(lapsed)
