"""TLS at the SIP door: certificates that can be renewed while we run, and the names proxies show (RFC 5922)."""

import asyncio
import logging
import ssl
from pathlib import Path

from sip_credit.settings import Certificates, Tls

log = logging.getLogger(__name__)


class Credentials:
    """The files of the settings in one context, which new connections use. Raises OSError if they cannot be used."""

    def __init__(self, settings: Tls) -> None:
        self._settings = settings
        self._seen = self._look()
        self.context = self._load(self._fresh())

    def refresh(self) -> bool:
        """Read the files again if they changed; what was read before stays if they cannot be used.

        Authorities are added, never taken away, as long as the process runs.
        """
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self._load(self._fresh())  # a context of its own first: half a change would spoil the one in use
            self._load(self.context)
        except OSError as error:
            log.error("sip_credit.tls: the new files are not used: %s", error.strerror or error)
            return False
        log.info("sip_credit.tls: new certificates are in use")
        return True

    def _look(self) -> tuple[int, ...]:
        found: list[int] = []
        for name in (self._settings.certificate, self._settings.key, self._settings.authorities):
            try:
                status = Path(name).stat()
            except OSError:
                return ()
            found += [status.st_mtime_ns, status.st_ino, status.st_size]
        return tuple(found)

    def _fresh(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        optional = self._settings.client_certificates is Certificates.OPTIONAL
        context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
        return context

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.load_verify_locations(self._settings.authorities)
        context.load_cert_chain(self._settings.certificate, self._settings.key, password=lambda: b"")
        return context


def shown_names(transport: asyncio.BaseTransport) -> frozenset[str]:
    """The names in the certificate of the other side, lower case: domains of SIP URIs, DNS names (RFC 5922 7.1)."""
    certificate = transport.get_extra_info("peercert") or {}
    names: set[str] = set()
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "DNS":
            names.add(value.lower())
        elif kind == "URI" and value.lower().startswith("sip:") and "@" not in value:
            names.add(value[4:].partition(";")[0].lower())
    return frozenset(names)
