"""The Diameter door: listens, knows its peers, checks requests and hands the good ones to a handler.

::

    server = DiameterServer(settings, handler, observer)
    await server.start()            # or start(sock) with a socket that listens already
    ...
    await server.drain()            # finish what is in work, say goodbye, close
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from functools import partial
from random import Random, SystemRandom

import structlog

from ocs.connection import Connection, PeerUnreachable
from ocs.dialer import Dialer, PeerStatus
from ocs.diameter import avps
from ocs.diameter.answer import TOO_BUSY, Answer, Identity, refusal
from ocs.diameter.capabilities import Capabilities
from ocs.diameter.codes import (
    CREDIT_CONTROL_APPLICATION,
    DisconnectCause,
    ResultCode,
)
from ocs.diameter.contact import ContactInput, ContactState
from ocs.diameter.errors import RemoteError
from ocs.diameter.layouts import Layouts
from ocs.diameter.message import Message
from ocs.diameter.observer import DiameterObserver, NullObserver
from ocs.diameter.overload import Overload, understands
from ocs.diameter.peer import Peer, Verdict
from ocs.diameter.routing import Destinations
from ocs.diameter.settings import ConnectSettings, DiameterSettings, matches
from ocs.diameter.validate import Unknown, check_request
from ocs.pending import Handler, PeerInfo, PendingRequests
from ocs.registry import Registry
from ocs.room import Room
from ocs.routes import Routes
from ocs.tls import TlsDoor, certified_names

__all__ = ["DiameterServer", "Handler", "PeerInfo", "PeerStatus", "PeerUnreachable"]

log = structlog.get_logger("ocs.diameter")

_DISTRUSTED_LIMIT = 1000


class DiameterServer:
    """See the module. ``random`` feeds watchdog jitter and identifiers."""

    def __init__(
        self,
        settings: DiameterSettings,
        handler: Handler,
        observer: DiameterObserver | None = None,
        random: Random | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.settings = settings
        self._registry = registry
        if registry is not None:
            registry.doubted = self._doubted
        self.observer = observer or NullObserver()
        self.identity = Identity.of(settings.origin_host, settings.origin_realm)
        self._random = random or SystemRandom()
        self._destinations = Destinations(settings)
        self._layouts = {policy: Layouts() for policy in Unknown}
        """Of the requests that have passed their checks, by what is made of unknown AVPs."""
        self._networks = tuple(ipaddress.ip_network(network) for network in settings.allowed_addresses)
        room = Room(settings.max_in_flight, settings.longest_wait)
        self._pending = PendingRequests(handler, self.observer, settings.request_deadline, room)
        self._connections: set[Connection] = set()
        self._open: dict[str, Connection] = {}
        self._routes = Routes(self._open, self._random.getrandbits(32))
        self._suitors: dict[str, Connection] = {}
        self._dialers: dict[str, Dialer] = {}
        self._distrusted: set[str] = set()
        self._listener: asyncio.Server | None = None
        self._tls = TlsDoor(settings.tls, lambda: Connection(self)) if settings.tls.enabled else None
        self._chores: list[asyncio.Task[None]] = []
        self.port = settings.port
        """The port we listen on, once started."""
        self.tls_port = settings.tls.port
        """The same for TLS."""
        self._draining = False
        self._lonely = asyncio.Event()
        self._lonely.set()

    def __repr__(self) -> str:
        return f"<diameter server {self.settings.origin_host}: {len(self._open)} peers, {len(self._pending)} in work>"

    # ---- life

    async def start(self, sock: socket.socket | None = None, tls_sock: socket.socket | None = None) -> None:
        """Listen, on sockets that are bound or on the addresses in the settings."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        self._overload = Overload(
            settings.overload_onset, settings.overload_validity, time.time_ns() // 1_000_000, loop.time()
        )
        if sock is not None:
            listener = await loop.create_server(lambda: Connection(self), sock=sock)
        else:
            listener = await loop.create_server(lambda: Connection(self), settings.host, settings.port)
        self._listener = listener
        self.port = listener.sockets[0].getsockname()[1]
        if self._tls is not None:
            tls_sock = tls_sock or socket.create_server((settings.host, settings.tls.port))
            self.tls_port = tls_sock.getsockname()[1]
            await self._tls.start(tls_sock, settings.capabilities_timeout)
            self._chores.append(loop.create_task(self._tls.watch()))
        for peer in settings.connect:
            dialer = self._dialers[peer.origin_host.lower()] = Dialer(self, peer, self._random)
            self._chores.append(loop.create_task(dialer.run()))

    async def reload(self) -> None:
        """Read the certificates again, for new connections; if they cannot be used the old ones stay."""
        if self._tls is not None and not self._draining:
            await self._tls.reload()

    def client_tls(self) -> ssl.SSLContext | None:
        """What we bring to a connection that we open with TLS."""
        return self._tls.client if self._tls else None

    def allow(self) -> None:
        """Connect now to all peers we connect to ourselves, also to those that have told us not to."""
        for dialer in self._dialers.values():
            dialer.allow()

    async def drain(self) -> None:
        """Accept nothing new (3004), finish what is in work, say goodbye to every peer (REBOOTING), close."""
        self._stop_listening()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pending.idle(), self.settings.disconnect_timeout)
        for connection in tuple(self._connections):
            connection.disconnect(DisconnectCause.REBOOTING)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._lonely.wait(), self.settings.disconnect_timeout + 1)
        await self.close()

    async def close(self) -> None:
        """Close at once."""
        self._stop_listening()
        self._pending.close()
        for connection in tuple(self._connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    def _stop_listening(self) -> None:
        self._draining = True
        for chore in self._chores:
            chore.cancel()
        if self._listener is not None:
            self._listener.close()
        if self._tls is not None:
            self._tls.close()

    # ---- peers

    def peers(self) -> tuple[PeerStatus, ...]:
        """All connections, by host; then the peers we are not connected to though we should be."""
        now = asyncio.get_running_loop().time()
        missing = (
            dialer.status()
            for dialer in self._dialers.values()
            if dialer.settings.origin_host.lower() not in self._open
        )
        connected = (
            PeerStatus(
                host=connection.info.host,
                realm=connection.info.realm,
                address=connection.info.address,
                state=connection.peer.state.value,
                open_seconds=0.0 if connection.opened_at is None else now - connection.opened_at,
                requests=connection.requests,
                answers=connection.answers,
                in_flight=connection.in_flight,
            )
            for connection in sorted(self._connections, key=lambda connection: connection.info.host)
        )
        return (*connected, *missing)

    def welcome(self, connection: Connection, remote: str, local: str) -> Peer:
        """A new connection: its state machine. A connection that is not wanted is closed at once."""
        admit = partial(self._admit, connection)
        read = partial(self._read, connection)
        peer = Peer(self.settings, self.identity, local.partition("%")[0], admit, self._random, read)
        wanted = connection.dialer is not None or self._is_allowed(remote)
        if self._draining or len(self._connections) >= self.settings.max_connections or not wanted:
            log.warning("connection refused", address=connection.info.address)
            self.observer.protocol_error("connection-refused", connection.info.address)
            connection.transport.abort()
            return peer
        self._connections.add(connection)
        self._lonely.clear()
        if connection.dialer is None:
            peer.accepted(asyncio.get_running_loop().time())
        return peer

    def _is_allowed(self, remote: str) -> bool:
        try:
            address = ipaddress.ip_address(remote.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def _admit(self, connection: Connection, capabilities: Capabilities) -> Verdict:
        """Refuse strangers, and a second connection under one identity (RFC 6733 section 5.6: R-Reject).

        But the first may be gone without a word, where a client crashed or its network broke. It is asked for a sign
        of life, and the second waits: refused when there is one, admitted in its place when there is none. And where
        we are just connecting to the peer that connects to us, there is an election.
        """
        self._recognise(connection, capabilities)
        host = capabilities.host.lower()
        known, dialer = self._open.get(host), self._dialers.get(host)
        if connection.dialer is not None:
            if known is not None:
                raise _connected_already(capabilities.host)
            return Verdict.ADMIT
        if host in self._suitors:
            raise _connected_already(capabilities.host)
        if known is not None:
            self._suitors[host] = connection
            known.probe()
            return Verdict.WAIT
        if dialer is not None and not dialer.challenged():
            self._suitors[host] = connection
            return Verdict.WAIT
        if self._registry is None:
            return Verdict.ADMIT
        self._suitors[host] = connection
        self._registry.seek(host, partial(self._decide, connection, host))
        return Verdict.WAIT

    def _decide(self, connection: Connection, host: str, ours: bool) -> None:
        """Whether the identity is connected elsewhere is known now."""
        if self._suitors.get(host) is connection:
            if ours and host not in self._open:
                self.admit_suitor(host)
            else:
                connection.refuse(_connected_already(host))
        if self._registry is not None and ours and host not in self._open:
            self._registry.drop(host)

    def _recognise(self, connection: Connection, capabilities: Capabilities) -> None:
        """Is the peer who it says it is, and one of those we talk to? Raises RemoteError 3010."""
        host = capabilities.host.lower()
        if connection.dialer is not None:
            if not _is_expected(capabilities, connection.dialer.settings):
                raise RemoteError(ResultCode.UNKNOWN_PEER, f"{capabilities.host} is not who was expected")
        elif not matches(host, self.settings.allowed_peers):
            raise RemoteError(ResultCode.UNKNOWN_PEER, f"{capabilities.host} is not known here")
        names = certified_names(connection.transport)
        if names is not None and self.settings.tls.match_identity and host not in names:
            log.warning("certificate of another", peer=capabilities.host, address=connection.info.address)
            raise RemoteError(ResultCode.UNKNOWN_PEER, f"the certificate is not that of {capabilities.host}")

    def admit_suitor(self, host: str) -> None:
        """Open the connection that waits for this identity, if one does."""
        suitor = self._suitors.pop(host.lower(), None)
        if suitor is not None:
            suitor.admit()

    def refuse_suitor(self, host: str, error: RemoteError) -> None:
        """Refuse it."""
        suitor = self._suitors.pop(host.lower(), None)
        if suitor is not None:
            suitor.refuse(error)

    def opened(self, connection: Connection) -> None:
        """Capabilities are exchanged."""
        host = connection.info.host
        self._open[host.lower()] = connection
        if self._registry is not None:
            self._registry.take(host.lower())
        dialer = self._dialers.get(host.lower())
        if connection.dialer is not None:
            connection.dialer.feed(ContactInput.I_RCV_CEA)
        elif dialer is not None and dialer.contact.state is ContactState.CLOSED:
            dialer.feed(ContactInput.R_CONN_CER)
        if matches(host.lower(), self.settings.lenient_peers):
            connection.unknown = Unknown.IGNORE
        if host.lower() in self._distrusted:
            self._distrusted.discard(host.lower())
            connection.peer.reopened(asyncio.get_running_loop().time())
        self.observer.peer_up(host)
        log.info("peer open", peer=host, address=connection.info.address)

    def closed(self, connection: Connection, reason: str) -> None:
        """The peer's state machine has ended."""
        capabilities = connection.peer.capabilities
        host = capabilities.host if capabilities is not None else ""
        was_suitor, was_open = self._suitors.get(host.lower()) is connection, self._open.get(host.lower()) is connection
        if was_suitor:
            del self._suitors[host.lower()]
        if was_open:
            del self._open[host.lower()]
            self.observer.peer_down(host)
            if reason == "watchdog" and len(self._distrusted) < _DISTRUSTED_LIMIT:
                self._distrusted.add(host.lower())
        dialer = self._dialers.get(host.lower())
        if connection.dialer is not None:
            connection.dialer.lost(connection)
        elif dialer is not None and (was_open or (was_suitor and host.lower() not in self._open)):
            dialer.feed(ContactInput.R_PEER_DISC)
        if was_open:
            self.admit_suitor(host)
            if self._registry is not None and host.lower() not in self._open:
                self._registry.drop(host.lower())
        if reason not in ("goodbye", "stopped", "disconnected"):
            self.observer.protocol_error(reason.split()[0], host or connection.info.address)
            log.warning("peer closed", peer=host, address=connection.info.address, reason=reason)

    def alive(self, connection: Connection) -> None:
        """A connection that was doubted is in use: whoever claims its identity is refused."""
        self.refuse_suitor(connection.info.host, _connected_already(connection.info.host))
        if self._registry is not None:
            self._registry.alive(connection.info.host.lower())

    def _doubted(self, host: str) -> None:
        """Somebody claims an identity of ours in another process."""
        if (connection := self._open.get(host)) is not None:
            connection.probe()

    def leaving(self, connection: Connection, cause: int) -> None:
        """The peer has said goodbye."""
        dialer = self._dialers.get(connection.info.host.lower())
        if dialer is not None:
            dialer.contact.leaving(cause)

    def farewell(self, connection: Connection) -> None:
        """The transport is gone."""
        self._connections.discard(connection)
        if connection.dialer is not None:
            connection.dialer.lost(connection)
        if not self._connections:
            self._lonely.set()

    # ---- requests

    def _read(self, connection: Connection, octets: bytes) -> Message:
        return self._layouts[connection.unknown].read(octets)

    def receive(self, connection: Connection, request: Message, waited: float) -> None:
        """Check a request and take it into work, or refuse it at once: also if it has ``waited`` too long for that.

        Its client would ask again before the answer came. To refuse it costs little, so that there is time left for
        those that come later.
        """
        self.observer.request_received()
        if waited > self.settings.longest_wait:
            self._refuse(connection, request, TOO_BUSY)
            return
        try:
            if request.layout is None:
                self._destinations.check(request)
                check_request(request, connection.unknown)
                self._layouts[connection.unknown].learn(request)
            request.get(avps.SESSION_ID)
        except RemoteError as error:
            self.observer.protocol_error(str(error.result_code), connection.info.host)
            self._refuse(connection, request, refusal(error))
            return
        if (
            self._draining
            or len(self._pending) >= self._pending.room
            or connection.in_flight >= self.settings.max_in_flight_per_peer
            or connection.octets >= self.settings.max_in_flight_octets
        ):
            self._refuse(connection, request, TOO_BUSY)
            return
        self._pending.submit(connection, request, waited)

    def overload(self, request: Message) -> tuple[bytes, ...]:
        """What an answer says of our load to those who understand it (RFC 7683)."""
        self._overload.observe(len(self._pending) / self._pending.room, asyncio.get_running_loop().time())
        return self._overload.parts if understands(request) else ()

    def _refuse(self, connection: Connection, request: Message, answer: Answer) -> None:
        self.observer.request_answered("unknown", answer.result_code, 0.0)
        connection.answer(request, answer)

    async def send(
        self,
        host: str,
        realm: str,
        command: int,
        parts: Iterable[bytes],
        application: int = CREDIT_CONTROL_APPLICATION,
    ) -> Message:
        """Send a request of ours towards ``host`` and return the answer; raises PeerUnreachable.

        ``parts`` are the request's complete AVPs, Destination-Host and -Realm among them.
        """
        return await self._routes.send(host, realm, command, tuple(parts), application)

    def distance(self, host: str, realm: str, application: int = CREDIT_CONTROL_APPLICATION) -> int | None:
        """How far a host is from us: 0 connected, 1 behind an agent of its realm, 2 another agent, None: no way."""
        return self._routes.distance(host, realm, application)


def own_parts(identity: Identity, session: str, host: str, realm: str) -> tuple[bytes, ...]:
    """The AVPs with which RAR and ASR begin, in the grammar's order."""
    return (
        avps.SESSION_ID.encode(session),
        identity.encoded,
        avps.DESTINATION_REALM.encode(realm),
        avps.DESTINATION_HOST.encode(host),
        avps.AUTH_APPLICATION_ID.encode(CREDIT_CONTROL_APPLICATION),
    )


def _is_expected(capabilities: Capabilities, settings: ConnectSettings) -> bool:
    realm = settings.origin_realm.lower()
    return capabilities.host.lower() == settings.origin_host.lower() and realm in ("", capabilities.realm.lower())


def _connected_already(host: str) -> RemoteError:
    return RemoteError(ResultCode.UNABLE_TO_COMPLY, f"{host} is connected already")
