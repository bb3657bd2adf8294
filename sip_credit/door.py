"""Between transactions and engine: each new request is understood, decided in time and answered exactly once.

Requests of one call are taken in turn. A decision that comes too late, for a check that was answered 503 or cancelled
meanwhile, is undone. The door awaits the engine and nothing else; sockets are ``server``'s.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import msgspec

from charging.event import Channels, ChargingEvent, Outcome, Result, Room, Unavailable
from sip_credit.call import Call, session_of, unpack
from sip_credit.desk import Desk, Engine, Orphans
from sip_credit.digest import Digest, Verdict
from sip_credit.inpath.hop import Hop
from sip_credit.limits import Load, Traffic
from sip_credit.message import respond
from sip_credit.messaging import answer_message, is_charged, read_message
from sip_credit.observer import Observer
from sip_credit.policy import (
    ALLOW,
    REPORT_METHODS,
    Answer,
    Check,
    answer_check,
    failure_hint,
    read_check,
    unavailable,
    undo_event,
)
from sip_credit.report import (
    Kind,
    Report,
    ended,
    read_report,
)
from sip_credit.routing import route
from sip_credit.settings import Mode, Peer, Settings
from sip_credit.transaction import Hop as Source
from sip_credit.transaction import Transaction, TransactionLayer
from sip_credit.trunks import Trunks, refuse

log = logging.getLogger(__name__)


class PeerHop(Source, Protocol):
    """Where a request came from, and as whom it may speak."""

    @property
    def peer(self) -> Peer: ...

    @property
    def open(self) -> bool:
        """Can an answer still be sent there?"""
        ...


class Door:
    """Takes new transactions and answers them. ``clock`` gives milliseconds since 1970, ``ready`` whether to serve."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        observer: Observer,
        clock: Callable[[], int],
        ready: Callable[[], bool],
        channels: Channels | None = None,
        orphans: Orphans | None = None,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._observer = observer
        self._clock = clock
        self._ready = ready
        self._trunks = Trunks(settings, channels)
        self.desk = Desk(settings, engine, observer, clock, self._trunks, orphans)
        self._tasks: set[asyncio.Task[None]] = set()
        self._layer: TransactionLayer[Any]
        self._hop: Hop | None = None
        self._digest = Digest(
            settings.realm, secrets.token_bytes(32), settings.nonce_lifetime, lambda: secrets.token_hex(8)
        )
        self.traffic = {peer.name: Traffic(peer) for peer in settings.peers}
        """What each peer has asked, by its name."""
        self.own = frozenset(name.lower() for name in settings.own_names)
        """``host`` or ``host:port`` of ourselves."""
        self.draining = False

    def attach(self, layer: TransactionLayer[Any], hop: Hop | None = None) -> None:
        """Answers go through this layer, and calls of peers in mode in-path through this hop."""
        self._layer = layer
        self._hop = hop

    @property
    def in_flight(self) -> int:
        """Requests that wait for the engine, decisions to be undone included."""
        return len(self._tasks)

    async def settle(self, patience: float) -> None:
        """Wait for what is being decided, at most this many seconds; then give it up."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=patience)
            for task in late:
                task.cancel()
            if late:
                log.warning("gave up %d decisions", len(late))
                await asyncio.wait(late)

    def take(self, transaction: Transaction[Any]) -> None:
        """Decide a new request, now or in a task of its own."""
        peer: Peer = transaction.hop.peer
        method = transaction.request.method
        self.traffic[peer.name].received()
        self._observer.received()
        if self._hop is not None and method != "CANCEL" and self._hop.session(transaction.request):
            self._hop.take(transaction)
            return
        if peer.digest and method not in ("CANCEL", "OPTIONS") and not self._proven(transaction):
            return
        if method == "INVITE":
            self._take_check(transaction)
        elif method == "CANCEL" and (invite := self._layer.invite_of(transaction.request)):
            self._take_cancel(transaction, invite)
        elif method == "OPTIONS":
            self._answer(transaction, "options", self._alive(peer))
        elif is_charged(transaction.request, peer):
            self._take_message(transaction)
        elif peer.mode is Mode.IN_PATH and method in ("CANCEL", *REPORT_METHODS):
            self._answer(transaction, "other", Answer(status=481))  # of such a peer's calls nobody reports but us
        elif method in ("CANCEL", *REPORT_METHODS):
            self._take_report(transaction)
        else:
            self._answer(transaction, "other", Answer(status=405, headers=(("Allow", ", ".join(ALLOW)),)))

    def _alive(self, peer: Peer) -> Answer:
        """Section 11.2; proxies probe with OPTIONS and fail over on 503."""
        if self.draining or not self._ready():
            return unavailable("unavailable", peer.header_prefix, self._settings)
        headers = (("Allow", ", ".join(ALLOW)), ("Accept", "application/sdp"), ("Supported", ""), *failure_hint(peer))
        return Answer(status=200, headers=headers)

    def _overloaded(self, peer: Peer) -> bool:
        """Is there too much to decide, of all peers or of this one?"""
        full = len(self._tasks) >= self._settings.max_pending
        return full or self.traffic[peer.name].carries() is not Load.FREE

    def _refuses_new(self, peer: Peer) -> bool:
        """Shall nothing new begin, for the time being?"""
        now = asyncio.get_running_loop().time()
        return self.draining or self._overloaded(peer) or self.traffic[peer.name].opens(now) is not Load.FREE

    def _proven(self, transaction: Transaction[Any]) -> bool:
        """Does the request prove the peer's password? If not it is challenged (section 22.4)."""
        now = self._clock() // 1000
        verdict = self._digest.judge(transaction.request, dict(transaction.hop.peer.digest), now)
        if verdict is Verdict.GOOD:
            return True
        self._answer(transaction, "other", Answer(status=401, headers=self._digest.challenge(now, verdict)))
        return False

    # ---- the credit check

    def _take_check(self, transaction: Transaction[Any]) -> None:
        peer: Peer = transaction.hop.peer
        if self._refuses_new(peer):
            self._turn_away(transaction, "invite", unavailable("overload", peer.header_prefix, self._settings))
            return
        if peer.mode is Mode.IN_PATH and self._hop is not None:
            objection = self._hop.objection(transaction.request, transaction.hop.reliable, peer)
            if objection is not None:
                self._turn_away(transaction, "invite", objection)
                return
        check = read_check(transaction.request, peer, self._settings, self._clock(), self.own)
        if isinstance(check, Answer):
            self._turn_away(transaction, "invite", check)
            return
        if self.desk.was_released(check.event.session):
            reason = ((f"{peer.header_prefix}Reason", "released"),)
            self._turn_away(transaction, "invite", Answer(status=480, headers=reason))
            return
        self._within(transaction, "invite", self._settings.answer_within_ms, self._check(transaction, check))

    async def _check(self, transaction: Transaction[Any], check: Check) -> None:
        name = check.event.session
        async with self.desk.turns.of(name):
            if transaction.answered:
                return  # cancelled or too late while another request of the call was served: nothing was asked yet
            try:
                owner, room = await self._begin(check)
                if room is not Room.FREE:
                    self._turn_away(transaction, "invite", refuse(room, check.peer))
                    return
                routed = await self._route(check)
                if isinstance(routed, Answer):
                    self._turn_away(transaction, "invite", routed)
                    await self._trunks.free(check.call)
                    return
                check, outcome = await self._decide(routed, owner)
            except Unavailable:
                why = unavailable("unavailable", check.peer.header_prefix, self._settings)
                self._turn_away(transaction, "invite", why)
                await self._trunks.free(check.call)
                return
            answer, call = answer_check(check, outcome, self._settings)
            heard = transaction.hop.open and self._convey(transaction, check, answer, call)
            if call is not None and heard:
                self.desk.calls.put(check.event.session, call)
                if check.event.session != name:
                    self.desk.calls.rename(name, check.event.session)
                return
            if outcome.result is Result.OK:
                await self._undo(check)
            await self._trunks.free(check.call)

    def _convey(self, transaction: Transaction[Any], check: Check, answer: Answer, call: Call | None) -> bool:
        """Tell the proxy; or be the proxy, where the peer's calls go through us. False: nobody waits any longer."""
        if call is not None and self._hop is not None and check.peer.mode is Mode.IN_PATH:
            return self._hop.carry(transaction, check, call, answer)
        return self._answer(transaction, "invite", answer)

    async def _begin(self, check: Check) -> tuple[str, Room]:
        """Whose the session's name is, and a channel for the call: both in one round trip. Raises Unavailable."""
        if not self._trunks.limits(check.peer):
            return await self._owner(check), Room.FREE
        return await asyncio.gather(self._owner(check), self._occupy(check))

    async def _owner(self, check: Check) -> str:
        """Which check has the session's name?"""
        try:
            return await self._engine.claim(check.event.session, check.identity)
        except Unavailable:
            return ""  # an emergency call is allowed all the same, anything else refused

    async def _occupy(self, check: Check) -> Room:
        """Take a channel of the trunk group; raises Unavailable."""
        return Room.FREE if self._engine.is_emergency(check.event) else await self._trunks.occupy(check)

    async def _route(self, check: Check) -> Check | Answer:
        """Choose carriers, where the peer's calls are routed by us; emergency calls go where they always go."""
        if not check.peer.routing or self._engine.is_emergency(check.event):
            return check
        return await route(self._engine, check, self.own)

    async def _decide(self, check: Check, owner: str) -> tuple[Check, Outcome]:
        """Ask the engine, under a session that is this check's alone: no other call may be charged for it, or end it.

        The first check of a Call-ID has the session that reports can find by the Call-ID. The same check again gets the
        same answer only as long as its call waits to be answered; after that it is another call.
        """
        if owner != check.identity:
            check = check.under(session_of(check.identity))
        outcome = await self.desk.ask(check.event)
        if outcome.replayed and not await self._waits(check.event.session):
            check = check.under(session_of(f"{check.identity};{secrets.token_hex(8)}"))
            outcome = await self.desk.ask(check.event)
        return check, outcome

    async def _waits(self, session: str) -> bool:
        """Is it open, and not answered yet?"""
        memory = await self._engine.recall(session)
        call = unpack(memory.context) if memory and memory.open else None
        return call is not None and call.started_at is None and not call.ended

    async def _undo(self, check: Check) -> None:
        """Nobody knows of the grant: close its session. If even that fails, the reservation lapses unanswered."""
        call = ended(check.call, Kind.RELEASE) or check.call
        outcome = await self.desk.ask(undo_event(check.event, self._clock(), call))
        if outcome.result is not Result.OK:
            log.warning("could not undo the check of session %s: %s", check.event.session, outcome.result)

    def _take_cancel(self, transaction: Transaction[Any], invite: Transaction[Any]) -> None:
        """Section 9.2: both are answered at once; the decision is undone when it comes. An INVITE that was sent on is
        cancelled where it went (section 16.10)."""
        transaction.tag = invite.tag
        self._answer(transaction, "cancel", Answer(status=200))
        if self._hop is None or not self._hop.cancel(invite):
            self._answer(invite, "invite", Answer(status=487))

    # ---- messages

    def _take_message(self, transaction: Transaction[Any]) -> None:
        peer: Peer = transaction.hop.peer
        event = read_message(transaction.request, peer, self._settings, self._clock())
        if isinstance(event, Answer):
            self._turn_away(transaction, "message", event)
        elif self._refuses_new(peer):
            self._turn_away(transaction, "message", unavailable("overload", peer.header_prefix, self._settings))
        else:
            work = self._message(transaction, event)
            self._within(transaction, "message", self._settings.report_within_ms, work)

    async def _message(self, transaction: Transaction[Any], event: ChargingEvent) -> None:
        answer = answer_message(event, await self.desk.ask(event), transaction.hop.peer, self._settings)
        self._answer(transaction, "message", answer)

    # ---- reports

    def _take_report(self, transaction: Transaction[Any]) -> None:
        peer: Peer = transaction.hop.peer
        report = read_report(transaction.request, peer, self._clock())
        if isinstance(report, Answer):
            self._answer(transaction, "other", report)
        elif self._overloaded(peer):
            self._answer(transaction, report.kind, unavailable("overload", peer.header_prefix, self._settings))
        else:
            if report.by_call_id:
                report = msgspec.structs.replace(report, session=self.desk.calls.meant_by(report.session))
            work = self._report(transaction, report)
            self._within(transaction, report.kind, self._settings.report_within_ms, work)

    async def _report(self, transaction: Transaction[Any], report: Report) -> None:
        self._answer(transaction, report.kind, await self.desk.serve(report))

    # ---- answers

    def _within(
        self, transaction: Transaction[Any], type: str, milliseconds: int, work: Coroutine[Any, Any, None]
    ) -> None:
        """Run the work and answer 503 if it has not answered in time; the work goes on and sees that."""
        prefix = transaction.hop.peer.header_prefix
        late = unavailable("deadline", prefix, self._settings)
        timer = asyncio.get_running_loop().call_later(milliseconds / 1000, self._answer, transaction, type, late)

        def done(_: asyncio.Task[None]) -> None:
            timer.cancel()
            self._answer(transaction, type, unavailable("unavailable", prefix, self._settings))

        self.spawn(work).add_done_callback(done)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the work beside the traffic; ``settle`` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("%s failed", task, exc_info=error)

        task.add_done_callback(done)
        return task

    def refuse(self, transaction: Transaction[Any], answer: Answer) -> None:
        """Answer a request inside a call ourselves."""
        self._answer(transaction, "in-call", answer)

    def passed(self, transaction: Transaction[Any]) -> None:
        """A request was sent on: for us that is its end, whatever the next hop answers and when."""
        in_call = self._hop is not None and self._hop.session(transaction.request)
        self._count(transaction, "in-call" if in_call else "invite", 100)

    def _answer(self, transaction: Transaction[Any], type: str, answer: Answer) -> bool:
        """Send an answer; False if there was one already, or it is another's to give."""
        if transaction.answered or (self._hop is not None and self._hop.carries(transaction)):
            return False
        response = respond(
            transaction.request, answer.status, answer.reason, tag=transaction.tag, headers=answer.headers
        )
        self._layer.answer(transaction, response, asyncio.get_running_loop().time())
        self._count(transaction, type, answer.status)
        return True

    def _turn_away(self, transaction: Transaction[Any], type: str, answer: Answer) -> None:
        """Refuse a request of which nobody but us decides."""
        if self._answer(transaction, type, answer):
            peer: Peer = transaction.hop.peer
            reason = dict(answer.headers).get(f"{peer.header_prefix}Reason", answer.reason or str(answer.status))
            self._observer.turned_away(reason, peer.name)

    def _count(self, transaction: Transaction[Any], type: str, status: int) -> None:
        self._observer.request(type, status, asyncio.get_running_loop().time() - transaction.began)
        self.traffic[transaction.hop.peer.name].answered()
