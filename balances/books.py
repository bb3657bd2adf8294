"""The books themselves: accounts, their buckets, sessions and their keys as they change, in plain Python.

Nothing here knows of requests, replays or entries; ``memory`` tells that story, and ``holdings`` what a charge does to
the books. ``lua/lib/account.lua`` and ``session.lua`` hold the same for the store.
"""

from dataclasses import dataclass, field
from itertools import takewhile

from balances.ledger import (
    Account,
    Address,
    Billing,
    Bucket,
    Charge,
    Counters,
    Holding,
    Identity,
    Lapse,
    Line,
    Quote,
    Refund,
    Session,
    SessionState,
    Status,
    Unit,
    Validity,
)
from balances.meters import MeterBook, Meters
from balances.money import LIMIT
from balances.price import Price, cost

MONEY = "money"
"""The name of the money bucket in ledger entries."""

BONUS = "bonus"
"""``EUR bonus`` is the asset of bonus money in euros."""

NEVER = LIMIT
"""Sorts buckets without expiry last among their equals."""


@dataclass(slots=True)
class Purse:
    """The counters of one bucket."""

    credited: int = 0
    debited: int = 0
    reserved: int = 0
    overrun: int = 0

    @property
    def remaining(self) -> int:
        return self.credited - self.debited - self.reserved

    def counters(self) -> Counters:
        return Counters(credited=self.credited, debited=self.debited, reserved=self.reserved, overrun=self.overrun)

    def copy(self) -> "Purse":
        return Purse(self.credited, self.debited, self.reserved, self.overrun)


@dataclass(slots=True)
class BucketBook:
    """An allowance as it changes."""

    id: str
    offer: str
    unit: Unit
    initial: int
    priority: int
    expires_at: int | None
    purse: Purse
    starts_at: int = 0
    lasts: int | None = None
    """Milliseconds from its first use on, while that is to come."""

    def pays(self, unit: Unit, offers: tuple[str, ...], now: int) -> bool:
        """May it pay for a use of this unit under a quote that names these offers?"""
        return self.unit == unit and self.offer in offers and self.purse.remaining > 0 and self.runs(now)

    def runs(self, now: int) -> bool:
        """Has it begun, and not ended?"""
        return self.starts_at <= now and (self.expires_at is None or self.expires_at > now)

    def end(self, now: int) -> int:
        """When it ends if it is used now; NEVER if it does not."""
        first_use = NEVER if self.lasts is None else now + self.lasts
        return min(first_use, NEVER if self.expires_at is None else self.expires_at)

    def rank(self) -> tuple[int, int]:
        return self.priority, NEVER if self.expires_at is None else self.expires_at


