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

from charging.event import Channels, ChargingEvent, Memory, Outcome, Result, Room, Unavailable
from sip_credit.call import Call, Calls, Measure, believable, measure, session_of, unpack
from sip_credit.digest import Digest, Verdict
from sip_credit.limits import Load, Traffic
from sip_credit.message import respond
from sip_credit.messaging import answer_message, is_charged, read_message
from sip_credit.observer import Observer, Orphan
from sip_credit.policy import (
    ALLOW,
    REPORT_METHODS,
    Answer,
    Check,
    answer_check,
    grant_headers,
    item_of,
    read_check,
    service_of,
    unavailable,
    undo_event,
)
from sip_credit.report import (
    Kind,
    Report,
    answer_interim,
    carried,
    close_event,
    ended,
    interim_event,
    read_report,
    release_event,
    start_event,
    supposed_call,
    unremembered_event,
)
from sip_credit.routing import Router, reference, route
from sip_credit.settings import Peer, Settings
from sip_credit.transaction import Hop, Transaction, TransactionLayer
from sip_credit.trunks import Trunks, refuse
from sip_credit.turns import Turns

log = logging.getLogger(__name__)

TOMBSTONE = 32_000
"""Milliseconds (64*T1) for which a release that came before its INVITE voids it."""


class Engine(Router, Protocol):
    """What the door needs of the charging engine."""

    async def handle(self, event: ChargingEvent) -> Outcome:
        """Charge it; a store that is away is the outcome UNAVAILABLE."""
        ...

    async def claim(self, name: str, owner: str) -> str:
        """Whose is this name? The first to claim it keeps it; may raise Unavailable."""
        ...

    def is_emergency(self, event: ChargingEvent) -> bool:
        """Is it about an emergency call, which nothing may hinder?"""
        ...

    async def recall(self, session: str) -> Memory | None:
        """What the vault knows of a session; None if it was never heard of. Raises Unavailable."""
        ...


class Orphans(Protocol):
    """Where stop reports of calls nobody knows are kept."""

    async def keep(self, id: str, at: int, report: bytes) -> bool:
        """Keep a report under its id, once; may raise Unavailable."""
        ...


