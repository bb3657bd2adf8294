"""Loads the Lua scripts: one file per verb, with the parts of ``lua/lib`` its header names after ``uses:``."""

import re
from functools import cache
from importlib.resources import files

from balances.link import Script

VERBS = ("open", "change", "move", "give", "charge", "refund", "expire", "entries", "sessions", "audit")

_USES = re.compile(r"^-- uses:(.*)$", re.MULTILINE)


def assemble(verb: str) -> str:
    """The script's text as the store gets it: its ``#!lua`` line, the shared parts, then the verb itself."""
    folder = files("balances") / "lua"
    first, rest = (folder / f"{verb}.lua").read_text().split("\n", 1)
    named = _USES.search(rest)
    parts = named.group(1).split() if named else []
    return "\n".join([first, *[(folder / "lib" / f"{part}.lua").read_text() for part in parts], rest])


@cache
def script(verb: str) -> Script:
    """The script of one verb."""
    return Script(verb, assemble(verb))


def all_scripts() -> tuple[Script, ...]:
    return tuple(script(verb) for verb in VERBS)