@dataclass(slots=True)
class AccountBook:
    """An account as it changes; ``buckets`` are kept in the order in which they pay."""

    address: Address
    plan: str
    currency: str
    credit_limit: int
    identities: tuple[Identity, ...]
    parent: str | None
    opened_at: int
    billing: Billing = Billing.OWN
    cap: int | None = None
    version: int = 1
    status: Status = Status.ACTIVE
    validity: Validity = field(default_factory=Validity)
    money: Purse = field(default_factory=Purse)
    buckets: list[BucketBook] = field(default_factory=list)
    given: int = 0
    retired: dict[str, Purse] = field(default_factory=dict)
    """What buckets that were written off had counted, by asset: the house remembers them too."""
    meters: Meters = field(default_factory=Meters)

    @property
    def available(self) -> int:
        return self.money.remaining + self.credit_limit

    def bucket(self, name: str) -> BucketBook | None:
        return next((bucket for bucket in self.buckets if bucket.id == name), None)

    def add(self, bucket: BucketBook) -> None:
        """Keep the order of payment: priority, then earlier expiry, then the one given first."""
        place = sum(1 for other in self.buckets if other.rank() <= bucket.rank())
        self.buckets.insert(place, bucket)

    def retire(self, bucket: BucketBook) -> None:
        self.buckets.remove(bucket)
        purse = self.retired.setdefault(self.asset(bucket), Purse())
        purse.credited += bucket.purse.credited
        purse.debited += bucket.purse.debited

    def asset(self, bucket: BucketBook) -> str:
        """What the house account keeps a bucket's counters in: bonus money is not the currency's own."""
        return f"{self.currency} {BONUS}" if bucket.unit is Unit.MONEY else str(bucket.unit)

    def start_clocks(self, now: int) -> list[BucketBook]:
        """Buckets that last from their first use on and have been used begin to run; returns them."""
        begun = [b for b in self.buckets if b.lasts is not None and (b.purse.reserved or b.purse.debited)]
        for bucket in begun:
            bucket.expires_at, bucket.lasts = bucket.end(now), None
            self.buckets.remove(bucket)
            self.add(bucket)
        return begun

    def purses(self) -> dict[str, tuple[str, Purse]]:
        """Copies of all counters by bucket, with the asset they are in: what ``lines`` compares with."""
        found = {MONEY: (self.currency, self.money.copy())}
        return found | {bucket.id: (self.asset(bucket), bucket.purse.copy()) for bucket in self.buckets}

    def countable(self) -> bool:
        """Are all counters in the range in which counting is exact?"""
        purses = [self.money, *(bucket.purse for bucket in self.buckets)]
        counted = all(max(purse.credited, purse.debited, purse.reserved) < LIMIT for purse in purses)
        return counted and self.money.credited + self.credit_limit < LIMIT

    def view(self) -> Account:
        return Account(
            address=self.address,
            version=self.version,
            status=self.status,
            plan=self.plan,
            currency=self.currency,
            credit_limit=self.credit_limit,
            identities=self.identities,
            parent=self.parent,
            billing=self.billing,
            cap=self.cap,
            validity=self.validity,
            opened_at=self.opened_at,
            money=self.money.counters(),
            buckets=tuple(
                Bucket(
                    id=bucket.id,
                    offer=bucket.offer,
                    unit=bucket.unit,
                    initial=bucket.initial,
                    counters=bucket.purse.counters(),
                    priority=bucket.priority,
                    starts_at=bucket.starts_at,
                    expires_at=bucket.expires_at,
                    lasts=bucket.lasts,
                )
                for bucket in self.buckets
            ),
            meters=tuple(meter.view() for meter in self.meters.values()),
        )


