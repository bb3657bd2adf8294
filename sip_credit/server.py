"""The sockets of the SIP door: UDP, TCP and TLS on asyncio, a thin pump between octets and transactions.

Answers leave by the socket their request came in on (section 18.2.2): UDP to the source address if ``rport`` asks for
it, else to the port in the topmost Via; TCP on the same connection. Strangers are not answered at all.
"""

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, cast

from charging.event import Channels
from sip_credit.address import split_host_port
from sip_credit.desk import Engine, Orphans
from sip_credit.door import Door
from sip_credit.inpath.forward import Own
from sip_credit.inpath.hop import Hop
from sip_credit.message import PHRASES, RemoteError, Request, parse, respond
from sip_credit.observer import Observer, SilentObserver
from sip_credit.settings import Peer, PeerTable, Settings
from sip_credit.sockets import bind, bind_first_free, bind_stream, reference, reset
from sip_credit.stream import PONG, FramingLost, Keepalive, MessageStream
from sip_credit.tls import Credentials, shown_names
from sip_credit.transaction import Transaction, TransactionLayer

log = logging.getLogger(__name__)


def wall_clock() -> int:
    """Milliseconds since 1970 (UTC)."""
    return time.time_ns() // 1_000_000


class UdpHop:
    """A socket and an address."""

    __slots__ = ("_address", "_transport", "octets", "peer")
    reliable = False

    def __init__(self, transport: asyncio.DatagramTransport, address: tuple[Any, ...], peer: Peer) -> None:
        self._transport = transport
        self._address = address
        self.peer = peer
        self.octets = 0

    @property
    def open(self) -> bool:
        return not self._transport.is_closing()

    def send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(data, self._address)


class TcpHop:
    """A connection."""

    __slots__ = ("_transport", "octets", "peer")
    reliable = True

    def __init__(self, transport: asyncio.Transport, peer: Peer) -> None:
        self._transport = transport
        self.peer = peer
        self.octets = 0

    @property
    def open(self) -> bool:
        return not self._transport.is_closing()

    def send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


ServerHop = UdpHop | TcpHop


