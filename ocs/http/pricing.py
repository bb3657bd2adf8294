"""What would it cost, and why."""

from collections.abc import Iterator
from datetime import datetime

from balances.ledger import Unit
from balances.money import format_amount
from charging.event import ChargingEvent, Identity, Phase, Reason, RequestItem, Result, Service
from charging.explain import Explanation, LevelPrice, PricedItem
from ocs.http.accounts import resolve
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import LevelPriceView, PaymentView, PriceCreate, PricedItemView, PriceView
from ocs.http.problems import Kind, Problem, invalid
from ocs.http.views import quantity, readable


async def price(house: House, call: Call[PriceCreate, None]) -> Reply:
    asked = call.body
    if asked.account is None and asked.plan is None:
        raise invalid("/account", "An account or a plan is needed.")
    if asked.plan is not None and house.engine.catalogue.find(asked.plan) is None:
        raise Problem(Kind.UNKNOWN_PLAN, f"The catalogue has no plan {asked.plan!r}.")
    identities = await _identities(house, asked.account) if asked.account is not None else ()
    explanation = await house.engine.explain(event_of(asked, identities, house.clock()), asked.plan or "")
    return Reply(body=price_view(explanation))


async def _identities(house: House, account: str) -> tuple[Identity, ...]:
    found = await house.ledger.account(await resolve(house, account))
    if not found.identities:
        raise Problem(Kind.NOT_REASONABLE, f"Account {account!r} has no identity by which it could be charged.")
    return found.identities


def event_of(asked: PriceCreate, identities: tuple[Identity, ...], now: int) -> ChargingEvent:
    """The event that is only thought of; raises Problem."""
    service = asked.service
    at = _moment(asked.at) if asked.at else now
    item = RequestItem(
        key="item",
        rating_group=asked.rating_group,
        service_id=asked.service_id,
        unit=asked.unit,
        wanted=asked.units or 0,
    )
    return ChargingEvent(
        session="",
        operation="",
        fingerprint=0,
        phase=Phase.EVENT,
        door=asked.door,
        at=at,
        now=max(now, at),
        identities=identities,
        service=Service(
            kind=service.kind,
            calling=service.calling,
            called=service.called,
            incoming=service.incoming,
            apn=service.apn,
            rat=service.rat,
            visited=service.visited,
            home=service.home,
            location=service.location,
            context=service.context,
            origin=service.origin,
            qos=service.qos,
            access=service.access,
        ),
        items=(item,),
    )


def _moment(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise invalid("/at", f"{text!r} is no date and time with an offset, such as 2026-12-31T22:30:00+01:00.")
    return int(found.timestamp()) * 1000


def price_view(explanation: Explanation) -> PriceView:
    """The explanation with money as decimals and every decision as a sentence."""
    anybody = not explanation.account  # there is no balance that could be too low
    return PriceView(
        result=Result.OK if anybody and explanation.result is Result.NO_CREDIT else explanation.result,
        account=explanation.account or None,
        plan=explanation.plan,
        plan_source=explanation.plan_source,
        currency=explanation.currency,
        catalogue=explanation.catalogue,
        price=format_amount(explanation.price),
        tax=format_amount(explanation.tax),
        cost=None if anybody else format_amount(explanation.cost),
        available=None if anybody else format_amount(explanation.available),
        items=tuple(_item_view(item, anybody) for item in explanation.items),
        levels=tuple(_level_view(level) for level in explanation.levels),
        reasons=tuple(reasons(explanation)),
    )


def _level_view(level: LevelPrice) -> LevelPriceView:
    return LevelPriceView(
        account=level.account,
        plan=level.plan,
        shared=level.shared,
        price=format_amount(level.price),
        margin=None if level.margin is None else format_amount(level.margin),
        available=format_amount(level.available),
        reason=level.reason,
    )


def _item_view(item: PricedItem, anybody: bool) -> PricedItemView:
    return PricedItemView(
        unit=item.unit,
        units=quantity(item.unit, item.units),
        granted=None if anybody else quantity(item.unit, item.granted),
        price=format_amount(item.price),
        tax=format_amount(item.tax),
        cost=None if anybody else format_amount(item.cost),
        zone=item.zone,
        facts=item.facts,
        rule=item.rule,
        selectors=item.selectors,
        adjustment=item.adjustment,
        rate=item.rate,
        rate_source=item.rate_source,
        reason=Reason.NONE if anybody and item.reason is Reason.NO_CREDIT else item.reason,
        payments=tuple(
            PaymentView(
                bucket=one.bucket,
                offer=one.offer,
                unit=one.unit,
                units=quantity(one.unit, one.units),
                left=quantity(one.unit, one.left),
            )
            for one in item.payments
        ),
        overage=item.overage,
        throttle=item.throttle,
    )


def reasons(explanation: Explanation) -> Iterator[str]:
    """Why it costs what it costs, in the order in which it was decided."""
    if explanation.plan:
        source = f" ({explanation.plan_source})" if explanation.plan_source else ""
        whose = f"Account {explanation.account} is on plan" if explanation.account else "Priced by plan"
        yield f"{whose} {explanation.plan}{source}."
    for item in explanation.items:
        if item.facts:
            yield f"Known of the use: {'; '.join(item.facts)}."
        if item.rate:
            matched = f" ({item.selectors})" if item.selectors else ""
            yield f"The plan's line {item.rule}{matched} leads to rate {item.rate} ({item.rate_source})."
            if item.adjustment:
                yield f"The line has a {item.adjustment}."
            yield (
                f"{readable(item.unit, item.units)} would cost "
                f"{readable(explanation.currency, item.price)} if money alone paid."
            )
        if item.tax:
            yield f"Of that {readable(explanation.currency, item.tax)} are tax."
        for one in item.payments:
            asset = explanation.currency if one.unit is Unit.MONEY else one.unit
            yield (
                f"Bucket {one.bucket} pays {readable(asset, one.units)} first; "
                f"{readable(asset, one.left)} are left in it."
            )
        for bucket, why in item.passed_over:
            yield f"Bucket {bucket} pays nothing: {why}."
        if item.overage:
            slowed = f", slowed down to {item.throttle}" if item.throttle else ""
            yield f"Beyond it the overage of offer {item.overage} holds{slowed}."
        elif item.throttle:
            yield f"A meter's limit is reached: slowed down to {item.throttle}."
        if item.cost:
            yield f"Money pays {readable(explanation.currency, item.cost)}."
        if item.why:
            yield f"{item.why[0].upper()}{item.why[1:]}."
        elif item.granted < item.units and explanation.account:
            yield f"The balance is enough for {readable(item.unit, item.granted)}."
    for level in explanation.levels:
        price = readable(explanation.currency, level.price)
        margin = "" if level.margin is None else f", a margin of {format_amount(level.margin)}"
        how = "pays in its place" if level.shared else f"buys it for {price} by plan {level.plan}{margin}"
        yield f"Account {level.account} {how}{f', and cannot: {level.reason}' if level.reason else ''}."
    if explanation.reason and all(explanation.reason != item.why for item in explanation.items):
        yield f"{explanation.reason[0].upper()}{explanation.reason[1:]}."


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/price",
        summary="What would it cost, and why? Nothing is reserved or debited",
        handler=price,
        body=PriceCreate,
        returns={200: PriceView},
        problems=(404,),
    ),
)