@dataclass(slots=True)
class KeyBook:
    """What a key of a session holds and has consumed.

    ``paid_units`` are the cumulative units money has paid for: the price's axis. ``parts`` are units reserved in
    buckets, ``money_units`` units that money is reserved for: ``bonus`` in buckets of it, ``cost`` in the main balance,
    at the price of ``overage``'s offer if one is named, which has the axis ``overage_units``. ``provisional``: the
    session lapsed and all of that was debited instead.
    """

    key: str
    unit: Unit
    quote: Quote
    used: int = 0
    paid_units: int = 0
    spent: int = 0
    parts: list[tuple[str, int]] = field(default_factory=list)
    money_units: int = 0
    cost: int = 0
    provisional: bool = False
    short: bool = False
    """When it last wanted units, credit was not enough, or was just enough: a top-up changes something for it."""
    overage: str = ""
    overage_units: int = 0
    bonus: list[tuple[str, int]] = field(default_factory=list)
    elsewhere: int | None = None
    """Of an event, which is debited in the same step: the units that sessions hold on the price's axis."""

    @property
    def granted(self) -> int:
        return self.money_units + sum(units for _, units in self.parts)

    @property
    def held_money(self) -> int:
        """Money reserved, bonus money included."""
        return self.cost + sum(amount for _, amount in self.bonus)

    def axis(self, account: AccountBook) -> MeterBook | None:
        """The meter along whose units the price's steps run; None: along the session's own."""
        name = next((each.meter for each in self.quote.meters if each.axis), None)
        return None if name is None or self.overage else account.meters.get(name)

    def base(self, account: AccountBook) -> int:
        """Where the price that holds has come to on its axis."""
        axis = self.axis(account)
        return axis.used if axis else self.overage_units if self.overage else self.paid_units

    def places(self, account: AccountBook, allowed: int) -> tuple[int, ...]:
        """Where what money pays for would be on the price's axis, behind ``allowed`` units that allowances pay for.

        On a meter it is between two ends: other sessions may use all they hold before, or nothing. A reservation is
        enough for both, and so for all between where the price only rises or only falls. An event uses all it holds, in
        the order of its keys.
        """
        axis = self.axis(account)
        if axis is None:
            return (self.base(account) + self.money_units,)
        first, last = axis.used + self.granted + allowed, axis.used + axis.held + allowed
        if self.elsewhere is not None:
            return (last - self.elsewhere,)
        return (first,) if first == last else (first, last)

    def price(self) -> Price | None:
        """What holds for the units that money pays for; None: nothing more may be bought."""
        return next((each.price for each in self.quote.overage if each.offer == self.overage), self.quote.price)

    def terms(self) -> bytes:
        return next((each.terms for each in self.quote.overage if each.offer == self.overage), self.quote.terms)

    def price_of(self, account: AccountBook, units: int) -> int:
        """What money owes for the next ``units`` of this key; counts them. Raises OverflowError."""
        base, price = self.base(account), self.price() or self.quote.price  # used in spite of a stop it has a price too
        if base + units >= LIMIT:
            raise OverflowError("more units than can be counted")
        due = cost(price, base + units) - cost(price, base)
        if self.overage:
            self.overage_units += units
        else:
            self.paid_units += units
        return due

    def confirm(self) -> None:
        """No report comes any more: what was debited provisionally was used."""
        self.used += self.granted
        if self.used >= LIMIT:
            raise OverflowError("more units than can be counted")
        self.forget()

    def forget(self) -> None:
        self.parts, self.bonus, self.money_units, self.cost, self.provisional = [], [], 0, 0, False

    def view(self) -> Holding:
        return Holding(
            key=self.key,
            unit=self.unit,
            granted=self.granted,
            cost=self.cost,
            used=self.used,
            spent=self.spent,
            short=self.short,
        )


