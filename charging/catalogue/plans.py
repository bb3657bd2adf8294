"""Plans and bundles: the tables ``[plans.<name>]`` and ``[offers.<name>]``."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from zoneinfo import ZoneInfo

import msgspec

from balances.ledger import Record
from charging.catalogue import quantities, rates, times
from charging.catalogue.decks import Deck
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.model import Offer
from charging.catalogue.places import apn_name
from charging.catalogue.plan import Plan, Rate, Rule
from charging.catalogue.schema import OfferText, PlanText, RuleText, SelectorText
from charging.catalogue.selectors import Selectors, Word
from charging.catalogue.times import Clock, Window
from charging.event import ServiceKind
from charging.rating import Rounding

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


class Materials(Record, frozen=True, kw_only=True):
    """What plans are made of."""

    rates: Mapping[str, Rate]
    decks: Mapping[str, tuple[Deck, tuple[Rate, ...]]]
    windows: Mapping[str, Window]
    holidays: Mapping[str, frozenset[date]]
    conversions: Mapping[str, Mapping[str, Fraction]]
    offers: Mapping[str, Offer]
    priced: dict[tuple[str, Fraction, Rounding], tuple[Rate, ...]]
    """Rates and decks at a factor: a thousand plans share what they sell alike."""


def selectors(findings: Findings, entry: Entry, path: tuple[str | int, ...], text: SelectorText) -> Selectors:
    """What a use must be like, with every name checked."""
    one = [
        (field, frozenset(_word(key, value) for value in _listed(getattr(text, key))))
        for key, field in ONE.items()
        if getattr(text, key) != ()
    ]
    some = [
        (key, frozenset(map(str, _listed(getattr(text, key))))) for key in ("call", "when") if getattr(text, key) != ()
    ]
    where = entry.source(*path)
    for key, section in SECTION.items():
        for name in _listed(getattr(text, key)):
            if name not in findings.entries[section]:
                findings.unknown(where, section, str(name))
    for figure in (*_listed(text.rating_group), *_listed(text.service_id)):
        if not 0 <= int(figure) < 2**32:
            findings.problem(where, f"{figure} is no rating group or service identifier", "0 to 4294967295")
    ours = any(network.written.own for network in findings.entries["networks"].values())
    if not ours and {"on-net", "off-net"} & set(_listed(text.call)):
        findings.problem(where, "on-net: no network is ours", "write own = true in one of [networks]")
    return Selectors(one=tuple(one), some=tuple(some))


def _listed(value: Word | tuple[Word, ...]) -> tuple[Word, ...]:
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


def offer(findings: Findings, name: str, entry: Entry, known: Mapping[str, Rate]) -> Offer | None:
    """A bundle."""
    written: OfferText = entry.written
    paid = [known[rate] for rate in written.pays if rate in known]
    if not written.pays:
        findings.problem(entry.source("pays"), f"offer {name!r} pays for nothing", "name at least one rate")
    if not paid:
        return None
    unit = paid[0].service.unit
    if any(rate.service.unit is not unit for rate in paid):
        findings.problem(entry.source("pays"), "the rates of an offer are all counted in the same unit")
    amount = findings.read(entry, "amount", lambda: quantities.quantity(written.amount, unit), 1)
    monthly = written.validity == "month"
    validity = 0
    if written.validity and not monthly:
        validity = findings.read(entry, "validity", lambda: quantities.seconds(written.validity), 1)
    if amount < 1:
        findings.problem(entry.source("amount"), "an offer gives at least one unit")
    zone = timezone(findings, entry, written.timezone)
    return Offer(
        name=name, unit=unit, amount=amount, validity=validity, monthly=monthly, zone=zone,
        until=times.after(written.until, zone) if written.until else None, priority=written.priority,
        filters=selectors(findings, entry, (), written), source=entry.source(),
    )  # fmt: skip


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
        timezone(findings, entry, written.timezone), windows, materials.holidays.get(written.holidays, frozenset())
    )
    return Plan(
        name=name, currency=written.currency, currencies=frozenset(factors),
        country=country.written.code if country else "", rules=rules, source=entry.source(), clock=clock,
        timed=bool(windows) or dated, tax=_tax(findings, entry, written.tax),
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
    chosen = selectors(findings, entry, (kind.value, number), text)
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
        key = (name, scale, rounding)
        if key not in materials.priced:
            made = [rates.adjusted(findings, rate, scale, rounding, where, other) for rate in found]
            materials.priced[key] = tuple(rate for rate in made if rate is not None)
        priced[other] = materials.priced[key]
        if len(priced[other]) != len(found):
            return None
    adjustment = (
        f"surcharge {text.surcharge}" if text.surcharge else f"discount {text.discount}" if text.discount else ""
    )
    return Rule(selectors=chosen, rates=priced, source=where, incoming=text.incoming, deck=deck, adjustment=adjustment)


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
