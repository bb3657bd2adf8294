"""What a catalogue defines and nothing in it names: no mistake, but rarely meant."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from charging.catalogue import positions
from charging.catalogue.source import Problem, Source

NAMED = ("rates", "decks", "times", "roaming", "locations", "holidays", "meters")
"""Sections whose entries only matter where something names them."""


def unused(files: Mapping[str, bytes]) -> tuple[Problem, ...]:
    """Notes on a catalogue that was checked before, in the order of files and lines."""
    texts = {name: content.decode() for name, content in sorted(files.items()) if name.endswith(".toml")}
    documents = {name: tomllib.loads(text) for name, text in texts.items()}
    named = {
        word
        for document in documents.values()
        for tables in document.values()
        for table in tables.values()
        for word in _words(table)
    }
    notes = []
    for file, document in documents.items():
        lines = positions.lines(texts[file])
        for section in NAMED:
            for name in document.get(section, {}):
                if name not in named:
                    where = Source(file=file, line=lines.get((section, name), 1))
                    notes.append(Problem(source=where, message=f"nothing names {section}.{name}"))
    return tuple(sorted(notes, key=lambda note: (note.source.file, note.source.line)))


def _words(value: Any) -> Iterator[str]:
    """Every word that a table holds as a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _words(each)
    elif isinstance(value, list):
        for each in value:
            yield from _words(each)
