"""Prices: the tables ``[rates.<name>]``, and what surcharges, discounts and other currencies make of them."""

from collections.abc import Mapping
from fractions import Fraction

from msgspec.structs import replace

from balances.ledger import Quote, Unit
from balances.price import FREE
from charging import rating
from charging.catalogue import quantities, terms
from charging.catalogue.decks import Deck, DeckTerms
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.plan import Rate, ServiceTerms
from charging.catalogue.schema import DeckText, RateText, TierText
from charging.catalogue.services import LARGEST, sharing
from charging.catalogue.source import Source
from charging.event import ServiceKind
from charging.rating import Rounding, Tariff

Services = Mapping[ServiceKind, ServiceTerms]


def service_of(findings: Findings, entry: Entry, services: Services) -> ServiceTerms | None:
    """The service a rate or deck is for."""
    name = entry.written.service
    service = services.get(ServiceKind(name)) if name in set(ServiceKind) else None
    if service is None and name not in findings.entries["services"]:
        findings.unknown(entry.source("service"), "services", name)
    return service


def rate(findings: Findings, name: str, entry: Entry, services: Services, offers: tuple[str, ...]) -> Rate | None:
    """A rate."""
    written: RateText = entry.written
    service = service_of(findings, entry, services)
    if service is None:
        return None
    tariff, currency = _tariff(findings, entry, service.unit)
    if written.quota:
        unit = service.unit
        size = findings.read(entry, "quota", lambda: quantities.quantity(written.quota, unit), service.quota)
        if not service.least <= size <= service.most:
            findings.problem(entry.source("quota"), f"the quota must lie within minimum and maximum of {service.kind}")
        service = replace(service, quota=size)
    if written.share or written.floor:
        share, floor = sharing(findings, entry, service.unit, service.quota)
        service = replace(service, share=share, floor=floor)
    where = entry.source("tiers" if written.tiers else "price")
    stated = Rounding(written.rounding) if written.rounding else None
    made = Rate(
        name=name, service=service, currency=currency, source=entry.source(), tariff=tariff, rounding=stated,
        quote=_quote(service, offers), along=written.along,
    )  # fmt: skip
    return priced(findings, made, tariff, where)


def _quote(service: ServiceTerms, offers: tuple[str, ...]) -> Quote:
    return Quote(price=FREE, offers=offers, terms=terms.encode(service), share=service.share, floor=service.floor)


def priced(findings: Findings, rate: Rate, tariff: Tariff, where: Source, currency: str = "") -> Rate | None:
    """The rate at this tariff; None, and a problem, if that cannot be counted."""
    try:
        price = rating.price(tariff, LARGEST[rate.service.unit])
    except rating.RatingError as error:
        findings.problem(where, f"{rate.name}{currency and f' in {currency}'}: {error}")
        return None
    return replace(rate, tariff=tariff, quote=replace(rate.quote, price=price))


def adjusted(
    findings: Findings, rate: Rate, factor: Fraction, rounding: Rounding, where: Source, currency: str
) -> Rate | None:
    """The rate as a plan's line sells it: with its surcharge and in its currency, rounded as rate or plan say."""
    tariff = replace(rate.tariff, rounding=rate.rounding or rounding)
    if factor != 1:
        tariff = rating.scaled(tariff, factor)
    return rate if tariff == rate.tariff else priced(findings, rate, tariff, where, currency)


def deck_terms(
    findings: Findings, name: str, entry: Entry, services: Services
) -> tuple[DeckTerms, ServiceTerms] | None:
    """What holds for every line of a deck."""
    written: DeckText = entry.written
    service = service_of(findings, entry, services)
    if service is None:
        return None
    unit = service.unit
    if unit is not Unit.EVENTS and not written.per:
        findings.problem(entry.source("service"), f"the deck does not say per how many {unit}", 'write per = "min"')
    per = findings.read(entry, "per", lambda: quantities.quantity(written.per, unit), 1) if written.per else 1
    blocks = findings.read(entry, "blocks", lambda: quantities.blocks(written.blocks, unit), (1, 1))
    setup = 0
    if written.setup:
        setup, currency = findings.read(entry, "setup", lambda: quantities.money(written.setup), (0, ""))
        if currency not in ("", written.currency):
            findings.problem(entry.source("setup"), f"in {currency}, the deck in {written.currency}", "wrong currency")
    rounding = Rounding(written.rounding or Rounding.HALF_UP)
    return (
        DeckTerms(
            name=name, unit=unit, per=max(1, per), currency=written.currency, blocks=blocks, setup=setup,
            rounding=rounding,
        ),
        service,
    )  # fmt: skip


