"""The books themselves: accounts and sessions as they change, and the arithmetic of a charge in plain Python.

Nothing here knows of requests, replays or entries; ``memory`` tells that story. ``lua/lib/`` holds the same arithmetic
for the store. The order of a charge is: ``settle_held`` each use, ``release``, ``settle_excess`` each use, ``reserve``.
"""

from dataclasses import dataclass, field

from balances.ledger import (
    INSUFFICIENT,
    Account,
    Address,
    Bucket,
    Charge,
    Counters,
    Grant,
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
    Use,
)
from balances.money import LIMIT
from balances.price import cost, reach

MONEY = "money"
"""The name of the money bucket in ledger entries."""

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

    def pays(self, unit: Unit, offers: tuple[str, ...], now: int) -> bool:
        """May it pay for a use of this unit under a quote that names these offers?"""
        return (
            self.unit == unit
            and self.offer in offers
            and self.purse.remaining > 0
            and (self.expires_at is None or self.expires_at > now)
        )

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
    version: int = 1
    status: Status = Status.ACTIVE
    money: Purse = field(default_factory=Purse)
    buckets: list[BucketBook] = field(default_factory=list)
    given: int = 0
    retired: dict[str, Purse] = field(default_factory=dict)
    """What buckets that were written off had counted, by asset: the house remembers them too."""

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
        purse = self.retired.setdefault(str(bucket.unit), Purse())
        purse.credited += bucket.purse.credited
        purse.debited += bucket.purse.debited

    def purses(self) -> dict[str, tuple[str, Purse]]:
        """Copies of all counters by bucket, with the asset they are in: what ``lines`` compares with."""
        found = {MONEY: (self.currency, self.money.copy())}
        return found | {bucket.id: (str(bucket.unit), bucket.purse.copy()) for bucket in self.buckets}

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
                    expires_at=bucket.expires_at,
                )
                for bucket in self.buckets
            ),
        )


