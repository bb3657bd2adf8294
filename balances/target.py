"""Where the store is: the URLs of the setting ``balances.url``, read strictly."""

import ssl
from urllib.parse import parse_qsl, unquote, urlsplit

from balances.ledger import Record

DEFAULT_PORT = 6379

_NOT_YET = ("redis+sentinel", "redis+cluster")
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


class BadUrl(ValueError):
    """The URL names no store this program can use; the message says why and carries no password."""


class Target(Record, frozen=True, kw_only=True):
    """One store instance; ``path`` is a Unix socket and used before ``host``; ``ca``, ``cert``, ``key``: PEM files."""

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
        if self.path:
            return f"unix://{self.path}?db={self.db}"
        return f"{'rediss' if self.tls else 'redis'}://{self.host}:{self.port}/{self.db}"

    def ssl_context(self) -> ssl.SSLContext | None:
        """TLS as asked for: certificates are always checked, against ``ca`` or the system's."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca or None)
        if self.cert:
            context.load_cert_chain(self.cert, self.key or None)
        return context


def parse_target(url: str, password: str = "") -> Target:
    """Read ``redis://[user:password@]host[:port][/db]``, ``rediss://…?ssl_ca_certs=FILE&ssl_certfile=FILE&ssl_keyfile=FILE``
    or ``unix://[user:password@]/path[?db=N]``; ``password`` is used where the URL has none. Raises BadUrl.
    """
    parts = urlsplit(url)
    if parts.scheme in _NOT_YET:
        raise BadUrl(f"{parts.scheme}:// is not supported yet: name one instance with redis://, rediss:// or unix://")
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise BadUrl(f"{parts.scheme or 'no scheme'}: a store's URL begins with redis://, rediss:// or unix://")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    tls = parts.scheme == "rediss"
    allowed = {"db"} if parts.scheme == "unix" else set(_TLS_OPTIONS if tls else ())
    if unknown := sorted(set(options) - allowed):
        raise BadUrl(f"unknown option {unknown[0]!r} in a {parts.scheme}:// URL")
    try:
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        raise BadUrl("the port is not a number from 0 to 65535") from None
    socket = parts.scheme == "unix"
    db = options.get("db", "0") if socket else parts.path.strip("/") or "0"
    if not db.isascii() or not db.isdigit():
        raise BadUrl(f"the database is not a number: {db!r}")
    if socket and not (parts.path.startswith("/") and not parts.hostname):
        raise BadUrl("a unix:// URL names an absolute path: unix:///run/valkey.sock")
    if not socket and not parts.hostname:
        raise BadUrl("the URL names no host")
    return Target(
        host="" if socket else parts.hostname or "",
        port=port,
        path=unquote(parts.path) if socket else "",
        username=unquote(parts.username or ""),
        password=unquote(parts.password or "") or password,
        db=int(db),
        tls=tls,
        ca=options.get("ssl_ca_certs", ""),
        cert=options.get("ssl_certfile", ""),
        key=options.get("ssl_keyfile", ""),
    )
