"""What would change: two catalogues compared, table by table and line by line, in the words in which they are written.

Works on files that were checked before. What nobody would charge by (comments, order of tables, file names) is no
change.
"""

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from balances.ledger import Record
from charging.catalogue.decks import PORTABILITY
from charging.catalogue.schema import SECTIONS

Files = Mapping[str, bytes]
Tables = dict[str, dict[str, Any]]


class Kind(StrEnum):
    """What became of a table."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Change(Record, frozen=True, kw_only=True):
    """A table that is not as it was; ``details`` say what is new (+), gone (-) or different in it."""

    section: str
    name: str
    kind: Kind
    details: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    """The plans that sell by this rate or deck, before or after."""

    def __str__(self) -> str:
        sold = f" (in {', '.join(self.plans)})" if self.plans else ""
        return f"{self.section}.{self.name} {self.kind}{sold}"


def changes(old: Files, new: Files) -> tuple[Change, ...]:
    """Everything that is different, in the order of the sections; raises TOMLDecodeError for files never checked."""
    before, after = _tables(old), _tables(new)
    found = []
    for section in SECTIONS:
        was, is_now = before.get(section, {}), after.get(section, {})
        for name in sorted({*was, *is_now}):
            rows = _rows(old, new, name, is_now.get(name, {})) if section == "decks" else ()
            change = _change(section, name, was.get(name), is_now.get(name), rows)
            if change is not None:
                found.append(_sold(change, before, after))
    numbers = tuple(_lines(_csv(old, PORTABILITY, ("number",)), _csv(new, PORTABILITY, ("number",)), ""))
    if numbers:
        found.append(Change(section="portability", name="numbers", kind=Kind.CHANGED, details=numbers))
    return tuple(found)


def _tables(files: Files) -> Tables:
    """The files' tables, all read as one."""
    merged: Tables = {}
    for name, content in files.items():
        if name.endswith(".toml"):
            for section, tables in tomllib.loads(content.decode()).items():
                merged.setdefault(section, {}).update(tables)
    return merged


def _change(section: str, name: str, was: Any, is_now: Any, rows: tuple[str, ...]) -> Change | None:
    if was is None:
        return Change(section=section, name=name, kind=Kind.ADDED, details=tuple(_said("+", is_now)))
    if is_now is None:
        return Change(section=section, name=name, kind=Kind.REMOVED, details=tuple(_said("-", was)))
    details = (*_different(was, is_now), *rows)
    return Change(section=section, name=name, kind=Kind.CHANGED, details=details) if details else None


def _sold(change: Change, before: Tables, after: Tables) -> Change:
    key = {"rates": "rate", "decks": "deck"}.get(change.section)
    if key is None:
        return change
    plans = {
        name
        for tables in (before, after)
        for name, plan in tables.get("plans", {}).items()
        for lines in plan.values()
        if isinstance(lines, list) and any(isinstance(line, dict) and line.get(key) == change.name for line in lines)
    }
    return Change(
        section=change.section, name=change.name, kind=change.kind, details=change.details, plans=tuple(sorted(plans))
    )


def _said(sign: str, table: Any) -> Iterator[str]:
    """A whole table, a line for each key or element."""
    if not isinstance(table, dict):
        yield f"{sign} {_text(table)}"
        return
    for key, value in table.items():
        if isinstance(value, list) and any(isinstance(each, dict) for each in value):
            yield from (f"{sign} {key}: {_text(each)}" for each in value)
        else:
            yield f"{sign} {key} = {_text(value)}"


def _different(was: Any, is_now: Any) -> Iterator[str]:
    if not (isinstance(was, dict) and isinstance(is_now, dict)):
        yield from _elements(was, is_now, "")
        return
    for key in {**was, **is_now}:
        one, other = was.get(key), is_now.get(key)
        if one == other:
            continue
        if isinstance(one, list) and isinstance(other, list):
            yield from _elements(one, other, f"{key}: ")
        elif one is None or other is None:
            yield f"{'+' if one is None else '-'} {key} = {_text(other if one is None else one)}"
        else:
            yield f"{key}: {_text(one)} -> {_text(other)}"


def _elements(was: Any, is_now: Any, label: str) -> Iterator[str]:
    """Two lists: what went, what came, in their order, since the first line of a plan that fits decides."""
    one, other = [_text(each) for each in was], [_text(each) for each in is_now]
    for what, start, end, since, until in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if what != "equal":
            yield from (f"- {label}{text}" for text in one[start:end])
            yield from (f"+ {label}{text}" for text in other[since:until])


def _text(value: Any) -> str:
    """A value as a catalogue writes it, words without their quotes."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_text(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rows(old: Files, new: Files, name: str, terms: Mapping[str, Any]) -> tuple[str, ...]:
    """The lines of a deck that are different, with the unit of their prices."""
    file = f"decks/{name}.csv"
    unit = f" {terms.get('currency', '')}" + (f" per {terms['per']}" if "per" in terms else "")
    return tuple(_lines(_csv(old, file, ("prefix", "from")), _csv(new, file, ("prefix", "from")), unit.rstrip()))


def _csv(files: Files, name: str, keys: tuple[str, ...]) -> dict[tuple[str, ...], dict[str, str]]:
    """A CSV file's lines by what names them; of two the later."""
    if name not in files:
        return {}
    lines = (line for line in io.StringIO(files[name].decode(), newline="") if not line.startswith("#"))
    return {
        tuple((row.get(key) or "").strip() for key in keys): {
            key: (value or "").strip() for key, value in row.items() if key and key not in keys
        }
        for row in csv.DictReader(lines, skipinitialspace=True)
    }


def _lines(was: Mapping[Any, dict[str, str]], is_now: Mapping[Any, dict[str, str]], unit: str) -> Iterator[str]:
    for key in sorted({*was, *is_now}):
        one, other = was.get(key), is_now.get(key)
        if one == other:
            continue
        name = key[0] + "".join(f" from {since}" for since in key[1:] if since)
        if one is None or other is None:
            yield f"{'+' if one is None else '-'} {name}: {_cells(other or one or {}, unit)}"
            continue
        cells = (
            f"{column} {one.get(column) or 'none'} -> {other.get(column) or 'none'}{unit if column == 'price' else ''}"
            for column in {**one, **other}
            if one.get(column, "") != other.get(column, "")
        )
        if text := ", ".join(cells):
            yield f"{name}: {text}"


def _cells(row: Mapping[str, str], unit: str) -> str:
    return ", ".join(f"{column} {value}{unit if column == 'price' else ''}" for column, value in row.items() if value)
