"""Requests in work: one at a time per session, one run per request however often it comes, none unanswered.

The queue knows nothing of sockets: it is given requests with a way to answer them, and a handler.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import cached_property, partial
from typing import Any

import msgspec
import structlog

from ocs.diameter import avps
from ocs.diameter.answer import TOO_BUSY, UNABLE_TO_COMPLY, Answer, refusal
from ocs.diameter.codes import Command
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message
from ocs.diameter.observer import DiameterObserver
from ocs.room import Room

log = structlog.get_logger("ocs.diameter")


class PeerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who sent a request: the peer of the connection, which is not the Origin-Host if an agent is between."""

    host: str
    realm: str
    address: str
    """``ip:port`` of the connection's other end."""


Handler = Callable[[Message, PeerInfo], Coroutine[Any, Any, Answer]]
"""Decides a valid credit-control request. May raise RemoteError; anything else it raises is answered 5012.

It is run without a task of its own, which would cost a request more than the wait it is there for: it may await futures
and tasks, but nothing that asks for the current task (``asyncio.timeout``).
"""

RequestKey = tuple[str, int | None, int | None, int | None]
"""Session-Id, CC-Sub-Session-Id, CC-Request-Type, CC-Request-Number: what identifies a CCR (RFC 8506 section 8.2)."""


class Inbox:
    """Where requests come from: their peer, and how an answer goes back to it."""

    info: PeerInfo
    in_flight: int = 0
    octets: int = 0
    """Of the requests in work, copies that wait included."""

    def answer(self, request: Message, answer: Answer) -> None:
        """Send the answer, if the connection is still there."""
        raise NotImplementedError


class _Waiter:
    """One copy of a request, waiting for the answer until its deadline."""

    __slots__ = ("arrived", "inbox", "request", "work")

    def __init__(self, inbox: Inbox, request: Message, arrived: float, work: "_Work") -> None:
        self.arrived = arrived
        self.work: _Work | None = work
        self.inbox: Inbox | None = inbox
        self.request: Message | None = request


class _Work:
    """One request, whichever its copies."""

    __slots__ = ("inbox", "key", "request", "run", "waiters")

    def __init__(self, key: RequestKey, inbox: Inbox, request: Message) -> None:
        self.key = key
        self.inbox = inbox
        self.request = request
        self.run: Coroutine[Any, Any, Answer] | None = None
        """What does it; None while it stands in line, and once it is done."""
        self.waiters: list[_Waiter] = []


_MOST_COPIES = 8
"""Copies of a request that wait for its answer; a client that sends more than that is told 3004."""

REQUEST_TYPES = {1: "initial", 2: "update", 3: "termination", 4: "event"}
SY_TYPES: dict[int, str] = {
    Command.SPENDING_LIMIT: "spending-limit",
    Command.SESSION_TERMINATION: "session-termination",
}


