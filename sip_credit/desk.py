"""Reports of calls, served one at a time for each call: from a proxy, or from our own hop in the path of the call.

The desk remembers calls, asks the engine and says what a report is to be answered. It awaits the engine and the vault.
"""

import logging
from collections.abc import Callable
from typing import Protocol

import msgspec

from charging.event import ChargingEvent, Memory, Outcome, Result, Unavailable
from sip_credit.call import Call, Calls, Measure, believable, measure, session_of, unpack
from sip_credit.observer import Observer, Orphan
from sip_credit.policy import Answer, grant_headers, item_of, service_of, unavailable
from sip_credit.report import (
    Kind,
    Report,
    answer_interim,
    carried,
    close_event,
    ended,
    interim_event,
    release_event,
    start_event,
    supposed_call,
    unremembered_event,
)
from sip_credit.routing import Router, reference
from sip_credit.settings import Settings
from sip_credit.trunks import Trunks
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


class Desk:
    """Serves reports. ``clock`` gives milliseconds since 1970."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        observer: Observer,
        clock: Callable[[], int],
        trunks: Trunks,
        orphans: Orphans | None,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._observer = observer
        self._clock = clock
        self._trunks = trunks
        self._orphans = orphans
        self._released: dict[str, int] = {}
        self.turns = Turns()
        self.calls = Calls(settings.remembered_calls)

    async def serve(self, report: Report) -> Answer:
        """Serve a report when its call's turn comes; what it is to be answered."""
        serve = {
            Kind.START: self._start,
            Kind.INTERIM: self._interim,
            Kind.STOP: self._stop,
            Kind.RELEASE: self._release,
        }[report.kind]
        async with self.turns.of(report.session):
            try:
                if report.announced or await self._known(report) is not None:
                    return await serve(report)
                return Answer(status=481)
            except Unavailable:
                return unavailable("unavailable", report.peer.header_prefix, self._settings)

    async def ask(self, event: ChargingEvent) -> Outcome:
        """Ask the engine."""
        outcome = await self._engine.handle(event)
        if outcome.replayed:
            self._observer.duplicate()
        return outcome

    def was_released(self, session: str) -> bool:
        """Did a release overtake the INVITE of this session? It is told once."""
        return self._released.pop(session, 0) > self._clock() - TOMBSTONE

    async def _start(self, report: Report) -> Answer:
        call = await self._known(report)
        if call is None:
            return await self._unremembered(report)
        if call.started_at is not None or call.ended:
            return Answer(status=200)
        call = msgspec.structs.replace(call, started_at=report.at - (report.duration_ms or 0))
        event = start_event(report, call, self._settings)
        outcome = await self.ask(event)
        if outcome.result is Result.OK:
            self.calls.put(report.session, call)
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
        outcome = await self.ask(event)
        if outcome.result in (Result.UNKNOWN_SESSION, Result.SESSION_CLOSED):
            self.calls.drop(report.session)
            return Answer(status=481)
        if outcome.result is Result.UNAVAILABLE:
            return unavailable("unavailable", report.peer.header_prefix, self._settings)
        await self._trunks.keep(call, event)
        answer, call = answer_interim(report, outcome, call, spent.seconds)
        self.calls.put(report.session, call)
        return answer

    async def _unremembered(self, report: Report) -> Answer:
        """A report of a call that neither we nor the vault remember: an emergency call's is confirmed all the same."""
        outcome = await self.ask(unremembered_event(report, self._settings))
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
        outcome = await self.ask(msgspec.structs.replace(event, reference=noted))
        self.calls.drop(report.session)
        await self._trunks.free(call)
        if outcome.result is Result.OK and not outcome.replayed:
            self._watch(report, call, spent.difference, spent.seconds)
        if outcome.result is Result.UNKNOWN_SESSION:
            await self._orphan(report, call)
        return self._reported(report, outcome.result, Answer(status=481))

    async def _release(self, report: Report) -> Answer:
        call = self.calls.get(report.session) or await self._known(report)
        outcome = await self.ask(release_event(report, ended(call, Kind.RELEASE, report.cause)))
        self.calls.drop(report.session)
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

    async def _known(self, report: Report) -> Call | None:
        """The call a report means. What is remembered is trusted once it has started: another worker may know more."""
        call = self.calls.get(report.session)
        if call is None or (call.started_at is None and report.kind is not Kind.START):
            call = await self.recall(report.session) or call
        return carried(call, report)

    async def recall(self, session: str) -> Call | None:
        """The call of a session, open or not; None if there is none. Raises Unavailable."""
        memory = await self._engine.recall(session)
        call = unpack(memory.context) if memory else None
        if call is not None and memory is not None and memory.open:
            self.calls.put(session, call)
        return call
