"""The books themselves: accounts and sessions as they change, and the arithmetic of a charge in plain Python.

Nothing here knows of requests, replays or entries; ``memory`` tells that story. ``lua/lib/`` holds the same arithmetic
for the store. The order of a charge is: ``settle_held`` each use, ``release``, ``settle_excess`` each use, ``reserve``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from balances.ledger import (
    CAPPED,
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
from balances.meters import UNLIMITED, MeterBook, Meters
from balances.money import LIMIT
from balances.price import Price, cost, reach

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
    version: int = 1
    status: Status = Status.ACTIVE
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
            spent=self.spent,
            holdings=tuple(key.view() for key in self.keys.values()),
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


@dataclass(slots=True)
class Settlement:
    """How far the settlement of one use has come: money due so far, units nobody has paid for yet."""

    key: KeyBook
    due: int = 0
    excess: int = 0
    warned: list[str] = field(default_factory=list)


def _count(account: AccountBook, settlement: Settlement, units: int, money: int = 0) -> None:
    key = settlement.key
    settlement.warned += account.meters.count(key.quote.meters, key.unit, units, money)


def settle_held(account: AccountBook, session: SessionBook, key: KeyBook, use: Use) -> Settlement:
    """First part of a settlement: what the key held pays for what was used."""
    units = use.used if use.total is None else max(0, use.total - key.used)
    key.used += units
    if key.used >= LIMIT:
        raise OverflowError("more units than can be counted")
    held_units, held_money = key.granted, key.held_money
    left = units
    parts = []
    for name, held in key.parts:
        taken = min(left, held)
        left -= taken
        bucket = account.bucket(name)
        if bucket:  # one written off since has been debited whole: it pays all the same
            bucket.purse.reserved -= taken
            bucket.purse.debited += taken
        if taken:
            session.pay(name, taken)
        if held > taken:
            parts.append((name, held - taken))
    taken = min(left, key.money_units)
    key.parts = parts
    key.money_units -= taken
    settlement = Settlement(key, excess=left - taken)
    _count(account, settlement, units - left)
    due = key.price_of(account, taken)
    _count(account, settlement, taken, due)
    settlement.due = _held_bonus(account, session, key, due)
    account.meters.hold(key.quote.meters, key.unit, key.granted - held_units, key.held_money - held_money)
    return settlement


def _held_bonus(account: AccountBook, session: SessionBook, key: KeyBook, due: int) -> int:
    """Bonus money the key holds pays first; returns what is left for the main balance."""
    kept = []
    for name, held in key.bonus:
        taken = min(due, held)
        due -= taken
        bucket = account.bucket(name)
        if bucket:
            bucket.purse.reserved -= taken
            bucket.purse.debited += taken
        if taken:
            session.pay_bonus(name, taken)
        if held > taken:
            kept.append((name, held - taken))
    key.bonus = kept
    return due


def settle_excess(account: AccountBook, session: SessionBook, settlement: Settlement, now: int) -> None:
    """Second part: consumed is consumed, so free allowances and then money pay for what was not held."""
    if not settlement.excess:
        return
    key, left = settlement.key, settlement.excess
    left -= _spend(account, session.pay, key.unit, key.quote.offers, left, now)
    _count(account, settlement, settlement.excess - left)
    settlement.excess = 0
    key.overage = overage(account, key, now)
    due = key.price_of(account, left)
    _count(account, settlement, left, due)
    if key.unit is not Unit.MONEY:
        due -= _spend(account, session.pay_bonus, Unit.MONEY, key.quote.offers, due, now)
    settlement.due += due


def _spend(
    account: AccountBook, pay: Callable[[str, int], None], unit: Unit, offers: tuple[str, ...], amount: int, now: int
) -> int:
    """Debit buckets by up to this much, in their order; returns how much."""
    left = amount
    for bucket in account.buckets:
        if left and bucket.pays(unit, offers, now):
            taken = min(left, bucket.purse.remaining)
            bucket.purse.debited += taken
            pay(bucket.id, taken)
            left -= taken
    return amount - left


def debit(account: AccountBook, amount: int) -> None:
    """Debit money whether it is there or not; what no credit covers is overrun."""
    account.money.overrun += max(0, amount - max(0, account.available))
    account.money.debited += amount


def release(account: AccountBook, key: KeyBook) -> None:
    """Free what a key holds."""
    for name, amount in (*key.parts, *key.bonus):
        bucket = account.bucket(name)
        if bucket:
            bucket.purse.reserved -= amount
    account.money.reserved -= key.cost
    account.meters.hold(key.quote.meters, key.unit, -key.granted, -key.held_money)
    key.forget()


def overage(account: AccountBook, key: KeyBook, now: int) -> str:
    """The offer whose overage holds beyond the allowances: the first bucket that runs says so; empty: none does."""
    names = {each.offer for each in key.quote.overage} & set(key.quote.offers)
    running = (b.offer for b in account.buckets if b.offer in names and b.unit is key.unit and b.runs(now))
    return next(running, "")


@dataclass(slots=True)
class Means:
    """What could pay for a key: units of allowances, bonus money and money altogether; ``most`` units may be had."""

    units: int
    bonus: int
    money: int
    most: int = UNLIMITED

    def reach(self, account: AccountBook, key: KeyBook, units: int) -> int:
        """How many of so many units can be had, allowances first."""
        price, units = key.price(), min(units, self.most)
        allowed = min(units, self.units)
        if price is None or allowed == units:
            return allowed
        places = key.places(account, allowed)
        return allowed + min(reach(price, place, units - allowed, self.money) for place in places)


def means(account: AccountBook, key: KeyBook, unit: Unit, now: int) -> Means:
    """Add up what the quote's offers and the main balance have left, without any limits."""
    sums = {unit: 0, Unit.MONEY: 0}
    for bucket in account.buckets:
        if bucket.unit in sums and bucket.pays(bucket.unit, key.quote.offers, now):
            sums[bucket.unit] += bucket.purse.remaining
    bonus = sums[Unit.MONEY] if unit is not Unit.MONEY else 0
    return Means(sums[unit], bonus, bonus + max(0, account.available))


