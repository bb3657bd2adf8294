"""Records as the arrays the scripts read and write; the order of fields is said in ``lua/lib`` and ``lua/*.lua``.

Mostly flat, because the store's msgpack pays for every nested array. Strings travel as UTF-8.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgpack

from balances import states
from balances.books import AccountBook, BucketBook, KeyBook, Purse, SessionBook
from balances.ledger import (
    Address,
    Billing,
    Charge,
    Charged,
    Entry,
    Grant,
    Identity,
    IdentityType,
    InTransit,
    Lapse,
    Line,
    Loan,
    Metering,
    NewAccount,
    Overage,
    Period,
    Quote,
    Refund,
    Refunded,
    SessionState,
    Status,
    Subscription,
    SubscriptionState,
    Transfer,
    Unit,
    Validity,
    Verdict,
)
from balances.meters import MeterBook
from balances.money import LIMIT
from balances.price import Price, Step

REFUNDED = b"refunded"
"""First field of a refund's answer, where a charge's has its verdict."""

_VERDICTS = {verdict.value.encode(): verdict for verdict in Verdict}
_STATES = {
    b"open": SessionState.OPEN,
    b"closed": SessionState.CLOSED,
    b"void": SessionState.CLOSED,
    b"lapsed": SessionState.LAPSED,
}


_PACKER = msgpack.Packer(use_bin_type=False, unicode_errors="surrogatepass")
"""The old msgpack string type is what every version of the store's library reads."""

pack: Callable[[Sequence[object]], bytes] = _PACKER.pack


def unpack(packed: bytes) -> list[Any]:
    """Strings come back as bytes."""
    fields: list[Any] = msgpack.unpackb(packed, raw=True)
    return fields


def text(value: bytes) -> str:
    return value.decode("utf-8", "surrogatepass")


def bounded(number: int) -> int:
    """As it is, or a number of the same side that the script refuses as out of range."""
    return number if -LIMIT < number < LIMIT else LIMIT if number > 0 else -LIMIT


@lru_cache(maxsize=4096)
def pack_quote(quote: Quote) -> bytes:
    fields: list[object] = [quote.terms, quote.price.setup, len(quote.offers), *quote.offers, len(quote.price.steps)]
    for step in quote.price.steps:
        fields += [-1 if step.upto is None else step.upto, step.block, step.amount, step.per, step.bias]
    if quote.share or quote.floor or quote.overage or quote.meters:
        fields += [quote.share, quote.floor, [field for each in quote.meters for field in _metering(each)] or False]
    for each in quote.overage:
        own = None if each.price is None else pack_quote(Quote(price=each.price, terms=each.terms))
        fields += [each.offer, False if own is None else own]
    return pack(fields)


@lru_cache(maxsize=4096)
def unpack_quote(packed: bytes) -> Quote:
    fields = unpack(packed)
    end = 3 + fields[2]
    last = end + 1 + fields[end] * 5
    steps = [fields[at : at + 5] for at in range(end + 1, last, 5)]
    share, floor, meters, *overage = fields[last:] or [0, 0, False]
    metered: list[Any] = meters or []
    return Quote(
        terms=fields[0],
        offers=tuple(text(offer) for offer in fields[3:end]),
        price=Price(fields[1], tuple(Step(None if s[0] < 0 else s[0], *s[1:]) for s in steps)),
        share=share,
        floor=floor,
        overage=tuple(
            _unpack_overage(text(offer), own) for offer, own in zip(overage[::2], overage[1::2], strict=True)
        ),
        meters=tuple(_read_metering(*metered[at : at + 8]) for at in range(0, len(metered), 8)),
    )


def _metering(each: Metering) -> list[object]:
    unit = each.unit.value if each.unit else ""
    limits = [-1 if limit is None else bounded(limit) for limit in (each.cap, each.warn, each.limit)]
    return [each.meter, unit, bounded(each.ends_at), *limits, int(each.axis), each.beyond]


