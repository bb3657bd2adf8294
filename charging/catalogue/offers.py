"""Bundles: the tables ``[offers.<name>]``, and what they make of the rates they pay for."""

import functools
from collections.abc import Mapping
from fractions import Fraction

from msgspec.structs import replace

from balances.ledger import Overage, Unit
from balances.price import FREE
from charging.catalogue import conditions, quantities, rates, terms
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.model import Beyond, Offer
from charging.catalogue.plan import Rate
from charging.catalogue.recurrence import recurrence
from charging.catalogue.schema import OfferText
from charging.catalogue.thresholds import UseThreshold, use_threshold
from charging.rating import Rounding

PERIODS = ("day", "week", "month")
"""Calendar periods a bundle may last to the end of."""


def offer(findings: Findings, name: str, entry: Entry, known: Mapping[str, Rate]) -> Offer | None:
    """A bundle."""
    written: OfferText = entry.written
    paid = [known[rate] for rate in written.pays if rate in known]
    if not written.pays:
        findings.problem(entry.source("pays"), f"offer {name!r} pays for nothing", "name at least one rate")
    if not paid:
        return None
    unit, amount, currency = _amount(findings, entry, paid)
    period = written.validity if written.validity in PERIODS else ""
    validity = 0
    if written.validity and not period:
        validity = findings.read(entry, "validity", lambda: quantities.seconds(written.validity), 1)
    first_use = written.begins == "first use"
    if first_use and not validity:
        hint = 'validity = "30 days"'
        findings.problem(entry.source("begins"), "from the first use on it lasts a time that is given", hint)
    if written.since and written.until and written.since > written.until:
        findings.problem(entry.source("until"), "it ends before it begins")
    return Offer(
        name=name, unit=unit, amount=amount, currency=currency, validity=validity, first_use=first_use, period=period,
        since=written.since, until=written.until,
        zone=conditions.timezone(findings, entry, written.timezone) if written.timezone else None,
        priority=written.priority, filters=conditions.selectors(findings, entry, (), written),
        warn_at=_warnings(findings, entry, unit, amount, currency), beyond=_beyond(findings, entry, unit, known),
        recurrence=recurrence(findings, entry, unit, currency), source=entry.source(),
    )  # fmt: skip


def _amount(findings: Findings, entry: Entry, paid: list[Rate]) -> tuple[Unit, int, str]:
    """What it gives, how much, and the currency of money."""
    written: OfferText = entry.written
    if quantities.is_money(written.amount):
        amount, currency = findings.read(entry, "amount", lambda: quantities.money(written.amount), (1, ""))
        unit = Unit.MONEY
    else:
        unit, currency = paid[0].service.unit, ""
        if any(rate.service.unit is not unit for rate in paid):
            findings.problem(entry.source("pays"), "the rates of an offer are all counted in the same unit")
        amount = findings.read(entry, "amount", lambda: quantities.quantity(written.amount, unit), 1)
    if amount < 1:
        findings.problem(entry.source("amount"), "an offer gives at least one unit")
    return unit, amount, currency


def _warnings(findings: Findings, entry: Entry, unit: Unit, amount: int, currency: str) -> tuple[UseThreshold, ...]:
    """When that much is used, it is told."""
    found: list[UseThreshold] = []
    whole = UseThreshold(at=100, percent=True)
    for text in conditions.listed(entry.written.warn_at):
        read = functools.partial(use_threshold, text, unit, currency)
        found.append(threshold := findings.read(entry, "warn_at", read, whole))
        if threshold.units(amount) > amount:
            findings.problem(entry.source("warn_at"), f"the offer gives less than {text}")
    at = [threshold.units(amount) for threshold in found]
    if sorted(set(at)) != at:
        findings.problem(entry.source("warn_at"), "the thresholds must rise, as use meets them", '["50 %", "80 %"]')
    return tuple(found)


def _beyond(findings: Findings, entry: Entry, unit: Unit, known: Mapping[str, Rate]) -> Beyond | None:
    """What holds when it is used up."""
    written = entry.written.overage
    if written is None:
        return None
    where = entry.source("overage")
    if unit is Unit.MONEY:
        findings.problem(where, "bonus money has no overage: the main balance pays after it", "leave it out")
    if written == "stop":
        return Beyond(rate=None, throttle="", stop=True, source=where)
    if not (written.rate or written.throttle):
        findings.problem(where, "overage names a rate, a throttle or both", '"stop", or { rate = … }')
    rate = known.get(written.rate)
    if written.rate not in ("", *findings.entries["rates"]):
        findings.unknown(where, "rates", written.rate)
    if rate is not None and rate.service.unit is not unit:
        findings.problem(where, f"{rate.name!r} is a rate per {rate.service.unit}, the offer is of {unit}")
    return Beyond(rate=rate, throttle=written.throttle, stop=False, source=where)


def overage(
    findings: Findings, rate: Rate, known: Mapping[str, Offer], currency: str, factor: Fraction, rounding: Rounding
) -> tuple[tuple[str, Overage], ...]:
    """The overage of each offer that pays for a rate, at a factor, and how its use is slowed down."""
    made = []
    for name in rate.quote.offers:
        beyond = known[name].beyond if name in known else None
        if beyond is None:
            continue
        price = None if beyond.stop else FREE
        if beyond.rate is not None:
            if beyond.rate.currency not in ("", currency):
                message = f"{beyond.rate.name!r} is priced in {beyond.rate.currency}, plans that sell it in {currency}"
                findings.problem(beyond.source, message, "wrong currency")
            adjusted = rates.adjusted(findings, beyond.rate, factor, rounding, beyond.source, currency)
            price = adjusted.quote.price if adjusted else FREE
        made.append((beyond.throttle, Overage(offer=name, price=price)))
    return tuple(made)


def with_overage(rate: Rate, beyond: tuple[tuple[str, Overage], ...]) -> Rate:
    """The rate with what holds beyond its offers, in the terms of its own service."""
    told = [replace(each, terms=terms.encode(replace(rate.service, throttle=slow))) for slow, each in beyond]
    return replace(rate, quote=replace(rate.quote, overage=tuple(told)))
