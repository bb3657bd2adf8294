"""The scheduler: renews subscriptions that are due. Any number may run, on any number of nodes; none leads.

That a renewal happens once is the ledger's doing. Who works on a shard says so for a while, which only spares the
others work.
"""

import asyncio
import logging
import random
import uuid
from collections.abc import Callable, Sequence
from typing import Final

from balances.ledger import Address, Ledger, LedgerError, Renewed, Subscription, SubscriptionState, Unavailable
from charging.catalogue import Catalogue
from charging.renewals import renewal
from ocs.chores import repeat
from ocs.metrics import Metrics
from ocs.renewals.settings import RenewalSettings

log = logging.getLogger(__name__)

BURST: Final = 5
"""Renewals that are sent to the store together: no request waits for more of them than these."""

PAGE: Final = 250
"""Renewals of a shard that are read at one time."""

LEASE: Final = 5_000
"""Milliseconds for which a shard is one scheduler's."""


class Scheduler:
    """``shards``: how many the ledger has; ``catalogue``: the one in force; ``renewed`` is told of accounts that have a
    new bucket; ``clock``: milliseconds since 1970."""

    def __init__(
        self,
        ledger: Ledger,
        shards: int,
        catalogue: Callable[[], Catalogue],
        settings: RenewalSettings,
        metrics: Metrics,
        renewed: Callable[[Address], None],
        clock: Callable[[], int],
    ) -> None:
        self._ledger = ledger
        self._shards = shards
        self._catalogue = catalogue
        self._settings = settings
        self._metrics = metrics
        self._renewed = renewed
        self._clock = clock
        self._name = f"scheduler {uuid.uuid4()}"
        self._looked = 0.0
        """When the last round was over, or the first was to begin, by the loop's clock."""
        self._nudged: set[asyncio.Task[None]] = set()
        for result in Renewed:  # from 0 on: what begins at 1 is no increase to whoever alerts on it
            metrics.renewals.labels(result.value)

    async def run(self) -> None:
        """Renew until cancelled. A store that is away, or one bad round, only delays it."""
        self._looked = asyncio.get_running_loop().time()
        try:
            await repeat(self._catch_up, self._settings.interval, "renewal of subscriptions")
        finally:
            for task in self._nudged:
                task.cancel()

    async def _catch_up(self) -> None:
        """Rounds without a pause until nothing is due. Where one fails nobody knows what is: the last one counts."""
        try:
            while await self.round():
                pass
        except Exception:
            self._metrics.renewals_lag.set(asyncio.get_running_loop().time() - self._looked)
            raise

    async def round(self) -> int:
        """Renew a page of each shard that nobody else works on; how many were looked at. May raise Unavailable."""
        now, found, lag = self._clock(), 0, 0
        for shard in random.sample(range(self._shards), self._shards):
            due = await self._ledger.due_renewals(shard, now, PAGE)
            if not due:
                continue
            lag = max(lag, now - due[0].due_at)
            if await self._ledger.claim(f"renewals {shard}", self._name, LEASE) == self._name:
                await self._renew(due)
                found += len(due)
        self._metrics.renewals_lag.set(lag / 1000)
        self._looked = asyncio.get_running_loop().time()
        return found

    async def _renew(self, due: Sequence[Subscription]) -> None:
        """In bursts, and at most half of the time, so that a store that is slow has less to do."""
        loop = asyncio.get_running_loop()
        for start in range(0, len(due), BURST):
            begun = loop.time()
            await asyncio.gather(*[self._renew_one(one) for one in due[start : start + BURST]])
            took = loop.time() - begun
            await asyncio.sleep(max(took, BURST / self._settings.rate - took))

    async def _renew_one(self, due: Subscription) -> None:
        try:
            account = await self._ledger.account(due.address)
            result = await self._ledger.renew(renewal(self._catalogue(), account, due, self._clock()))
        except LedgerError:
            log.exception("the subscription of %s to %s is not renewed", due.address.account, due.offer)
            return
        self._metrics.renewals.labels(result.value).inc()
        if result is Renewed.RENEWED:
            self._renewed(due.address)

    def nudge(self, address: Address) -> None:
        """The account may be able to pay now: try at once what waits for it. What is lost here is tried daily."""
        task = asyncio.create_task(self._try_again(address))
        self._nudged.add(task)
        task.add_done_callback(self._nudged.discard)

    async def _try_again(self, address: Address) -> None:
        try:
            for one in await self._ledger.subscriptions(address):
                if one.state is SubscriptionState.WAITING:
                    await self._renew_one(one)
        except Unavailable as problem:
            log.debug("nothing renewed at once: %s", problem)
        except Exception:
            log.exception("renewing at once failed; it is tried again in a day")
