"""Meters: the tables ``[meters.<name>]``, and the lines and rates that count by them."""

import re
from collections.abc import Mapping
from fractions import Fraction

from msgspec.structs import replace

from charging.catalogue import quantities, terms
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.periods import Meter
from charging.catalogue.plan import Rate
from charging.catalogue.rates import Services
from charging.catalogue.schema import MeterText, RateText
from charging.catalogue.source import Source
from charging.event import ServiceKind

MOST = 16
"""Meters of a catalogue: an account has room for these and for as many that a former catalogue had."""

AT_ONCE = 4
"""Meters that one use may count into: each is looked at with every request."""

_PERIOD = re.compile(r"(day|week|month)|month from ([1-9]|1[0-9]|2[0-8])")


def meter(findings: Findings, name: str, entry: Entry, services: Services) -> Meter:
    """A meter."""
    written: MeterText = entry.written
    period = _PERIOD.fullmatch(written.period)
    if period is None:
        findings.problem(
            entry.source("period"), f"{written.period!r} is no period", "day, week, month, or month from 1 to 28"
        )
    if written.service and written.service not in findings.entries["services"]:
        findings.unknown(entry.source("service"), "services", written.service)
    kind = ServiceKind(written.service) if written.service in set(ServiceKind) else None
    known = services.get(kind) if kind else None
    unit = known.unit if known else None
    if written.limit and not written.service:
        findings.problem(entry.source("limit"), "a limit is in units of a service", 'write service = "data"')
    if written.throttle and not written.limit:
        findings.problem(
            entry.source("throttle"), "use is slowed down beyond a limit, there is none", 'write limit = "50 GB"'
        )
    limit = None
    if written.limit and unit:
        limit = findings.read(entry, "limit", lambda: quantities.quantity(written.limit, unit), 1)
    cap, currency = None, ""
    if written.cap:
        cap, currency = findings.read(entry, "cap", lambda: quantities.money(written.cap), (0, ""))
    return Meter(
        name=name,
        unit=unit,
        period=(period[1] or "month") if period else "month",
        first_day=int(period[2] or 1) if period else 1,
        cap=cap,
        currency=currency,
        warn=_warning(findings, entry),
        limit=limit,
        throttle=written.throttle,
        source=entry.source(),
    )


def _warning(findings: Findings, entry: Entry) -> Fraction:
    written: MeterText = entry.written
    if not written.warn:
        return Fraction(0)
    if not written.cap:
        findings.problem(entry.source("warn"), "a warning is a share of the cap", 'write cap = "50 EUR"')
    percent = findings.read(entry, "warn", lambda: quantities.percent(written.warn), Fraction(0))
    if percent > 100:
        findings.problem(entry.source("warn"), "a warning is at most at 100 %")
    return percent / 100


def check_count(findings: Findings) -> None:
    """There are not more meters than accounts have room for."""
    entries = list(findings.entries["meters"].values())
    if len(entries) > MOST:
        findings.problem(entries[MOST].source(), f"more than {MOST} meters", "plans may share meters")


def check_along(findings: Findings, rates: Mapping[str, Rate], known: Mapping[str, Meter]) -> None:
    """What runs along a meter is counted in its unit, and has no part that belongs to a session."""
    for name, rate in rates.items():
        entry = findings.entries["rates"][name]
        written: RateText = entry.written
        if not written.along:
            continue
        where = entry.source("along")
        if written.along not in findings.entries["meters"]:
            findings.unknown(where, "meters", written.along)
        elif written.along in known and known[written.along].unit is not rate.service.unit:
            findings.problem(where, f"meter {written.along} does not count {rate.service.unit}", "give it a service")
        for key in ("setup", "minimum"):
            if getattr(written, key):
                findings.problem(entry.source(key), f"{key} belongs to a session, the price runs along a meter")
        if rate.tariff.first not in (0, rate.tariff.block):
            findings.problem(entry.source("blocks"), "a first block belongs to a session, the price runs along a meter")


def counted(
    findings: Findings, where: Source, names: tuple[str, ...], rate: Rate, known: Mapping[str, Meter], currency: str
) -> tuple[Meter, ...]:
    """The meters a plan's line counts into: those it names and the one its rate runs along."""
    named = tuple(dict.fromkeys((*names, rate.along) if rate.along else names))
    for name in names:
        if name not in findings.entries["meters"]:
            findings.unknown(where, "meters", name)
    found = tuple(known[name] for name in named if name in known)
    if len(found) > AT_ONCE:
        findings.problem(where, f"a line counts into {AT_ONCE} meters at most")
    for each in found:
        if each.currency not in ("", currency):
            findings.problem(where, f"meter {each.name} is capped in {each.currency}, the plan in {currency}")
    return tuple([_with_terms(each, rate) for each in found])


def _with_terms(meter: Meter, rate: Rate) -> Meter:
    """The meter with the terms of what is granted beyond its limit, if that is slowed down."""
    if not meter.throttle:
        return meter
    return replace(meter, beyond=terms.encode(replace(rate.service, throttle=meter.throttle)))
