"""What lines of plans and offers have in common: the conditions they set on a use, and their time zone."""

from typing import TypeVar
from zoneinfo import ZoneInfo

from charging.catalogue.entries import Entry, Findings
from charging.catalogue.places import apn_name
from charging.catalogue.schema import SelectorText
from charging.catalogue.selectors import Selectors, Word

W = TypeVar("W", bound=Word)

RATS = {
    "utran": "1", "geran": "2", "wlan": "3", "gan": "4", "hspa": "5", "eutran": "6", "nb-iot": "8", "lte-m": "9",
    "nr": "51", "2g": "2", "3g": "1", "4g": "6", "5g": "51", "wifi": "3",
}  # fmt: skip
"""Names of radio access types (3GPP-RAT-Type, TS 29.061 section 16.4.7.2)."""

ONE = {
    "rating_group": "rating_group", "service_id": "service_id", "to": "zone", "caller": "caller",
    "visited": "visited", "location": "location", "context": "context", "apn": "apn", "rat": "rat", "qos": "qos",
    "origin": "origin", "door": "door",
}  # fmt: skip
"""Keys of a line -> fields of a use that have one value."""

SECTION = {
    "to": "destinations", "caller": "destinations", "visited": "roaming", "location": "locations", "when": "times",
}  # fmt: skip
"""Keys of a line that name entries of another table."""


def selectors(findings: Findings, entry: Entry, path: tuple[str | int, ...], text: SelectorText) -> Selectors:
    """What a use must be like, with every name checked."""
    one = [
        (field, frozenset(_word(key, value) for value in listed(getattr(text, key))))
        for key, field in ONE.items()
        if getattr(text, key) != ()
    ]
    some = [
        (key, frozenset(map(str, listed(getattr(text, key))))) for key in ("call", "when") if getattr(text, key) != ()
    ]
    where = entry.source(*path)
    for key, section in SECTION.items():
        for name in listed(getattr(text, key)):
            if name not in findings.entries[section]:
                findings.unknown(where, section, str(name))
    for figure in (*listed(text.rating_group), *listed(text.service_id)):
        if not 0 <= int(figure) < 2**32:
            findings.problem(where, f"{figure} is no rating group or service identifier", "0 to 4294967295")
    ours = any(network.written.own for network in findings.entries["networks"].values())
    if not ours and {"on-net", "off-net"} & set(listed(text.call)):
        findings.problem(where, "on-net: no network is ours", "write own = true in one of [networks]")
    return Selectors(one=tuple(one), some=tuple(some))


def listed(value: W | tuple[W, ...]) -> tuple[W, ...]:
    """A key that takes one value or a list of them, as a list."""
    return value if isinstance(value, tuple) else (value,)


def _word(key: str, value: Word) -> Word:
    if key == "rat":
        return RATS.get(str(value), str(value))
    if key == "apn":
        return apn_name(str(value))
    return str(value) if key == "qos" else value


def timezone(findings: Findings, entry: Entry, name: str) -> ZoneInfo:
    """A time zone by its name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        findings.problem(entry.source("timezone"), f"{name!r} is no time zone", "such as Europe/Berlin")
        return ZoneInfo("UTC")
