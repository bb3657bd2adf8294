"""Where and when: the tables of countries, prefixes, networks, times and conversions."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction

from charging.catalogue import decks, quantities
from charging.catalogue.decks import PORTABILITY
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.places import Places
from charging.catalogue.prefixes import Prefixes
from charging.catalogue.quantities import QuantityError
from charging.catalogue.schema import CountryText, NetworkText, TimeText
from charging.catalogue.times import DAYS, MINUTES, Window

DIGITS = frozenset("0123456789")
HEX = DIGITS | frozenset("abcdef")


def places(findings: Findings, tables: Mapping[str, str]) -> Places:
    """Everything that says where somebody is or whom a number belongs to."""
    emergency: set[str] = set()
    apns: set[str] = set()
    premium: dict[str, str] = {}
    for name, entry in findings.entries["countries"].items():
        written: CountryText = entry.written
        _country(findings, entry)
        emergency |= {form for number in written.emergency for form in (number, written.code + number)}
        apns |= {apn.lower() for apn in written.emergency_apns}
        premium |= {written.code + number: name for number in written.premium}
    ranges: dict[str, str] = {}
    for name, entry in findings.entries["networks"].items():
        network: NetworkText = entry.written
        _prefixes(findings, name, entry, network.prefixes, ranges, ("prefixes",))
    names = frozenset(findings.entries["networks"])
    ported = tables.get(PORTABILITY)
    return Places(
        destinations=_table(findings, "destinations"),
        roaming=_table(findings, "roaming"),
        locations=_table(findings, "locations"),
        networks=Prefixes(ranges),
        ported=decks.portability(PORTABILITY, ported, names, findings.problems) if ported is not None else {},
        carriers=names,
        own=frozenset(name for name, entry in findings.entries["networks"].items() if entry.written.own),
        premium=Prefixes(premium),
        emergency=frozenset(emergency),
        emergency_apns=frozenset(apns),
    )


def _country(findings: Findings, entry: Entry) -> None:
    written: CountryText = entry.written
    if not (written.code.isdigit() and written.code.isascii() and 1 <= len(written.code) <= 3):
        findings.problem(entry.source("code"), f"{written.code!r} is no country code", "1 to 3 digits, without + or 00")
    for key, numbers in (("emergency", written.emergency), ("premium", written.premium)):
        for number in numbers:
            if not (number.isdigit() and number.isascii()):
                findings.problem(entry.source(key), f"{number!r} is no number", "digits only")


def _table(findings: Findings, section: str) -> Prefixes[str]:
    zones: dict[str, str] = {}
    for zone, entry in findings.entries[section].items():
        if not entry.written:
            what = section.removesuffix("s")
            findings.problem(entry.source(), f"{what} {zone!r} has no prefix", 'write e.g. ["49"]')
        _prefixes(findings, zone, entry, entry.written, zones, (), HEX if section == "locations" else DIGITS)
    return Prefixes(zones)


def _prefixes(
    findings: Findings,
    zone: str,
    entry: Entry,
    prefixes: tuple[str, ...],
    zones: dict[str, str],
    path: tuple[str, ...],
    alphabet: frozenset[str] = DIGITS,
) -> None:
    for number, prefix in enumerate(prefixes):
        if not (prefix and set(prefix) <= alphabet):
            findings.problem(entry.source(*path, number), f"{prefix!r} is no prefix", "digits, without + or 00")
        elif prefix in zones:
            owner = f"prefix {prefix} belongs to {zones[prefix]!r} already"
            findings.problem(entry.source(*path, number), owner, "overlap")
        else:
            zones[prefix] = zone


def window(findings: Findings, name: str, entry: Entry) -> Window:
    """A named time."""
    written: TimeText = entry.written
    days: set[str] = set()
    for text in _listed(written.days):
        try:
            days |= _days(text)
        except QuantityError as error:
            findings.problem(entry.source("days"), str(error))
    hours: list[tuple[int, int]] = []
    for text in _listed(written.hours):
        try:
            hours += _hours(text)
        except QuantityError as error:
            findings.problem(entry.source("hours"), str(error))
    if not (written.days or written.hours or written.since or written.until):
        findings.problem(entry.source(), f"time {name!r} is always", "write days, hours, since or until")
    if written.since and written.until and written.since > written.until:
        findings.problem(entry.source("until"), f"time {name!r} ends before it begins", "never reached")
    return Window(
        days=frozenset(days or DAYS),
        hours=tuple(hours) or ((0, MINUTES),),
        since=written.since,
        until=written.until,
    )


def _listed(words: str | tuple[str, ...]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else words


def _days(text: str) -> set[str]:
    first, dash, last = text.partition("-")
    if first not in DAYS or (dash and (last not in DAYS[:7] or first not in DAYS[:7])):
        raise QuantityError(f"{text!r} is no day: write mon-fri, sat, or holiday")
    start = DAYS.index(first)
    count = (DAYS.index(last) - start) % 7 + 1 if dash else 1
    return {DAYS[(start + number) % 7] if dash else first for number in range(count)}


def _hours(text: str) -> list[tuple[int, int]]:
    """``22:00-06:00`` as the stretches of a day that it covers."""
    first, dash, last = text.partition("-")
    start, end = _minute(first), _minute(last)
    if not dash or start is None or end is None or start in (end, MINUTES) or end == 0:
        raise QuantityError(f"{text!r} are no hours: write 08:00-18:00, or 22:00-06:00 over midnight")
    return [(start, end)] if start < end else [(start, MINUTES), (0, end)]


def _minute(text: str) -> int | None:
    hour, colon, minute = text.strip().partition(":")
    if not (colon and len(hour) == len(minute) == 2 and (hour + minute).isdigit() and (hour + minute).isascii()):
        return None
    found = int(hour) * 60 + int(minute)
    return found if int(minute) < 60 and found <= MINUTES else None


def holidays(findings: Findings, name: str, entry: Entry) -> frozenset[date]:
    """A calendar of holidays."""
    if len(set(entry.written)) != len(entry.written):
        findings.problem(entry.source(), f"a day stands twice among the holidays of {name!r}", "duplicate")
    return frozenset(entry.written)


def conversions(findings: Findings, currency: str, entry: Entry) -> dict[str, Fraction]:
    """How much of other currencies one unit of this one is, exactly."""
    found = {}
    for other, text in entry.written.items():
        if not quantities.is_currency(currency) or not quantities.is_currency(other) or currency == other:
            findings.problem(entry.source(other), f"{currency} to {other} is no conversion", "such as EUR to USD")
            continue
        try:
            factor = Fraction(text)
        except (ValueError, ZeroDivisionError):
            factor = Fraction(0)
        if factor <= 0:
            findings.problem(entry.source(other), f"{text!r} is no factor", 'write "1.0837", or "10837/10000"')
        else:
            found[other] = factor
    return found