def reserve(account: AccountBook, key: KeyBook, use: Use, now: int) -> Grant:
    """Reserve up to ``wanted`` units, allowances first, or refuse if fewer than ``least`` are to be had."""
    quote = key.quote
    least = max(1, min(use.least, use.wanted))
    key.overage = overage(account, key, now)
    unlimited = means(account, key, use.unit, now)
    room = account.meters.room(quote.meters, key.unit, least)
    had = Means(unlimited.units, unlimited.bonus, min(unlimited.money, room.money), room.units)
    wanted = use.wanted if not quote.share else _share(account, key, had, use.wanted, max(least, quote.floor))
    wanted = min(wanted, room.stretch)
    if key.overage and least <= had.units < wanted:
        wanted = had.units  # a grant of its own, since what follows is on other terms
    granted = had.reach(account, key, wanted)
    if granted < least:
        key.short = True
        refused = CAPPED if unlimited.reach(account, key, least) >= least else INSUFFICIENT
        return Grant(key=use.key, refused=refused, terms=quote.terms)
    paid = min(had.units, granted)
    bought = granted - paid
    price = key.price() or quote.price
    places = key.places(account, paid)
    due = max(cost(price, place + bought) - cost(price, place) for place in places) if bought else 0
    bonus = min(due, had.bonus)
    end = min(
        _reserve_in(account, key.parts, use.unit, quote.offers, paid, now),
        _reserve_in(account, key.bonus, Unit.MONEY, quote.offers, bonus, now),
    )
    account.money.reserved += due - bonus
    key.money_units += bought
    key.cost += due - bonus
    account.meters.hold(quote.meters, key.unit, granted, due)
    left = Means(had.units - paid, had.bonus - bonus, had.money - due, had.most - granted)
    key.short = granted < wanted or left.reach(account, key, least) < least
    terms = room.beyond or (key.terms() if bought else quote.terms)
    ends_in = None if end == NEVER else end - now
    return Grant(key=use.key, granted=granted, cost=due - bonus, final=key.short, terms=terms, ends_in=ends_in)


def _share(account: AccountBook, key: KeyBook, had: Means, wanted: int, floor: int) -> int:
    """A share of what is left, exactly rounded down, but at least ``floor`` and at most ``wanted``."""
    share = key.quote.share
    hundred, rest = divmod(had.reach(account, key, min(wanted, LIMIT // 101) * 100), 100)
    return min(wanted, max(floor, hundred * share + rest * share // 100))


def _reserve_in(
    account: AccountBook, parts: list[tuple[str, int]], unit: Unit, offers: tuple[str, ...], amount: int, now: int
) -> int:
    """Reserve this much in buckets, in their order; returns when the first of them ends."""
    end = NEVER
    for bucket in account.buckets:
        if amount and bucket.pays(unit, offers, now):
            taken = min(amount, bucket.purse.remaining)
            bucket.purse.reserved += taken
            parts.append((bucket.id, taken))
            amount -= taken
            end = min(end, bucket.end(now))
    return end


def debit_held(account: AccountBook, session: SessionBook, key: KeyBook) -> list[str]:
    """Debit all a key holds; returns the meters that warn. The key keeps what was held, to be undone or forgotten."""
    for parts, pay in ((key.parts, session.pay), (key.bonus, session.pay_bonus)):
        for name, amount in parts:
            bucket = account.bucket(name)
            if bucket:
                bucket.purse.reserved -= amount
                bucket.purse.debited += amount
            pay(name, amount)
    account.money.reserved -= key.cost
    account.money.debited += key.cost
    key.spent += key.cost
    session.spent += key.cost
    return _move_held(account, key, 1)


def _move_held(account: AccountBook, key: KeyBook, sign: int) -> list[str]:
    """What a key holds is used (1), or, taken back, held again (-1): so its meters say.

    Of a session that lapsed this is provisional, and counts only in the period it was granted in: where a meter has
    moved on there is nothing to be taken back.
    """
    units, money, meterings = sign * key.granted, sign * key.held_money, key.quote.meters
    account.meters.hold(meterings, key.unit, -units, -money)
    if key.elsewhere is None:
        meterings = account.meters.running(meterings)
    return account.meters.count(meterings, key.unit, units, money)


def reverse(account: AccountBook, session: SessionBook, key: KeyBook) -> None:
    """Take a provisional debit back, as credit, and hold again what was held: the real usage can be settled now."""
    for parts, pay in ((key.parts, session.pay), (key.bonus, session.pay_bonus)):
        for name, amount in parts:
            bucket = account.bucket(name)
            if bucket:
                bucket.purse.credited += amount
                bucket.purse.reserved += amount
            pay(name, -amount)
    account.money.credited += key.cost
    account.money.reserved += key.cost
    key.spent -= key.cost
    session.spent -= key.cost
    _move_held(account, key, -1)
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
