"""Who may do what: bearer tokens (RFC 6750) with a role each, kept only as hashes."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

from balances.ledger import Record
from ocs.http.problems import Kind, Problem
from ocs.http.settings import HttpSettings, is_loopback


class Role(IntEnum):
    """Each role may do what the lower ones may."""

    READ = 1
    """See everything."""
    OPERATE = 2
    """Open and change accounts, top up, give bundles, abort sessions."""
    ADMIN = 3
    """Adjust balances."""


class Token(Record, frozen=True, kw_only=True):
    """One line of the token file."""

    role: Role
    name: str
    digest: bytes


class Caller(Record, frozen=True, kw_only=True):
    """Who makes a call, and what that one may; no name where nobody is asked for one."""

    name: str
    role: Role | None


class TokenFileError(OSError):
    """The token file cannot be used, as one that is not there; says the line and why."""


def hash_token(token: str) -> bytes:
    """SHA-256: tokens are random and long, so that a slow hash would gain nothing."""
    return hashlib.sha256(token.encode()).digest()


def new_token(role: Role, name: str) -> tuple[str, str]:
    """A fresh token, and the line for the token file."""
    token = secrets.token_urlsafe(32)
    return token, f"{role.name.lower()} {name} {hash_token(token).hex()}"


def parse_tokens(text: str) -> tuple[Token, ...]:
    """Read a token file: ``role name sha256`` a line, ``#`` begins a comment; raises TokenFileError."""
    tokens = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            role, name, digest = words
            tokens.append(Token(role=Role[role.upper()], name=name, digest=bytes.fromhex(digest)))
        except (KeyError, ValueError):
            raise TokenFileError(f"line {number}: not `role name sha256` with role read, operate or admin") from None
        if len(tokens[-1].digest) != hashlib.sha256().digest_size:
            raise TokenFileError(f"line {number}: the hash is no SHA-256")
    return tuple(tokens)


def load_tokens(path: Path) -> tuple[Token, ...]:
    """Read the token file; raises OSError, TokenFileError with the file's name in front."""
    try:
        return parse_tokens(path.read_text())
    except UnicodeDecodeError:
        raise TokenFileError(f"{path}: not text") from None
    except TokenFileError as error:
        raise TokenFileError(f"{path}: {error}") from None


class Gate:
    """Lets a request pass or not."""

    def __init__(self, settings: HttpSettings) -> None:
        self._open = settings.auth == "off"
        self._tokens = () if self._open else load_tokens(Path(settings.tokens))

    def check(self, headers: Mapping[str, str], needed: Role | None) -> Caller:
        """Who calls; raises Problem. ``needed`` None: anybody may."""
        self._check_origin(headers)
        if needed is None or self._open:
            return Caller(name="", role=Role.ADMIN if self._open else None)
        found = self._bearer(headers)
        if found is None:
            raise Problem(Kind.UNAUTHENTICATED, headers={"WWW-Authenticate": "Bearer"})
        if found.role < needed:
            raise Problem(Kind.FORBIDDEN, f"This takes the role {needed.name.lower()}.")
        return Caller(name=found.name, role=found.role)

    def name(self, headers: Mapping[str, str]) -> str:
        """Whose token it is, whatever that one may; empty if nobody's."""
        found = None if self._open else self._bearer(headers)
        return found.name if found else ""

    def _bearer(self, headers: Mapping[str, str]) -> Token | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return self._find(token.strip()) if scheme.lower() == "bearer" else None

    def _find(self, token: str) -> Token | None:
        """Every line is compared, each in constant time, so that timing tells nothing."""
        digest = hash_token(token)
        found = None
        for candidate in self._tokens:
            if hmac.compare_digest(candidate.digest, digest):
                found = candidate
        return found

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        """A page of another site open in the operator's browser must not speak for the operator.

        Nor one whose name was made to point to this machine (DNS rebinding). A token is proof enough: no browser
        sends it by itself.
        """
        if not self._open:
            return
        host = headers.get("host", "")
        if host and not is_loopback(host.rpartition(":")[0] if _has_port(host) else host):
            raise Problem(Kind.CROSS_ORIGIN, f"{host!r} is not a loopback address.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise Problem(Kind.CROSS_ORIGIN, f"{origin!r} is another site than {host!r}.")


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]
