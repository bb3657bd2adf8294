"""A peer's TCP connection: moves bytes, events and time between asyncio and the sans-IO Peer."""

import asyncio
from typing import TYPE_CHECKING, cast

import structlog

from ocs.diameter import avps
from ocs.diameter.answer import Answer, compose
from ocs.diameter.capabilities import Capabilities
from ocs.diameter.codes import DisconnectCause
from ocs.diameter.errors import RemoteError
from ocs.diameter.events import (
    AnswerReceived,
    Event,
    PeerAlive,
    PeerClosed,
    PeerLeaving,
    PeerOpened,
    PeerSuspect,
    RequestLost,
    RequestReceived,
)
from ocs.diameter.message import Message
from ocs.diameter.peer import Peer
from ocs.diameter.validate import Unknown
from ocs.intake import Intake
from ocs.pending import Inbox, PeerInfo
from ocs.transports import keep_alive, reset

if TYPE_CHECKING:
    from ocs.dialer import Dialer
    from ocs.server import DiameterServer

log = structlog.get_logger("ocs.diameter")

_TURN = 16 * 1024
"""Octets of one peer worked on in one turn of the loop; then it is the others' turn."""


class PeerUnreachable(Exception):
    """A request of our own got no answer: no such peer, its connection lost, or it stayed silent."""


