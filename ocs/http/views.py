"""The vault's records as the API's JSON. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime

from balances import states
from balances.ledger import Account, Audit, Bucket, Entry, Line, Session, Sum, Unit
from balances.money import format_amount
from ocs.http.models import (
    AccountView,
    AllowanceView,
    AuditView,
    BucketView,
    EntryView,
    HoldingView,
    IdentityModel,
    LineView,
    LowView,
    MeterView,
    MoneyView,
    SessionView,
    SumView,
)
from ocs.observers import UNITS

CAUSES = {
    "topup": "top-up",
    "gift": "bundle given",
    "open": "session opened",
    "update": "usage reported",
    "close": "session ended",
    "lapse": "session let go without a last report",
    "event": "one-time charge",
    "abort": "session aborted",
    "lapsed": "session lapsed unrenewed",
    "reversal": "late report in place of what was debited when the session lapsed",
    "refund": "refund",
    "adjustment": "adjustment",
    "expired": "bundle expired",
    "loan": "loan taken",
    "repayment": "loan repaid",
    "transfer-out": "transfer sent",
    "transfer-fee": "fee of the transfer",
    "transfer-in": "transfer received",
    "voucher": "voucher redeemed",
    "subscription": "subscribed, first period",
    "renewal": "subscription renewed",
    "rollover": "carried over",
    "renewal-failed": "subscription not renewed",
    "subscription-ended": "subscription ended unrenewed",
    "unsubscribed": "subscription ended by request",
    "activation": "active from now on",
    "extension": "validity changed",
    "expiry": "validity over, in grace",
    "closing": "grace over, closed",
    "status": "state changed by an operator",
    "limit-lifted": "spending limit lifted by consent",
}
"""The causes in the ledger's entries as a person would say them; others stand for themselves."""


def moment(milliseconds: int) -> str:
    """RFC 3339 in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def _moment(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else moment(milliseconds)


def quantity(unit: str, amount: int) -> int | str:
    """Units as they are, money as a decimal string."""
    return amount if unit in UNITS else format_amount(amount)


def bucket_view(bucket: Bucket) -> BucketView:
    return BucketView(
        id=bucket.id,
        offer=bucket.offer,
        unit=bucket.unit,
        initial=quantity(bucket.unit, bucket.initial),
        remaining=quantity(bucket.unit, bucket.counters.remaining),
        reserved=quantity(bucket.unit, bucket.counters.reserved),
        starts_at=moment(bucket.starts_at) if bucket.starts_at else None,
        expires_at=_moment(bucket.expires_at),
        good_for=None if bucket.lasts is None else bucket.lasts // 1000,
    )


def session_view(session: Session) -> SessionView:
    return SessionView(
        id=session.id,
        account=session.address.account,
        door=session.door,
        state=session.state,
        opened_at=moment(session.opened_at),
        updated_at=moment(session.updated_at),
        deadline=moment(session.deadline),
        spent=format_amount(session.spent),
        reserved=format_amount(sum(holding.cost for holding in session.holdings)),
        holdings=tuple(
            HoldingView(
                key=holding.key,
                unit=holding.unit,
                granted=quantity(holding.unit, holding.granted),
                cost=format_amount(holding.cost),
                used=quantity(holding.unit, holding.used),
                spent=format_amount(holding.spent),
            )
            for holding in session.holdings
        ),
    )


def money_view(account: Account) -> MoneyView:
    return MoneyView(
        balance=format_amount(account.money.balance),
        reserved=format_amount(account.money.reserved),
        available=format_amount(account.available),
        overrun=format_amount(account.money.overrun),
    )


def account_view(account: Account, sessions: Iterable[Session], meters: tuple[MeterView, ...] = ()) -> AccountView:
    return AccountView(
        id=account.address.account,
        status=account.status,
        plan=account.plan,
        currency=account.currency,
        credit_limit=format_amount(account.credit_limit),
        identities=tuple(IdentityModel(type=one.type, value=one.value) for one in account.identities),
        parent=account.parent,
        billing=account.billing,
        cap=None if account.cap is None else format_amount(account.cap),
        opened_at=moment(account.opened_at),
        valid_until=_moment(account.validity.until),
        grace_until=_moment(account.validity.grace_until),
        money=money_view(account),
        buckets=tuple(bucket_view(bucket) for bucket in account.buckets),
        meters=meters,
        sessions=tuple(session_view(session) for session in sessions),
    )


def _line_view(line: Line) -> LineView:
    return LineView(
        bucket=line.bucket,
        asset=line.asset,
        credited=quantity(line.asset, line.credited),
        debited=quantity(line.asset, line.debited),
        reserved=quantity(line.asset, line.reserved),
        overrun=quantity(line.asset, line.overrun),
        before=quantity(line.asset, line.before),
        after=quantity(line.asset, line.after),
    )


def entry_view(entry: Entry) -> EntryView:
    return EntryView(
        id=entry.id,
        at=moment(entry.at),
        account=entry.account,
        operation=entry.operation,
        cause=entry.cause,
        door=entry.door,
        session=entry.session,
        reference=entry.reference,
        explanation=explain(entry),
        level=entry.level,
        margin=None if entry.margin is None else format_amount(entry.margin),
        lines=tuple(_line_view(line) for line in entry.lines),
    )


def explain(entry: Entry) -> str:
    """The entry in a sentence: why, what changed in which bucket, and what it refers to."""
    cause = CAUSES.get(entry.cause, entry.cause) or "change"
    door = f" over {entry.door}" if entry.door else ""
    changed = "; ".join(part for line in entry.lines for part in _changes(line)) or "nothing changed"
    said = "" if entry.cause in states.CAUSES else f": {changed}"
    above = f", {entry.level} above whoever used it" if entry.level else ""
    reference = f" ({_reference(entry)})" if entry.reference else ""
    margin = f"; margin {format_amount(entry.margin)}" if entry.margin else ""
    return f"{cause[0].upper()}{cause[1:]}{door}{above}{said}{margin}{reference}."


def _reference(entry: Entry) -> str:
    """A call's carrier and what it took in words; others as they stand."""
    noted = dict(part.partition("=")[::2] for part in entry.reference.split(";"))
    if not entry.session or "carrier" not in noted:
        return entry.reference
    if "cost" not in noted:
        return f"carrier {noted['carrier']}"
    cost, margin = (readable(noted["currency"], int(noted[name])) for name in ("cost", "margin"))
    return f"carrier {noted['carrier']} takes {cost}, {margin} are left"


