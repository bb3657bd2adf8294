"""What of a ledger entry is worth telling. Pure."""

from collections.abc import Iterator

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from balances.ledger import Entry, Line, Record, Status
from balances.money import format_amount
from balances.renewals import ENDED, FAILED
from balances.states import CAUSES, STATUS, Happening, end
from charging.catalogue.thresholds import UseThreshold
from ocs.http.views import moment, quantity
from ocs.webhooks.alerts import Alerts, Standing, Watched, told

MONEY = "money"

EVENTS = {FAILED: "renewal.failed", ENDED: "subscription.ended"}
"""By the entry's cause."""

STATES: dict[str, Status] = {
    Happening.ACTIVATION: Status.ACTIVE, Happening.EXPIRY: Status.GRACE, Happening.CLOSING: Status.CLOSED,
}  # fmt: skip
"""The state after an entry, by its cause; one of an operator's change says it itself."""


class Notice(Record, frozen=True, kw_only=True):
    """The body of a webhook. ``id`` is the same however often it is sent: whoever has seen it may ignore it."""

    id: str
    event: str
    """``balance.low``, ``balance.depleted``, ``balance.overrun``, ``bucket.low``, ``bucket.depleted``,
    ``bucket.expired``, ``auto-topup``, ``renewal.failed``, ``subscription.ended``, ``account.state`` or
    ``account.extended``."""
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
    state: Status | UnsetType = UNSET
    """Of the account from now on."""
    valid_until: str | UnsetType | None = UNSET
    """Of an account that was activated or extended; None: for ever."""


class Occasion(Record, frozen=True, kw_only=True):
    """A notice, and what is told once only; empty where each is told."""

    notice: Notice
    once: str = ""
    """Until the next credit; of a bucket, for as long as there is one."""
    bucket: str = ""


def occasions(entry: Entry, standing: Standing) -> Iterator[Occasion]:
    """The notices of an entry of an account that stands so."""
    if entry.cause in EVENTS:
        yield Occasion(notice=_of_subscription(entry))
    elif entry.cause in CAUSES:
        yield Occasion(notice=_of_account(entry))
    watched = {each.bucket: each for each in standing.watched}
    for line in entry.lines:
        if line.bucket == MONEY:
            yield from _of_money(entry, line, standing.alerts)
        elif entry.cause == "expired":
            yield Occasion(notice=_notice(entry, line, "bucket.expired", amount=quantity(line.asset, line.before)))
        elif line.debited > 0 and entry.session:  # else it was written off
            yield from _of_bucket(entry, line, watched.get(line.bucket))


def used(entry: Entry) -> bool:
    """Does it say something of money, or of the use of a bucket?"""
    return any(line.bucket == MONEY or (line.debited > 0 and entry.session) for line in entry.lines)


def _of_subscription(entry: Entry) -> Notice:
    offer, _, reason = entry.reference.rpartition(" ")
    return replace(_plain(entry, EVENTS[entry.cause]), offer=offer, reason=reason)


def _of_account(entry: Entry) -> Notice:
    state = Status(entry.reference) if entry.cause == STATUS else STATES.get(entry.cause, UNSET)
    lasts = end(entry.reference) if entry.cause in (Happening.ACTIVATION, Happening.EXTENSION) else UNSET
    event = "account.extended" if state is UNSET else "account.state"
    return replace(_plain(entry, event), state=state, valid_until=lasts)


def _plain(entry: Entry, event: str) -> Notice:
    """Of an entry without lines."""
    id = "-".join((str(entry.shard), entry.id, event))
    return Notice(id=id, event=event, at=moment(entry.at), account=entry.account)


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


def _of_bucket(entry: Entry, line: Line, watched: Watched | None) -> Iterator[Occasion]:
    for threshold in _reached(entry, line, watched) if watched else ():
        said = f"{threshold.at}%" if threshold.percent else str(quantity(line.asset, threshold.at))
        yield Occasion(notice=_notice(entry, line, "bucket.low", threshold=said), once=said, bucket=line.bucket)
    if line.reserved <= 0 and line.after <= 0 < line.before - line.reserved:
        yield Occasion(notice=_notice(entry, line, "bucket.depleted"), once="depleted", bucket=line.bucket)


def _reached(entry: Entry, line: Line, watched: Watched) -> Iterator[UseThreshold]:
    """The thresholds below the whole bucket that its use has reached before it ends.

    What is used by now may have been used after this entry. What the entry left bounds what was used by then, so that
    no notice says that more remains than its threshold leaves.
    """
    if watched.ends_at is not None and watched.ends_at <= entry.at:
        return
    used = min(watched.used, watched.initial - line.after)
    for threshold in watched.thresholds:
        if threshold.units(watched.initial) <= min(used, watched.initial - 1):
            yield threshold


def ended(entry: Entry) -> Iterator[str]:
    """Buckets that ended: what was left of them was written off."""
    return (line.bucket for line in entry.lines if line.bucket != MONEY and line.debited > 0 and not entry.session)


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
