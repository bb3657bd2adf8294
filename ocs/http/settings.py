"""Settings of the HTTP side: the table ``[http]`` of config.toml."""

from ipaddress import ip_address
from typing import Literal

import msgspec


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where API, dashboard, metrics and health checks are served, and who may use them."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int = 8080
    """TCP port; 0 means any free one."""

    auth: Literal["off", "tokens"] = "tokens"
    """``tokens``: every API call carries a bearer token; ``off``: none does, accepted only on a loopback address."""

    tokens: str = ""
    """File of the tokens: a line each, ``role name sha256-of-token-in-hex``; role is read, operate or admin."""

    largest_body: int = 65_536
    """Octets of a request's body above which it is refused."""

    largest_catalogue: int = 64 * 1024 * 1024
    """The same for a catalogue to be published, or numbers that were ported."""

    refresh: float = 5.0
    """Seconds between two summings of the books for metrics and dashboard; longer where summing itself takes long."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port {self.port} is none")
        if self.largest_body < 1_024:
            raise ValueError("largest_body is below 1024: no request would fit")
        if self.refresh <= 0:
            raise ValueError("refresh must be above 0")
        if self.auth == "off" and not is_loopback(self.host):
            raise ValueError(f'auth = "off" is only for a loopback address, not {self.host}')
        if self.auth == "tokens" and not self.tokens:
            raise ValueError('auth = "tokens" needs the file of the tokens')


def is_loopback(host: str) -> bool:
    """Does the host name or address lead only to this machine?"""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
