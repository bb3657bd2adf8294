"""TLS at the Diameter door (RFC 6733 section 13): both sides show certificates, which can be renewed while we run."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from ocs.diameter.settings import TlsSettings

log = structlog.get_logger("ocs.diameter")

_NEVER: tuple[int, ...] = ()


class UnusableCertificate(OSError):
    """Certificate, key or authorities cannot be used; the message says which and why."""


class Credentials:
    """The files of the settings, as they were when last read. Raises UnusableCertificate."""

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._seen = _NEVER
        self.reload()

    def reload(self) -> None:
        """Read the files again; what was read before stays if they cannot be used."""
        seen = self._look()
        self.server, self.client = self._context(ssl.PROTOCOL_TLS_SERVER), self._context(ssl.PROTOCOL_TLS_CLIENT)
        self._seen = seen

    def changed(self) -> bool:
        """Are the files other ones than those last looked at? Tells it once."""
        seen = self._look()
        changed, self._seen = seen != self._seen, seen
        return changed

    def _look(self) -> tuple[int, ...]:
        found = []
        for name in (self._settings.certificate, self._settings.key, self._settings.authorities):
            try:
                status = Path(name).stat()
            except OSError:
                return _NEVER
            found += [status.st_mtime_ns, status.st_ino, status.st_size]
        return tuple(found)

    def _context(self, protocol: int) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A peer is known by its Origin-Host, which is held against its certificate once it has introduced itself.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        settings = self._settings
        with _blaming(settings.authorities):
            context.load_verify_locations(settings.authorities)
        with _blaming(f"{settings.certificate}, {settings.key}"):
            context.load_cert_chain(settings.certificate, settings.key, password=lambda: b"")
        return context


@contextlib.contextmanager
def _blaming(files: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnusableCertificate(f"diameter.tls: {files}: {error.strerror or error}") from None


class TlsDoor:
    """Listens with TLS. New certificates are for new connections; those that are open stay."""

    def __init__(self, settings: TlsSettings, factory: Callable[[], asyncio.Protocol]) -> None:
        """Raises UnusableCertificate."""
        self._settings = settings
        self._credentials = Credentials(settings)
        self._factory = factory
        self._handshake_timeout = 0.0
        self._sock: socket.socket | None = None
        self._server: asyncio.Server | None = None

    @property
    def client(self) -> ssl.SSLContext:
        """For connections that we open."""
        return self._credentials.client

    async def start(self, sock: socket.socket, handshake_timeout: float) -> None:
        """Listen on a socket that is bound."""
        self._sock, self._handshake_timeout = sock, handshake_timeout
        await self._listen(sock)

    async def watch(self) -> None:
        """Read the files again whenever they change."""
        while True:
            await asyncio.sleep(self._settings.watch)
            if self._credentials.changed():
                await self.reload()

    async def reload(self) -> None:
        """Read the files again now; if they cannot be used the old certificates stay."""
        if self._sock is None:
            return
        try:
            self._credentials.reload()
        except UnusableCertificate as error:
            log.error("certificates not renewed", reason=str(error))
            return
        await self._listen(self._sock)
        log.info("certificates renewed")

    async def _listen(self, sock: socket.socket) -> None:
        """With the certificates as they are now: on the same socket, so that nobody finds it closed."""
        old = self._server
        self._server = await asyncio.get_running_loop().create_server(
            self._factory,
            sock=sock.dup(),
            ssl=self._credentials.server,
            ssl_handshake_timeout=self._handshake_timeout,
        )
        if old is not None:
            old.close()

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def certified_names(transport: asyncio.BaseTransport) -> frozenset[str] | None:
    """The DNS names of the peer's certificate, in lower case; None on a connection without TLS."""
    if transport.get_extra_info("ssl_object") is None:
        return None
    certificate = transport.get_extra_info("peercert") or {}
    return frozenset(value.lower() for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS")
