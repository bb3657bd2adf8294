"""Write docs/logs.md from the calls in the source that log something; see ``scripts/log-schema``."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "logs.md"
PACKAGES = ("balances", "charging", "ocs", "sip_credit")
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
HEAD = """# Logs

Written by `scripts/log-schema` from the source, and held against it by a test: change the source, not this page.

The daemon logs to standard error. With `daemon.log_format = "json"` each line is one object, with these fields:

| field | type | meaning |
|---|---|---|
| `timestamp` | string | ISO 8601, UTC, to the microsecond |
| `level` | string | `debug`, `info`, `warning`, `error`; `daemon.log_level` is the least severe that is written |
| `logger` | string | who says it: a module, or `ocs.operators`, `ocs.diameter` |
| `event` | string | what happened: one of the sentences below, with its values (`%s`, `%d`) filled in |
| `exception` | string | a traceback, where there is one |
| others | string, number | the fields of the event, as listed |

Subscriber numbers and the users of SIP addresses are masked in every field. Field names and the events of
`ocs.operators` are a promise; the wording of other sentences may change: alert on [metrics](runbooks.md), not on them.

"""


class Event(msgspec.Struct, frozen=True, order=True):
    """One sentence and its fields."""

    logger: str
    level: str
    text: str
    fields: tuple[str, ...] = ()
    traceback: bool = False

    def fits(self, logger: str, text: str) -> bool:
        """Can a line of the log be this?"""
        pattern = ".*".join(map(re.escape, re.split(r"%[-.\d]*[a-z]", self.text)))
        return logger == self.logger and re.fullmatch(pattern, text, re.DOTALL) is not None


def events() -> list[Event]:
    """All that can be logged, in order."""
    found: set[Event] = set()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            found.update(_events_of(path))
    return sorted(found)


def _events_of(path: Path) -> Iterator[Event]:
    tree = ast.parse(path.read_text())
    logger = _logger(tree, ".".join(path.relative_to(ROOT).with_suffix("").parts))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in LEVELS:
            continue
        owner = node.func.value
        if not isinstance(owner, ast.Name) or owner.id != "log":
            continue
        text = node.args[0]
        if not isinstance(text, ast.Constant) or not isinstance(text.value, str):
            raise ValueError(f"{path}:{node.lineno}: the first argument of a log call must be a plain string")
        fields = [keyword.arg for keyword in node.keywords if keyword.arg]
        yield Event(
            logger=logger,
            level=LEVELS[node.func.attr],
            text=text.value,
            fields=tuple(field for field in fields if field != "exc_info"),
            traceback=node.func.attr == "exception" or "exc_info" in fields,
        )


def _logger(tree: ast.Module, module: str) -> str:
    """The name of the module's logger."""
    for node in tree.body:
        match node:
            case ast.Assign(value=ast.Call(func=ast.Attribute(attr="getLogger" | "get_logger"), args=[name])):
                return str(name.value) if isinstance(name, ast.Constant) else module.removesuffix(".__init__")
    return module


def page() -> str:
    """The page as it should be."""
    lines = ["| logger | level | event | fields |", "|---|---|---|---|"]
    for event in events():
        fields = [f"`{field}`" for field in event.fields] + (["`exception`"] if event.traceback else [])
        text = event.text.replace("|", "\\|")
        lines.append(f"| `{event.logger}` | {event.level} | {text} | {', '.join(fields)} |")
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    sys.exit(main())
