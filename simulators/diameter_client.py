"""A Diameter peer of the charging server: one connection, capabilities exchange, watchdog, retransmission, and faults.

Messages are coded by python-diameter; the connection is our own, so that thousands of sessions run in one loop and each
message can be lost, repeated, delayed or cut in the middle. A loss shows as on a real network: Tx runs out and the
request is sent again, with the T flag and the same End-to-End identifier (RFC 6733 section 5.5.4), or, as StarOS
gateways do unless told otherwise, as if it were new.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
from diameter.message import Message
from diameter.message.commands.credit_control import CreditControlAnswer
from diameter.message.commands.device_watchdog import DeviceWatchdogRequest
from diameter.message.commands.disconnect_peer import DisconnectPeerRequest

from simulators.credit import UNKNOWN_SESSION_ID, Answer, Request
from simulators.faults import Fault, FaultyLink
from simulators.messages import capabilities, decode_cca, encode_ccr, seal
from simulators.report import Outcomes
from simulators.settings import Settings

CAPABILITIES_EXCHANGE, RE_AUTH, ABORT_SESSION, WATCHDOG, DISCONNECT = 257, 258, 274, 280, 282
STAROS_SHARE = 0.25
"""Share of retransmissions with a new End-to-End identifier and no T flag."""
BUSY = 3004
_PAUSE = 0.2
"""Seconds between attempts to connect."""
_LATE = 2.0
"""Seconds for which answers to further copies are still looked at."""
_TW = 30.0
"""Seconds of silence before a watchdog request."""


class PeerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Who connects to whom."""

    host: str
    port: int
    identity: str
    """Origin-Host; the realm is what follows its first dot."""
    realm: str
    """Destination-Realm."""


class Refused(Exception):
    """The server does not want this peer: the capabilities exchange failed."""


