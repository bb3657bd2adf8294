"""Client transactions (RFC 3261 section 17.1, RFC 6026), without I/O and without a clock.

The two machines are the tables INVITE and OTHER; what is not in a table has no effect. A request that gets no answer is
answered 408 here (section 16.7), so whoever asked only ever hears responses. All of it is over UDP. Times are seconds
on any monotonic clock, given as an argument.
"""

import heapq
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from sip_credit.address import Place
from sip_credit.message import Request, Response, acknowledge, cancel, respond
from sip_credit.transaction import Timers


class State(Enum):
    CALLING = "calling"
    """Called Trying where the request is no INVITE."""
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Event(Enum):
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    A = "timer A"
    """Repeat the request; E where it is no INVITE."""
    B = "timer B"
    """Wait no longer; F where it is no INVITE."""
    C = "timer C"
    """It has rung for too long (section 16.8)."""
    D = "timer D"
    """No repeated answer can come any more; K where it is no INVITE, M after a 2xx."""


class Action(Enum):
    SEND = "send the request"
    ACK = "acknowledge"
    TELL = "tell whoever asked"
    EXPIRE = "answer 408"
    CANCEL = "send CANCEL"
    START_A = "start A"
    START_B = "start B"
    START_C = "start C"
    START_D = "start D"


class Step(NamedTuple):
    state: State
    actions: tuple[Action, ...] = ()


Table = dict[tuple[State, Event], Step]

_REFUSED = Step(State.COMPLETED, (Action.ACK, Action.TELL, Action.START_D))
_ACCEPTED = Step(State.ACCEPTED, (Action.TELL, Action.START_D))
_ANSWERED = Step(State.COMPLETED, (Action.TELL, Action.START_D))

INVITE: Table = {
    (State.CALLING, Event.A): Step(State.CALLING, (Action.SEND, Action.START_A)),
    (State.CALLING, Event.B): Step(State.TERMINATED, (Action.EXPIRE,)),
    (State.CALLING, Event.PROVISIONAL): Step(State.PROCEEDING, (Action.START_C, Action.TELL)),
    (State.CALLING, Event.SUCCESS): _ACCEPTED,
    (State.CALLING, Event.FAILURE): _REFUSED,
    (State.PROCEEDING, Event.PROVISIONAL): Step(State.PROCEEDING, (Action.TELL,)),
    (State.PROCEEDING, Event.SUCCESS): _ACCEPTED,
    (State.PROCEEDING, Event.FAILURE): _REFUSED,
    (State.PROCEEDING, Event.C): Step(State.PROCEEDING, (Action.CANCEL, Action.START_B)),
    (State.PROCEEDING, Event.B): Step(State.TERMINATED, (Action.EXPIRE,)),
    (State.COMPLETED, Event.FAILURE): Step(State.COMPLETED, (Action.ACK,)),
    (State.COMPLETED, Event.D): Step(State.TERMINATED),
    (State.ACCEPTED, Event.SUCCESS): Step(State.ACCEPTED, (Action.TELL,)),
    (State.ACCEPTED, Event.D): Step(State.TERMINATED),
}
"""Figure 5, with RFC 6026: every 2xx, the first and those repeated, is the asker's to acknowledge."""

OTHER: Table = {
    (State.CALLING, Event.A): Step(State.CALLING, (Action.SEND, Action.START_A)),
    (State.CALLING, Event.B): Step(State.TERMINATED, (Action.EXPIRE,)),
    (State.CALLING, Event.PROVISIONAL): Step(State.PROCEEDING, (Action.TELL, Action.START_A, Action.START_B)),
    (State.CALLING, Event.SUCCESS): _ANSWERED,
    (State.CALLING, Event.FAILURE): _ANSWERED,
    (State.PROCEEDING, Event.A): Step(State.PROCEEDING, (Action.SEND, Action.START_A)),
    (State.PROCEEDING, Event.B): Step(State.TERMINATED, (Action.EXPIRE,)),
    (State.PROCEEDING, Event.PROVISIONAL): Step(State.PROCEEDING, (Action.TELL,)),
    (State.PROCEEDING, Event.SUCCESS): _ANSWERED,
    (State.PROCEEDING, Event.FAILURE): _ANSWERED,
    (State.COMPLETED, Event.D): Step(State.TERMINATED),
}
"""Figure 6."""

_TIMER_OF = {
    Action.START_A: Event.A,
    Action.START_B: Event.B,
    Action.START_C: Event.C,
    Action.START_D: Event.D,
}

Key = tuple[str, str]
"""Branch and method (section 17.1.3)."""


