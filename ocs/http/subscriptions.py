"""Subscriptions: offers that renew, subscribed to and ended, and when they renew next."""

from balances.ledger import Cancellation, Subscription
from balances.money import format_amount
from charging.catalogue import Catalogue
from charging.gifts import WrongCurrency
from charging.renewals import NotRecurring, subscription
from ocs.http.accounts import resolve
from ocs.http.auth import Role
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.loans import active_account
from ocs.http.models import (
    SubscriptionCreate,
    SubscriptionEnded,
    SubscriptionGiven,
    SubscriptionList,
    SubscriptionView,
)
from ocs.http.problems import Kind, Problem
from ocs.http.views import bucket_view, moment, money_view


async def subscribe(house: House, call: Call[SubscriptionCreate, None]) -> Reply:
    catalogue = house.engine.catalogue
    offer = catalogue.offer(call.body.offer)
    if offer is None:
        raise Problem(Kind.UNKNOWN_OFFER, f"The catalogue has no offer {call.body.offer!r}.")
    account, _ = await active_account(house, call.path["account"])
    try:
        new = subscription(catalogue, offer, account, call.key, house.clock())
    except NotRecurring:
        raise Problem(Kind.NOT_RECURRING, f"The offer {offer.name!r} is given once.") from None
    except WrongCurrency as error:
        raise Problem(Kind.WRONG_CURRENCY, f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    receipt = await house.ledger.subscribe(new)
    if not receipt.repeated:
        house.changed(account.address)
    bucket = next(bucket for bucket in receipt.account.buckets if bucket.id == receipt.bucket)
    return Reply(
        status=200 if receipt.repeated else 201,
        body=SubscriptionGiven(
            entry=receipt.entry,
            account=account.address.account,
            offer=offer.name,
            fee=format_amount(receipt.deducted),
            money=money_view(receipt.account),
            bucket=bucket_view(bucket),
        ),
    )


async def unsubscribe(house: House, call: Call[None, None]) -> Reply:
    address, offer = await resolve(house, call.path["account"]), call.path["offer"]
    ended = Cancellation(address=address, operation=call.key, offer=offer, now=house.clock())
    receipt = await house.ledger.unsubscribe(ended)
    return Reply(body=SubscriptionEnded(entry=receipt.entry, account=address.account, offer=offer))


async def listing(house: House, call: Call[None, None]) -> Reply:
    found = await house.ledger.subscriptions(await resolve(house, call.path["account"]))
    return Reply(body=SubscriptionList(subscriptions=tuple(_view(house.engine.catalogue, one) for one in found)))


def _view(catalogue: Catalogue, one: Subscription) -> SubscriptionView:
    offer = catalogue.offer(one.offer)
    recurrence = offer.recurrence if offer else None
    return SubscriptionView(
        offer=one.offer,
        state=one.state,
        price=f"{format_amount(recurrence.price)} {recurrence.currency}".strip() if recurrence else None,
        starts_at=moment(one.starts_at),
        ends_at=moment(one.ends_at),
        renews_at=moment(one.due_at),
        buckets=tuple(filter(None, (one.carried, one.bucket))),
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/accounts/{account}/subscriptions",
        summary="Subscribe to an offer that renews: pay its first period and get its bucket",
        handler=subscribe,
        role=Role.OPERATE,
        body=SubscriptionCreate,
        keyed=True,
        returns={201: SubscriptionGiven, 200: SubscriptionGiven},
        problems=(404, 409),
    ),
    Operation(
        method="GET",
        path="/v1/accounts/{account}/subscriptions",
        summary="What the account has subscribed to, and when it renews",
        handler=listing,
        returns={200: SubscriptionList},
        problems=(404,),
    ),
    Operation(
        method="DELETE",
        path="/v1/accounts/{account}/subscriptions/{offer}",
        summary="End a subscription; what is paid for may be used up",
        handler=unsubscribe,
        role=Role.OPERATE,
        keyed=True,
        returns={200: SubscriptionEnded},
        problems=(404, 409),
    ),
)