def _read_metering(
    name: bytes, unit: bytes, ends_at: int, cap: int, warn: int, limit: int, axis: int, beyond: bytes
) -> Metering:
    return Metering(
        meter=text(name),
        unit=Unit(text(unit)) if unit else None,
        ends_at=ends_at,
        cap=None if cap < 0 else cap,
        warn=None if warn < 0 else warn,
        limit=None if limit < 0 else limit,
        axis=axis == 1,
        beyond=beyond,
    )


def _unpack_overage(offer: str, packed: bytes | Literal[False]) -> Overage:
    if packed is False:
        return Overage(offer=offer, price=None)
    own = unpack_quote(packed)
    return Overage(offer=offer, price=own.price, terms=own.terms)


def pack_charge(charge: Charge, window: int) -> bytes:
    fields: list[object] = [
        charge.address.account,
        bounded(charge.version),
        charge.session,
        charge.operation,
        str(charge.fingerprint),
        charge.phase,
        charge.door,
        bounded(charge.now),
        bounded(charge.deadline),
        charge.lapse,
        charge.empty,
        False if charge.context is None else charge.context,
        charge.cause,
        window,
        -1 if charge.sequence is None else bounded(charge.sequence),
        len(charge.uses),
    ]
    for use in charge.uses:
        total = -1 if use.total is None else bounded(use.total) if use.total >= 0 else -2
        fields += [
            use.key,
            use.unit,
            bounded(use.used),
            total,
            bounded(use.wanted),
            bounded(use.least),
            b"" if use.quote is None else pack_quote(use.quote),
            use.denied or False,
        ]
    return pack(fields)


def pack_levels(charge: Charge) -> bytes:
    """The levels up the chain as ``charge.lua`` says."""
    fields: list[object] = []
    for level in charge.levels:
        fields += [level.address.account, bounded(level.version), level.billing.value]
        for quote, denied in zip(level.quotes, level.denied, strict=True):
            fields += [b"" if quote is None else pack_quote(quote), denied or False]
    return pack(fields)


def pack_activations(charge: Charge) -> bytes | None:
    """What may begin with a charge as ``charge.lua`` says; None: nothing does."""
    asked = [charge.activation, *[level.activation for level in charge.levels]]
    if not any(asked):
        return None
    fields: list[object] = []
    for validity in asked:
        fields += [False] * 3 if validity is None else [*validity_fields(validity), states.said(validity)]
    return pack(fields)


def read_charged(reply: bytes) -> Charged:
    """The answer to a charge, first time or replayed."""
    replayed, conflict = reply[:1] != b"0", reply[:1] == b"2"
    fields = unpack(reply[1:])
    if fields[0] == REFUNDED:  # the id was a refund's: whatever this request is, it is not the first
        return Charged(verdict=Verdict.CLOSED_SESSION, replayed=True, conflict=True)
    grants = []
    for at in range(5, len(fields), 8):
        key, granted, cost, settled, final, refused, terms, ends_in = fields[at : at + 8]
        grants.append(
            Grant(
                key=text(key),
                granted=granted,
                cost=cost,
                settled=settled,
                final=final == 1,
                refused=text(refused) or None,
                terms=terms,
                ends_in=None if ends_in < 0 else ends_in,
            )
        )
    return Charged(
        verdict=_VERDICTS[fields[0]],
        grants=tuple(grants),
        spent=fields[1],
        available=fields[2],
        replayed=replayed,
        conflict=conflict,
        warned=tuple([text(name) for name in fields[3] or ()]),
        short=text(fields[4]) if fields[4] else None,
    )


def pack_refund(refund: Refund, window: int) -> bytes:
    return pack(
        [
            refund.address.account,
            refund.session,
            refund.operation,
            str(refund.fingerprint),
            refund.target,
            refund.door,
            refund.now,
            window,
            -1 if refund.sequence is None else bounded(refund.sequence),
            False if refund.units is None else bounded(refund.units),
        ]
    )


def read_refunded(reply: bytes) -> Refunded:
    replayed = reply[:1] != b"0"
    fields = unpack(reply[1:])
    if fields[0] != REFUNDED:
        return Refunded(found=False, replayed=True)
    return Refunded(found=fields[1], amount=fields[2], again=fields[3], units=fields[4], replayed=replayed)