class PendingRequests:
    """``deadline`` in seconds: a copy not answered by then gets 3004, while the work itself goes on."""

    def __init__(self, handler: Handler, observer: DiameterObserver, deadline: float, room: Room) -> None:
        self._room = room
        self._handler = handler
        self._observer = observer
        self._deadline = deadline
        self._works: dict[RequestKey, _Work] = {}
        self._sessions: dict[str, deque[_Work]] = {}
        self._waiting: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._works)

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """To ask which one runs costs a system call."""
        return asyncio.get_running_loop()

    @property
    def room(self) -> int:
        """How many may be in work now."""
        return self._room.size

    async def idle(self) -> None:
        """Return when nothing is in work."""
        await self._idle.wait()

    def close(self) -> None:
        """Answer 3004 to what is in work and give it up; a client repeats it."""
        if self._timer is not None:
            self._timer.cancel()
        works, now = tuple(self._works.values()), self._loop.time()
        self._sessions.clear()
        for work in works:
            self._forget(work)
            for waiter in work.waiters:
                self._answer(waiter, TOO_BUSY, now)
            if work.run is not None:
                work.run.close()

    def submit(self, inbox: Inbox, request: Message, waited: float = 0.0) -> None:
        """Take a valid request, ``waited`` seconds old, into work, or attach a copy to the work it is a copy of."""
        arrived = self._loop.time() - waited
        key = request_key(request)
        inbox.octets += len(request.buffer)
        work = self._works.get(key)
        if work is not None:
            self._observer.duplicate()
            if len(work.waiters) >= _MOST_COPIES:
                self._answer(_Waiter(inbox, request, arrived, work), TOO_BUSY, arrived + waited)
                return
        else:
            if not self._works:
                self._idle.clear()
            work = self._works[key] = _Work(key, inbox, request)
            inbox.in_flight += 1
        waiter = _Waiter(inbox, request, arrived, work)
        work.waiters.append(waiter)
        self._waiting.append(waiter)
        if self._timer is None:
            self._timer = self._loop.call_later(self._deadline, self._expire)
        if work.run is None:
            self._queue(work)

    def _queue(self, work: _Work) -> None:
        queue = self._sessions.get(work.key[0])
        if queue is None:
            self._sessions[work.key[0]] = deque((work,))
            self._start(work)
        elif work not in queue:
            queue.append(work)

    def _start(self, work: _Work) -> None:
        if self._works.get(work.key) is work:
            work.run = self._handler(work.request, work.inbox.info)
            self._step(work)

    def _step(self, work: _Work, _done: object = None) -> None:
        """Go on until the handler has to wait, or is done. What it waits for says ``_done`` here when it is."""
        if work.run is None or self._works.get(work.key) is not work:
            return  # closed meanwhile
        try:
            awaited = work.run.send(None)
        except StopIteration as end:
            answer: Answer = end.value
        except RemoteError as error:
            answer = refusal(error)
        except Exception:
            log.exception("request failed", session=work.key[0], peer=work.inbox.info.host)
            answer = UNABLE_TO_COMPLY
        else:
            if awaited is None:  # it only lets others go first
                self._loop.call_soon(self._step, work)
            else:
                awaited._asyncio_future_blocking = False  # what a task does: it is being waited for, as it should be
                awaited.add_done_callback(partial(self._step, work))
            return
        self._finish(work, answer)

    def _finish(self, work: _Work, answer: Answer) -> None:
        if self._works.get(work.key) is not work:
            return  # closed meanwhile
        self._forget(work)
        work.run = None
        now = self._loop.time()
        if work.waiters:
            self._room.finished(now - work.waiters[0].arrived, now)
        for waiter in work.waiters:
            self._answer(waiter, answer, now)
        queue = self._sessions[work.key[0]]
        queue.popleft()
        while queue and not queue[0].waiters:
            # All its copies were told 3004 while it stood in line: it has not happened.
            self._forget(queue.popleft())
        if queue:
            self._loop.call_soon(self._start, queue[0])  # not within: a queue may be long
        else:
            del self._sessions[work.key[0]]

    def _forget(self, work: _Work) -> None:
        del self._works[work.key]
        work.inbox.in_flight -= 1
        work.inbox.octets -= len(work.request.buffer)
        if not self._works:
            self._idle.set()

    def _answer(self, waiter: _Waiter, answer: Answer, now: float) -> None:
        request, inbox = waiter.request, waiter.inbox
        if request is None or inbox is None:
            return
        if waiter.work is not None and waiter.work.request is not request:
            inbox.octets -= len(request.buffer)
        # It stays in line until its deadline: let it hold nothing meanwhile.
        waiter.work = waiter.request = waiter.inbox = None
        self._observer.request_answered(kind_of(request), answer.result_code, now - waiter.arrived)
        try:
            inbox.answer(request, answer)
        except Exception:
            log.exception("answer failed", peer=inbox.info.host)

    def _expire(self) -> None:
        """Answer 3004 to the copies whose deadline has passed.

        They stand in order of arrival, but for the little that one peer's octets have waited longer than another's.
        """
        self._timer = None
        now = self._loop.time()
        while self._waiting:
            waiter = self._waiting[0]
            if waiter.work is not None:
                due = waiter.arrived + self._deadline
                if due > now:
                    self._timer = self._loop.call_at(due, self._expire)
                    return
                waiter.work.waiters.remove(waiter)
                self._answer(waiter, TOO_BUSY, now)
            self._waiting.popleft()


def kind_of(request: Message) -> str:
    """What kind of request it is, in the words of the metrics."""
    if request.command == Command.CREDIT_CONTROL:
        return REQUEST_TYPES.get(request.get(avps.CC_REQUEST_TYPE) or 0, "unknown")
    return SY_TYPES.get(request.command, "unknown")


def request_key(request: Message) -> RequestKey:
    """The identity of a request: of credit control its number, of others RFC 6733's End-to-End Identifier."""
    if request.command != Command.CREDIT_CONTROL:
        return request.get(avps.SESSION_ID) or "", request.command, request.end_to_end, None
    return (
        request.get(avps.SESSION_ID) or "",
        request.get(avps.CC_SUB_SESSION_ID),
        request.get(avps.CC_REQUEST_TYPE),
        request.get(avps.CC_REQUEST_NUMBER),
    )
