"""From an offer that renews to the periods of an account's subscription: when, for how much, how many units. Pure."""

from fractions import Fraction

from balances.ledger import Account, NewSubscription, Period, Renewal, Subscription, SubscriptionState
from charging.catalogue import Catalogue
from charging.catalogue.model import Offer
from charging.catalogue.recurrence import Recurrence
from charging.catalogue.wallets import converted
from charging.gifts import WrongCurrency, zone_of

DAY = 86_400_000
"""Milliseconds after which a renewal that failed is tried again."""


class NotRecurring(ValueError):
    """The offer does not renew."""


def subscription(catalogue: Catalogue, offer: Offer, account: Account, operation: str, now: int) -> NewSubscription:
    """Subscribing to an offer at a time (milliseconds); raises NotRecurring, WrongCurrency."""
    if offer.recurrence is None:
        raise NotRecurring(offer.name)
    period = first(catalogue, offer, offer.recurrence, account, now)
    return NewSubscription(address=account.address, operation=operation, offer=offer.name, period=period, now=now)


def renewal(catalogue: Catalogue, account: Account, due: Subscription, now: int) -> Renewal:
    """The renewal of one that is due. What the catalogue has no more, or not in the account's currency, waits."""
    offer = catalogue.offer(due.offer)
    recurrence = offer.recurrence if offer else None
    period = None
    if offer and recurrence:
        try:
            period = following(catalogue, offer, recurrence, account, due, now)
        except WrongCurrency:
            period = None
    return Renewal(
        address=due.address,
        offer=due.offer,
        due_at=due.due_at,
        period=period,
        retry_at=None if recurrence and recurrence.stops else now + DAY,
        paused_until=now + DAY,
        now=now,
    )


def first(catalogue: Catalogue, offer: Offer, recurrence: Recurrence, account: Account, now: int) -> Period:
    """The period that begins now; raises WrongCurrency."""
    zone = offer.zone or zone_of(catalogue, account, now)
    since = recurrence.begins(now, zone)
    end = recurrence.next(since, now, zone)
    whole = recurrence.next(since, since, zone) - since
    part = Fraction(end - now, whole) if recurrence.prorated else Fraction(1)
    return _period(catalogue, offer, recurrence, account, (since, now, end), part)


def following(
    catalogue: Catalogue, offer: Offer, recurrence: Recurrence, account: Account, last: Subscription, now: int
) -> Period:
    """The period after the last one that was paid for; raises WrongCurrency.

    Where one was not paid for in time the next begins now. Periods that nobody renewed are passed over, unless the
    offer says that they are charged.
    """
    if last.state is SubscriptionState.WAITING:
        return first(catalogue, offer, recurrence, account, now)
    zone = offer.zone or zone_of(catalogue, account, now)
    start = last.ends_at
    end = recurrence.after(last.since, start, zone)
    while end <= now and not recurrence.charges_missed:
        start, end = end, recurrence.after(last.since, end, zone)
    return _period(catalogue, offer, recurrence, account, (last.since, start, end), Fraction(1))


def fee(catalogue: Catalogue, recurrence: Recurrence, account: Account, now: int) -> int:
    """What a whole period costs the account, in its currency; raises WrongCurrency."""
    if recurrence.currency in ("", account.currency):
        return recurrence.price
    plan = catalogue.find(account.plan, now)
    factor = plan.currencies.get(account.currency) if plan and plan.currency == recurrence.currency else None
    if factor is None:
        raise WrongCurrency(f"the price is in {recurrence.currency}, the account in {account.currency}")
    return converted(recurrence.price, factor)


def _period(
    catalogue: Catalogue, offer: Offer, recurrence: Recurrence, account: Account, span: tuple[int, int, int],
    part: Fraction,
) -> Period:  # fmt: skip
    """``span``: counted from, start, end. A part of a period costs and gives its share, rounded down."""
    if offer.currency not in ("", account.currency):
        raise WrongCurrency(f"{offer.name} is in {offer.currency}, the account in {account.currency}")
    since, start, end = span
    return Period(
        since=since,
        starts_at=start,
        ends_at=end,
        fee=int(fee(catalogue, recurrence, account, start) * part),
        unit=offer.unit,
        amount=max(1, int(offer.amount * part)),
        priority=offer.priority,
        carry=recurrence.carry,
    )
