"""A credit session as a client runs it (SCUR): initial, updates, termination, over any number of meters.

Pure: the clock and the answers come in, requests come out, at most one in flight. ``events`` of the state machine of
RFC 8506 section 7 (client, session based) on the left:

    idle      start()                       CCR-I          pending
    pending   answer ok                     quotas         open
    pending   answer not ok, or none        -              over (nothing was used)
    open      a meter is due                CCR-U          open
    open      end of service, final units   CCR-T          closing
    open      answer not ok, or none        CCR-T          closing (failure handling TERMINATE)
    closing   answer, or none               -              over
"""

from enum import StrEnum

from simulators.books import Books, Item
from simulators.credit import (
    Answer,
    FailureHandling,
    KeyId,
    KeyReport,
    Profile,
    Reporting,
    Request,
    RequestType,
)
from simulators.quota import Gate, KeyMeter
from simulators.traffic import Subscriber


class State(StrEnum):
    """Where the session stands."""

    IDLE = "idle"
    PENDING = "pending"
    OPEN = "open"
    CLOSING = "closing"
    OVER = "over"


class CreditSession:
    """One session of one subscriber; its usage goes into the books as its reports are acknowledged."""

    def __init__(
        self,
        session: str,
        subscriber: Subscriber,
        profile: Profile,
        meters: tuple[KeyMeter, ...],
        items: tuple[Item, ...],
        books: Books,
        *,
        ends_at: int,
        called: str = "",
    ) -> None:
        """``items`` name the meters in the books, one each; the service ends at ``ends_at`` ms at the latest."""
        self.id = session
        self.state = State.IDLE
        self._subscriber, self._profile, self._called = subscriber, profile, called
        self._meters = {meter.key: meter for meter in meters}
        self._items = {meter.key: item for meter, item in zip(meters, items, strict=True)}
        self._books = books
        self._ends_at = ends_at
        self._number = 0
        self._in_flight: Request | None = None
        self._failed = False
        self._to_ask: set[KeyId] = set()
        self._refused_keys: list[KeyMeter] = []

    def __repr__(self) -> str:
        return f"<CreditSession {self.id} {self.state} number={self._number}>"

    @property
    def over(self) -> bool:
        """Nothing more will be asked."""
        return self.state is State.OVER

    @property
    def total(self) -> int:
        """Units used so far, of all meters."""
        return sum(meter.total for meter in self._meters.values())

    def start(self, now: int) -> Request:
        """The initial request, for the meters that have traffic now."""
        self.state = State.PENDING
        due = [] if self._profile.opens_empty else self._due(now)
        return self._send(RequestType.INITIAL, tuple(self._ask(meter, reason) for meter, reason in due))

    def advance(self, now: int) -> Request | None:
        """Let traffic pass up to ``now``; the request that is due then, if any and none is in flight."""
        if self.state is not State.OPEN:
            return None
        for meter in self._meters.values():
            meter.advance(min(now, self._ends_at))
        if self._in_flight is not None:
            return None
        if now >= self._ends_at or self._failed or self._exhausted():
            return self._terminate()
        if self._refused_keys:
            meters, self._refused_keys = self._refused_keys, []
            finals = tuple(meter.report(Reporting.FINAL, wanted=False) for meter in meters)
            return self._send(RequestType.UPDATE, finals)
        due = self._due(now)
        due += self._asked_again({meter.key for meter, _ in due})
        if not due:
            return None
        if self._profile.updates_alone:
            due = due[:1]
        self._to_ask -= {meter.key for meter, _ in due}
        return self._send(RequestType.UPDATE, tuple(self._ask(meter, reason) for meter, reason in due))

    def next_wake(self) -> int:
        """When ``advance`` is to be called again, if no answer comes before."""
        if self._in_flight is not None:
            return self._ends_at
        return min(self._ends_at, *(meter.next_wake() for meter in self._meters.values()))

    def finish(self, now: int) -> None:
        """The user or the network ends the service now."""
        self._ends_at = min(self._ends_at, now)

    def reauthorise(self) -> bool:
        """A Re-Auth-Request came: every meter reports and asks anew; False where nothing will follow."""
        if not self._profile.agrees_and_forgets:
            self._to_ask = set(self._meters)
        return not self._profile.agrees_and_forgets

    def receive(self, answer: Answer | None, now: int) -> None:
        """Take the answer to the request in flight; None if none came after every repetition."""
        request, self._in_flight = self._in_flight, None
        if request is None:
            return
        if self.state is State.OPEN:
            for meter in self._meters.values():
                meter.advance(min(now, self._ends_at))
        self._book(request, answer)
        if self.state is State.CLOSING:
            self.state = State.OVER
        elif answer is not None and answer.ok:
            self.state = State.OPEN
            for report in request.keys:
                self._meters[report.key].answered(answer.grant(report.key), now)
                if self._profile.final_after_refusal and report.reason is not Reporting.FINAL:
                    self._end_if_refused(self._meters[report.key])
        elif self.state is State.PENDING:
            self._refused(answer)
        else:
            self._fail(request, answer)

    def _end_if_refused(self, meter: KeyMeter) -> None:
        if meter.gate is Gate.BLOCKED:
            self._refused_keys.append(meter)

    def _refused(self, answer: Answer | None) -> None:
        """A session that never opened is over; where no answer came, it may exist at the server and is ended there."""
        if answer is None:
            self.state, self._failed = State.OPEN, True
            for meter in self._meters.values():
                meter.unanswered()
        else:
            self.state = State.OVER

    def _fail(self, request: Request, answer: Answer | None) -> None:
        if answer is not None and answer.failure_handling is FailureHandling.CONTINUE:
            for meter in self._meters.values():
                meter.ungate()
            return
        for report in request.keys:
            self._meters[report.key].unanswered()
        self._failed = True

    def _exhausted(self) -> bool:
        """No meter lets anything pass any more, nor ever will: final units are used up, or all was refused."""
        return all(meter.over_final or meter.gate is Gate.DROPPED for meter in self._meters.values())

    def _due(self, now: int) -> list[tuple[KeyMeter, Reporting]]:
        found = [(meter, meter.due(now)) for meter in self._meters.values()]
        return [(meter, reason) for meter, reason in found if reason is not None]

    def _asked_again(self, due: set[KeyId]) -> list[tuple[KeyMeter, Reporting]]:
        """What a Re-Auth-Request asks for beside what is due anyway."""
        self._to_ask = {key for key in self._to_ask if self._meters[key].reauthorise()}
        meters = [self._meters[key] for key in sorted(self._to_ask - due)]
        return [(meter, Reporting.FORCED_REAUTHORISATION) for meter in meters]

    def _ask(self, meter: KeyMeter, reason: Reporting) -> KeyReport:
        return meter.report(reason, wanted=reason not in (Reporting.QHT, Reporting.FINAL))

    def _terminate(self) -> Request:
        self.state = State.CLOSING
        held = [meter for meter in self._meters.values() if not meter.settled or meter.gate is Gate.OPEN]
        return self._send(RequestType.TERMINATION, tuple(meter.report(Reporting.FINAL, wanted=False) for meter in held))

    def _send(self, kind: RequestType, keys: tuple[KeyReport, ...]) -> Request:
        self._in_flight = Request(
            session=self.id,
            type=kind,
            number=self._number,
            subscriber=self._subscriber,
            profile=self._profile,
            keys=keys,
            called=self._called,
        )
        self._number += 1
        return self._in_flight

    def _book(self, request: Request, answer: Answer | None) -> None:
        for report in request.keys:
            if report.used is None:
                continue
            if answer is not None and answer.ok:
                self._books.used(self._items[report.key], report.used)
            else:
                self._books.unknown(self._items[report.key], report.used)