class SipServer:
    """The SIP door of one worker: ``start`` it, later ``drain`` it.

    ``ready`` says whether the store is there; ``clock`` gives milliseconds since 1970. One server has one UDP and one
    TCP socket, on the same port, and a socket for TLS where the settings say so. ``channels`` counts the calls of trunk
    groups, ``orphans`` keeps reports of calls nobody knows. Raises OSError for unusable certificates.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        observer: Observer | None = None,
        clock: Callable[[], int] = wall_clock,
        ready: Callable[[], bool] = lambda: True,
        channels: Channels | None = None,
        orphans: Orphans | None = None,
    ) -> None:
        self._settings = settings
        self.observer = observer or SilentObserver()
        self._peers = PeerTable(settings.peers)
        self._door = Door(settings, engine, self.observer, clock, ready, channels, orphans)
        self._layer: TransactionLayer[ServerHop] = TransactionLayer(
            lambda data, hop: hop.send(data), secrets.token_bytes(32), settings.timers, self._unacknowledged
        )
        self._hop = Hop(settings, self._door.desk, self._layer, self._door, self, clock) if settings.in_path else None
        self._door.attach(self._layer, self._hop)
        self._through: asyncio.DatagramTransport | None = None
        self._connections: set[_Connection] = set()
        self._tcp: asyncio.Server | None = None
        self._credentials = Credentials(settings.tls) if settings.tls.enabled else None
        self._tls: asyncio.Server | None = None
        self._watcher: asyncio.TimerHandle | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self.port = 0
        self.tls_port = 0
        self.in_path_port = 0

    def __repr__(self) -> str:
        return f"<SipServer :{self.port} {len(self._layer)} transactions, {self.in_flight} in flight>"

    @property
    def in_flight(self) -> int:
        """Requests that wait for the engine."""
        return self._door.in_flight

    @property
    def connections(self) -> int:
        return len(self._connections)

    def counters(self, peer: str) -> dict[str, int]:
        """What the peer of this name has asked so far: requests, answers, in_flight, refused."""
        return self._door.traffic[peer].counters()

    async def start(
        self, udp: socket.socket | None = None, tcp: socket.socket | None = None, tls: socket.socket | None = None
    ) -> None:
        """Listen, on the sockets given or else on the settings' host and ports."""
        if udp is None or tcp is None:
            udp, tcp = bind(self._settings.host, self._settings.port)
        loop = asyncio.get_running_loop()
        self.port = tcp.getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=udp)
        self._tcp = await loop.create_server(lambda: _Connection(self), sock=tcp)
        if self._credentials is not None:
            tls = tls or bind_stream(self._settings.host, self._settings.tls.port)
            self.tls_port = tls.getsockname()[1]
            self._tls = await loop.create_server(lambda: _Connection(self), sock=tls, ssl=self._credentials.context)
            self._watch_certificates()
        if not self._settings.own_names:
            here = (self._settings.host.lower(), tcp.getsockname()[0])
            ports = (self.port, self.tls_port) if self.tls_port else (self.port,)
            self._door.own = frozenset(f"{reference(host)}:{port}" for host in here for port in ports)

        if self._hop is not None:
            await self._open_path(self._hop)

    async def _open_path(self, hop: Hop) -> None:
        """A socket of this process alone for calls that go through it."""
        sock = bind_first_free(self._settings.host, self._settings.in_path_port)
        self.in_path_port = sock.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._through, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self, hop), sock=sock)
        own = self._settings.own_names[0] if self._settings.own_names else reference(sock.getsockname()[0])
        hop.attach(Own(split_host_port(own)[0], self.in_path_port), self._door.own, self._through.sendto)

    def _watch_certificates(self) -> None:
        """Look now and then whether there are new files; connections that are open stay as they are."""
        self.renew()
        self._watcher = asyncio.get_running_loop().call_later(self._settings.tls.watch, self._watch_certificates)

    def renew(self) -> bool:
        """Use new certificate files for new connections, if there are any."""
        return self._credentials is not None and self._credentials.refresh()

    async def drain(self) -> None:
        """Take no new calls, finish what is being decided, close everything."""
        self._door.draining = True
        if self._tcp is not None:
            self._tcp.close()
        if self._tls is not None:
            self._tls.close()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._hop is not None:
            self._hop.close()
        await self._door.settle(self._settings.drain)
        for connection in tuple(self._connections):
            connection.close()
        for udp in (self._udp, self._through):
            if udp is not None:
                udp.close()
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.sleep(0)  # let the transports tell that they are closed

    # ---- what the transports call

    def admit(self, host: str, names: frozenset[str] = frozenset()) -> Peer | None:
        """Who speaks from this address and shows these names in a certificate? A stranger is only counted."""
        peer = self._peers.find(host, names)
        if peer is None:
            self.observer.stranger(host)
        return peer

    def admits(self, host: str) -> bool:
        """Is this the address of a peer?"""
        return self._peers.find(host) is not None

    def full(self) -> bool:
        """Are there as many connections as there may be?"""
        return len(self._connections) >= self._settings.max_connections

    def joined(self, connection: "_Connection") -> None:
        self._connections.add(connection)

    def left(self, connection: "_Connection") -> None:
        self._connections.discard(connection)

    @property
    def settings(self) -> Settings:
        return self._settings

    def receive(self, request: Request, hop: ServerHop) -> None:
        """Serve one request; whatever goes wrong stays with it."""
        now = asyncio.get_running_loop().time()
        if self._hop is not None and request.method == "ACK" and not self._layer.awaits_ack(request):
            if self._hop.session(request):
                self._hop.acknowledge(request, hop.peer)
            return
        absorbed = self._layer.absorbed
        if self._has_no_room(hop) and not self._layer.knows(request):
            self.refuse(RemoteError(503, PHRASES[503], request), hop)
            return
        try:
            transaction = self._layer.receive(request, hop, now)
            if transaction is not None:
                self._door.take(transaction)
        except Exception:
            log.exception("%r failed", request)
            self.observer.protocol_error("internal")
        if self._layer.absorbed != absorbed:
            self.observer.duplicate()
        self.moved()

    def _has_no_room(self, hop: ServerHop) -> bool:
        """Is there as much remembered as may be, of all or of this connection?"""
        settings, layer = self._settings, self._layer
        full = len(layer) >= settings.max_transactions or layer.octets >= settings.max_transaction_octets
        return full or hop.octets >= settings.max_connection_octets

    def refuse(self, error: RemoteError, hop: ServerHop) -> None:
        """Answer what could not be read, statelessly (section 8.2.7), if it can be answered at all."""
        self.observer.protocol_error(_kind(error), hop.peer.name)
        request = error.request
        if request is None or request.method == "ACK":
            return
        tag = self._layer.tag(("refused", *request.vias[:1]))
        hop.send(respond(request, error.status, error.reason, tag=tag).encode())

    def moved(self) -> None:
        """Have the transaction timers run when the next is due."""
        dues = [self._layer.next_timer(), self._hop.clients.next_timer() if self._hop else None]
        due = min((due for due in dues if due is not None), default=None)
        if due is None or (self._timer is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due  # uvloop's handle of something overdue does not tell
        self._timer = asyncio.get_running_loop().call_at(due, self._run_timers)

    def _run_timers(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        self._layer.handle_timer(now)
        if self._hop is not None:
            self._hop.clients.handle_timer(now)
        self.moved()

    def _unacknowledged(self, transaction: Transaction[ServerHop]) -> None:
        self.observer.unacknowledged()
        log.warning("no ACK for the answer to %r", transaction.request)


class _Datagrams(asyncio.DatagramProtocol):
    """One message a datagram."""

    def __init__(self, server: SipServer, hop: Hop | None = None) -> None:
        self._server = server
        self._through = hop
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # loops have classes of their own

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        peer = self._server.admit(addr[0])
        if peer is None or len(data) <= 4 or not data.strip(b"\r\n\0"):
            return  # a stranger, or a keepalive
        try:
            message = parse(data)
        except RemoteError as error:
            if error.request is not None:
                error.request = error.request.received_from(addr[0], addr[1])
                self._server.refuse(error, self._hop(error.request, addr, peer))
            else:
                self._server.refuse(error, UdpHop(self._transport, addr, peer))
            return
        if isinstance(message, Request):
            message = message.received_from(addr[0], addr[1])
            self._server.receive(message, self._hop(message, addr, peer))
        elif self._through is None or not self._through.receive(message):
            self._server.observer.protocol_error("response")

    def _hop(self, request: Request, source: tuple[Any, ...], peer: Peer) -> UdpHop:
        """Answers go to the source's host, and to its port only if it asked for that (section 18.2.2, RFC 3581)."""
        port = source[1] if request.via.parameter("rport") is not None else request.via.port or 5060
        return UdpHop(self._transport, (source[0], port, *source[2:]), peer)

    def error_received(self, exc: Exception) -> None:
        log.debug("UDP: %s", exc)


class _Connection(asyncio.Protocol):
    """A connection by TCP or TLS."""

    def __init__(self, server: SipServer) -> None:
        self._server = server
        self._stream = MessageStream()
        self._transport: asyncio.Transport
        self._hop: TcpHop
        self._source = ("", 0)
        self._idle: asyncio.TimerHandle | None = None
        self._heard = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        host, port = transport.get_extra_info("peername")[:2]
        self._source = host, port
        peer = self._server.admit(host, shown_names(transport))
        if peer is None or self._server.full():
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=self._server.settings.max_unsent)
        self._hop = TcpHop(self._transport, peer)
        self._server.joined(self)
        self._heard = asyncio.get_running_loop().time()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio names it
        self._server.left(self)
        if self._idle is not None:
            self._idle.cancel()

    def pause_writing(self) -> None:
        """The peer does not read its answers: they may not pile up here."""
        log.warning("%s:%d does not read, closed", *self._source)
        self._server.observer.protocol_error("slow-reader")
        reset(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._stream.feed(data)
        while not self._transport.is_closing():
            try:
                message = self._stream.next()
            except RemoteError as error:
                self._refuse(error)
                continue
            if message is None:
                return
            self._heard = asyncio.get_running_loop().time()
            if message is Keepalive.PING:
                self._hop.send(PONG)
            elif isinstance(message, Request):
                self._server.receive(message.received_from(*self._source), self._hop)
            else:
                self._server.observer.protocol_error("response")

    def close(self) -> None:
        """Send what is left to send, then close."""
        self._transport.close()

    def _refuse(self, error: RemoteError) -> None:
        if error.request is not None:
            error.request = error.request.received_from(*self._source)
        self._server.refuse(error, self._hop)
        if isinstance(error, FramingLost):
            self._transport.close()

    def _watch(self) -> None:
        """Close where no whole message came for too long: an octet now and then is none.

        One timer that looks again, rather than one restarted with every message.
        """
        loop = asyncio.get_running_loop()
        due = self._heard + self._server.settings.idle
        if loop.time() >= due:
            self._transport.close()
        else:
            self._idle = loop.call_at(due, self._watch)


def _kind(error: RemoteError) -> str:
    """A word for counting."""
    if isinstance(error, FramingLost):
        return "framing"
    return {503: "overload", 505: "version", 513: "size"}.get(error.status, "syntax")
