"""Server transactions (RFC 3261 section 17.2), without I/O and without a clock.

A transaction absorbs retransmitted requests and repeats answers until they have arrived, so that whoever decides is
asked once. The two machines are the tables INVITE (figure 7) and OTHER (figure 8); what is not in a table is absorbed
without effect. Times are seconds on any monotonic clock, given as an argument.
"""

import hashlib
import heapq
from collections.abc import Callable
from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from sip_credit.message import Request, Response, respond

BRANCH_COOKIE = "z9hG4bK"


class Timers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds, with the names and defaults of RFC 3261 table 4."""

    t1: float = 0.5
    """Estimate of a round trip."""
    t2: float = 4.0
    """Longest interval between repeated answers."""
    t4: float = 5.0
    """How long a message may stay in the network."""
    trying: float = 0.2
    """How long an INVITE waits for its answer before it is told 100 Trying."""


class Hop(Protocol):
    """Where a request came from and its answer goes; the transport's own business otherwise."""

    octets: int
    """Of the requests of the transactions that are to be answered here."""

    @property
    def reliable(self) -> bool:
        """Does the transport repeat lost octets itself? Then the timers for repeats are off."""
        ...


H = TypeVar("H", bound=Hop)


class State(StrEnum):
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Event(StrEnum):
    REQUEST = "request"
    """The request came again."""
    ACK = "ack"
    FINAL = "final"
    """The policy has decided."""
    PROVISIONAL = "1xx"
    """The next hop has said something, in in-path mode alone."""
    SUCCESS = "2xx"
    """The callee has answered an INVITE, in in-path mode alone."""
    TRYING = "timer trying"
    G = "timer G"
    """Repeat the final answer."""
    H = "timer H"
    """Wait no longer for the ACK."""
    I = "timer I"  # noqa: E741  the RFC's name
    """No repeated ACK can come any more."""
    J = "timer J"
    """No repeated request can come any more."""
    L = "timer L"
    """No repeated INVITE or 2xx can come any more."""


class Action(StrEnum):
    SEND_TRYING = "send 100"
    SEND_LAST = "send the last answer"
    START_G = "start G"
    START_H = "start H"
    START_I = "start I"
    START_J = "start J"
    START_L = "start L"


class Step(NamedTuple):
    state: State
    actions: tuple[Action, ...] = ()


Table = dict[tuple[State, Event], Step]

INVITE: Table = {
    (State.PROCEEDING, Event.REQUEST): Step(State.PROCEEDING, (Action.SEND_LAST,)),
    (State.PROCEEDING, Event.TRYING): Step(State.PROCEEDING, (Action.SEND_TRYING,)),
    (State.PROCEEDING, Event.PROVISIONAL): Step(State.PROCEEDING, (Action.SEND_LAST,)),
    (State.PROCEEDING, Event.FINAL): Step(State.COMPLETED, (Action.SEND_LAST, Action.START_G, Action.START_H)),
    (State.PROCEEDING, Event.SUCCESS): Step(State.ACCEPTED, (Action.SEND_LAST, Action.START_L)),
    (State.ACCEPTED, Event.SUCCESS): Step(State.ACCEPTED, (Action.SEND_LAST,)),
    (State.ACCEPTED, Event.L): Step(State.TERMINATED),
    (State.COMPLETED, Event.REQUEST): Step(State.COMPLETED, (Action.SEND_LAST,)),
    (State.COMPLETED, Event.G): Step(State.COMPLETED, (Action.SEND_LAST, Action.START_G)),
    (State.COMPLETED, Event.ACK): Step(State.CONFIRMED, (Action.START_I,)),
    (State.COMPLETED, Event.H): Step(State.TERMINATED),
    (State.CONFIRMED, Event.I): Step(State.TERMINATED),
}
"""Figure 7 with RFC 6026. A 2xx is repeated by the callee, and its ACK goes to the callee."""