class DiameterClient:
    """A connection that is kept up, and requests that are repeated until answered or given up."""

    def __init__(self, options: PeerOptions, settings: Settings, outcomes: Outcomes) -> None:
        self.link = FaultyLink(settings, options.identity)
        self.on_reauthorise: Callable[[str], int] = lambda _session: UNKNOWN_SESSION_ID
        """Told the Session-Id of a Re-Auth-Request; the Result-Code: 2002 if an update follows, 2001 if none does."""
        self.on_abort: Callable[[str], int] = lambda _session: UNKNOWN_SESSION_ID
        """Told the Session-Id of an Abort-Session-Request; the Result-Code: 2001 if the session is known and ends."""
        self._options, self._settings, self._outcomes = options, settings, outcomes
        self._random = Random(f"{settings.seed}:ids:{options.identity}")
        self._state = int(time.time())
        self._server = ""
        self._writer: asyncio.StreamWriter | None = None
        self._up = asyncio.Event()
        self._closing = False
        self._keeper: asyncio.Task[None] | None = None
        self._hop_by_hop = self._random.getrandbits(31)
        self._end_to_end = (self._state & 0xFFF) << 20 | self._random.getrandbits(20)
        self._lost = asyncio.Event()
        self._waiting: dict[int, _Exchange] = {}
        self._deaf: set[int] = set()

    def __repr__(self) -> str:
        return f"<DiameterClient {self._options.identity} up={self._up.is_set()} waiting={len(self._waiting)}>"

    async def open(self, patience: float = 10.0) -> None:
        """Connect and exchange capabilities; raises Refused, or TimeoutError when nobody listens."""
        self._keeper = asyncio.get_running_loop().create_task(self._keep())
        up = asyncio.ensure_future(self._up.wait())
        await asyncio.wait({up, self._keeper}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._keeper.done():
            self._keeper.result()
        if not self._up.is_set():
            await self.close()
            raise TimeoutError(f"no Diameter server at {self._options.host}:{self._options.port}")

    async def close(self) -> None:
        """Disconnect-Peer, then hang up."""
        self._closing = True
        if self._writer is not None and self._up.is_set():
            with contextlib.suppress(OSError):
                request = DisconnectPeerRequest()
                request.disconnect_cause = 0
                self._write(self._base(request).as_bytes())
                await asyncio.wait_for(self._writer.drain(), 1)
                await asyncio.sleep(0.05)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def ask(self, request: Request, kind: str, due: float) -> Answer | None:
        """Send a CCR that was due at ``due`` (``time.monotonic()``) until answered; None if it never was."""
        message = encode_ccr(request, self._options.realm, self._server, self._state)
        message.header.end_to_end_identifier = self._next_end_to_end()
        answer = await self._repeat(message, 1.0 if request.profile.new_identifiers else STAROS_SHARE)
        if answer is None:
            self._outcomes.note("unanswered")
            return None
        self._server = answer.origin_host or self._server
        self._outcomes.answered(kind, answer.result, time.monotonic() - due)
        for grant in answer.keys:
            if grant.result != 2001:
                self._outcomes.note(f"rating group result {grant.result}")
        return answer

    async def _repeat(self, message: Message, forgets: float) -> Answer | None:
        """``forgets``: share of repeats with a new End-to-End Identifier and no T flag."""
        exchange = _Exchange()
        try:
            for attempt in range(self._settings.attempts):
                if attempt:
                    self._outcomes.note("retransmissions")
                    if self.link.chance(forgets):
                        message.header.end_to_end_identifier = self._next_end_to_end()
                    else:
                        message.header.is_retransmit = True
                await self._wait_up()
                self._send(message, exchange)
                received = await self._received(exchange)
                if received is None:
                    continue
                answer = decode_cca(received)
                if answer.result != BUSY or attempt == self._settings.attempts - 1:
                    return answer
                self._outcomes.note("server busy")
                exchange.forget()
                await asyncio.sleep(self._settings.tx / 4)
            return None
        finally:
            asyncio.get_running_loop().call_later(_LATE, self._forget, exchange)

    async def _received(self, exchange: "_Exchange") -> CreditControlAnswer | None:
        """The answer to any copy within Tx; None also when the connection breaks, which is the time to repeat."""
        lost = asyncio.ensure_future(self._lost.wait())
        await asyncio.wait({exchange.answer, lost}, timeout=self._settings.tx, return_when=asyncio.FIRST_COMPLETED)
        lost.cancel()
        return exchange.answer.result() if exchange.answer.done() else None

    def _forget(self, exchange: "_Exchange") -> None:
        for hop_by_hop in exchange.copies:
            self._waiting.pop(hop_by_hop, None)
            self._deaf.discard(hop_by_hop)

    def _send(self, message: Message, exchange: "_Exchange") -> None:
        data = self._numbered(message, exchange)
        fate = self.link.draw()
        if fate.fault is Fault.DROP:
            if self.link.chance(0.5):  # half of the losses happen on the way back
                self._deaf.add(exchange.copies[-1])
                self._write(data)
        elif fate.fault is Fault.DUPLICATE:
            self._write(data)
            again = message.header.is_retransmit
            message.header.is_retransmit = True
            copy = self._numbered(message, exchange)
            message.header.is_retransmit = again
            self._later(fate.after, copy)
        elif fate.fault in (Fault.DELAY, Fault.REORDER):
            self._later(fate.after, data)
        elif fate.fault is Fault.CUT:
            self._write(data[: len(data) // 2])
            self._break()
        else:
            self._write(data)

    def _numbered(self, message: Message, exchange: "_Exchange") -> bytes:
        self._hop_by_hop = (self._hop_by_hop + 1) & 0xFFFFFFFF
        message.header.hop_by_hop_identifier = self._hop_by_hop
        self._waiting[self._hop_by_hop] = exchange
        exchange.copies.append(self._hop_by_hop)
        data: bytes = message.as_bytes()
        return data

    def _next_end_to_end(self) -> int:
        self._end_to_end = (self._end_to_end + 1) & 0xFFFFFFFF
        return self._end_to_end

    def _later(self, seconds: float, data: bytes) -> None:
        asyncio.get_running_loop().call_later(seconds, self._write, data)

    def _write(self, data: bytes) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(data)

    def _break(self) -> None:
        """The connection is gone, in the middle of whatever was being sent."""
        if self._writer is not None:
            writer = self._writer
            asyncio.get_running_loop().call_later(0.005, writer.transport.abort)
            self._up.clear()

    async def _wait_up(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), self._settings.tx)

    async def _keep(self) -> None:
        """Connect, serve the connection until it breaks, connect again."""
        while not self._closing:
            self._lost = asyncio.Event()
            try:
                reader, self._writer = await asyncio.open_connection(self._options.host, self._options.port)
                await self._serve(reader, self._writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                self._up.clear()
                self._lost.set()
                if self._writer is not None:
                    self._writer.transport.abort()
                    self._writer = None
            if not self._closing:
                self._outcomes.note("reconnections")
                await asyncio.sleep(_PAUSE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        self._write(capabilities(self._options.identity, address, self._state).as_bytes())
        while True:
            data = await self._read(reader)
            message: Any = Message.from_bytes(data)
            if message.header.is_request:
                self._serve_request(message)
            elif message.header.command_code == CAPABILITIES_EXCHANGE:
                if message.result_code != 2001:
                    raise Refused(f"the server refuses {self._options.identity}: {message.result_code}")
                self._up.set()
            elif isinstance(message, CreditControlAnswer):
                self._serve_answer(message, data)
            if self._closing and message.header.command_code == DISCONNECT:
                return

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """The next message; after Tw of silence a watchdog request, after another a broken connection (RFC 3539)."""
        for silent in (False, True):
            try:
                head = await asyncio.wait_for(reader.readexactly(4), _TW + self._random.uniform(-2, 2))
            except TimeoutError:
                if not silent:
                    self._write(self._base(DeviceWatchdogRequest()).as_bytes())
                continue
            return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
        raise ConnectionError("the server is silent")

    def _serve_answer(self, message: CreditControlAnswer, data: bytes) -> None:
        hop_by_hop = message.header.hop_by_hop_identifier
        exchange = self._waiting.pop(hop_by_hop, None)
        if hop_by_hop in self._deaf:
            self._deaf.discard(hop_by_hop)
        elif exchange is None:
            self._outcomes.note("answers to nothing")
        elif not exchange.answer.done():
            exchange.body = data[20:]
            exchange.answer.set_result(message)
        elif exchange.body == data[20:]:
            self._outcomes.note("repeats answered alike")
        else:
            self._outcomes.note("repeats answered differently")

    def _serve_request(self, message: Any) -> None:
        """Watchdog, disconnection, re-authorisation and abort, as a real element answers them."""
        code = message.header.command_code
        answer = message.to_answer()
        answer.origin_host = self._options.identity.encode()
        answer.origin_realm = self._options.identity.partition(".")[2].encode()
        answer.result_code = 2001
        if code in (RE_AUTH, ABORT_SESSION):
            answer.session_id = message.session_id
            listener = self.on_reauthorise if code == RE_AUTH else self.on_abort
            answer.result_code = listener(message.session_id)
            self._outcomes.note("re-authorisations" if code == RE_AUTH else "aborts")
        elif code not in (WATCHDOG, DISCONNECT):
            answer.result_code = 3001
            answer.header.is_error = True
        self._write(seal(answer).as_bytes())
        if code == DISCONNECT and self._writer is not None:
            self._up.clear()

    def _base(self, request: Any) -> Message:
        """A request of the base protocol, complete."""
        request.origin_host = self._options.identity.encode()
        request.origin_realm = self._options.identity.partition(".")[2].encode()
        self._hop_by_hop = (self._hop_by_hop + 1) & 0xFFFFFFFF
        request.header.hop_by_hop_identifier = self._hop_by_hop
        request.header.end_to_end_identifier = self._next_end_to_end()
        return seal(request)


class _Exchange:
    """A request in all its copies, and the first answer to any of them."""

    def __init__(self) -> None:
        self.copies: list[int] = []
        self.forget()

    def forget(self) -> None:
        """Wait for an answer anew."""
        self.body = b""
        self.answer: asyncio.Future[CreditControlAnswer] = asyncio.get_running_loop().create_future()
