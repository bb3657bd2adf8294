"""Brings what was promised before the ledger, once the store is back.

Each promise under its request's own name, (session, operation), which the ledger does once, however often it is told.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

from msgspec.structs import replace

from balances.ledger import Charged, LedgerError, Phase, Unavailable, Verdict
from charging import trust
from charging.engine import Engine
from charging.event import ChargingEvent
from charging.trust import Promise
from ocs.metrics import Metrics
from ocs.outage.promises import Promises

log = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds for which a session that the ledger does not know may still be promised by another process that is to settle
its beginning."""

_INTERVAL = 0.2
_AT_ONCE = 50
"""Seconds between two looks for what can be settled; sessions that are settled at one time."""

_SETTLED = (Verdict.DONE, Verdict.LAPSED_SESSION, Verdict.CLOSED_SESSION)


class Settlement:
    """``reaches``: is there a connection to where this session lives? ``clock``: milliseconds since 1970."""

    def __init__(
        self,
        promises: Promises,
        engine: Engine,
        reaches: Callable[[str], bool],
        metrics: Metrics,
        clock: Callable[[], int],
    ) -> None:
        self._promises = promises
        self._engine = engine
        self._reaches = reaches
        self._metrics = metrics
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._strange: dict[str, float] = {}
        """Since when it has been known that the ledger does not know a session."""
        self._failing: set[str] = set()
        """Sessions of which it was told that they cannot be settled."""

    async def run(self) -> None:
        """Settle what can be, until cancelled."""
        while True:
            sessions = list(islice(filter(self._reaches, self._promises), _AT_ONCE))
            if not await self._settle_some(sessions):
                self._promises.tidy()
                await asyncio.sleep(_INTERVAL)

    async def close(self) -> None:
        """Give up what is being settled."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def settle(self, session: str) -> None:
        """Bring the promises to a session before the ledger, in order, at one time for all who want it.

        Raises Unavailable.
        """
        task = self._tasks.get(session)
        if task is None:
            task = self._tasks[session] = asyncio.get_running_loop().create_task(self._settle(session))
            task.add_done_callback(partial(self._ended, session))
        await asyncio.shield(task)

    def _ended(self, session: str, task: "asyncio.Task[None]") -> None:
        del self._tasks[session]
        if not task.cancelled():
            task.exception()  # seen: not everybody waits for it

    async def _settle_some(self, sessions: list[str]) -> int:
        """How many promises were settled."""
        before = len(self._promises)
        results = await asyncio.gather(*map(self.settle, sessions), return_exceptions=True)
        for session, result in zip(sessions, results, strict=True):
            if isinstance(result, Exception) and not isinstance(result, Unavailable) and session not in self._failing:
                self._failing.add(session)
                log.error("session %s cannot be settled; trying again", session, exc_info=result)
            self._promises.put_off(session)
        return before - len(self._promises)

    async def _settle(self, session: str) -> None:
        while promises := self._promises.of(session):
            if not await self._bring(promises[0]):
                return
            self._promises.done(promises[0])
        self._strange.pop(session, None)
        self._failing.discard(session)

    async def _bring(self, promise: Promise) -> bool:
        """Settle one; False: not yet. Raises Unavailable."""
        event = promise.event
        stored = await self._engine.ledger.session(promise.address, event.session)
        waits = event.phase in (Phase.UPDATE, Phase.CLOSE)
        if stored is None and waits and not self._has_waited(event.session):
            return False
        try:
            charged = await self._bring_all(promise, trust.settlement(event, stored.state if stored else None))
            if charged is not None and trust.lost(event, charged.verdict):
                charged = await self._bring_all(promise, trust.debit(promise))
        except (LedgerError, OverflowError) as problem:
            self._give_up(promise, str(problem))
            return True
        if charged is not None and charged.verdict not in _SETTLED:
            self._give_up(promise, charged.verdict.value)
        else:
            self._metrics.promises_settled.labels("settled").inc()
        return True

    async def _bring_all(self, promise: Promise, steps: Sequence[ChargingEvent]) -> Charged | None:
        """The ledger's answer to the last step, or to the first that it did not do; None: there was none."""
        charged = None
        for step in steps:
            charged = await self._engine.settle(replace(step, now=self._clock()), promise.address)
            if charged.verdict not in _SETTLED:
                break
        return charged

    def _has_waited(self, session: str) -> bool:
        """Was there time enough for another process to settle the beginning of the session?"""
        now = asyncio.get_running_loop().time()
        return now - self._strange.setdefault(session, now) >= PATIENCE

    def _give_up(self, promise: Promise, why: str) -> None:
        """It would fail again. The log keeps it, for somebody to look at."""
        self._metrics.promises_settled.labels("failed").inc()
        log.error(
            "account %s was granted %s by %s of session %s on trust, which cannot be settled: %s",
            promise.address.account,
            [(grant.key, grant.granted) for grant in promise.answer.grants],
            promise.event.operation,
            promise.event.session,
            why,
        )
