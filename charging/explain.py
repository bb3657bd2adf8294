"""What would it cost, and why: the ledger's arithmetic on an account as it stands, with every decision named. Pure.

``POST /v1/price`` and ``ocs price`` show an Explanation; a balance check and a price enquiry are answered from one.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from balances.ledger import Account, Billing, Overage, Quote, Record, Unit
from balances.meters import MeterBook, Meters
from balances.price import cost, reach
from charging.catalogue import terms
from charging.catalogue.plan import Match
from charging.event import ChargingEvent, Reason, Result
from charging.quoting import Quoted, wanted


class Payment(Record, frozen=True, kw_only=True):
    """What one bucket would pay: units of an allowance or bonus money, in the order in which they pay."""

    bucket: str
    offer: str
    unit: Unit
    units: int
    left: int


class PricedItem(Record, frozen=True, kw_only=True):
    """One item: the rate that holds, where it stands, who would pay, and what is left then."""

    key: str
    unit: Unit
    units: int
    """Units asked for."""
    zone: str = ""
    facts: tuple[str, ...] = ()
    """What is known of the use, as a plan's line would name it: ``call = national | off-net``."""
    rule: str = ""
    """``file:line`` of the plan's line that fits."""
    selectors: str = ""
    """What the line names, hence what matched."""
    adjustment: str = ""
    """The line's surcharge or discount."""
    rate: str = ""
    rate_source: str = ""
    """``file:line`` of the rate."""
    reason: Reason = Reason.NONE
    why: str = ""
    price: int = 0
    """Micro-units for all units asked for, if money alone paid."""
    tax: int = 0
    """The part of the price that is tax, where the plan says so."""
    payments: tuple[Payment, ...] = ()
    passed_over: tuple[tuple[str, str], ...] = ()
    """Buckets that pay nothing, in their order, and why."""
    overage: str = ""
    """The offer that is used up and says what holds beyond it."""
    throttle: str = ""
    granted: int = 0
    cost: int = 0
    """Micro-units that the main balance would pay for the grant."""
    available: int = 0
    """Money left after it."""


class LevelPrice(Record, frozen=True, kw_only=True):
    """What an account up the chain would pay for the same; money in micro-units."""

    account: str
    plan: str
    shared: bool
    """Its wallet pays in place of the one below, rather than beside it."""
    price: int
    margin: int | None
    """What the level below would pay, less its own price; None: it sells nothing."""
    granted: int
    """Units of the first item that its wallet is enough for."""
    available: int
    reason: Reason = Reason.NONE


class Explanation(Record, frozen=True, kw_only=True):
    """The answer to "what would it cost". Money in micro-units of ``currency``."""

    result: Result
    reason: str = ""
    account: str = ""
    plan: str = ""
    plan_source: str = ""
    currency: str = ""
    catalogue: str = ""
    items: tuple[PricedItem, ...] = ()
    levels: tuple[LevelPrice, ...] = ()
    """The accounts up the chain, nearest first."""
    price: int = 0
    tax: int = 0
    cost: int = 0
    available: int = 0


class _Purse:
    """What an account could still pay with, as items are priced one after the other."""

    def __init__(self, account: Account | None, now: int) -> None:
        self.now = now
        self.money = max(0, account.available) if account else 0
        self.meters = _meters(account) if account else Meters()
        self.buckets = [] if account is None else [bucket for bucket in account.buckets if bucket.runs(now)]
        self.left = {bucket.id: max(0, bucket.counters.remaining) for bucket in self.buckets}

    def pay(self, quote: Quote, unit: Unit, amount: int) -> tuple[Payment, ...]:
        """What buckets of this unit pay of an amount, in their order."""
        payments = []
        for bucket in self.buckets:
            taken = min(amount, self.left[bucket.id])
            if taken and bucket.unit is unit and bucket.offer in quote.offers:
                amount -= taken
                self.left[bucket.id] -= taken
                payments.append(
                    Payment(
                        bucket=bucket.id, offer=bucket.offer, unit=unit, units=taken, left=self.left[bucket.id]
                    )
                )  # fmt: skip
        return tuple(payments)

    def place(self, quote: Quote) -> int:
        """Where the price begins: with what was used in the period, if it runs along a meter."""
        axis = next((each.meter for each in quote.meters if each.axis), "")
        return self.meters[axis].used if axis in self.meters else 0

    def bonus(self, quote: Quote) -> int:
        """Bonus money that may pay."""
        return sum(self.left[b.id] for b in self.buckets if b.unit is Unit.MONEY and b.offer in quote.offers)

    def overage(self, quote: Quote, unit: Unit) -> Overage | None:
        """What holds beyond the allowances: the first bucket that runs says so."""
        known = {each.offer: each for each in quote.overage if each.offer in quote.offers}
        return next((known[b.offer] for b in self.buckets if b.offer in known and b.unit is unit), None)

    def passed_over(self, quoted: Quoted, payments: tuple[Payment, ...]) -> Iterator[tuple[str, str]]:
        """The buckets that have not paid, and why not."""
        paying = {payment.bucket for payment in payments}
        offers = quoted.quote.offers if quoted.quote else ()
        for bucket in self.buckets:
            if bucket.id in paying:
                continue
            if bucket.unit not in (quoted.unit, Unit.MONEY) or bucket.offer not in offers:
                yield bucket.id, "it does not pay for this use"
            else:
                yield bucket.id, "others pay for all of it" if self.left[bucket.id] else "it is used up"