def pack_identities(identities: tuple[Identity, ...]) -> bytes:
    return pack([field for identity in identities for field in (identity.type.value, identity.value)])


def unpack_identities(packed: bytes) -> tuple[Identity, ...]:
    fields = [text(field) for field in unpack(packed)]
    return tuple(
        Identity(type=IdentityType(kind), value=value) for kind, value in zip(fields[::2], fields[1::2], strict=True)
    )


def pack_account(new: NewAccount, now: int) -> bytes:
    """A new account as ``lua/lib/account.lua`` says: 19 fields of header, no buckets."""
    counters = [0, 0, 0, 0]
    head: list[object] = [1, new.status.value, new.plan, new.currency, new.credit_limit, *counters]
    tie = [new.billing.value, -1 if new.cap is None else new.cap, *validity_fields(new.validity)]
    return pack([*head, now, new.parent or "", pack_identities(new.identities), 0, b"", b"", *tie])


def validity_fields(validity: Validity) -> list[int]:
    """When it ends, and when the grace ends; -1: never."""
    return [-1 if at is None else bounded(at) for at in (validity.until, validity.grace_until)]


def read_account(address: Address, packed: bytes) -> AccountBook:
    fields = unpack(packed)
    book = AccountBook(
        address=address,
        version=fields[0],
        status=Status(text(fields[1])),
        plan=text(fields[2]),
        currency=text(fields[3]),
        credit_limit=fields[4],
        money=Purse(*fields[5:9]),
        opened_at=fields[9],
        parent=text(fields[10]) or None,
        identities=unpack_identities(fields[11]),
        given=fields[12],
        billing=Billing(text(fields[15])),
        cap=None if fields[16] < 0 else fields[16],
        validity=Validity(
            until=None if fields[17] < 0 else fields[17], grace_until=None if fields[18] < 0 else fields[18]
        ),
    )
    for at in range(19, len(fields), 11):
        name, offer, unit, initial, priority, expires, credited, debited, reserved, starts, lasts = fields[at : at + 11]
        purse = Purse(credited, debited, reserved)
        expires_at = None if expires < 0 else expires
        book.buckets.append(
            BucketBook(
                text(name), text(offer), Unit(text(unit)), initial, priority, expires_at, purse, starts,
                None if lasts < 0 else lasts,
            )
        )  # fmt: skip
    meters = unpack(fields[14]) if fields[14] else []
    for at in range(0, len(meters), 8):
        name, unit, *rest = meters[at : at + 8]
        book.meters[text(name)] = MeterBook(text(name), Unit(text(unit)) if unit else None, *rest)
    retired = unpack(fields[13]) if fields[13] else []
    for at in range(0, len(retired), 3):
        book.retired[text(retired[at])] = Purse(retired[at + 1], retired[at + 2])
    return book


def read_session(shard: int, name: str, packed: bytes) -> SessionBook:
    fields = unpack(packed)
    session = _read_book(shard, name, fields)
    for level in fields[20]:
        session.levels.append(_read_book(shard, name, level))
        session.levels[-1].billing = Billing(text(level[20]))
    return session


def _read_book(shard: int, name: str, fields: list[Any]) -> SessionBook:
    """A session without its levels, or what it says of a level."""
    session = SessionBook(
        id=name,
        address=Address(shard=shard, account=text(fields[0])),
        door=text(fields[1]),
        state=_STATES[fields[2]],
        void=fields[2] == b"void",
        opened_at=fields[3],
        updated_at=fields[4],
        deadline=fields[5],
        lapse=Lapse(text(fields[6])),
        spent=fields[7],
        refunded=None if fields[8] is False else fields[8],
        context=fields[9],
    )
    session.paid, session.bonus_paid = _by_bucket(fields[10]), _by_bucket(fields[19])
    for key, unit, quote, used, paid_units, spent, money_units, cost, provisional, parts, short, *beyond in fields[21:]:
        overage, overage_units, *bonus = beyond[0] if beyond else (b"", 0)
        session.keys[text(key)] = KeyBook(
            key=text(key),
            unit=Unit(text(unit)),
            quote=unpack_quote(quote),
            used=used,
            paid_units=paid_units,
            spent=spent,
            parts=[(text(bucket), units) for bucket, units in zip(parts[::2], parts[1::2], strict=True)],
            money_units=money_units,
            cost=cost,
            provisional=provisional,
            short=short,
            overage=text(overage),
            overage_units=overage_units,
            bonus=[(text(bucket), amount) for bucket, amount in zip(bonus[::2], bonus[1::2], strict=True)],
        )
    return session


