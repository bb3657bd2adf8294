"""Subscriptions: what subscribing, renewing and ending one does to an account, in plain Python.

``lua/lib/subscription.lua`` says the same for the store. A renewal needs no record of its own to happen once: it names
the due time it was found by, and moves it on.
"""

from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from balances import books
from balances.books import AccountBook, BucketBook, Purse
from balances.ledger import Line, Period, Renewal, Renewed, Status, Subscription, SubscriptionState
from balances.money import LIMIT

SUBSCRIBED, RENEWED, ROLLED_OVER = "subscription", "renewal", "rollover"
"""Causes of the entries of a first period, of the ones after it, and of what they take over."""

FAILED, ENDED, UNSUBSCRIBED = "renewal-failed", "subscription-ended", "unsubscribed"
"""Causes of entries that move nothing; their reference is the offer, and why."""

SHORT, WITHDRAWN, UNCOUNTABLE = "insufficient-funds", "withdrawn", "out-of-range"
"""Why a renewal fails, beside the state of the account."""

OVERLAP: Final = 86_400_000
"""Milliseconds for which a bucket outlives its period unless it is renewed: nobody is without while renewals are under
way, and what is carried over is still there. ``lua/lib/subscription.lua`` says the same."""


@dataclass(slots=True)
class Change:
    """A ledger entry to be written."""

    cause: str
    reference: str
    lines: tuple[Line, ...] = ()


def countable(period: Period) -> bool:
    """Can it be counted exactly?"""
    amounts = 0 < period.amount < LIMIT and 0 <= period.fee < LIMIT and 0 <= period.carry < LIMIT
    return amounts and 0 <= period.starts_at < period.ends_at < LIMIT // 2


def begin(account: AccountBook, offer: str, period: Period, carried: str = "") -> Subscription:
    """Debit a period and give its bucket; the subscription as it is then."""
    account.money.debited += period.fee
    return Subscription(
        address=account.address,
        offer=offer,
        state=SubscriptionState.ACTIVE,
        since=period.since,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        due_at=period.ends_at,
        bucket=_give(account, offer, period, period.amount),
        carried=carried,
    )


def end(account: AccountBook, subscription: Subscription, at: int) -> None:
    """Have its buckets end then, if they do not before."""
    for name in (subscription.bucket, subscription.carried):
        bucket = account.bucket(name)
        if bucket and (bucket.expires_at is None or bucket.expires_at > at):
            bucket.expires_at = at
            account.buckets.remove(bucket)
            account.add(bucket)


def renew(
    account: AccountBook, subscription: Subscription, renewal: Renewal
) -> tuple[Renewed, Subscription | None, list[Change]]:
    """Renew one that is due, on the account; what became of it, the subscription afterwards, and the entries."""
    why = _obstacle(account, renewal)
    if renewal.period is None or why:
        return _fail(account, subscription, renewal, why)
    changes = []
    before = account.purses()
    carried = _carry_over(account, subscription, renewal.period, renewal.now)
    if carried:
        changes.append(Change(ROLLED_OVER, renewal.offer, books.lines(account, before)))
    before = account.purses()
    old = [bucket for name in (subscription.bucket, subscription.carried) if (bucket := account.bucket(name))]
    for bucket in old:
        bucket.purse.debited += bucket.purse.remaining
    renewed = begin(account, renewal.offer, renewal.period, carried)
    changes.append(Change(RENEWED, renewal.offer, books.lines(account, before)))
    end(account, subscription, renewal.now)
    for bucket in old:
        if not bucket.purse.reserved:
            account.retire(bucket)
    return Renewed.RENEWED, renewed, changes


def _obstacle(account: AccountBook, renewal: Renewal) -> str:
    """Why it cannot be renewed; empty: it can."""
    period = renewal.period
    if account.status is not Status.ACTIVE:
        return account.status
    if period is None:
        return WITHDRAWN
    if not countable(period) or account.money.debited + period.fee >= LIMIT:
        return UNCOUNTABLE
    return SHORT if account.available < period.fee else ""


def _fail(
    account: AccountBook, subscription: Subscription, renewal: Renewal, why: str
) -> tuple[Renewed, Subscription | None, list[Change]]:
    """What was given before ends now; the subscription waits, or ends too. Waiting is told of once."""
    end(account, subscription, renewal.now)
    reference = f"{renewal.offer} {why}"
    if why == Status.CLOSED or (why == SHORT and renewal.retry_at is None):
        return Renewed.ENDED, None, [Change(ENDED, reference)]
    again = renewal.retry_at if why == SHORT else None
    due_at = renewal.paused_until if again is None else again
    waiting = replace(subscription, state=SubscriptionState.WAITING, due_at=due_at)
    told = subscription.state is SubscriptionState.WAITING
    result = Renewed.UNPAID if why == SHORT else Renewed.PAUSED
    return result, waiting, [] if told else [Change(FAILED, reference)]


def _carry_over(account: AccountBook, subscription: Subscription, period: Period, now: int) -> str:
    """Put what is left of the last period, up to the most, into a bucket of its own; its name, or nothing."""
    old = account.bucket(subscription.bucket)
    if old is None or old.unit is not period.unit or not old.runs(now):
        return ""
    amount = min(period.carry, old.purse.remaining)
    if amount <= 0:
        return ""
    old.purse.debited += amount
    return _give(account, subscription.offer, period, amount)


def _give(account: AccountBook, offer: str, period: Period, amount: int) -> str:
    account.given += 1
    bucket = BucketBook(
        id=f"{offer}#{account.given}",
        offer=offer,
        unit=period.unit,
        initial=amount,
        priority=period.priority,
        expires_at=period.ends_at + OVERLAP,
        purse=Purse(credited=amount),
        starts_at=period.starts_at,
    )
    account.add(bucket)
    return bucket.id
