"""A proxy's side of SIP transactions over UDP or TCP (RFC 3261 section 17.1), on a network with faults.

A lost datagram shows as it would on a real one: timers A and E repeat the request, the server repeats its final answer
to an INVITE until it is acknowledged, and every repetition of that answer is acknowledged again. A stream loses nothing
but by breaking: what is to be lost breaks it, and every request that was on its way has failed.
"""

import asyncio
import time
from collections.abc import Callable
from random import Random

import msgspec

from simulators.faults import Fault, FaultyLink
from simulators.report import Outcomes
from simulators.settings import Settings
from simulators.sip_carriers import Datagrams, Stream
from sip_credit.message import Request, Response, acknowledge, cancel

T2 = 4.0
"""Seconds: longest interval of timer E."""
_MEMORY = 32.0
"""Seconds an INVITE is remembered, to acknowledge repeated answers (timer D)."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A request and its final answer; None if none came in time. Times of ``time.monotonic()``."""

    response: Response | None
    sent_at: float
    ended_at: float

    @property
    def status(self) -> int:
        """The status of the final answer; 408 if there was none."""
        return self.response.status if self.response is not None else 408

    def header(self, name: str) -> str:
        """A header of the answer, empty if there is none."""
        return self.response.headers.get(name) if self.response is not None else ""

    def number(self, name: str) -> int | None:
        """A header of the answer that is a number, or None."""
        text = self.header(name)
        return int(text) if text.isascii() and text.isdigit() else None


class SipClient:
    """Client transactions from one socket to one server."""

    def __init__(self, settings: Settings, outcomes: Outcomes, transport: str = "udp") -> None:
        self.link = FaultyLink(settings, "sip out")
        self.link_back = FaultyLink(settings, "sip back")
        self.host, self.port = "127.0.0.1", 0
        self.on_late: Callable[[Request, Response], None] = lambda _invite, _response: None
        """Told of a final answer to an INVITE that had been given up."""
        self._t1 = settings.t1
        self._outcomes = outcomes
        self._random = Random(f"{settings.seed}:branches:{time.time_ns()}")
        self._carrier: Datagrams | Stream = Stream(self) if transport == "tcp" else Datagrams(self)
        self._waiting: dict[tuple[str, str], tuple[Request, asyncio.Future[Response]]] = {}
        self._provisional: set[str] = set()

    def __repr__(self) -> str:
        return f"<SipClient {self.host}:{self.port} waiting={len(self._waiting)}>"

    async def open(self, host: str, port: int) -> None:
        """Take a port, or connect; nothing is sent yet. Raises OSError."""
        self.host, self.port = await self._carrier.open(host, port)

    def close(self) -> None:
        """Give the port back."""
        self._carrier.close()

    def heard(self, response: Response) -> None:
        """Take an answer, unless the network loses it."""
        self._carry(self.link_back, response.encode(), lambda _: self._receive(response))

    def unreadable(self) -> None:
        self._outcomes.note("unreadable answers")

    def broken(self) -> None:
        """Nothing that was sent will be answered, where nobody repeats it: whoever waits is told at once."""
        if not self._carrier.reliable:
            self._outcomes.note("server unreachable")
            return
        self._outcomes.note("connections lost")
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the connection broke"))

    def via(self) -> str:
        """The topmost Via of a new request."""
        branch = f"z9hG4bK{self._random.getrandbits(80):020x}"
        return f"SIP/2.0/{self._carrier.name} {self.host}:{self.port};branch={branch};rport"

    def token(self) -> str:
        """A tag or Call-ID part nobody used before."""
        return f"{self._random.getrandbits(64):016x}"

    async def ask(self, request: Request, *, kind: str, due: float, patience: float | None = None) -> Exchange:
        """Send a request until it is answered finally or ``patience`` (64*T1) is over."""
        key = (request.via.branch, request.method)
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[key] = request, future
        sent_at = time.monotonic()
        repeating = asyncio.get_running_loop().create_task(self._repeat(request))
        response = None
        try:
            response = await asyncio.wait_for(asyncio.shield(future), patience or 64 * self._t1)
            self._outcomes.answered(kind, response.status, time.monotonic() - due)
        except (TimeoutError, ConnectionError):
            self._outcomes.note(f"{kind} unanswered")
            future.cancel()
        finally:
            repeating.cancel()
            self._forget(key, request)
        return Exchange(response=response, sent_at=sent_at, ended_at=time.monotonic())

    def cancel(self, invite: Request) -> bool:
        """Give up an INVITE that has a provisional answer; False if it has none: then one must wait (section 9.1)."""
        if invite.via.branch not in self._provisional:
            return False
        self._carry(self.link, cancel(invite).encode(), self._carrier.send)
        return True

    async def _repeat(self, request: Request) -> None:
        """Timers A and E."""
        interval = self._t1
        self._carry(self.link, request.encode(), self._carrier.send)
        while not self._carrier.reliable:
            await asyncio.sleep(interval)
            if request.method == "INVITE" and request.via.branch in self._provisional:
                return
            self._outcomes.note("retransmissions")
            self._carry(self.link, request.encode(), self._carrier.send)
            interval = interval * 2 if request.method == "INVITE" else min(interval * 2, T2)

    def _forget(self, key: tuple[str, str], request: Request) -> None:
        """A non-INVITE at once; an INVITE only when its answer can no longer be repeated."""
        if request.method == "INVITE":
            asyncio.get_running_loop().call_later(_MEMORY, self._drop, key)
        else:
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        self._waiting.pop(key, None)
        self._provisional.discard(key[0])

    def _receive(self, response: Response) -> None:
        key = (response.via.branch, response.cseq.method)
        if key not in self._waiting:
            return
        request, future = self._waiting[key]
        if response.status < 200:
            self._provisional.add(key[0])
            return
        if request.method == "INVITE":
            self._carry(self.link, acknowledge(request, response).encode(), self._carrier.send)
        if future.cancelled():
            self.on_late(request, response)
        elif not future.done():
            future.set_result(response)

    def _carry(self, link: FaultyLink, data: bytes, deliver: Callable[[bytes], None]) -> None:
        fate = link.draw()
        if fate.fault in (Fault.DROP, Fault.CUT):
            self._carrier.cut(data)
            return
        if fate.fault in (Fault.DELAY, Fault.REORDER):
            asyncio.get_running_loop().call_later(fate.after, deliver, data)
            return
        deliver(data)
        if fate.fault is Fault.DUPLICATE:
            asyncio.get_running_loop().call_later(fate.after, deliver, data)