class PeerHop(Hop, Protocol):
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
        self._calls = Calls(settings.remembered_calls)
        self._released: dict[str, int] = {}
        self._turns = Turns()
        self._trunks = Trunks(settings, channels)
        self._orphans = orphans
        self._tasks: set[asyncio.Task[None]] = set()
        self._layer: TransactionLayer[Any]
        self._digest = Digest(
            settings.realm, secrets.token_bytes(32), settings.nonce_lifetime, lambda: secrets.token_hex(8)
        )
        self.traffic = {peer.name: Traffic(peer) for peer in settings.peers}
        """What each peer has asked, by its name."""
        self.own = frozenset(name.lower() for name in settings.own_names)
        """``host`` or ``host:port`` of ourselves."""
        self.draining = False

    def attach(self, layer: TransactionLayer[Any]) -> None:
        """Answers go through this layer."""
        self._layer = layer

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
        if peer.digest and method not in ("CANCEL", "OPTIONS") and not self._proven(transaction):
            return
        if method == "INVITE":
            self._take_check(transaction)
        elif method == "CANCEL":
            self._take_cancel(transaction)
        elif method == "OPTIONS":
            self._answer(transaction, "options", self._alive(peer))
        elif is_charged(transaction.request, peer):
            self._take_message(transaction)
        elif method in REPORT_METHODS:
            self._take_report(transaction)
        else:
            self._answer(transaction, "other", Answer(status=405, headers=(("Allow", ", ".join(ALLOW)),)))

    def _alive(self, peer: Peer) -> Answer:
        """Section 11.2; proxies probe with OPTIONS and fail over on 503."""
        if self.draining or not self._ready():
            return unavailable("unavailable", peer.header_prefix, self._settings)
        headers = (("Allow", ", ".join(ALLOW)), ("Accept", "application/sdp"), ("Supported", ""))
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
            self._answer(transaction, "invite", unavailable("overload", peer.header_prefix, self._settings))
            return
        check = read_check(transaction.request, peer, self._settings, self._clock(), self.own)
        if isinstance(check, Answer):
            self._answer(transaction, "invite", check)
            return
        if self._released.pop(check.event.session, 0) > self._clock() - TOMBSTONE:
            reason = ((f"{peer.header_prefix}Reason", "released"),)
            self._answer(transaction, "invite", Answer(status=480, headers=reason))
            return
        self._within(transaction, "invite", self._settings.answer_within_ms, self._check(transaction, check))

    async def _check(self, transaction: Transaction[Any], check: Check) -> None:
        name = check.event.session
        async with self._turns.of(name):
            if transaction.answered:
                return  # cancelled or too late while another request of the call was served: nothing was asked yet
            try:
                owner, room = await asyncio.gather(self._owner(check), self._occupy(check))
                if room is not Room.FREE:
                    self._answer(transaction, "invite", refuse(room, check.peer))
                    return
                routed = await self._route(check)
                if isinstance(routed, Answer):
                    self._answer(transaction, "invite", routed)
                    await self._trunks.free(check.call)
                    return
                check, outcome = await self._decide(routed, owner)
            except Unavailable:
                why = unavailable("unavailable", check.peer.header_prefix, self._settings)
                self._answer(transaction, "invite", why)
                await self._trunks.free(check.call)
                return
            answer, call = answer_check(check, outcome, self._settings)
            heard = transaction.hop.open and self._answer(transaction, "invite", answer)
            if call is not None and heard:
                self._calls.put(check.event.session, call)
                if check.event.session != name:
                    self._calls.rename(name, check.event.session)
                return
            if outcome.result is Result.OK:
                await self._undo(check)
            await self._trunks.free(check.call)

    async def _owner(self, check: Check) -> str:
        """Which check has the session's name?"""
        try:
            return await self._engine.claim(check.event.session, check.identity)
        except Unavailable:
            return ""  # an emergency call is allowed all the same, anything else refused

    async def _occupy(self, check: Check) -> Room:
        """Take a channel of the trunk group, in the same round trip as the session's name; raises Unavailable."""
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
        outcome = await self._ask(check.event)
        if outcome.replayed and not await self._waits(check.event.session):
            check = check.under(session_of(f"{check.identity};{secrets.token_hex(8)}"))
            outcome = await self._ask(check.event)
        return check, outcome

    async def _waits(self, session: str) -> bool:
        """Is it open, and not answered yet?"""
        memory = await self._engine.recall(session)
        call = unpack(memory.context) if memory and memory.open else None
        return call is not None and call.started_at is None and not call.ended

    async def _undo(self, check: Check) -> None:
        """Nobody knows of the grant: close its session. If even that fails, the reservation lapses unanswered."""
        call = ended(check.call, Kind.RELEASE) or check.call
        outcome = await self._ask(undo_event(check.event, self._clock(), call))
        if outcome.result is not Result.OK:
            log.warning("could not undo the check of session %s: %s", check.event.session, outcome.result)

    def _take_cancel(self, transaction: Transaction[Any]) -> None:
        """Section 9.2: both are answered at once; the decision is undone when it comes."""
        invite = self._layer.invite_of(transaction.request)
        if invite is None:
            self._take_report(transaction)
            return
        transaction.tag = invite.tag
        self._answer(transaction, "cancel", Answer(status=200))
        self._answer(invite, "invite", Answer(status=487))

    # ---- messages

    def _take_message(self, transaction: Transaction[Any]) -> None:
        peer: Peer = transaction.hop.peer
        event = read_message(transaction.request, peer, self._settings, self._clock())
        if isinstance(event, Answer):
            self._answer(transaction, "message", event)
        elif self._refuses_new(peer):
            self._answer(transaction, "message", unavailable("overload", peer.header_prefix, self._settings))
        else:
            work = self._message(transaction, event)
            self._within(transaction, "message", self._settings.report_within_ms, work)

    async def _message(self, transaction: Transaction[Any], event: ChargingEvent) -> None:
        answer = answer_message(event, await self._ask(event), transaction.hop.peer, self._settings)
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
                report = msgspec.structs.replace(report, session=self._calls.meant_by(report.session))
            work = self._report(transaction, report)
            self._within(transaction, report.kind, self._settings.report_within_ms, work)

    async def _report(self, transaction: Transaction[Any], report: Report) -> None:
        serve = {
            Kind.START: self._start,
            Kind.INTERIM: self._interim,
            Kind.STOP: self._stop,
            Kind.RELEASE: self._release,
        }[report.kind]
        async with self._turns.of(report.session):
            try:
                if report.announced or await self._known(report) is not None:
                    answer = await serve(report)
                else:
                    answer = Answer(status=481)
            except Unavailable:
                answer = unavailable("unavailable", report.peer.header_prefix, self._settings)
        self._answer(transaction, report.kind, answer)

    async def _start(self, report: Report) -> Answer:
        call = await self._known(report)
        if call is None:
            return await self._unremembered(report)
        if call.started_at is not None or call.ended:
            return Answer(status=200)
        call = msgspec.structs.replace(call, started_at=report.at - (report.duration_ms or 0))
        event = start_event(report, call, self._settings)
        outcome = await self._ask(event)
        if outcome.result is Result.OK:
            self._calls.put(report.session, call)
            await self._trunks.keep(call, event)
        return self._reported(report, outcome.result, Answer(status=481))

    async def _interim(self, report: Report) -> Answer:
        call = await self._known(report)
        if call is None:
            return await self._unremembered(report)
        if call.ended:
            return Answer(status=481)
        spent = self._measure(call, report)
        if call.started_at is None:  # the start report was lost or is yet to come
            call = msgspec.structs.replace(call, started_at=report.at - spent.milliseconds)
        wanted = self._settings.slice if call.refreshes else self._settings.whole_grant
        asked = msgspec.structs.replace(call, cap=spent.seconds + wanted, exact=False)
        event = interim_event(report, asked, spent.seconds, wanted, self._settings)
        outcome = await self._ask(event)
        if outcome.result in (Result.UNKNOWN_SESSION, Result.SESSION_CLOSED):
            self._calls.drop(report.session)
            return Answer(status=481)
        if outcome.result is Result.UNAVAILABLE:
            return unavailable("unavailable", report.peer.header_prefix, self._settings)
        await self._trunks.keep(call, event)
        answer, call = answer_interim(report, outcome, call, spent.seconds)
        self._calls.put(report.session, call)
        return answer

    async def _unremembered(self, report: Report) -> Answer:
        """A report of a call that neither we nor the vault remember: an emergency call's is confirmed all the same."""
        outcome = await self._ask(unremembered_event(report, self._settings))
        item = item_of(outcome)
        if outcome.result is Result.OK and item is not None and report.kind is Kind.INTERIM:
            headers = grant_headers(item, supposed_call(report, self._settings), report.peer.header_prefix)
            return Answer(status=200, headers=headers)
        return self._reported(report, outcome.result, Answer(status=481))

    async def _stop(self, report: Report) -> Answer:
        call = await self._known(report)
        spent = self._measure(call, report)
        event = close_event(report, ended(call, Kind.STOP, report.cause), spent.seconds)
        if call is None:  # an emergency call is known by its number
            event = msgspec.structs.replace(event, service=service_of(supposed_call(report, self._settings)))
        noted = await reference(self._engine, call, spent.seconds, report.at)
        outcome = await self._ask(msgspec.structs.replace(event, reference=noted))
        self._calls.drop(report.session)
        await self._trunks.free(call)
        if outcome.result is Result.OK and not outcome.replayed:
            self._watch(report, call, spent.difference, spent.seconds)
        if outcome.result is Result.UNKNOWN_SESSION:
            await self._orphan(report, call)
        return self._reported(report, outcome.result, Answer(status=481))

    async def _release(self, report: Report) -> Answer:
        call = self._calls.get(report.session) or await self._known(report)
        outcome = await self._ask(release_event(report, ended(call, Kind.RELEASE, report.cause)))
        self._calls.drop(report.session)
        await self._trunks.free(call)
        if outcome.result not in (Result.OK, Result.SESSION_CLOSED, Result.UNAVAILABLE):
            self._entomb(report.session)
        return self._reported(report, outcome.result, Answer(status=200))

    def _reported(self, report: Report, result: Result, unknown: Answer) -> Answer:
        """What a report is answered: 200 also when it comes again, 503 if the proxy shall repeat it."""
        if result in (Result.OK, Result.SESSION_CLOSED):
            return Answer(status=200)
        if result is Result.UNAVAILABLE:
            return unavailable("unavailable", report.peer.header_prefix, self._settings)
        return unknown

    def _measure(self, call: Call | None, report: Report) -> Measure:
        reported = believable(call, report.duration_ms, report.at, int(self._settings.lead * 1000))
        return measure(call, reported, report.at, self._tolerance)

    @property
    def _tolerance(self) -> int:
        return int(self._settings.clock_tolerance * 1000)

    def _watch(self, report: Report, call: Call | None, difference: int, seconds: int) -> None:
        """Tell of a call that outlived its grant, and of clocks that disagree."""
        if call is None:
            return
        if difference > self._tolerance:
            self._observer.clock_difference(difference / 1000)
            log.warning("session %s: own and reported duration differ by %d ms", report.session, difference)
        if seconds > call.cap:
            self._observer.overrun(seconds - call.cap)

    async def _orphan(self, report: Report, call: Call | None) -> None:
        """Keep it before it is answered: what cannot be kept now the proxy shall report again. Raises Unavailable."""
        orphan = Orphan(
            session=report.session,
            call_id=report.call_id,
            caller=call.caller if call else report.caller,
            called=call.called if call else report.called,
            duration_ms=report.duration_ms,
            peer=report.peer.name,
            at=report.at,
            report=report.operation,
        )
        id = session_of(f"{report.session};{report.operation}")
        if self._orphans is not None and not await self._orphans.keep(id, report.at, msgspec.json.encode(orphan)):
            return  # reported before
        self._observer.orphan(orphan)
        log.warning("stop report of an unknown session: %s, cause %r", orphan, report.cause)

    def _entomb(self, session: str) -> None:
        """Remember a release of something unknown, for the INVITE that it may have overtaken."""
        while len(self._released) >= self._settings.remembered_calls:
            del self._released[next(iter(self._released))]
        self._released[session] = self._clock()

    # ---- engine, memory, answers

    async def _known(self, report: Report) -> Call | None:
        """The call a report means. What is remembered is trusted once it has started: another worker may know more."""
        call = self._calls.get(report.session)
        if call is None or (call.started_at is None and report.kind is not Kind.START):
            call = await self._recall(report.session) or call
        return carried(call, report)

    async def _recall(self, session: str) -> Call | None:
        memory = await self._engine.recall(session)
        call = unpack(memory.context) if memory else None
        if call is not None and memory is not None and memory.open:
            self._calls.put(session, call)
        return call

    async def _ask(self, event: ChargingEvent) -> Outcome:
        outcome = await self._engine.handle(event)
        if outcome.replayed:
            self._observer.duplicate()
        return outcome

    def _within(
        self, transaction: Transaction[Any], type: str, milliseconds: int, work: Coroutine[Any, Any, None]
    ) -> None:
        """Run the work in a task and answer 503 if it has not answered in time; the work goes on and sees that."""
        loop = asyncio.get_running_loop()
        prefix = transaction.hop.peer.header_prefix
        late = unavailable("deadline", prefix, self._settings)
        timer = loop.call_later(milliseconds / 1000, self._answer, transaction, type, late)
        task = loop.create_task(work)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            timer.cancel()
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("%s failed", transaction, exc_info=error)
            if not transaction.answered:
                self._answer(transaction, type, unavailable("unavailable", prefix, self._settings))

        task.add_done_callback(done)

    def _answer(self, transaction: Transaction[Any], type: str, answer: Answer) -> bool:
        """Send an answer; False if there was one already."""
        if transaction.answered:
            return False
        now = asyncio.get_running_loop().time()
        response = respond(
            transaction.request, answer.status, answer.reason, tag=transaction.tag, headers=answer.headers
        )
        self._layer.answer(transaction, response, now)
        self._observer.request(type, answer.status, now - transaction.began)
        self.traffic[transaction.hop.peer.name].answered()
        return True
