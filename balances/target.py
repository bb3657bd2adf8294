"""Where the store is: the URLs of the setting ``balances.url``, read strictly."""

import ssl
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from balances.ledger import Record

DEFAULT_PORT = 6379

SENTINEL_PORT = 26379

_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


class BadUrl(ValueError):
    """The URL names no store this program can use; the message says why and carries no password."""


class Target(Record, frozen=True, kw_only=True):
    """A store. ``path`` is a Unix socket and used before ``host``; ``ca``, ``cert``, ``key``: PEM files.

    ``kind``: one instance; the master that Sentinels at ``nodes`` know as ``service``; a Cluster, some ``nodes`` of it.
    """

    kind: Literal["instance", "sentinel", "cluster"] = "instance"
    nodes: tuple[tuple[str, int], ...] = ()
    service: str = ""
    host: str = ""
    port: int = DEFAULT_PORT
    path: str = ""
    username: str = ""
    password: str = ""
    db: int = 0
    tls: bool = False
    ca: str = ""
    cert: str = ""
    key: str = ""

    def __repr__(self) -> str:
        return f"<store {self}>"

    def __str__(self) -> str:
        """The address without secrets."""
        if self.nodes:
            hosts = ",".join(f"{host}:{port}" for host, port in self.nodes)
            service = f"/{self.service}?db={self.db}" if self.service else ""
            return f"{'rediss' if self.tls else 'redis'}+{self.kind}://{hosts}{service}"
        if self.path:
            return f"unix://{self.path}?db={self.db}"
        return f"{'rediss' if self.tls else 'redis'}://{self.host}:{self.port}/{self.db}"

    def at(self, host: str, port: int) -> "Target":
        """One instance of the store, reached as the others are."""
        return msgspec.structs.replace(self, kind="instance", nodes=(), service="", host=host, port=port)

    def ssl_context(self) -> ssl.SSLContext | None:
        """TLS as asked for: certificates are always checked, against ``ca`` or the system's."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca or None)
        if self.cert:
            context.load_cert_chain(self.cert, self.key or None)
        return context


def parse_target(url: str, password: str = "") -> Target:
    """Read ``balances.url``; ``password`` is used where the URL has none. Raises BadUrl.

    ``redis://[user:password@]host[:port][/db]`` · ``unix://[user:password@]/path[?db=N]``
    ``redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[?db=N]`` (user and password are the store's)
    ``redis+cluster://[user:password@]host[:port][,host[:port]...]``
    With ``rediss`` for TLS, and ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile`` as options.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        schemes = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        raise BadUrl(f"{parts.scheme or 'no scheme'}: a store's URL begins with one of {schemes}")
    tls, kind = parts.scheme.startswith("rediss"), parts.scheme.partition("+")[2]
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    allowed = {"db"} if parts.scheme == "unix" or kind == "sentinel" else set()
    allowed |= set(_TLS_OPTIONS if tls else ())
    if unknown := sorted(set(options) - allowed):
        raise BadUrl(f"unknown option {unknown[0]!r} in a {parts.scheme}:// URL")
    common = Target(
        tls=tls,
        ca=options.get("ssl_ca_certs", ""),
        cert=options.get("ssl_certfile", ""),
        key=options.get("ssl_keyfile", ""),
    )
    place = _many(parts, options) if kind else _one(parts, options)
    user, _, secret = parts.netloc.rpartition("@")[0].partition(":")
    return msgspec.structs.replace(common, **place, username=unquote(user), password=unquote(secret) or password)


def _one(parts: SplitResult, options: dict[str, str]) -> dict[str, object]:
    """Where a single instance is."""
    try:
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        raise BadUrl("the port is not a number from 0 to 65535") from None
    if parts.scheme == "unix":
        if not parts.path.startswith("/") or parts.hostname:
            raise BadUrl("a unix:// URL names an absolute path: unix:///run/valkey.sock")
        return {"path": unquote(parts.path), "db": _database(options.get("db", "0"))}
    if not parts.hostname:
        raise BadUrl("the URL names no host")
    return {"host": parts.hostname, "port": port, "db": _database(parts.path.strip("/") or "0")}


def _many(parts: SplitResult, options: dict[str, str]) -> dict[str, object]:
    """Where Sentinels are, or nodes of a Cluster."""
    kind = parts.scheme.partition("+")[2]
    nodes = tuple(_node(text, kind) for text in parts.netloc.rpartition("@")[2].split(","))
    service = parts.path.strip("/")
    if kind == "sentinel" and not service:
        raise BadUrl("a redis+sentinel:// URL ends with the name of the service: redis+sentinel://host:26379/mymaster")
    if kind == "cluster" and service:
        raise BadUrl("a Cluster has no databases and no service: nothing follows its nodes")
    return {"kind": kind, "nodes": nodes, "service": service, "db": _database(options.get("db", "0"))}


def _node(text: str, kind: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    default = SENTINEL_PORT if kind == "sentinel" else DEFAULT_PORT
    try:
        port = default if parts.port is None else parts.port
    except ValueError:
        raise BadUrl(f"{text!r}: the port is not a number from 0 to 65535") from None
    if not parts.hostname:
        raise BadUrl("the URL names no host" if not text else f"{text!r} names no host")
    return parts.hostname, port


def _database(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise BadUrl(f"the database is not a number: {text!r}")
    return int(text)
