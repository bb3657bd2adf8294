"""Money and bundles in and out: top-ups, adjustments, gifts; consent to spend more.

Each happens once for its Idempotency-Key. A top-up repays a loan first.

The answers are made of the request and the stored receipt (the account as it was right after) only, so that a repeat
says the same word for word.
"""

from fractions import Fraction

from balances.ledger import Lift, Movement
from balances.money import format_amount
from charging.gifts import WrongCurrency, gift
from charging.life import credit
from ocs.http.accounts import read_amount, resolve
from ocs.http.auth import Role
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import (
    AdjustmentCreate,
    AdjustmentView,
    BucketCreate,
    GiftView,
    LiftCreate,
    LiftView,
    TopUpCreate,
    TopUpView,
)
from ocs.http.problems import Kind, Problem, invalid
from ocs.http.views import bucket_view, moment, money_view

TOP_UP = "topup"
ADJUSTMENT = "adjustment"
"""Causes in the ledger entries."""


async def top_up(house: House, call: Call[TopUpCreate, None]) -> Reply:
    amount = read_amount(call.body.amount, "/amount")
    if amount <= 0:
        raise invalid("/amount", "A top-up is above zero; an adjustment may take money out.")
    movement = Movement(
        address=await resolve(house, call.path["account"]),
        operation=call.key,
        amount=amount,
        cause=TOP_UP,
        reference=call.body.reference,
        now=house.clock(),
    )
    receipt = await credit(house.ledger, house.engine.catalogue, movement)
    if not receipt.repeated:
        house.credited(movement.address)
    return Reply(
        status=200 if receipt.repeated else 201,
        body=TopUpView(
            entry=receipt.entry,
            account=movement.address.account,
            amount=format_amount(amount),
            repaid=format_amount(receipt.deducted),
            reference=movement.reference,
            money=money_view(receipt.account),
        ),
    )


async def adjust(house: House, call: Call[AdjustmentCreate, None]) -> Reply:
    amount = read_amount(call.body.amount, "/amount")
    if amount == 0:
        raise invalid("/amount", "An adjustment of zero changes nothing.")
    movement = Movement(
        address=await resolve(house, call.path["account"]),
        operation=call.key,
        amount=amount,
        cause=ADJUSTMENT,
        reference=call.body.reason,
        now=house.clock(),
    )
    receipt = await house.ledger.move(movement)
    if amount > 0 and not receipt.repeated:
        house.credited(movement.address)
    return Reply(
        status=200 if receipt.repeated else 201,
        body=AdjustmentView(
            entry=receipt.entry,
            account=movement.address.account,
            amount=format_amount(amount),
            reason=movement.reference,
            money=money_view(receipt.account),
        ),
    )


async def give(house: House, call: Call[BucketCreate, None]) -> Reply:
    offer = house.engine.catalogue.offer(call.body.offer)
    if offer is None:
        raise Problem(Kind.UNKNOWN_OFFER, f"The catalogue has no offer {call.body.offer!r}.")
    account = await house.ledger.account(await resolve(house, call.path["account"]))
    try:
        given = gift(house.engine.catalogue, offer, account, call.key, house.clock())
    except WrongCurrency as error:
        raise Problem(Kind.WRONG_CURRENCY, f"{error}.") from error
    receipt = await house.ledger.give(given)
    if not receipt.repeated:
        house.changed(given.address)
    bucket = next(bucket for bucket in receipt.account.buckets if bucket.id == receipt.bucket)
    return Reply(
        status=200 if receipt.repeated else 201,
        body=GiftView(entry=receipt.entry, account=given.address.account, bucket=bucket_view(bucket)),
    )


async def lift(house: House, call: Call[LiftCreate, None]) -> Reply:
    meter = house.engine.catalogue.meters.get(call.path["meter"])
    if meter is None:
        raise Problem(Kind.UNKNOWN_METER, f"The catalogue has no meter {call.path['meter']!r}.")
    account = await house.ledger.account(await resolve(house, call.path["account"]))
    now = house.clock()
    plan = house.engine.catalogue.find(account.plan, now)
    if plan is None:
        raise Problem(Kind.UNKNOWN_PLAN, f"The catalogue has no plan {account.plan!r}.")
    consent = Lift(
        address=account.address,
        operation=call.key,
        meter=meter.name,
        unit=meter.unit,
        ends_at=meter.metering(now, plan.clock.zone, Fraction(1), "").ends_at,
        reference=call.body.reference,
        now=now,
    )
    receipt = await house.ledger.lift(consent)
    if not receipt.repeated:
        house.credited(account.address)
    lifted = next(each for each in receipt.account.meters if each.name == meter.name)
    return Reply(
        status=200 if receipt.repeated else 201,
        body=LiftView(
            entry=receipt.entry, account=account.address.account, meter=meter.name, ends_at=moment(lifted.ends_at)
        ),
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/accounts/{account}/topups",
        summary="Top up",
        handler=top_up,
        role=Role.OPERATE,
        body=TopUpCreate,
        keyed=True,
        returns={201: TopUpView, 200: TopUpView},
        problems=(404, 409),
    ),
    Operation(
        method="POST",
        path="/v1/accounts/{account}/adjustments",
        summary="Correct the balance, either sign",
        handler=adjust,
        role=Role.ADMIN,
        body=AdjustmentCreate,
        keyed=True,
        returns={201: AdjustmentView, 200: AdjustmentView},
        problems=(404, 409),
    ),
    Operation(
        method="POST",
        path="/v1/accounts/{account}/buckets",
        summary="Give a bundle of the catalogue",
        handler=give,
        role=Role.OPERATE,
        body=BucketCreate,
        keyed=True,
        returns={201: GiftView, 200: GiftView},
        problems=(404, 409),
    ),
    Operation(
        method="POST",
        path="/v1/accounts/{account}/meters/{meter}/lift",
        summary="Lift a meter's limits until its period ends: the subscriber consents",
        handler=lift,
        role=Role.OPERATE,
        body=LiftCreate,
        keyed=True,
        returns={201: LiftView, 200: LiftView},
        problems=(404, 409),
    ),
)
