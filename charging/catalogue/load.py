"""From files to a catalogue: read every ``*.toml`` of a folder as one, and refuse it whole if anything is wrong."""

import hashlib
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from charging.catalogue import check, positions
from charging.catalogue.decks import PORTABILITY
from charging.catalogue.entries import Entry
from charging.catalogue.model import Catalogue
from charging.catalogue.schema import SECTIONS, RuleText, TierText
from charging.catalogue.source import CatalogueError, Problem, Source

SAMPLE = Path(__file__).parent.parent / "sample"
"""The catalogue that comes with the package."""

_UNKNOWN = re.compile(r"Object contains unknown field `(.+?)`")
_AT = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z_]+)|\[([0-9]+)\]")


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
            continue
        _collect(name, document, positions.lines(text), entries, problems)
    if not any(entries.values()) and not problems:
        nowhere = Source(file=next(iter(files), "catalogue"), line=1)
        problems.append(Problem(source=nowhere, message="the catalogue is empty", hint="write at least one plan"))
    if problems:
        raise CatalogueError(tuple(problems))
    return check.build(entries, tables, version_of(files))


def _collect(
    file: str,
    document: dict[str, Any],
    lines: dict[positions.Path, int],
    entries: dict[str, dict[str, Entry]],
    problems: list[Problem],
) -> None:
    """Sort a file's tables into sections, each in the shape that its section demands."""
    by_table: defaultdict[positions.Path, dict[positions.Path, int]] = defaultdict(dict)
    for path, line in lines.items():
        by_table[path[:2]][path[2:]] = line
    for section, tables in document.items():
        here = Source(file=file, line=lines.get((section,), _first(lines, section)))
        if section not in SECTIONS:
            problems.append(Problem(source=here, message=f"unknown table {section!r}", hint=_guess(section, SECTIONS)))
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
                entries[section][name] = Entry(
                    file=file, lines=entry_lines, written=msgspec.convert(table, SECTIONS[section])
                )
            except msgspec.ValidationError as error:
                problems.append(_misshapen(error, entry, SECTIONS[section]))


def _first(lines: dict[positions.Path, int], section: str) -> int:
    return min((line for path, line in lines.items() if path[0] == section), default=1)


def _misshapen(error: msgspec.ValidationError, entry: Entry, shape: Any) -> Problem:
    match = _AT.fullmatch(str(error))
    message, where = (match[1], match[2] or "") if match else (str(error), "")
    path: positions.Path = tuple(key or int(number) for key, number in _STEP.findall(where))
    unknown = _UNKNOWN.fullmatch(message)
    if not unknown:
        return Problem(source=entry.source(*path), message=message)
    known = shape.__struct_encode_fields__ if hasattr(shape, "__struct_fields__") and not path else _WORDS
    return Problem(
        source=entry.source(*path, unknown[1]),
        message=f"unknown key {unknown[1]!r}",
        hint=_guess(unknown[1], known),
    )


_WORDS = sorted(
    {*RuleText.__struct_encode_fields__, *TierText.__struct_encode_fields__, "action", "filters", "redirect"}
)
"""The keys of the tables inside tables."""


def _guess(word: str, known: Any) -> str:
    close = get_close_matches(word, list(known), 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
