"""What keys hold and how it is settled: the arithmetic of a charge on the books, as ``lua/lib/holdings.lua`` has it.

The order of a charge is: ``settle_held`` each use, ``release``, ``settle_excess`` each use, ``reserve``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from balances.books import NEVER, AccountBook, KeyBook, SessionBook
from balances.ledger import (
    CAPPED,
    INSUFFICIENT,
    Grant,
    Lapse,
    Unit,
    Use,
)
from balances.meters import UNLIMITED
from balances.money import LIMIT
from balances.price import cost, reach


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


def lapse(account: AccountBook, session: SessionBook, how: Lapse) -> None:
    """Free what a session holds that nobody renewed, or debit it until a report says better."""
    for key in session.keys.values():
        if how is Lapse.RELEASE:
            release(account, key)
        elif key.granted:
            debit_held(account, session, key)
            key.provisional = True