OTHER: Table = {
    (State.PROCEEDING, Event.PROVISIONAL): Step(State.PROCEEDING, (Action.SEND_LAST,)),
    (State.PROCEEDING, Event.REQUEST): Step(State.PROCEEDING, (Action.SEND_LAST,)),
    (State.PROCEEDING, Event.FINAL): Step(State.COMPLETED, (Action.SEND_LAST, Action.START_J)),
    (State.COMPLETED, Event.REQUEST): Step(State.COMPLETED, (Action.SEND_LAST,)),
    (State.COMPLETED, Event.J): Step(State.TERMINATED),
}
"""Figure 8, with Trying and Proceeding in one: we ourselves send nothing provisional."""

_TIMER_OF = {
    Action.START_G: Event.G,
    Action.START_H: Event.H,
    Action.START_I: Event.I,
    Action.START_J: Event.J,
    Action.START_L: Event.L,
}

Key = tuple[str, ...]


def transaction_key(request: Request) -> Key:
    """What a request and its retransmissions have in common (section 17.2.3); an ACK has that of its INVITE.

    Clients of RFC 2543 send no cookie in the branch: then the whole topmost Via, Call-ID, From-tag, number and target
    are compared. The To-tag is left out there: an ACK has the one of our answer, the INVITE none.
    """
    via = request.via
    method = "INVITE" if request.method == "ACK" else request.method
    branch = via.branch
    if branch.lower().startswith(BRANCH_COOKIE.lower()) and len(branch) > len(BRANCH_COOKIE):
        return branch, via.sent_by, method
    return via.text, request.uri, request.call_id, request.from_.tag, str(request.cseq.number), method


class Transaction(Generic[H]):
    """One request and its answer. ``tag`` is the To-tag of every answer but 100."""

    __slots__ = ("_growth", "_last", "began", "due", "hop", "key", "request", "state", "table", "tag")

    def __init__(self, key: Key, request: Request, hop: H, tag: str, began: float) -> None:
        self.key = key
        self.began = began
        self.request = request
        self.hop = hop
        self.tag = tag
        self.table = INVITE if request.method == "INVITE" else OTHER
        self.state = State.PROCEEDING
        self.due: dict[Event, float] = {}
        self._last = b""
        self._growth = 0

    def __repr__(self) -> str:
        return f"<{self.request.method} transaction {self.key[0]} {self.state.value}>"

    @property
    def answered(self) -> bool:
        return self.state is not State.PROCEEDING