def _by_bucket(flat: list[Any]) -> dict[str, int]:
    return {text(bucket): amount for bucket, amount in zip(flat[::2], flat[1::2], strict=True)}


def read_entry(shard: int, entry: bytes, packed: bytes) -> Entry:
    """An entry of the outbox: its stream id and the packed field ``e``."""
    fields = unpack(packed)
    at, account, operation, cause, door, session, reference = fields[:7]
    lines = []
    own = len(fields) - (len(fields) - 7) % 8  # of a level up the chain, which level and its margin come last
    for place in range(7, own, 8):
        bucket, asset, *numbers = fields[place : place + 8]
        credited, debited, reserved, overrun, before, after = numbers
        lines.append(
            Line(
                bucket=text(bucket),
                asset=text(asset),
                credited=credited,
                debited=debited,
                reserved=reserved,
                overrun=overrun,
                before=before,
                after=after,
            )
        )
    return Entry(
        id=text(entry),
        at=at,
        shard=shard,
        account=text(account),
        operation=text(operation),
        cause=text(cause),
        door=text(door),
        session=text(session),
        reference=text(reference),
        lines=tuple(lines),
        level=fields[own] if own < len(fields) else 0,
        margin=None if own == len(fields) or fields[own + 1] is False else fields[own + 1],
    )


def read_loan(packed: bytes) -> Loan:
    amount, fee, outstanding, taken_at = unpack(packed)
    return Loan(amount=amount, fee=fee, outstanding=outstanding, taken_at=taken_at)


def period_fields(period: Period) -> list[object]:
    """As ``lua/lib/subscription.lua`` has it."""
    times = [bounded(period.since), bounded(period.starts_at), bounded(period.ends_at)]
    amounts = [bounded(period.amount), period.priority, bounded(period.carry)]
    return [*times, bounded(period.fee), period.unit.value, *amounts]


def read_subscription(address: Address, offer: str, packed: bytes) -> Subscription:
    state, since, starts_at, ends_at, due_at, bucket, carried = unpack(packed)
    return Subscription(
        address=address,
        offer=offer,
        state=SubscriptionState(text(state)),
        since=since,
        starts_at=starts_at,
        ends_at=ends_at,
        due_at=due_at,
        bucket=text(bucket),
        carried=text(carried),
    )


def pack_transit(transfer: Transfer, currency: str) -> bytes:
    return pack(
        [
            transfer.address.account,
            transfer.operation,
            transfer.to.shard,
            transfer.to.account,
            bounded(transfer.amount),
            currency,
            transfer.reference,
            transfer.now,
        ]
    )


def read_transit(shard: int, packed: bytes) -> InTransit:
    sender, operation, to_shard, to, amount, currency, reference, sent_at = unpack(packed)
    return InTransit(
        sender=Address(shard=shard, account=text(sender)),
        operation=text(operation),
        to=Address(shard=to_shard, account=text(to)),
        amount=amount,
        currency=text(currency),
        reference=text(reference),
        sent_at=sent_at,
    )


def read_house(fields: Sequence[bytes]) -> dict[str, Purse]:
    """The house account of a shard, from its hash."""
    house: dict[str, Purse] = {}
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        asset, _, counter = text(name).rpartition(":")
        setattr(house.setdefault(asset, Purse()), counter, int(value))
    return house
