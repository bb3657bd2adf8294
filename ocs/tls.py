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


class TlsListener:
    """Listens on ``sock``. New certificates are for new connections; those that are open stay."""

    def __init__(
        self, credentials: Credentials, factory: Callable[[], asyncio.Protocol], handshake_timeout: float
    ) -> None:
        self._credentials = credentials
        self._factory = factory
        self._handshake_timeout = handshake_timeout
        self._sock: socket.socket | None = None
        self._server: asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        self._sock = sock
        await self.renew()

    async def renew(self) -> None:
        """Listen with the certificates as they are now: on the same socket, so that nobody finds it closed."""
        if self._sock is None:
            return
        old, sock = self._server, self._sock.dup()
        self._server = await asyncio.get_running_loop().create_server(
            self._factory,
            sock=sock,
            ssl=self._credentials.server,
            ssl_handshake_timeout=self._handshake_timeout,
        )
        if old is not None:
            old.close()

    def close(self) -> None:
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