def deck_rates(
    findings: Findings, entry: Entry, deck: Deck, service: ServiceTerms, offers: tuple[str, ...]
) -> tuple[Rate, ...]:
    """A rate for each different tariff of a deck."""
    written: DeckText = entry.written
    first_lines: dict[int, int] = {}
    for packed in deck.table.values():
        for value in [packed] if isinstance(packed, int) else [each for _, each in packed]:
            number, line = deck.unpack(value)
            first_lines[number] = min(line, first_lines.get(number, line))
    stated = Rounding(written.rounding) if written.rounding else None
    quote = _quote(service, offers)
    made = []
    for number, tariff in enumerate(deck.tariffs):
        source = Source(file=deck.file, line=first_lines.get(number, 1))
        base = Rate(
            name=deck.name, service=service, currency=written.currency, source=source, tariff=tariff, rounding=stated,
            quote=quote,
        )  # fmt: skip
        made.append(priced(findings, base, tariff, source))
    return tuple(rate for rate in made if rate is not None)


def _tariff(findings: Findings, entry: Entry, unit: Unit) -> tuple[rating.Tariff, str]:
    written: RateText = entry.written
    if bool(written.price) == bool(written.tiers):
        findings.problem(entry.source(), "a rate has a price, or tiers", 'write price = "0.01 EUR per MB"')
    currencies: set[str] = set()
    tiers: list[rating.Tier] = []
    texts = written.tiers or (TierText(price=written.price),)
    for number, text in enumerate(texts):
        tier = _tier(findings, entry, number, text, unit, currencies)
        if tier is not None:
            tiers.append(tier)
    _tier_order(findings, entry, tiers)
    first, block = findings.read(entry, "blocks", lambda: quantities.blocks(written.blocks, unit), (1, 1))
    setup = 0
    if written.setup:
        setup, currency = findings.read(entry, "setup", lambda: quantities.money(written.setup), (0, ""))
        currencies |= {currency} - {""}
    minimum = 0
    if written.minimum:
        minimum, currency = findings.read(entry, "minimum", lambda: quantities.money(written.minimum), (0, ""))
        currencies |= {currency} - {""}
    free = findings.read(entry, "free", lambda: quantities.quantity(written.free, unit), 0) if written.free else 0
    if len(currencies) > 1:
        findings.problem(entry.source(), f"one rate, several currencies: {', '.join(sorted(currencies))}")
    gratis = len(tiers) == 1 and not tiers[0].amount
    tariff = rating.Tariff(
        tiers=() if gratis else tuple(tiers),
        block=block,
        first=first,
        setup=max(0, setup),
        free=free,
        rounding=Rounding(written.rounding or Rounding.HALF_UP),
        minimum=max(0, minimum),
    )
    return tariff, next(iter(currencies), "")


def _tier(
    findings: Findings, entry: Entry, number: int, text: TierText, unit: Unit, currencies: set[str]
) -> rating.Tier | None:
    key = ("tiers", number, "price") if entry.written.tiers else ("price",)
    if not text.price:
        return None
    unread: tuple[rating.Tier | None, str] = (None, "")
    tier, currency = findings.read(entry, key, lambda: quantities.unit_price(text.price, unit), unread)
    currencies |= {currency} - {""}
    upto = None
    if text.upto:
        upto = findings.read(entry, ("tiers", number, "upto"), lambda: quantities.quantity(text.upto, unit), 1)
    return rating.Tier(amount=tier.amount if tier else 0, per=tier.per if tier else 1, upto=upto)


def _tier_order(findings: Findings, entry: Entry, tiers: list[rating.Tier]) -> None:
    """Each tier begins where the one before it ends: no gap, no overlap."""
    reached = 0
    for number, tier in enumerate(tiers):
        where = entry.source("tiers", number)
        last = number == len(tiers) - 1
        if last and tier.upto is not None:
            findings.problem(where, f"gap: nothing is said beyond {tier.upto}", "the last tier has no upto")
        elif not last and tier.upto is None:
            findings.problem(
                where, "overlap: this tier has no end, those after it are never reached", "give it an upto"
            )
        elif tier.upto is not None and tier.upto <= reached:
            findings.problem(where, "overlap: this tier ends before it begins", "write tiers in order of use")
        reached = tier.upto or reached
