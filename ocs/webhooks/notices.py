"""What of a ledger entry is worth telling. Pure."""

from collections.abc import Iterator

from msgspec import UNSET, UnsetType

from balances.ledger import Entry, Line, Record
from balances.money import format_amount
from balances.renewals import ENDED, FAILED
from ocs.http.views import moment, quantity
from ocs.webhooks.alerts import Alerts, told

MONEY = "money"

EVENTS = {FAILED: "renewal.failed", ENDED: "subscription.ended"}
"""By the entry's cause."""


class Notice(Record, frozen=True, kw_only=True):
    """The body of a webhook. ``id`` is the same however often it is sent: whoever has seen it may ignore it."""

    id: str
    event: str
    """``balance.low``, ``balance.depleted``, ``bucket.depleted``, ``bucket.expired``, ``balance.overrun``,
    ``auto-topup``, ``renewal.failed`` or ``subscription.ended``."""
    at: str
    account: str
    bucket: str | UnsetType = UNSET
    asset: str | UnsetType = UNSET
    """The currency, or the unit of the bucket."""
    remaining: int | str | UnsetType = UNSET
    """What is left and not reserved."""
    threshold: str | None = None
    amount: int | str | None = None
    """What was consumed without credit, what was left and expired, or what to top up by."""
    offer: str | UnsetType = UNSET
    """Of a subscription, in place of bucket, asset and remaining."""
    reason: str | UnsetType = UNSET
    """Why it was not renewed: ``insufficient-funds``, or what else is in the way."""


class Occasion(Record, frozen=True, kw_only=True):
    """A notice, and what is told once only until the next credit; empty where each is told."""

    notice: Notice
    once: str = ""


def occasions(entry: Entry, alerts: Alerts) -> Iterator[Occasion]:
    """The notices of an entry of an account with these alerts, whose thresholds are resolved."""
    if entry.cause in EVENTS:
        yield Occasion(notice=_of_subscription(entry))
    for line in entry.lines:
        if line.bucket == MONEY:
            yield from _of_money(entry, line, alerts)
        elif entry.cause == "expired":
            yield Occasion(notice=_notice(entry, line, "bucket.expired", amount=quantity(line.asset, line.before)))
        elif line.debited > 0 and line.reserved <= 0 and line.after <= 0 < line.before - line.reserved:
            once = f"{entry.account}:{line.bucket}"
            yield Occasion(notice=_notice(entry, line, "bucket.depleted"), once=once)


def _of_subscription(entry: Entry) -> Notice:
    event, (offer, _, reason) = EVENTS[entry.cause], entry.reference.rpartition(" ")
    id = "-".join((str(entry.shard), entry.id, event))
    return Notice(id=id, event=event, at=moment(entry.at), account=entry.account, offer=offer, reason=reason)


def _of_money(entry: Entry, line: Line, alerts: Alerts) -> Iterator[Occasion]:
    if line.overrun > 0:
        yield Occasion(notice=_notice(entry, line, "balance.overrun", amount=format_amount(line.overrun)))
    auto = alerts.auto_topup
    if auto and line.after < auto.below <= line.before:
        told_of = {"threshold": format_amount(auto.below), "amount": format_amount(auto.amount)}
        notice = _notice(entry, line, "auto-topup", **told_of)
        yield Occasion(notice=notice, once=told(entry.account, f"auto:{auto.below}"))
    for threshold in (*(alerts.thresholds or ()), 0):
        floor = threshold - 1 if threshold else 0  # below a threshold, but at nothing
        if not line.after <= floor < line.before:
            continue
        event = "balance.low" if threshold else "balance.depleted"
        notice = _notice(entry, line, event, threshold=format_amount(threshold))
        yield Occasion(notice=notice, once=told(entry.account, str(threshold)))


def credits(entry: Entry) -> bool:
    """Was money put in, so that thresholds are told of again?"""
    return any(line.bucket == MONEY and line.credited > 0 for line in entry.lines)


def _notice(
    entry: Entry, line: Line, event: str, *, threshold: str | None = None, amount: int | str | None = None
) -> Notice:
    return Notice(
        id="-".join(filter(None, (str(entry.shard), entry.id, line.bucket, event, threshold))),
        event=event,
        at=moment(entry.at),
        account=entry.account,
        bucket=line.bucket,
        asset=line.asset,
        remaining=quantity(line.asset, line.after),
        threshold=threshold,
        amount=amount,
    )
