"""Talking to the daemon's HTTP API, and showing what it says."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.table import Table

NOT_SO, UNREACHABLE, REFUSED = 1, 3, 4
"""Exit codes; 2 is click's own."""

_TIMEOUT = 30.0

_PIPE_WIDTH = 200
"""Columns where no terminal limits them: what a script reads is not broken or cut."""

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")

key_option = click.option("--key", help="Idempotency-Key: the same key again does nothing twice. Default: a new one.")

IDENTITY_TYPES = ("e164", "imsi", "sip", "nai", "private")


def is_identity(text: str) -> bool:
    """Is it ``type:value`` rather than an account's id?"""
    kind, separator, _ = text.partition(":")
    return bool(separator) and kind in IDENTITY_TYPES


def fail(message: str, code: int) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(code)


@dataclass(frozen=True, kw_only=True)
class Session:
    """Where the daemon is and who we are."""

    directory: Path
    url: str | None
    token: str

    @property
    def base(self) -> str:
        """The API's base URL; ends the program where it cannot be found out."""
        if self.url:
            return self.url.rstrip("/")
        try:
            port = json.loads((self.directory / "ports.json").read_text())["http"]
        except (OSError, ValueError, KeyError, TypeError):
            where = "give its daemon.directory as ocs --directory, or its address as --url"
            fail(f"no daemon runs on {self.directory} (no ports.json there): {where}", UNREACHABLE)
        return f"http://127.0.0.1:{port}"

    def events(self, *path: str, query: Any = None) -> Iterator[tuple[str, Any]]:
        """The server-sent events of a stream, name and data, until it ends."""
        with self._open(self._request("GET", *path, query=query)) as answer:
            name = ""
            try:
                for line in answer:
                    field, _, value = line.decode().rstrip("\n").partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data":
                        yield name, json.loads(value)
            except OSError as error:
                fail(f"{self.base}: {error}", UNREACHABLE)

    def call(
        self, method: str, *path: str, body: object = None, query: Any = None, key: str = "", timeout: float = _TIMEOUT
    ) -> Any:
        """One call; returns the decoded answer, or ends the program with the daemon's reason."""
        with self._open(self._request(method, *path, body=body, query=query, key=key), timeout) as answer:
            try:
                return json.loads(answer.read())
            except (OSError, ValueError) as error:
                fail(f"{self.base}: {error}", UNREACHABLE)

    def _request(
        self, method: str, *path: str, body: object = None, query: Any = None, key: str = ""
    ) -> urllib.request.Request:
        url = self.base + "/" + "/".join(urllib.parse.quote(part, safe="") for part in path)
        if query:
            url += "?" + urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        if not url.startswith(("http://", "https://")):
            fail(f"{self.base} is no HTTP address", 2)
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if key:
            headers["Idempotency-Key"] = key
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        return urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - checked above

    def _open(self, request: urllib.request.Request, timeout: float = _TIMEOUT) -> HTTPResponse:
        """The daemon's answer, or the end of the program with its reason."""
        try:
            answer: HTTPResponse = urllib.request.urlopen(request, timeout=timeout)  # noqa: S310 - checked before
            return answer
        except urllib.error.HTTPError as error:
            fail(_reason(error), REFUSED)
        except (OSError, ValueError) as error:
            fail(f"{self.base}: {getattr(error, 'reason', error)}", UNREACHABLE)


def _reason(error: urllib.error.HTTPError) -> str:
    """What a problem document says."""
    try:
        problem = json.loads(error.read())
        return ": ".join(str(problem[name]) for name in ("title", "detail") if problem.get(name))
    except (ValueError, TypeError, AttributeError):
        return f"HTTP {error.code}"


def once(session: Session, path: tuple[str, ...], body: object, key: str | None) -> Any:
    """Do it to an account, once for the key, or for a new one that is said."""
    key = key or f"cli-{uuid.uuid4()}"
    click.echo(f"Idempotency-Key: {key}", err=True)
    return session.call("POST", "v1", "accounts", *path, body=body, key=key)


def show(data: Any, as_json: bool, human: Callable[[Any], object]) -> None:
    """Write data: JSON for machines, else what ``human`` makes of it."""
    if as_json:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(human(data))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """A table; columns whose names begin with ``>`` are aligned to the right."""
    made = Table(title=title or None, title_justify="left")
    for name in columns:
        made.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    return made
