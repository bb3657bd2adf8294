"""Tables as written against the shapes of ``schema``: all that is wrong with a table at once."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

import msgspec

from charging.catalogue.positions import Path

_AT = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z_]+)|\[([0-9]+)\]")


class Fault(NamedTuple):
    """What is wrong, where inside the table, and what would help."""

    path: Path
    message: str
    hint: str = ""


def faults(value: Any, shape: Any, path: Path = ()) -> Iterator[Fault]:
    """All that keeps ``value`` from being of this shape."""
    struct = _struct(shape)
    if struct is not None and isinstance(value, dict):
        yield from _table(value, struct, path)
        return
    of = get_args(shape)
    if get_origin(shape) is tuple and isinstance(value, list) and _struct(of[0]) is not None:
        for number, each in enumerate(value):
            yield from faults(each, of[0], (*path, number))
        return
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        match = _AT.fullmatch(str(error))
        message, where = (match[1], match[2] or "") if match else (str(error), "")
        yield Fault((*path, *(key or int(number) for key, number in _STEP.findall(where))), message)


def _table(value: dict[str, Any], struct: type[msgspec.Struct], path: Path) -> Iterator[Fault]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key in value:
        if key not in fields:
            yield Fault((*path, key), f"unknown key {key!r}", guess(key, fields))
    for name, field in fields.items():
        if name in value:
            yield from faults(value[name], field.type, (*path, name))
        elif field.required:
            yield Fault(path, f"the key {name!r} is missing")


def _struct(shape: Any) -> type[msgspec.Struct] | None:
    """The table that a shape is, or may be."""
    kinds = get_args(shape) if get_origin(shape) in (Union, UnionType) else (shape,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)), None)


def guess(word: str, known: Iterable[str]) -> str:
    """What may have been meant."""
    close = get_close_matches(word, list(known), 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