@dataclass(slots=True)
class SessionBook:
    """A session as it changes. ``paid`` and ``bonus_paid`` sum what it debited from buckets, for a refund."""

    id: str
    address: Address
    door: str
    state: SessionState
    opened_at: int
    updated_at: int
    deadline: int
    lapse: Lapse = Lapse.RELEASE
    context: bytes = b""
    spent: int = 0
    void: bool = False
    """Closed before it was opened: the OPEN that was overtaken opens nothing."""
    refunded: int | None = None
    """Units that a refund gave back; None: there was none. What is debited later can be refunded again."""
    keys: dict[str, KeyBook] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)
    bonus_paid: dict[str, int] = field(default_factory=dict)
    forget_at: int | None = None
    """When the record of an ended session goes."""
    levels: list["SessionBook"] = field(default_factory=list)
    """What it says of the accounts up the chain; of such a book, ``billing`` ties the account before to its own."""
    billing: Billing = Billing.OWN

    def books(self) -> list["SessionBook"]:
        """By level: its own, then those of the accounts up the chain."""
        return [self, *self.levels]

    def payer(self) -> "SessionBook":
        """The book of the account that pays what the subscriber is told to pay: not a member, but the owner."""
        shared = takewhile(lambda book: book.billing is Billing.SHARED, self.levels)
        return [self, *shared][-1]

    def pay(self, bucket: str, units: int) -> None:
        self.paid[bucket] = self.paid.get(bucket, 0) + units

    def pay_bonus(self, bucket: str, amount: int) -> None:
        self.bonus_paid[bucket] = self.bonus_paid.get(bucket, 0) + amount

    def refundable(self) -> int:
        """Units debited and not given back."""
        provisional = sum(key.granted for key in self.keys.values() if key.provisional)
        return sum(key.used for key in self.keys.values()) + provisional - (self.refunded or 0)

    def share(self, units: int) -> "Share | None":
        """What a refund of so many units is; None if there is no such part.

        Buckets paid first, so that money comes back first: its share of the units it paid for, rounded down. What
        rounding left over comes back with the last unit.
        """
        refundable = self.refundable()
        if units == refundable:
            return Share(self.spent, dict(self.paid), dict(self.bonus_paid))
        if not 0 < units < refundable or len(self.keys) != 1 or any(key.provisional for key in self.keys.values()):
            return None
        bought = refundable - sum(self.paid.values())
        total = self.spent + sum(self.bonus_paid.values())
        amount = total * min(units, bought) // bought if bought else 0
        money = min(self.spent, amount)
        parts = _last_first(self.paid, units - min(units, bought))
        return Share(money, parts, _last_first(self.bonus_paid, amount - money))

    def give_back(self, units: int, share: "Share") -> None:
        """Take note of a share that was given back. After the last, provisional debits must not be reversed as well."""
        last = units == self.refundable()
        self.spent -= share.money
        self.paid = _less(self.paid, share.parts)
        self.bonus_paid = _less(self.bonus_paid, share.bonus)
        for key in self.keys.values():
            key.spent = 0 if last else key.spent - share.money
            if last:
                key.forget()
        self.refunded = sum(key.used for key in self.keys.values()) if last else (self.refunded or 0) + units

    def view(self) -> Session:
        return Session(
            id=self.id,
            address=self.address,
            door=self.door,
            state=self.state,
            opened_at=self.opened_at,
            updated_at=self.updated_at,
            deadline=self.deadline,
            context=self.context,
            spent=self.payer().spent,
            holdings=tuple(key.view() for key in self.payer().keys.values()),
        )


@dataclass(slots=True)
class Share:
    """What a refund gives back: money of the main balance, units and bonus money by bucket."""

    money: int
    parts: dict[str, int]
    bonus: dict[str, int]


def _last_first(paid: dict[str, int], left: int) -> dict[str, int]:
    """A share of what buckets paid, beginning with those that paid last."""
    parts = {}
    for bucket, amount in reversed(paid.items()):
        parts[bucket] = min(left, amount)
        left -= parts[bucket]
    return parts


def _less(paid: dict[str, int], parts: dict[str, int]) -> dict[str, int]:
    return {bucket: amount - parts[bucket] for bucket, amount in paid.items() if amount > parts[bucket]}


def same_owner(session: SessionBook, request: Charge | Refund) -> bool:
    """Is it a session of the request's account, opened through the request's door? Names may be the same by chance."""
    return session.address == request.address and session.door == request.door


def foremost(sessions: list[SessionBook]) -> SessionBook:
    """Of sessions of one id in several shards: the open one, else one that was, rather than a mere tombstone."""
    return min(sessions, key=lambda session: (session.void, session.state is not SessionState.OPEN))


def lines(account: AccountBook, before: dict[str, tuple[str, Purse]]) -> tuple[Line, ...]:
    """What changed since ``before``, bucket by bucket, money first."""
    nothing = Purse()
    changed = []
    for name, (asset, new) in account.purses().items():
        old = before[name][1] if name in before else nothing
        if new != old:
            changed.append(
                Line(
                    bucket=name,
                    asset=asset,
                    credited=new.credited - old.credited,
                    debited=new.debited - old.debited,
                    reserved=new.reserved - old.reserved,
                    overrun=new.overrun - old.overrun,
                    before=old.remaining,
                    after=new.remaining,
                )
            )
    return tuple(changed)
