"""Carriers and routings: the tables ``[carriers.<name>]`` and ``[routings.<name>]``."""

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from balances.ledger import Record
from balances.price import Price
from charging.catalogue import quantities, rates
from charging.catalogue.decks import Deck
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.plan import Rate
from charging.catalogue.schema import CarrierText, RoutingText
from charging.catalogue.source import Source
from charging.catalogue.times import Clock, Window, local_day
from charging.event import ServiceKind
from charging.rating import Rounding

Decks = Mapping[str, tuple[Deck, tuple[Rate, ...]]]

MOST = 10
"""Routes that can be offered for a call: q-values have one decimal here."""


class Carrier(Record, frozen=True, kw_only=True):
    """Somebody who terminates calls, and what it takes for that."""

    name: str
    contact: str
    """URI of its gateway, with the door's fields (``{b}``: who is called)."""
    deck: Deck
    costs: Mapping[str, tuple[Price, ...]]
    """Its prices by currency, in the order of the deck's tariffs."""
    quality: int
    """Per cent, as the operator judges it: the share of answered calls, say."""
    weight: int
    """Its share of the calls among carriers that are otherwise alike."""
    clock: Clock
    when: frozenset[str]
    """The times of ``clock`` in one of which it may be used; none: always."""
    source: Source

    def open(self, at: int) -> bool:
        """May it be used at this time (milliseconds)?"""
        return not self.when or not self.when.isdisjoint(self.clock.segment(at).holding)

    def price(self, number: str, at: int, currency: str) -> Price | None:
        """What it takes for a call to this number; None: it does not go there, or not for this currency."""
        prices = self.costs.get(currency)
        day = local_day(at, self.clock.zone)
        found = self.deck.find(number, day) if prices else None
        return prices[found.tariff] if prices and found else None


class Order(StrEnum):
    """By what routes are chosen first; the other two decide among equals."""

    COST = "cost"
    QUALITY = "quality"
    WEIGHT = "weight"


class Routing(Record, frozen=True, kw_only=True):
    """Which carriers come into question for a call, and in which order they are tried."""

    name: str
    carriers: tuple[Carrier, ...]
    order: Order
    least_quality: int
    most: int
    length: int
    """Seconds of a call as which costs and price are compared, set-up fees and first blocks included."""
    at_a_loss: bool
    """May a call cost more than it brings?"""
    source: Source


def carrier(
    findings: Findings, name: str, entry: Entry, decks: Decks, windows: Mapping[str, Window],
    conversions: Mapping[str, Mapping[str, Fraction]],
) -> Carrier | None:  # fmt: skip
    """A carrier; None, and problems, if it cannot be used."""
    written: CarrierText = entry.written
    if written.deck not in findings.entries["decks"]:
        findings.unknown(entry.source("deck"), "decks", written.deck)
    if not 0 <= written.quality <= 100:
        findings.problem(entry.source("quality"), f"{written.quality} is no percentage", "0 to 100")
    if not 1 <= written.weight <= 1_000_000:
        findings.problem(entry.source("weight"), f"{written.weight} is no weight", "1 to 1000000")
    if not written.contact.lower().startswith(("sip:", "sips:", "tel:")) or set(written.contact) & set("<>, \t\r\n"):
        findings.problem(entry.source("contact"), f"{written.contact!r} is no SIP URI", "sip:{b}@gateway.example.net")
    when = (written.when,) if isinstance(written.when, str) else written.when
    for each in when:
        if each not in findings.entries["times"]:
            findings.unknown(entry.source("when"), "times", each)
    zone = findings.read(entry, "timezone", lambda: _zone(written.timezone), ZoneInfo("UTC"))
    if written.deck not in decks or not decks[written.deck][1]:
        return None
    deck, sold = decks[written.deck]
    if sold[0].service.kind is not ServiceKind.VOICE:
        findings.problem(entry.source("deck"), f"deck {written.deck!r} is for {sold[0].service.kind}, not for voice")
    known = {each: windows[each] for each in when if each in windows}
    return Carrier(
        name=name, contact=written.contact, deck=deck, costs=_costs(findings, sold, conversions, entry.source("deck")),
        quality=written.quality, weight=written.weight, clock=Clock(zone, known, frozenset()), when=frozenset(when),
        source=entry.source(),
    )  # fmt: skip


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise quantities.QuantityError(f"{name!r} is no time zone: such as Europe/Berlin") from None


def _costs(
    findings: Findings, sold: tuple[Rate, ...], conversions: Mapping[str, Mapping[str, Fraction]], where: Source
) -> dict[str, tuple[Price, ...]]:
    """The deck's prices in its own currency, and in those it converts to; costs are rounded up."""
    own = sold[0].currency
    costs: dict[str, tuple[Price, ...]] = {}
    for currency, factor in {own: Fraction(1), **conversions.get(own, {})}.items():
        made = [rates.adjusted(findings, rate, factor, Rounding.UP, where, currency) for rate in sold]
        prices = [rate.quote.price for rate in made if rate is not None]
        if len(prices) == len(sold):
            costs[currency] = tuple(prices)
    return costs


def routing(findings: Findings, name: str, entry: Entry, carriers: Mapping[str, Carrier]) -> Routing:
    """A routing."""
    written: RoutingText = entry.written
    if not written.carriers:
        findings.problem(entry.source("carriers"), "a routing has carriers", 'carriers = ["…"]')
    if len(set(written.carriers)) < len(written.carriers):
        findings.problem(entry.source("carriers"), "a carrier stands here twice")
    for number, each in enumerate(written.carriers):
        if each not in findings.entries["carriers"]:
            findings.unknown(entry.source("carriers", number), "carriers", each)
    if not 0 <= written.least_quality <= 100:
        findings.problem(entry.source("least_quality"), f"{written.least_quality} is no percentage", "0 to 100")
    if not 1 <= written.most <= MOST:
        findings.problem(entry.source("most"), f"{written.most} routes cannot be offered", f"1 to {MOST}")
    length = findings.read(entry, "length", lambda: quantities.seconds(written.length), 60)
    if not 1 <= length <= 86_400:
        findings.problem(entry.source("length"), f"{written.length!r} is no length of a call", 'such as "3 min"')
    return Routing(
        name=name, carriers=tuple(carriers[each] for each in written.carriers if each in carriers),
        order=Order(written.order), least_quality=written.least_quality, most=written.most, length=length,
        at_a_loss=written.at_a_loss, source=entry.source(),
    )  # fmt: skip
