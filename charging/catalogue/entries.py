"""A catalogue's tables as written, and the list of what is wrong with them, while they are checked."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from balances.ledger import Record
from charging.catalogue.positions import Path
from charging.catalogue.quantities import QuantityError
from charging.catalogue.source import Problem, Source

T = TypeVar("T")


class Entry(Record, frozen=True, kw_only=True):
    """A table as written, with the lines of its keys."""

    file: str
    lines: Mapping[Path, int]
    written: Any

    def source(self, *path: str | int) -> Source:
        """Where this key stands, or else what it is part of."""
        while path and path not in self.lines:
            path = path[:-1]
        line = self.lines.get(path) or min(self.lines.values(), default=1)
        return Source(file=self.file, line=line)


Entries = Mapping[str, Mapping[str, Entry]]


class Findings:
    """The tables under check and the problems found so far.

    ``misshapen`` tables are known by name only: what refers to them is no mistake of its own.
    """

    def __init__(
        self, entries: Entries, problems: list[Problem], misshapen: frozenset[tuple[str, str]] = frozenset()
    ) -> None:
        self.entries = entries
        self.problems = problems
        self.misshapen = misshapen

    def problem(self, source: Source, message: str, hint: str = "") -> None:
        self.problems.append(Problem(source=source, message=message, hint=hint))

    def each(self, section: str, make: Callable[[str, Entry], T | None]) -> dict[str, T]:
        made = {name: make(name, entry) for name, entry in self.entries[section].items()}
        return {name: value for name, value in made.items() if value is not None}

    def read(self, entry: Entry, key: str | tuple[str | int, ...], read: Callable[[], T], default: T) -> T:
        """A figure; a problem with file and line, and the default instead, where it cannot be read."""
        try:
            return read()
        except QuantityError as error:
            path = (key,) if isinstance(key, str) else key
            self.problem(entry.source(*path), f"{path[-1]}: {error}")
            return default

    def unknown(self, source: Source, section: str, name: str) -> None:
        if (section, name) in self.misshapen:
            return
        known = ", ".join(sorted(self.entries[section])) or "none"
        self.problem(source, f"no such entry of {section}: {name!r}", f"known: {known}")
