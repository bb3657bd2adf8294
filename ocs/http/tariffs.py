"""The catalogue in force as a person reads it: plans with their lines in the order they are tried, and offers."""

from collections.abc import Iterator

from balances.ledger import Record, Unit
from balances.money import format_amount
from charging.catalogue import Catalogue
from charging.catalogue.plan import Plan, Rate, Rule
from charging.event import ServiceKind
from charging.rating import Tariff, Tier
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.views import quantity, readable

MEASURES = {
    (Unit.OCTETS, 10**3): "per kB",
    (Unit.OCTETS, 10**6): "per MB",
    (Unit.OCTETS, 10**9): "per GB",
    (Unit.SECONDS, 1): "per second",
    (Unit.SECONDS, 60): "per minute",
    (Unit.SECONDS, 3600): "per hour",
    (Unit.EVENTS, 1): "each",
}


class LineOfPlan(Record, frozen=True, kw_only=True):
    """One line: for which service and under which conditions it holds, and what it costs."""

    service: ServiceKind
    incoming: bool
    conditions: str
    rate: str
    price: str
    offers: tuple[str, ...]
    """Whose bundles pay first."""
    source: str


class PlanView(Record, frozen=True, kw_only=True):
    """A plan: the first line of a service that fits decides."""

    name: str
    currency: str
    lines: tuple[LineOfPlan, ...]


class OfferView(Record, frozen=True, kw_only=True):
    """A bundle that can be given."""

    name: str
    unit: Unit
    amount: int | str
    validity: int
    """Seconds; 0: no end, or one by the calendar."""
    renews: str
    """For who subscribes: how often, and for how much; empty: it does not."""
    conditions: str
    text: str


class TariffsView(Record, frozen=True, kw_only=True):
    """The catalogue in force in this process."""

    version: str
    plans: tuple[PlanView, ...]
    offers: tuple[OfferView, ...]


async def tariffs(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    return Reply(body=tariffs_view(house.engine.catalogue))


def tariffs_view(catalogue: Catalogue) -> TariffsView:
    return TariffsView(
        version=catalogue.version,
        plans=tuple(
            PlanView(name=plan.name, currency=plan.currency, lines=tuple(_lines(plan)))
            for plan in catalogue.plans.values()
        ),
        offers=tuple(
            OfferView(
                name=offer.name,
                unit=offer.unit,
                amount=quantity(offer.unit, offer.amount),
                validity=offer.validity,
                renews=str(offer.recurrence or ""),
                conditions=str(offer.filters),
                text=readable(offer.unit, offer.amount),
            )
            for offer in catalogue.offers.values()
        ),
    )


def _lines(plan: Plan) -> Iterator[LineOfPlan]:
    for kind, rules in plan.rules.items():
        for rule in rules:
            rates = rule.rates[plan.currency]
            yield LineOfPlan(
                service=kind,
                incoming=rule.incoming,
                conditions=str(rule.selectors),
                rate=rates[0].name if rule.deck is None else f"deck of {len(rates)} prices",
                price=_price(rule, rates, plan.currency),
                offers=rates[0].quote.offers if rates else (),
                source=str(rule.source),
            )


def _price(rule: Rule, rates: tuple[Rate, ...], currency: str) -> str:
    adjustment = f", {rule.adjustment}" if rule.adjustment else ""
    if rule.deck is not None:
        return f"by the dialled prefix{adjustment}"
    return describe(rates[0].tariff, rates[0].service.unit, currency) + adjustment


def describe(tariff: Tariff, unit: Unit, currency: str) -> str:
    """A price in words: ``0.01 EUR per MB in blocks of 100 kB``."""
    said = [f"{format_amount(tariff.setup)} {currency} at the start"] if tariff.setup else []
    if tariff.free:
        said.append(f"the first {readable(unit, tariff.free)} free")
    said += [_tier(tier, unit, currency) for tier in tariff.tiers if tier.amount]
    if not said:
        return "free"
    if tariff.block > 1:
        said.append(f"in blocks of {readable(unit, tariff.block)}")
    if tariff.first not in (0, 1, tariff.block):
        said.append(f"the first of {readable(unit, tariff.first)}")
    if tariff.minimum:
        said.append(f"at least {format_amount(tariff.minimum)} {currency}")
    return ", ".join(said)


def _tier(tier: Tier, unit: Unit, currency: str) -> str:
    per = MEASURES.get((unit, tier.per)) or f"per {readable(unit, tier.per)}"
    upto = f" up to {readable(unit, tier.upto)}" if tier.upto is not None else ""
    return f"{format_amount(tier.amount)} {currency} {per}{upto}"


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/tariffs",
        summary="Read the catalogue in force: plans with their lines, and offers",
        handler=tariffs,
        returns={200: TariffsView},
    ),
)
