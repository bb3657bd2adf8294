"""Loads the Lua scripts: one file per verb, with the parts of ``lua/lib`` its header names after ``uses:``.

A script runs from its top each time, and so defines all its functions again, which costs more than most of them do. The
verb that every request runs is a function of a library instead (FUNCTION LOAD, FCALL): defined once.
"""

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from balances.link import Function, Script

VERBS = (
    "open", "change", "move", "credit", "lend", "send", "arrive", "give", "subscribe", "renew",
    "unsubscribe", "lift", "charge", "refund", "expire", "entries", "sessions", "audit",
)  # fmt: skip

FUNCTIONS = ("charge",)
"""Verbs whose file ends with a function of their name."""

FOLDER = files("balances") / "lua"

_CONSTANTS = re.compile(r"^local ([A-Z_]+(?:, [A-Z_]+)*) = ([0-9]+(?:, [0-9]+)*)(?: --.*)?$", re.MULTILINE)
_USES = re.compile(r"^-- uses:(.*)$", re.MULTILINE)


def assemble(verb: str, folder: Traversable = FOLDER) -> str:
    """The script's text as one reads it: its ``#!lua`` line, the shared parts, then the verb itself."""
    first, rest = (folder / f"{verb}.lua").read_text().split("\n", 1)
    named = _USES.search(rest)
    parts = named.group(1).split() if named else []
    texts = [(folder / "lib" / f"{part}.lua").read_text() for part in parts]
    if parts and verb not in FUNCTIONS:  # which do so themselves when they are called
        texts.append("find_libraries()")
    return "\n".join([first, *texts, rest])


def inline(text: str) -> str:
    """Put the numbers in the place of their names.

    Lua walks all captured locals for each one a function captures: in a script, which does so each time it runs, named
    numbers would cost more than the work itself.
    """
    values: dict[str, str] = {}
    for names, numbers in _CONSTANTS.findall(text):
        values.update(zip(names.split(", "), numbers.split(", "), strict=True))
    if not values:
        return text
    names = re.compile(rf"(?<!')\b({'|'.join(values)})\b(?!')")
    inlined: str = names.sub(lambda name: values[name[0]], _CONSTANTS.sub("", text))
    return inlined


@cache
def script(verb: str) -> Script:
    """The script of one verb."""
    return made(verb, assemble(verb))


def made(verb: str, text: str) -> Script:
    """What runs a verb whose text has been assembled."""
    return Function(verb, inline(text)) if verb in FUNCTIONS else Script(verb, inline(text))


def all_scripts() -> tuple[Script, ...]:
    return tuple(script(verb) for verb in VERBS)