class ClientTransaction:
    """One request of ours and its answers, which ``heard`` is called with."""

    __slots__ = ("due", "growth", "heard", "key", "place", "request", "state", "table", "wanted")

    def __init__(self, request: Request, place: Place, heard: Callable[[Response], None]) -> None:
        self.key: Key = request.via.branch, request.method
        self.request = request
        self.place = place
        self.heard = heard
        self.table = INVITE if request.method == "INVITE" else OTHER
        self.state = State.CALLING
        self.due: dict[Event, float] = {}
        self.growth = 0
        self.wanted = True
        """False: its CANCEL is sent, or will be as soon as anything is heard (section 9.1)."""

    def __repr__(self) -> str:
        return f"<client {self.request.method} transaction {self.key[0]} {self.state.value}>"


class ClientLayer:
    """All client transactions of a worker. ``send`` gets octets and their place, ``ringing`` is timer C in seconds."""

    def __init__(
        self,
        send: Callable[[bytes, Place], None],
        ringing: float,
        timers: Timers = Timers(),  # noqa: B008  frozen
    ) -> None:
        self._send = send
        self._ringing = ringing
        self._timers = timers
        self._transactions: dict[Key, ClientTransaction] = {}
        self._heap: list[tuple[float, int, Event, ClientTransaction]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._transactions)

    def start(self, request: Request, place: Place, heard: Callable[[Response], None], now: float) -> ClientTransaction:
        """Send a request, whose topmost Via is ours with a branch of its own."""
        created = ClientTransaction(request, place, heard)
        self._transactions[created.key] = created
        for action in (Action.SEND, Action.START_A, Action.START_B):
            self._act(created, action, None, now)
        return created

    def receive(self, response: Response, now: float) -> bool:
        """Hand a response to its transaction; False if there is none."""
        known = self._transactions.get((response.via.branch, response.cseq.method))
        if known is None:
            return False
        if response.status < 200:
            event = Event.PROVISIONAL
        else:
            event = Event.SUCCESS if response.status < 300 else Event.FAILURE
        first = known.state is State.CALLING
        self._step(known, event, response, now)
        if first and event is Event.PROVISIONAL and not known.wanted:
            self._give_up(known, now)
        return True

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """Nobody wants the answer any more; before anything is heard, CANCEL must wait (section 9.1)."""
        if transaction.wanted and transaction.state in (State.CALLING, State.PROCEEDING):
            transaction.wanted = False
            if transaction.state is State.PROCEEDING:
                self._give_up(transaction, now)

    def next_timer(self) -> float | None:
        """When handle_timer is due; None if no timer runs."""
        while self._heap:
            due, _, event, transaction = self._heap[0]
            if transaction.due.get(event) == due:
                return due
            heapq.heappop(self._heap)
        return None

    def handle_timer(self, now: float) -> None:
        """Run whatever is due by now."""
        while (due := self.next_timer()) is not None and due <= now:
            _, _, event, transaction = heapq.heappop(self._heap)
            del transaction.due[event]
            self._step(transaction, event, None, now)

    def _give_up(self, transaction: ClientTransaction, now: float) -> None:
        for action in (Action.CANCEL, Action.START_B):
            self._act(transaction, action, None, now)

    def _step(self, transaction: ClientTransaction, event: Event, response: Response | None, now: float) -> None:
        step = transaction.table.get((transaction.state, event))
        if step is None:
            return
        if step.state is not transaction.state:
            transaction.state = step.state
            transaction.due.clear()
        if step.state is State.TERMINATED:
            self._transactions.pop(transaction.key, None)
        for action in step.actions:
            self._act(transaction, action, response, now)

    def _act(self, transaction: ClientTransaction, action: Action, response: Response | None, now: float) -> None:
        if action is Action.SEND:
            self._send(transaction.request.encode(), transaction.place)
        elif action is Action.ACK and response is not None:
            self._send(acknowledge(transaction.request, response).encode(), transaction.place)
        elif action is Action.TELL and response is not None:
            transaction.heard(response)
        elif action is Action.EXPIRE:
            transaction.heard(respond(transaction.request, 408, tag=transaction.key[0]))
        elif action is Action.CANCEL:
            self.start(cancel(transaction.request), transaction.place, lambda _: None, now)
        elif action in _TIMER_OF:
            self._start(transaction, _TIMER_OF[action], now)

    def _start(self, transaction: ClientTransaction, event: Event, now: float) -> None:
        due = now + self._delay(transaction, event)
        transaction.due[event] = due
        self._order += 1
        heapq.heappush(self._heap, (due, self._order, event, transaction))

    def _delay(self, transaction: ClientTransaction, event: Event) -> float:
        """Seconds of a timer (table 4)."""
        timers, invite = self._timers, transaction.table is INVITE
        if event is Event.A:
            if not invite and transaction.state is State.PROCEEDING:
                return timers.t2
            delay = timers.t1 * (1 << min(transaction.growth, 16))
            transaction.growth += 1
            return delay if invite else min(delay, timers.t2)
        if event is Event.C:
            return self._ringing
        if event is Event.D and not invite:
            return timers.t4
        return 64 * timers.t1
