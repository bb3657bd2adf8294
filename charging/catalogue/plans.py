"""Plans: the tables ``[plans.<name>]``."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction

import msgspec

from balances.ledger import Record
from charging.catalogue import conditions, life, meters, offers, quantities, rates, wallets
from charging.catalogue.decks import Deck
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.model import Offer
from charging.catalogue.periods import Meter
from charging.catalogue.plan import Plan, Rate, Rule
from charging.catalogue.schema import PlanText, RuleText
from charging.catalogue.selectors import Selectors
from charging.catalogue.times import Clock, Window
from charging.event import ServiceKind
from charging.rating import Rounding


class Materials(Record, frozen=True, kw_only=True):
    """What plans are made of."""

    rates: Mapping[str, Rate]
    decks: Mapping[str, tuple[Deck, tuple[Rate, ...]]]
    windows: Mapping[str, Window]
    holidays: Mapping[str, frozenset[date]]
    conversions: Mapping[str, Mapping[str, Fraction]]
    offers: Mapping[str, Offer]
    meters: Mapping[str, Meter]
    priced: dict[tuple[str, Fraction, Fraction, Rounding], tuple[Rate, ...]]
    """Rates and decks at a factor, in a currency: a thousand plans share what they sell alike."""


def plan(findings: Findings, name: str, entry: Entry, materials: Materials) -> Plan:
    """A plan."""
    written: PlanText = entry.written
    if not quantities.is_currency(written.currency):
        findings.problem(entry.source("currency"), f"{written.currency!r} is no currency", "ISO 4217, such as EUR")
    for key, section in (("country", "countries"), ("holidays", "holidays"), ("replaces", "plans")):
        named = getattr(written, key)
        if named and named not in findings.entries[section]:
            findings.unknown(entry.source(key), section, named)
    if bool(written.replaces) != bool(written.since):
        findings.problem(entry.source("replaces"), "replaces stands with since, and only there", "since = 2026-01-01")
    if written.replaces == name:
        findings.problem(entry.source("replaces"), "a plan cannot replace itself")
    factors = {written.currency: Fraction(1), **materials.conversions.get(written.currency, {})}
    rules: dict[ServiceKind, tuple[Rule, ...]] = {}
    for kind in ServiceKind:
        texts: tuple[RuleText, ...] = getattr(written, kind.value)
        made = [_rule(findings, entry, kind, number, text, materials, factors) for number, text in enumerate(texts)]
        rules[kind] = tuple(rule for rule in made if rule is not None)
        _order(findings, rules[kind])
        if len(rules[kind]) == len(made):  # a line with a mistake of its own leaves no gap
            _gaps(findings, entry, kind, rules[kind])
    country = findings.entries["countries"].get(written.country)
    windows, dated = _times(rules, materials)
    clock = Clock(
        conditions.timezone(findings, entry, written.timezone),
        windows,
        materials.holidays.get(written.holidays, frozenset()),
    )
    return Plan(
        name=name, currency=written.currency, currencies=factors,
        country=country.written.code if country else "", rules=rules, source=entry.source(), clock=clock,
        timed=bool(windows) or dated, tax=_tax(findings, entry, written.tax),
        wallet=wallets.wallet(findings, entry), life=life.life(findings, entry),
    )  # fmt: skip


def _tax(findings: Findings, entry: Entry, text: str) -> tuple[int, int] | None:
    """The tax in a gross price: 19 % is 19/119 of it."""
    if not text:
        return None
    percent = findings.read(entry, "tax", lambda: quantities.percent(text), Fraction(0))
    share = percent / (100 + percent)
    return share.numerator, share.denominator


def _times(rules: Mapping[ServiceKind, tuple[Rule, ...]], materials: Materials) -> tuple[dict[str, Window], bool]:
    """The times that lines and their bundles name, and whether a deck changes at a date."""
    names: set[str] = set()
    dated = False
    for rule in [rule for lines in rules.values() for rule in lines]:
        filters = [
            materials.offers[offer].filters
            for rate in next(iter(rule.rates.values()))[:1]
            for offer in rate.quote.offers
            if offer in materials.offers
        ]
        for chosen in (rule.selectors, *filters):
            names |= dict(chosen.some).get("when", frozenset())
        dated = dated or (rule.deck is not None and rule.deck.dated)
    return {name: materials.windows[name] for name in sorted(names) if name in materials.windows}, dated


def _rule(
    findings: Findings, entry: Entry, kind: ServiceKind, number: int, text: RuleText, materials: Materials,
    factors: Mapping[str, Fraction],
) -> Rule | None:  # fmt: skip
    where = entry.source(kind.value, number)
    chosen = conditions.selectors(findings, entry, (kind.value, number), text)
    if bool(text.rate) == bool(text.deck):
        findings.problem(where, "a line has a rate, or a deck", "{ rate = … }")
        return None
    section, name = ("rates", text.rate) if text.rate else ("decks", text.deck)
    if name not in findings.entries[section]:
        findings.unknown(where, section, name)
    deck: Deck | None = None
    found: tuple[Rate, ...] = ()
    if text.rate and name in materials.rates:
        found = (materials.rates[name],)
    elif text.deck and name in materials.decks:
        deck, found = materials.decks[name]
    if not found:
        return None
    if kind is not ServiceKind.OTHER and found[0].service.kind is not kind:
        findings.problem(where, f"{name!r} is a rate for {found[0].service.kind}, not for {kind}")
    currency = entry.written.currency
    if found[0].currency not in ("", currency):
        findings.problem(where, f"{name!r} is priced in {found[0].currency}, the plan in {currency}", "wrong currency")
    if text.surcharge and text.discount:
        findings.problem(where, "a line has a surcharge or a discount, not both")
    percent = _percent(findings, entry, (kind.value, number), text)
    if percent < -100:
        findings.problem(where, "a discount is at most 100 %")
    rounding = Rounding(entry.written.rounding)
    priced: dict[str, tuple[Rate, ...]] = {}
    for other, factor in factors.items():
        scale = max(Fraction(0), (100 + percent) / 100) * factor
        key = (name, scale, factor, rounding)
        if key not in materials.priced:
            made = [rates.adjusted(findings, rate, scale, rounding, where, other) for rate in found]
            sold = tuple(rate for rate in made if rate is not None)
            beyond = offers.overage(findings, found[0], materials.offers, currency, factor, rounding)
            materials.priced[key] = tuple(offers.with_overage(rate, beyond) for rate in sold) if beyond else sold
        priced[other] = materials.priced[key]
        if len(priced[other]) != len(found):
            return None
    adjustment = (
        f"surcharge {text.surcharge}" if text.surcharge else f"discount {text.discount}" if text.discount else ""
    )
    counted = meters.counted(findings, where, conditions.listed(text.meters), found[0], materials.meters, currency)
    return Rule(
        selectors=chosen, rates=priced, source=where, incoming=text.incoming, deck=deck, adjustment=adjustment,
        meters=counted,
    )  # fmt: skip


def _percent(findings: Findings, entry: Entry, path: tuple[str | int, ...], text: RuleText) -> Fraction:
    """What a line adds to its rate's price in per cent, or (below 0) takes off."""
    words = text.surcharge or text.discount
    found = findings.read(entry, path, lambda: quantities.percent(words), Fraction(0)) if words else Fraction(0)
    return found if text.surcharge else -found