class Connection(asyncio.Protocol, Inbox):
    """One per connection; those that we have opened ourselves have a ``dialer``."""

    transport: asyncio.Transport
    peer: Peer

    def __init__(self, server: "DiameterServer", dialer: "Dialer | None" = None) -> None:
        self._server = server
        self.dialer = dialer
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._flushing = False
        self._intake = Intake()
        self._paused = False
        self._own: dict[int, asyncio.Future[Message]] = {}
        self.info = PeerInfo(host="", realm="", address="")
        self.in_flight = self.octets = 0
        self.unknown = Unknown.REFUSE
        self.opened_at: float | None = None
        self.requests = 0
        self.answers = 0

    def __repr__(self) -> str:
        return f"<connection {self.info.address} {self.peer!r}, {self.in_flight} in flight>"

    # ---- asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        keep_alive(self.transport)
        remote, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self.info = PeerInfo(host="", realm="", address=f"{remote[0]}:{remote[1]}" if remote else "")
        self.peer = self._server.welcome(self, remote[0] if remote else "", local[0] if local else "127.0.0.1")
        if self.dialer is not None:
            self.dialer.connected(self)
        self._arm()

    def data_received(self, data: bytes) -> None:
        if len(data) <= _TURN and not self._intake:
            self._take(data)
            return
        if not self._intake:
            self._loop.call_soon(self._take_turn)
        self._intake.put(data, self._loop.time())
        if self._intake.size > self._server.settings.max_input and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def _take_turn(self) -> None:
        """Work on a part of what a busy peer has sent. That all is read shows how long it has been waiting."""
        if not self._intake:
            return
        arrived, part = self._intake.take(_TURN)
        self._take(part, self._loop.time() - arrived)
        if self.peer.is_closed:
            self._intake.clear()
            return
        if self._intake:
            self._loop.call_soon(self._take_turn)
        if self._paused and self._intake.size <= self._server.settings.max_input // 2:
            self._paused = False
            self.transport.resume_reading()

    def _take(self, data: bytes, waited: float = 0.0) -> None:
        self.handle(self.peer.receive_data(data, self._loop.time()), waited)
        self.flush_soon()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _exc: Exception | None) -> None:
        while self._intake:  # what was reported counts, even if nobody waits for the answer any more
            self._take(self._intake.take(_TURN)[1])
        self.handle(self.peer.connection_lost())
        if self._timer is not None:
            self._timer.cancel()
        self._server.farewell(self)

    # ---- events

    def handle(self, events: list[Event], waited: float = 0.0) -> None:
        """Do what the peer's events ask for; the octets that caused them have waited for so many seconds."""
        quiet = True
        for event in events:
            if isinstance(event, RequestReceived):
                self.requests += 1
                self._server.receive(self, event.message, waited)
                continue
            quiet = False
            if isinstance(event, PeerOpened):
                self._opened(event.capabilities)
            elif isinstance(event, AnswerReceived):
                self._settle(event.hop_by_hop, event.message)
            elif isinstance(event, RequestLost):
                self._settle(event.hop_by_hop, None)
            elif isinstance(event, PeerSuspect):
                self._server.observer.watchdog_timeout(self.info.host)
                log.warning("peer does not answer the watchdog", peer=self.info.host, address=self.info.address)
            elif isinstance(event, PeerAlive):
                self._server.alive(self)
            elif isinstance(event, PeerLeaving):
                self._server.leaving(self, event.cause)
            elif isinstance(event, PeerClosed):
                self._closed(event)
        if not quiet:
            self._arm()

    def _opened(self, capabilities: Capabilities) -> None:
        self.info = PeerInfo(host=capabilities.host, realm=capabilities.realm, address=self.info.address)
        self.opened_at = self._loop.time()
        self._server.opened(self)

    def _closed(self, event: PeerClosed) -> None:
        self._server.closed(self, event.reason)
        self._flush()
        if event.reset:
            reset(self.transport)
            return
        self.transport.close()
        # A peer that does not read would keep the transport open for its last octets.
        self._loop.call_later(self._server.settings.disconnect_timeout, self.transport.abort)

    # ---- answers and requests of ours

    def answer(self, request: Message, answer: Answer) -> None:
        self.answers += 1
        more = self._server.overload(request) if avps.OC_SUPPORTED_FEATURES in request else ()
        self.peer.send_answer(compose(request, answer, self._server.identity, more))
        self.flush_soon()

    async def ask(
        self, command: int, application: int, parts: tuple[bytes, ...], end_to_end: int, flags: int = 0
    ) -> Message:
        """Send a request of ours; its answer, or PeerUnreachable."""
        now = self._loop.time()
        hop_by_hop = self.peer.send_request(command, application, parts, now, end_to_end, flags)
        future: asyncio.Future[Message] = self._loop.create_future()
        self._own[hop_by_hop] = future
        self._arm()
        self.flush_soon()
        try:
            return await future
        finally:
            self._own.pop(hop_by_hop, None)

    def _settle(self, hop_by_hop: int, message: Message | None) -> None:
        future = self._own.get(hop_by_hop)
        if future is None or future.done():
            return
        if message is None:
            future.set_exception(PeerUnreachable(f"{self.info.host} did not answer"))
        else:
            future.set_result(message)

    def disconnect(self, cause: DisconnectCause) -> None:
        """Say goodbye and close."""
        self.handle(self.peer.close(cause, self._loop.time()))
        self._arm()
        self.flush_soon()

    def introduce(self) -> None:
        """Speak first, on a connection that we have opened."""
        if not self.transport.is_closing():
            host = self.dialer.settings.origin_host if self.dialer is not None else ""
            self.peer.connected(self._loop.time(), host)
        self._arm()
        self.flush_soon()

    def probe(self) -> None:
        """Find out now whether the peer still lives."""
        self.peer.probe(self._loop.time())
        self._arm()
        self.flush_soon()

    def admit(self) -> None:
        """Open the connection that waits for it."""
        self.handle(self.peer.admit(self._loop.time()))
        self.flush_soon()

    def refuse(self, error: RemoteError) -> None:
        """Refuse the connection that waits to be opened."""
        self.handle(self.peer.refuse(error))
        self.flush_soon()

    # ---- output and timer

    def flush_soon(self) -> None:
        """Write once in this turn of the loop, whatever comes together until then."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        data = self.peer.data_to_send()
        if not data or self.transport.is_closing():
            return
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > self._server.settings.max_output:
            log.warning("peer reads too slowly", peer=self.info.host, address=self.info.address)
            self._server.observer.protocol_error("slow-reader")
            reset(self.transport)

    def _arm(self) -> None:
        """The watchdog's deadline moves on with each message; the timer only looks again when it fires."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.peer.next_timer()
        if due is not None:
            self._timer = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.handle(self.peer.handle_timer(self._loop.time()))
        self._arm()
        self.flush_soon()
