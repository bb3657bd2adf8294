"""How services are granted: the tables ``[services.<kind>]``."""

from balances.ledger import Empty, Lapse, Unit
from balances.money import MICRO
from charging.catalogue import quantities
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.plan import ServiceTerms
from charging.catalogue.schema import FinalText, ServiceText
from charging.event import FinalAction, FinalUnits, ServiceKind

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
    percent = quantities.share(written.threshold)
    threshold = units("threshold", written.threshold if percent is None else "", 0)
    validity = time("validity", written.validity)
    if not 1 <= validity < 2**31:
        findings.problem(entry.source("validity"), "validity is at least one second")
    return ServiceTerms(
        kind=kind,
        unit=unit,
        quota=quota,
        least=least,
        most=most,
        validity=validity,
        retry=time("retry", written.retry),
        threshold_percent=percent or 0,
        threshold_units=threshold,
        holding=time("holding", written.holding),
        final=_final(findings, entry, written.final),
        empty=Empty(written.empty),
        lapse=Lapse(written.lapse),
    )


def _final(findings: Findings, entry: Entry, written: FinalText) -> FinalUnits:
    action = FinalAction(written.action)
    where = entry.source("final")
    if (action is FinalAction.REDIRECT) != bool(written.redirect):
        findings.problem(
            where, "redirect stands with action = 'redirect', and only there", "an URL, SIP URI or address"
        )
    if action is FinalAction.RESTRICT and not written.filters:
        findings.problem(where, "restrict needs filters", 'e.g. "permit out ip from 198.51.100.10 to assigned"')
    if action is FinalAction.TERMINATE and written.filters:
        findings.problem(where, "terminate has no filters: nothing stays open", "use redirect or restrict")
    return FinalUnits(action=action, redirect=written.redirect, filters=written.filters)
