"""Talking to the daemon's HTTP API, and showing what it says."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.table import Table

NOT_SO, UNREACHABLE, REFUSED = 1, 3, 4
"""Exit codes; 2 is click's own."""

_TIMEOUT = 30.0

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")


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
            fail(f"no daemon runs on {self.directory} (no ports.json there); name one with --url", UNREACHABLE)
        return f"http://127.0.0.1:{port}"

    def call(
        self, method: str, *path: str, body: object = None, query: Any = None, key: str = "", timeout: float = _TIMEOUT
    ) -> Any:
        """One call; returns the decoded answer, or ends the program with the daemon's reason."""
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
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 (checked above)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
                return json.loads(answer.read())
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


def show(data: Any, as_json: bool, human: Callable[[Any], object]) -> None:
    """Write data: JSON for machines, else what ``human`` makes of it."""
    if as_json:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        Console(highlight=False).print(human(data))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """A table; columns whose names begin with ``>`` are aligned to the right."""
    made = Table(title=title or None, title_justify="left")
    for name in columns:
        made.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left")
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    return made
