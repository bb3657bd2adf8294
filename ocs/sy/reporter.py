"""Tells policy servers of counters whose status has changed: Spending-Status-Notification (TS 29.219 clause 4.5.2).

Any number may run beside each other: the due watches stand in the store, and of the processes that have a way to a
watch's owner one takes it in hand. A report that is not answered is repeated later, with the statuses of then.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from balances.ledger import Ledger, NoSuchAccount, Unavailable
from balances.watches import Claim, Due, Watches
from charging.catalogue import Counter
from charging.counters import statuses
from ocs.chores import repeat
from ocs.connection import PeerUnreachable
from ocs.diameter import avps
from ocs.diameter.answer import Identity
from ocs.diameter.codes import SY_APPLICATION, Command, ResultCode
from ocs.diameter.errors import LocalError, RemoteError
from ocs.diameter.message import Message
from ocs.sy.subscription import Subscription, notification, pack, unpack

log = logging.getLogger(__name__)

LEASE: Final = 15_000
"""Milliseconds for which a process that took a watch in hand may be silent before another one takes it."""

PATIENCE: Final = 2_000
"""Milliseconds for which a watch whose owner this process has no way to is left to others, before it is put off."""

AWAY: Final = 6
"""So many times longer than a failed report waits one whose receiver nobody has a way to."""

MOST_IN_HAND: Final = 500


class Sender(Protocol):
    """The part of the Diameter server that a reporter needs."""

    identity: Identity

    def distance(self, host: str, realm: str, application: int = ...) -> int | None: ...

    async def send(
        self, host: str, realm: str, command: int, parts: Iterable[bytes], application: int = ...
    ) -> Message: ...


class Reporter:
    """``retry``: seconds after which a report that failed is repeated. ``clock`` tells milliseconds since 1970."""

    def __init__(
        self,
        ledger: Ledger,
        watches: Watches,
        counters: Callable[[], Mapping[str, Counter]],
        sender: Sender,
        clock: Callable[[], int],
        retry: float = 5.0,
    ) -> None:
        self._ledger = ledger
        self._watches = watches
        self._counters = counters
        self._sender = sender
        self._clock = clock
        self._retry = int(retry * 1000)
        self._in_hand: dict[str, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<Reporter, {len(self._in_hand)} in hand>"

    async def run(self, interval: float = 0.2) -> None:
        """Report until cancelled; what is in hand then is taken up by others when its lease runs out."""
        try:
            await repeat(self.round, interval, "spending reports")
        finally:
            for task in self._in_hand.values():
                task.cancel()

    async def round(self) -> None:
        """Take in hand what is due and can be told from here."""
        now = self._clock()
        away: list[Due] = []
        for due in await self._watches.due(now):
            if due.watch.id in self._in_hand:
                continue
            try:
                subscription = unpack(due.watch.context)
            except msgspec.DecodeError:
                log.error("the Sy session %s cannot be read: dropped", due.watch.id)
                await self._watches.drop(due.watch)
                continue
            if self._sender.distance(subscription.host, subscription.realm, SY_APPLICATION) is None:
                if now - due.since > PATIENCE:
                    away.append(due)
            elif len(self._in_hand) < MOST_IN_HAND:
                task = asyncio.create_task(self._look(due), name=f"spending report {due.watch.id}")
                self._in_hand[due.watch.id] = task
                task.add_done_callback(lambda _, id=due.watch.id: self._in_hand.pop(id, None))  # type: ignore[misc]
        await asyncio.gather(*[self._watches.defer(due, now + AWAY * self._retry) for due in away])

    async def _look(self, due: Due) -> None:
        try:
            claim = await self._watches.claim(due.watch, self._clock(), LEASE)
            if claim is not None:
                await self._settle(claim, unpack(claim.watch.context))
        except Unavailable as problem:
            log.debug("%s: %s", due.watch.id, problem)  # due again when the lease runs out
        except Exception:
            log.exception("the spending report of %s failed", due.watch.id)

    async def _settle(self, claim: Claim, subscription: Subscription) -> None:
        """Tell what has changed, if anything has, and remember what was told."""
        watch = claim.watch
        try:
            account = await self._ledger.account(watch.address)
        except NoSuchAccount:
            await self._watches.drop(watch)
            return
        untold = subscription.untold(statuses(self._counters(), account, self._clock()))
        if not untold:
            await self._watches.settle(claim, watch.context)
            return
        code = await self._report(watch.id, subscription, untold)
        if code == ResultCode.UNKNOWN_SESSION_ID:
            await self._watches.drop(watch)
        elif code // 1000 in (2, 5):  # told; or refused for good, so that repeating it would change nothing
            if code // 1000 == 5:
                log.warning("%s refused the spending report of %s with %d", subscription.host, watch.id, code)
            told = replace(subscription, told={**subscription.told, **untold})
            await self._watches.settle(claim, pack(told))
        else:
            await self._watches.settle(claim, watch.context, self._clock() + self._retry)

    async def _report(self, session: str, subscription: Subscription, untold: Mapping[str, str]) -> int:
        """Send the SNR; the result code of its answer, 0 if there is none."""
        host, realm = subscription.host, subscription.realm
        parts = notification(self._sender.identity, session, subscription, untold)
        try:
            answer = await self._sender.send(host, realm, Command.SPENDING_STATUS_NOTIFICATION, parts, SY_APPLICATION)
            return result_code(answer)
        except (PeerUnreachable, LocalError, RemoteError) as problem:
            log.info("the spending report of %s is not answered: %s", session, problem)
            return 0


def result_code(answer: Message) -> int:
    """Of an answer, Result-Code or Experimental-Result-Code; 0 if it has neither. Raises RemoteError."""
    experimental = answer.get(avps.EXPERIMENTAL_RESULT)
    code = answer.get(avps.RESULT_CODE)
    if code is None and experimental is not None:
        code = experimental.get(avps.EXPERIMENTAL_RESULT_CODE)
    return code or 0