class TransactionLayer(Generic[H]):
    """All server transactions of a worker. ``send`` gets octets and where they go; ``secret`` seeds the To-tags.

    ``unacknowledged`` is told of a final answer to an INVITE whose ACK never came. Whatever was granted by it stays
    granted: the answer may have arrived.
    """

    def __init__(
        self,
        send: Callable[[bytes, H], None],
        secret: bytes,
        timers: Timers = Timers(),  # noqa: B008  frozen
        unacknowledged: Callable[[Transaction[H]], None] = lambda _: None,
    ) -> None:
        self._send = send
        self._secret = secret
        self._timers = timers
        self._unacknowledged = unacknowledged
        self._transactions: dict[Key, Transaction[H]] = {}
        self._heap: list[tuple[float, int, Event, Transaction[H]]] = []
        self._order = 0
        self.pending = 0
        """Transactions without a final answer."""
        self.octets = 0
        """Of the requests of all transactions."""
        self.absorbed = 0
        """Retransmissions that went no further."""

    def __len__(self) -> int:
        return len(self._transactions)

    def knows(self, request: Request) -> bool:
        """Does the request belong to a transaction that is here?"""
        return transaction_key(request) in self._transactions

    def awaits_ack(self, ack: Request) -> bool:
        """Does the ACK end here? One for a 2xx does not."""
        known = self._transactions.get(transaction_key(ack))
        return known is not None and known.state is not State.ACCEPTED

    def receive(self, request: Request, hop: H, now: float) -> Transaction[H] | None:
        """A new transaction for a new request; None for an ACK or a retransmission, which end here."""
        key = transaction_key(request)
        known = self._transactions.get(key)
        if request.method == "ACK":
            if known is not None:
                self._step(known, Event.ACK, now)
            return None
        if known is not None:
            known.hop.octets -= known.request.size
            known.hop = hop
            hop.octets += known.request.size
            self.absorbed += 1
            self._step(known, Event.REQUEST, now)
            return None
        created = Transaction(key, request, hop, self.tag(key), now)
        self._transactions[key] = created
        self.octets += request.size
        hop.octets += request.size
        self.pending += 1
        if created.table is INVITE:
            self._start(created, Event.TRYING, now)
        return created

    def invite_of(self, cancel: Request) -> Transaction[H] | None:
        """The transaction a CANCEL means (section 9.2)."""
        *rest, _ = transaction_key(cancel)
        return self._transactions.get((*rest, "INVITE"))

    def answer(self, transaction: Transaction[H], response: Response, now: float) -> bool:
        """Send the final answer; False if there was one already, which then stands."""
        if transaction.answered:
            return False
        self.pending -= 1
        transaction._last = response.encode()
        self._step(transaction, Event.FINAL, now)
        return True

    def relay(self, transaction: Transaction[H], response: Response, now: float) -> None:
        """Send what came from the next hop: any number of provisional answers, then one final; several 2xx to an INVITE
        (section 16.7 step 5). What comes after the final answer goes nowhere."""
        success = response.status < 300 and transaction.table is INVITE
        if response.status >= 200 and not success:
            self.answer(transaction, response, now)
        elif not transaction.answered or (success and transaction.state is State.ACCEPTED):
            event = Event.PROVISIONAL if response.status < 200 else Event.SUCCESS
            self.pending -= event is Event.SUCCESS and not transaction.answered
            transaction._last = response.encode()
            self._step(transaction, event, now)

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
            self._step(transaction, event, now)

    def tag(self, key: Key) -> str:
        """The To-tag for a key: not to be guessed, and the same however often it is made (sections 8.2.6.2, 19.3)."""
        text = "\0".join(key).encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, key=self._secret, digest_size=8).hexdigest()

    def _step(self, transaction: Transaction[H], event: Event, now: float) -> None:
        step = transaction.table.get((transaction.state, event))
        if step is None:
            return
        if step.state is not transaction.state:
            transaction.state = step.state
            transaction.due.clear()
        for action in step.actions:
            self._act(transaction, action, now)
        if transaction.state is State.TERMINATED:
            transaction.due.clear()
            if self._transactions.pop(transaction.key, None) is not None:
                self.octets -= transaction.request.size
                transaction.hop.octets -= transaction.request.size
            if event is Event.H:
                self._unacknowledged(transaction)

    def _act(self, transaction: Transaction[H], action: Action, now: float) -> None:
        if action is Action.SEND_TRYING:
            if transaction._last:
                return  # it was told more than that already
            transaction._last = respond(transaction.request, 100).encode()
            self._send(transaction._last, transaction.hop)
        elif action is Action.SEND_LAST:
            if transaction._last:
                self._send(transaction._last, transaction.hop)
        else:
            self._start(transaction, _TIMER_OF[action], now)

    def _start(self, transaction: Transaction[H], event: Event, now: float) -> None:
        delay = self._delay(transaction, event)
        if delay is None:
            return
        due = now + delay
        transaction.due[event] = due
        self._order += 1
        heapq.heappush(self._heap, (due, self._order, event, transaction))

    def _delay(self, transaction: Transaction[H], event: Event) -> float | None:
        """Seconds of a timer (table 4); None if it does not run on this transport."""
        timers, reliable = self._timers, transaction.hop.reliable
        if event is Event.TRYING:
            return timers.trying
        if event is Event.G:
            if reliable:
                return None
            delay = min(timers.t1 * (1 << transaction._growth), timers.t2)
            transaction._growth += 1
            return delay
        if event in (Event.H, Event.L):
            return 64 * timers.t1
        if event is Event.I:
            return 0.0 if reliable else timers.t4
        return 0.0 if reliable else 64 * timers.t1
