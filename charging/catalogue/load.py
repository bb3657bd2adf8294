"""From files to a catalogue: read every ``*.toml`` of a folder as one, and refuse it whole if anything is wrong."""

import hashlib
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from charging.catalogue import check, positions, shapes
from charging.catalogue.decks import PORTABILITY
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.model import Catalogue
from charging.catalogue.schema import SECTIONS
from charging.catalogue.source import CatalogueError, Problem, Source

SAMPLE = Path(__file__).parent.parent / "sample"
"""The catalogue that comes with the package."""


def load(place: str | Path) -> Catalogue:
    """Load a file or a folder of files (``"sample"``: the package's own); raises CatalogueError, OSError."""
    return parse(read_files(place))


def read_files(place: str | Path) -> dict[str, bytes]:
    """The files that make up the catalogue at a place, by their name in it; raises OSError."""
    path = SAMPLE if str(place) == "sample" else Path(place)
    if not path.is_dir():
        return {path.name: path.read_bytes()}
    files = [*path.glob("*.toml"), *path.glob("decks/*.csv"), *path.glob(PORTABILITY)]
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in sorted(files)}


def version_of(files: Mapping[str, bytes]) -> str:
    """The name of a version: a digest of the files' names and content."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:12]


def parse(files: Mapping[str, bytes]) -> Catalogue:
    """The catalogue that these files (by name) make together; raises CatalogueError with every problem found."""
    problems: list[Problem] = []
    entries: dict[str, dict[str, Entry]] = {section: {} for section in SECTIONS}
    tables: dict[str, str] = {}
    misshapen: set[tuple[str, str]] = set()
    unread = False
    for name, content in sorted(files.items()):
        try:
            text = content.decode()
            if name.endswith(".csv"):
                tables[name] = text
                continue
            document = tomllib.loads(text)
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            line = re.search(r"at line (\d+)", str(error))
            problems.append(Problem(source=Source(file=name, line=int(line[1]) if line else 1), message=str(error)))
            unread = True
            continue
        misshapen |= _collect(name, document, positions.lines(text), entries, problems)
    if not any(entries.values()) and not problems:
        nowhere = Source(file=next(iter(files), "catalogue"), line=1)
        problems.append(Problem(source=nowhere, message="the catalogue is empty", hint="write at least one plan"))
    if unread or not any(entries.values()):  # what a file says that cannot be read would be missed everywhere
        raise CatalogueError(tuple(problems))
    return check.build(Findings(entries, problems, frozenset(misshapen)), tables, version_of(files))


def _collect(
    file: str,
    document: dict[str, Any],
    lines: dict[positions.Path, int],
    entries: dict[str, dict[str, Entry]],
    problems: list[Problem],
) -> set[tuple[str, str]]:
    """Sort a file's tables into sections, each in the shape that its section demands; those that are not in it."""
    misshapen: set[tuple[str, str]] = set()
    by_table: defaultdict[positions.Path, dict[positions.Path, int]] = defaultdict(dict)
    for path, line in lines.items():
        by_table[path[:2]][path[2:]] = line
    for section, tables in document.items():
        here = Source(file=file, line=lines.get((section,), _first(lines, section)))
        if section not in SECTIONS:
            problems.append(
                Problem(source=here, message=f"unknown table {section!r}", hint=shapes.guess(section, SECTIONS))
            )
            continue
        if not isinstance(tables, dict):
            problems.append(Problem(source=here, message=f"{section} is a table", hint=f"write [{section}.<name>]"))
            continue
        for name, table in tables.items():
            entry_lines = by_table[section, name]
            entry = Entry(file=file, lines=entry_lines, written=table)
            if name in entries[section]:
                other = entries[section][name].source()
                problems.append(Problem(source=entry.source(), message=f"{name!r} stands at {other} already"))
                continue
            try:
                written = msgspec.convert(table, SECTIONS[section])
            except msgspec.ValidationError:
                problems += [
                    Problem(source=entry.source(*fault.path), message=fault.message, hint=fault.hint)
                    for fault in shapes.faults(table, SECTIONS[section])
                ]
                misshapen.add((section, name))
                continue
            entries[section][name] = Entry(file=file, lines=entry_lines, written=written)
    return misshapen


def _first(lines: dict[positions.Path, int], section: str) -> int:
    return min((line for path, line in lines.items() if path[0] == section), default=1)