def _meters(account: Account) -> Meters:
    """A copy of the account's meters."""
    meters = Meters()
    for each in account.meters:
        meters[each.name] = MeterBook(
            each.name, each.unit, each.ends_at, each.used, each.spent, each.reserved, each.reserved_money, each.lifted
        )
    return meters


def price(quote: Quote, units: int, place: int = 0) -> int:
    """Micro-units for ``units`` from a place on the price's axis on, if money alone paid; raises OverflowError."""
    return cost(quote.price, place + units) - cost(quote.price, place)


def items(event: ChargingEvent, quoted: tuple[Quoted, ...], account: Account | None) -> tuple[PricedItem, ...]:
    """Each item priced, in their order, against the account as it stands (None: against no account at all)."""
    purse = _Purse(account, event.now)
    return tuple([_item(event, each, purse) for each in quoted])


def level_prices(
    by_level: Sequence[tuple[PricedItem, ...]], accounts: Sequence[Account], billings: Sequence[Billing]
) -> tuple[LevelPrice, ...]:
    """What each level above the first would pay."""
    prices = [sum(item.price for item in each) for each in by_level]
    return tuple(
        [
            LevelPrice(
                account=account.address.account,
                plan=account.plan,
                shared=billing is Billing.SHARED,
                price=prices[place],
                margin=prices[place - 1] - prices[place] if billing is Billing.RESOLD else None,
                granted=by_level[place][0].granted if by_level[place] else 0,
                available=account.available,
                reason=next((item.reason for item in by_level[place] if item.reason), Reason.NONE),
            )
            for place, (account, billing) in enumerate(zip(accounts[1:], billings, strict=True), start=1)
        ]
    )


def _item(event: ChargingEvent, quoted: Quoted, purse: _Purse) -> PricedItem:
    units = asked(event, quoted)
    held = quoted.held
    match = held.match if held else None
    about = PricedItem(
        key=quoted.item.key,
        unit=quoted.unit,
        units=units,
        zone=(quoted.usage.zone if quoted.usage else None) or "",
        facts=_facts(quoted),
        rule=str(match.rule.source) if match else "",
        selectors=_selectors(match) if match else "",
        adjustment=match.rule.adjustment if match else "",
        rate=match.rate.name if match else "",
        rate_source=str(match.source) if match else "",
        reason=quoted.denied,
        why=quoted.why,
    )
    if quoted.quote is None or quoted.denied is Reason.UNRATEABLE:
        return about
    purse.meters.enter(quoted.quote.meters, purse.now)
    place = purse.place(quoted.quote)
    full = price(quoted.quote, units, place)
    if quoted.denied:
        return replace(about, price=full, tax=_tax(quoted, full), available=purse.money)
    quote, unit = quoted.quote, quoted.unit
    room = purse.meters.room(quote.meters, unit, quoted.service.least if quoted.service else 1)
    most, spendable = min(room.units, room.stretch), room.money
    allowed = purse.pay(quote, unit, min(units, most))
    paid = sum(one.units for one in allowed)
    left = min(units, most) - paid
    beyond = purse.overage(quote, unit) if left else None
    holds = beyond.price if beyond else quote.price
    place = place + paid if not beyond and _along(quote) else 0
    bonus = purse.bonus(quote) if unit is not Unit.MONEY else 0
    funds = bonus + purse.money
    bought = reach(holds, place, left, min(funds, spendable)) if holds else 0
    due = cost(holds, place + bought) - cost(holds, place) if holds else 0
    limited = not most or bool(not paid and holds and reach(holds, place, 1, funds))
    gifts = purse.pay(quote, Unit.MONEY, min(due, bonus)) if bonus else ()
    due -= sum(one.units for one in gifts)
    purse.money -= due
    granted = paid + bought
    refused = Reason.LIMIT_REACHED if limited else Reason.NO_CREDIT
    said = terms.decode(room.beyond or (beyond.terms if beyond else b""))
    payments = (*allowed, *gifts)
    return replace(
        about,
        reason=refused if units and not granted else Reason.NONE,
        price=full,
        tax=_tax(quoted, full),
        payments=payments,
        passed_over=tuple(purse.passed_over(quoted, payments)),
        overage=beyond.offer if beyond else "",
        throttle=said.throttle if said else "",
        granted=granted,
        cost=due,
        available=purse.money,
    )


def _along(quote: Quote) -> bool:
    return any(each.axis for each in quote.meters)


def _facts(quoted: Quoted) -> tuple[str, ...]:
    if quoted.usage is None:
        return ()
    item = quoted.item
    return replace(quoted.usage, rating_group=item.rating_group, service_id=item.service_id).known()


def _tax(quoted: Quoted, full: int) -> int:
    return quoted.held.plan.tax_in(full) if quoted.held else 0


def _selectors(match: Match) -> str:
    """The conditions that fit, as a plan writes them, and the prefix of a deck."""
    said = [str(match.rule.selectors), "incoming" if match.rule.incoming else ""]
    said.append(f"prefix = {match.prefix}" if match.prefix else "")
    return ", ".join(part for part in said if part)


def asked(event: ChargingEvent, quoted: Quoted) -> int:
    """The units whose price is asked for: those wanted, or used, or one grant's worth."""
    reported = quoted.item.used or quoted.item.total or 0
    if quoted.item.wanted is None and reported:
        return reported
    return wanted(quoted, event.phase)