def _order(findings: Findings, rules: tuple[Rule, ...]) -> None:
    for number, rule in enumerate(rules):
        before = next((other for other in rules[:number] if other.covers(rule)), None)
        if before:
            findings.problem(
                rule.source, f"never reached: the line at {before.source} fits first", "put it before that"
            )


def _gaps(findings: Findings, entry: Entry, kind: ServiceKind, lines: tuple[Rule, ...]) -> None:
    """Data of any rating group has a rate, and so has every time of day where one time has."""
    grouped = {"rating_group", "service_id", "when"}
    if kind is ServiceKind.DATA and lines and all(rule.selectors.names() & grouped for rule in lines):
        findings.problem(entry.source("data"), "gap: other rating groups have no rate", "end with { rate = … }")
    for number, rule in enumerate(lines):
        if "when" not in rule.selectors.names():
            continue
        timeless = Rule(
            selectors=Selectors(
                one=rule.selectors.one, some=tuple(pair for pair in rule.selectors.some if pair[0] != "when")
            ),
            rates=rule.rates, source=rule.source, incoming=rule.incoming,
        )  # fmt: skip
        if not any(other.covers(timeless) or other.deck for other in lines[number + 1 :]):
            hint = "end with the same line without when"
            findings.problem(rule.source, "gap: at other times this has no rate", hint)


def succeed(findings: Findings, made: Mapping[str, Plan]) -> dict[str, Plan]:
    """The plans, each knowing those that replace it and from when on."""
    direct: dict[str, list[tuple[int, Plan]]] = {}
    for name, entry in findings.entries["plans"].items():
        written: PlanText = entry.written
        if not written.replaces or written.since is None or name not in made or written.replaces not in made:
            continue
        replaced = made[written.replaces]
        if replaced.currency != written.currency:
            findings.problem(
                entry.source("currency"), f"plan {replaced.name} is in {replaced.currency}", "wrong currency"
            )
        since = made[name].clock.midnight(written.since)
        if any(since == other for other, _ in direct.get(written.replaces, [])):
            findings.problem(entry.source("since"), f"{written.replaces} is replaced twice that day", "overlap")
        if _goes_round(findings, name):
            findings.problem(entry.source("replaces"), f"plan {name} would replace itself in the end", "a circle")
            return dict(made)
        direct.setdefault(written.replaces, []).append((since, made[name]))
    return {
        name: msgspec.structs.replace(each, successors=_line(each, direct, 0), timed=True) if name in direct else each
        for name, each in made.items()
    }


def _goes_round(findings: Findings, name: str) -> bool:
    """Does a plan come back to itself over the plans that it replaces?"""
    plans = findings.entries["plans"]
    seen = {name}
    while name in plans and (name := plans[name].written.replaces):
        if name in seen:
            return True
        seen.add(name)
    return False


def _line(plan: Plan, direct: Mapping[str, list[tuple[int, Plan]]], begins: int) -> tuple[tuple[int, Plan], ...]:
    """Who follows a plan that is in force from ``begins`` on, and who follows those: in the order of time."""
    found: dict[int, Plan] = {}
    for since, successor in sorted(direct.get(plan.name, []), key=lambda pair: pair[0]):
        if since >= begins:
            found = {at: each for at, each in found.items() if at < since}
            found[since] = successor
            found |= dict(_line(successor, direct, since + 1))
    return tuple(sorted(found.items(), key=lambda pair: pair[0]))