def subject(key: str) -> str:
    """What an item of a session is about: ``10.7`` is rating group 10, service 7."""
    group, *services = key.partition("~")[0].split(".")
    if not group.isdigit() and group != "-":
        return key
    named = [f"rating group {group}"] if group != "-" else []
    return ", ".join(named + [f"service {service}" for service in services]) or "units"


def _changes(line: Line) -> Iterable[str]:
    place = "" if line.bucket == "money" else f" of bucket {line.bucket}"
    for change, more, less in (
        (line.credited, "credited", "credit taken back:"),
        (line.debited, "debited", "gave back"),
        (line.reserved, "reserved", "released"),
        (line.overrun, "overrun, uncovered by credit:", "overrun covered again:"),
    ):
        if change:
            yield f"{more if change > 0 else less} {readable(line.asset, abs(change))}{place}"


def readable(asset: str, amount: int) -> str:
    """``1.5 MB``, ``2:05 min``, ``3 events``, ``0.10 EUR``; 1 MB = 10^6 octets."""
    if asset == Unit.OCTETS:
        for size, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
            if amount >= size:
                return f"{_decimal(amount, size)} {name}"
        return f"{amount} octet" + "s" * (amount != 1)
    if asset == Unit.SECONDS:
        return f"{amount} s" if amount < 60 else f"{amount // 60}:{amount % 60:02d} min"
    if asset == Unit.EVENTS:
        return f"{amount} event" + "s" * (amount != 1)
    return f"{format_amount(amount)} {'' if asset == Unit.MONEY else asset}".rstrip()


def _decimal(amount: int, size: int) -> str:
    """``amount / size`` with at most three decimals, rounded down, without a float."""
    whole, rest = divmod(amount, size)
    return f"{whole}.{rest * 1000 // size:03d}".rstrip("0").rstrip(".")


def low_view(account: Account) -> LowView:
    return LowView(
        account=account.address.account,
        currency=account.currency,
        available=format_amount(account.available),
        reserved=format_amount(account.money.reserved),
    )


def _sum_view(one: Sum) -> SumView:
    return SumView(
        credited=format_amount(one.accounts.credited),
        debited=format_amount(one.accounts.debited),
        reserved=format_amount(one.accounts.reserved),
        available=format_amount(one.available),
        overrun=format_amount(one.accounts.overrun),
        in_transit=format_amount(one.in_transit),
    )


def currencies(audit: Audit) -> dict[str, SumView]:
    """The sums of all currencies."""
    return {one.asset: _sum_view(one) for one in audit.sums if one.asset not in UNITS}


def audit_view(audit: Audit) -> AuditView:
    return AuditView(
        balanced=audit.balanced,
        accounts=audit.accounts,
        sessions=audit.sessions,
        currencies=currencies(audit),
        allowances={
            one.asset: AllowanceView(
                credited=one.accounts.credited,
                debited=one.accounts.debited,
                reserved=one.accounts.reserved,
                available=one.available,
            )
            for one in audit.sums
            if one.asset in UNITS
        },
        findings=audit.findings,
    )