@dataclass(slots=True)
class KeyBook:
    """What a key of a session holds and has consumed.

    ``paid_units`` are the cumulative units money has paid for: the price's axis. ``parts`` are units reserved in
    buckets, ``money_units`` units reserved in money for ``cost``. ``provisional``: the session lapsed and all of that
    was debited instead.
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

    @property
    def granted(self) -> int:
        return self.money_units + sum(units for _, units in self.parts)

    def price_of(self, units: int) -> int:
        """What money owes for the next ``units`` of this key; counts them. Raises OverflowError."""
        if self.paid_units + units >= LIMIT:
            raise OverflowError("more units than can be counted")
        due = cost(self.quote.price, self.paid_units + units) - cost(self.quote.price, self.paid_units)
        self.paid_units += units
        return due

    def forget(self) -> None:
        self.parts, self.money_units, self.cost, self.provisional = [], 0, 0, False

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
    """A session as it changes. ``paid`` sums what it debited from buckets, for a refund."""

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
    forget_at: int | None = None
    """When the record of an ended session goes."""

    def pay(self, bucket: str, units: int) -> None:
        self.paid[bucket] = self.paid.get(bucket, 0) + units

    def refundable(self) -> int:
        """Units debited and not given back."""
        provisional = sum(key.granted for key in self.keys.values() if key.provisional)
        return sum(key.used for key in self.keys.values()) + provisional - (self.refunded or 0)

    def share(self, units: int) -> tuple[int, dict[str, int]] | None:
        """What a refund of so many units is: money, and units of buckets; None if there is no such part.

        Buckets paid first, so that money comes back first: its share of the units it paid for, rounded down. What
        rounding left over comes back with the last unit.
        """
        refundable = self.refundable()
        if units == refundable:
            return self.spent, dict(self.paid)
        if not 0 < units < refundable or len(self.keys) != 1 or any(key.provisional for key in self.keys.values()):
            return None
        bought = refundable - sum(self.paid.values())
        left, parts = units - min(units, bought), {}
        for bucket, paid in reversed(self.paid.items()):
            parts[bucket] = min(left, paid)
            left -= parts[bucket]
        return self.spent * min(units, bought) // bought if bought else 0, parts

    def give_back(self, units: int, amount: int, parts: dict[str, int]) -> None:
        """Take note of a share that was given back. After the last, provisional debits must not be reversed as well."""
        last = units == self.refundable()
        self.spent -= amount
        self.paid = {bucket: paid - parts[bucket] for bucket, paid in self.paid.items() if paid > parts[bucket]}
        for key in self.keys.values():
            key.spent = 0 if last else key.spent - amount
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
            spent=self.spent,
            holdings=tuple(key.view() for key in self.keys.values()),
        )


def same_owner(session: SessionBook, request: Charge | Refund) -> bool:
    """Is it a session of the request's account, opened through the request's door? Names may be the same by chance."""
    return session.address == request.address and session.door == request.door


def foremost(sessions: list[SessionBook]) -> SessionBook:
    """Of sessions of one id in several shards: the open one, else one that was, rather than a mere tombstone."""
    return min(sessions, key=lambda session: (session.void, session.state is not SessionState.OPEN))


@dataclass(slots=True)
class Settlement:
    """How far the settlement of one use has come: money due so far, units nobody has paid for yet."""

    key: KeyBook
    due: int = 0
    excess: int = 0


def settle_held(account: AccountBook, session: SessionBook, key: KeyBook, use: Use) -> Settlement:
    """First part of a settlement: what the key held pays for what was used."""
    units = use.used if use.total is None else max(0, use.total - key.used)
    key.used += units
    if key.used >= LIMIT:
        raise OverflowError("more units than can be counted")
    left = units
    parts = []
    for name, held in key.parts:
        taken = min(left, held)
        left -= taken
        bucket = account.bucket(name)
        if taken and bucket:  # a bucket written off since has been debited whole: it pays all the same
            bucket.purse.reserved -= taken
            bucket.purse.debited += taken
            session.pay(name, taken)
        if held > taken:
            parts.append((name, held - taken))
    taken = min(left, key.money_units)
    key.parts = parts
    key.money_units -= taken
    return Settlement(key, key.price_of(taken), left - taken)


def settle_excess(account: AccountBook, session: SessionBook, settlement: Settlement, now: int) -> None:
    """Second part: consumed is consumed, so free allowances and then money pay for what was not held."""
    key, left = settlement.key, settlement.excess
    for bucket in account.buckets:
        if left and bucket.pays(key.unit, key.quote.offers, now):
            taken = min(left, bucket.purse.remaining)
            bucket.purse.debited += taken
            session.pay(bucket.id, taken)
            left -= taken
    settlement.excess = 0
    settlement.due += key.price_of(left)


def debit(account: AccountBook, amount: int) -> None:
    """Debit money whether it is there or not; what no credit covers is overrun."""
    account.money.overrun += max(0, amount - max(0, account.available))
    account.money.debited += amount


def release(account: AccountBook, key: KeyBook) -> None:
    """Free what a key holds."""
    for name, units in key.parts:
        bucket = account.bucket(name)
        if bucket:
            bucket.purse.reserved -= units
    account.money.reserved -= key.cost
    key.forget()


def reserve(account: AccountBook, key: KeyBook, use: Use, now: int) -> Grant:
    """Reserve up to ``wanted`` units, allowances first, or refuse if fewer than ``least`` are to be had."""
    quote = key.quote
    least = max(1, min(use.least, use.wanted))
    left = use.wanted
    parts = []
    for bucket in account.buckets:
        if left and bucket.pays(use.unit, quote.offers, now):
            taken = min(left, bucket.purse.remaining)
            parts.append((bucket, taken))
            left -= taken
    base = key.paid_units + key.money_units
    bought = reach(quote.price, base, left, max(0, account.available))
    granted = use.wanted - left + bought
    if granted < least:
        key.short = True
        return Grant(key=use.key, refused=INSUFFICIENT, terms=quote.terms)
    due = cost(quote.price, base + bought) - cost(quote.price, base)
    for bucket, taken in parts:
        bucket.purse.reserved += taken
        key.parts.append((bucket.id, taken))
    account.money.reserved += due
    key.money_units += bought
    key.cost += due
    key.short = granted < use.wanted or not affordable(account, key, least, now)
    return Grant(key=use.key, granted=granted, cost=due, final=key.short, terms=quote.terms)


def affordable(account: AccountBook, key: KeyBook, units: int, now: int) -> bool:
    """Could this many more units be reserved?"""
    for bucket in account.buckets:
        if bucket.pays(key.unit, key.quote.offers, now):
            units -= min(units, bucket.purse.remaining)
    base = key.paid_units + key.money_units
    return reach(key.quote.price, base, units, max(0, account.available)) >= units


def debit_held(account: AccountBook, session: SessionBook, key: KeyBook) -> int:
    """Debit all a key holds; returns the money. The key keeps what was held, to be undone or forgotten."""
    for name, units in key.parts:
        bucket = account.bucket(name)
        if bucket:
            bucket.purse.reserved -= units
            bucket.purse.debited += units
            session.pay(name, units)
    account.money.reserved -= key.cost
    account.money.debited += key.cost
    key.spent += key.cost
    session.spent += key.cost
    return key.cost


def reverse(account: AccountBook, session: SessionBook, key: KeyBook) -> None:
    """Take a provisional debit back, as credit, and hold again what was held: the real usage can be settled now."""
    for name, units in key.parts:
        bucket = account.bucket(name)
        if bucket:
            bucket.purse.credited += units
            bucket.purse.reserved += units
            session.pay(name, -units)
    account.money.credited += key.cost
    account.money.reserved += key.cost
    key.spent -= key.cost
    session.spent -= key.cost
    key.provisional = False


def lapse(account: AccountBook, session: SessionBook) -> None:
    """End a session nobody renewed: free what it holds, or debit it until a report says better."""
    session.state = SessionState.LAPSED
    for key in session.keys.values():
        if session.lapse is Lapse.RELEASE:
            release(account, key)
        elif key.granted:
            debit_held(account, session, key)
            key.provisional = True


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
