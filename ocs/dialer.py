"""Keeps the connection to a peer of the configuration: connects, comes back after a pause, settles elections."""

import asyncio
from random import Random
from typing import TYPE_CHECKING

import msgspec
import structlog

from ocs.connection import Connection
from ocs.diameter.codes import DisconnectCause, ResultCode
from ocs.diameter.contact import Contact, ContactAction, ContactInput
from ocs.diameter.errors import RemoteError
from ocs.diameter.settings import ConnectSettings

if TYPE_CHECKING:
    from ocs.server import DiameterServer

log = structlog.get_logger("ocs.diameter")


class PeerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as the API shows it; ``open_seconds`` since the capabilities exchange."""

    host: str
    realm: str
    address: str
    state: str
    open_seconds: float = 0.0
    requests: int = 0
    answers: int = 0
    in_flight: int = 0


class Dialer:
    """One per ``[[diameter.connect]]``; ``contact`` decides, this does."""

    def __init__(self, server: "DiameterServer", settings: ConnectSettings, random: Random) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._connection: Connection | None = None
        self.settings = settings
        own = server.settings
        self.contact = Contact(
            settings.origin_host, own.origin_host, own.reconnect, random.random, now=self._loop.time()
        )

    def __repr__(self) -> str:
        return f"<dialer {self.settings.host}:{self.settings.port} {self.contact!r}>"

    async def run(self) -> None:
        """Connect whenever it is time to."""
        while True:
            self._changed.clear()
            due = self.contact.due
            if due is not None and due <= self._loop.time():
                await self._dial()
                continue
            timer = None if due is None else self._loop.call_at(due, self._changed.set)
            try:
                await self._changed.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    async def _dial(self) -> None:
        settings, patience = self.settings, self._server.settings.capabilities_timeout
        self.feed(ContactInput.START)
        try:
            async with asyncio.timeout(patience):
                await self._loop.create_connection(
                    lambda: Connection(self._server, self),
                    settings.host,
                    settings.port,
                    ssl=self._server.client_tls() if settings.tls else None,
                    server_hostname=settings.origin_host if settings.tls else None,
                )
        except (OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            log.warning("cannot connect", peer=settings.origin_host, host=settings.host, reason=reason)
            self.feed(ContactInput.I_RCV_CONN_NACK)

    def connected(self, connection: Connection) -> None:
        """The connection we asked for is there."""
        self._connection = connection
        self.feed(ContactInput.I_RCV_CONN_ACK)

    def lost(self, connection: Connection) -> None:
        """It is there no more. Told more than once, and of connections we have given up."""
        if connection is self._connection:
            self._connection = None
            self.feed(ContactInput.I_PEER_DISC)

    def challenged(self) -> bool:
        """The peer has connected to us; may its CER be answered at once?"""
        actions = self._feed(ContactInput.R_CONN_CER)
        admitted = ContactAction.R_SND_CEA in actions
        self._perform(tuple(action for action in actions if action is not ContactAction.R_SND_CEA))
        return admitted

    def feed(self, happened: ContactInput) -> None:
        """Something happened to one of the two connections: do what follows from it."""
        self._perform(self._feed(happened))

    def status(self) -> PeerStatus:
        """What to show while there is no connection."""
        settings, contact = self.settings, self.contact
        state = "unwanted" if contact.unwanted else contact.state.value
        address = f"{settings.host}:{settings.port}"
        return PeerStatus(host=settings.origin_host, realm=settings.origin_realm, address=address, state=state)

    def allow(self) -> None:
        """Connect now, also to a peer that has told us not to."""
        self.contact.allow(self._loop.time())
        self._changed.set()

    def _feed(self, happened: ContactInput) -> tuple[ContactAction, ...]:
        self._changed.set()
        return self.contact.feed(happened, self._loop.time())

    def _perform(self, actions: tuple[ContactAction, ...]) -> None:
        host, connection = self.settings.origin_host, self._connection
        for action in actions:
            if action is ContactAction.I_SND_CER and connection is not None:
                connection.introduce()
            elif action is ContactAction.I_DISC and connection is not None:
                self._connection = None
                connection.disconnect(DisconnectCause.REBOOTING)
            elif action is ContactAction.R_SND_CEA:
                self._server.admit_suitor(host)
            elif action is ContactAction.R_DISC:
                self._server.refuse_suitor(host, RemoteError(ResultCode.ELECTION_LOST, "the other connection stays"))
