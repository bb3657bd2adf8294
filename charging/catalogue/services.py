"""How services are granted: the tables ``[services.<kind>]``."""

from balances.ledger import Empty, Lapse, Unit
from balances.money import MICRO
from charging.catalogue import quantities
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.plan import ServiceTerms
from charging.catalogue.schema import FinalText, RateText, ServiceText
from charging.event import Change, FinalAction, FinalUnits, ServiceKind, TimePeriods

UNITS = {
    ServiceKind.DATA: Unit.OCTETS,
    ServiceKind.VOICE: Unit.SECONDS,
    ServiceKind.SMS: Unit.EVENTS,
    ServiceKind.MMS: Unit.EVENTS,
    ServiceKind.OTHER: Unit.EVENTS,
}
"""What a service is counted in unless it says otherwise."""

LARGEST = {Unit.OCTETS: 10**15, Unit.SECONDS: 366 * 86_400, Unit.EVENTS: 10**7, Unit.MONEY: 10**6 * MICRO}
"""The most units of one key of one session up to which every price must count exactly; no setting goes beyond."""


PLACES = {Change.MCC, Change.MNC, Change.RAC, Change.LAC, Change.CELL, Change.TAC, Change.ECGI}
"""Parts of a location."""


def service(findings: Findings, name: str, entry: Entry) -> ServiceTerms | None:
    written: ServiceText = entry.written
    if name not in set(ServiceKind):
        findings.problem(entry.source(), f"no such service: {name!r}", f"known: {', '.join(ServiceKind)}")
        return None
    kind = ServiceKind(name)
    unit = Unit(written.unit) if written.unit else UNITS[kind]

    def units(key: str, text: str, default: int) -> int:
        return findings.read(entry, key, lambda: quantities.quantity(text, unit), default) if text else default

    def time(key: str, text: str) -> int:
        return findings.read(entry, key, lambda: quantities.seconds(text), 1) if text else 0

    quota, least = units("quota", written.quota, 1), units("minimum", written.minimum, 1)
    most = units("maximum", written.maximum, quota)
    if not 1 <= least <= quota <= most:
        findings.problem(entry.source("quota"), "it must be: 1 <= minimum <= quota <= maximum")
    if most > LARGEST[unit]:
        findings.problem(entry.source("maximum"), f"no grant may be larger than {LARGEST[unit]} {unit}")
    share, floor = sharing(findings, entry, unit, quota)
    percent = quantities.share(written.threshold)
    threshold = units("threshold", written.threshold if percent is None else "", 0)
    validity = time("validity", written.validity)
    if not 1 <= validity < 2**31:
        findings.problem(entry.source("validity"), "validity is at least one second")
    return ServiceTerms(
        kind=kind,
        unit=unit,
        quota=quota,
        share=share,
        floor=floor,
        least=least,
        most=most,
        validity=validity,
        retry=time("retry", written.retry),
        threshold_percent=percent or 0,
        threshold_units=threshold,
        holding=time("holding", written.holding),
        consumption=time("consumption", written.consumption),
        periods=_periods(findings, entry, unit),
        changes=_changes(findings, entry, written.report_changes),
        final=_final(findings, entry, written.final),
        empty=Empty(written.empty),
        lapse=Lapse(written.lapse),
    )


def sharing(findings: Findings, entry: Entry, unit: Unit, quota: int) -> tuple[int, int]:
    """The share of what is left that a grant takes at most, in per cent, and the units it is never smaller than."""
    written: ServiceText | RateText = entry.written
    if written.floor and not written.share:
        findings.problem(entry.source("floor"), "floor stands with share, and only there", 'share = "10 %"')
    if not written.share:
        return 0, 0
    share = quantities.share(written.share)
    if not share:
        findings.problem(entry.source("share"), f"share: {written.share!r} is no share", "from 1 % to 99 %")
    floor = findings.read(entry, "floor", lambda: quantities.quantity(written.floor, unit), 1) if written.floor else 0
    if floor > quota:
        findings.problem(entry.source("floor"), "the floor is larger than the quota: no grant would be a share")
    return share or 0, floor


def _final(findings: Findings, entry: Entry, written: FinalText) -> FinalUnits:
    action = FinalAction(written.action)
    where = entry.source("final")
    if (action is FinalAction.REDIRECT) != bool(written.redirect):
        findings.problem(
            where, "redirect stands with action = 'redirect', and only there", "an URL, SIP URI or address"
        )
    if action is FinalAction.RESTRICT and not (written.filters or written.filter_ids):
        findings.problem(
            where, "restrict needs filters or filter_ids", 'e.g. "permit out ip from 198.51.100.10 to assigned"'
        )
    if action is FinalAction.TERMINATE and (written.filters or written.filter_ids):
        findings.problem(where, "terminate has no filters: nothing stays open", "use redirect or restrict")
    return FinalUnits(action=action, redirect=written.redirect, filters=written.filters, filter_ids=written.filter_ids)


def _periods(findings: Findings, entry: Entry, unit: Unit) -> TimePeriods | None:
    """Idle time and periods are two ways to say how time is used: one of them, and only where time is counted."""
    service: ServiceText = entry.written
    written = service.periods
    for key in ("consumption", "periods"):
        if getattr(service, key) and unit is not Unit.SECONDS:
            findings.problem(entry.source(key), f"{key} is for what is counted in seconds", 'unit = "seconds"')
    if written is None:
        return None
    if service.consumption:
        findings.problem(entry.source("periods"), "periods and consumption exclude each other")
    length = findings.read(entry, "periods", lambda: quantities.seconds(written.length), 1)
    if not 1 <= length < 2**31:
        findings.problem(entry.source("periods"), "a period is at least one second long")
    return TimePeriods(seconds=length, continuous=written.kind == "continuous")


def _changes(findings: Findings, entry: Entry, written: tuple[str, ...] | None) -> tuple[Change, ...] | None:
    """A gateway that tells of every change of location cannot be asked for some of them too (TS 32.299)."""
    if written is None:
        return None
    changes = tuple(sorted({Change(name) for name in written}))
    finer = [change for change in changes if change in PLACES]
    if Change.LOCATION in changes and finer:
        findings.problem(entry.source("report_changes"), f"location says it all: leave out {', '.join(finer)}")
    return changes
