"""Whatever the bundles: splitting a session changes neither its price nor who pays it, and no share loses a unit."""

from random import Random

from balances.ledger import Account, Charge, Charged, Gift, Ledger, NewAccount, Overage, Phase, Quote, Unit, Use
from balances.price import FREE, Price, Step, cost

PLAIN = Price(50, (Step(40, 5, 20), Step(None, 10, 7)))
MORE = Price(20, (Step(None, 4, 33),))
OVERAGES = (
    (),
    (Overage(offer="gig", price=MORE),),
    (Overage(offer="gig", price=FREE, terms=b"slow"),),
    (Overage(offer="gig", price=None),),
)


class Desk:
    """An account with an allowance and bonus money, and sessions on it under one quote."""

    def __init__(self, ledger: Ledger, quote: Quote) -> None:
        self.ledger = ledger
        self.quote = quote
        self.account: Account
        self.requests = 0

    async def begin(self, name: str, octets: int, bonus: int, limit: int) -> None:
        new = NewAccount(id=name, plan="p", currency="EUR", credit_limit=limit)
        self.account = await self.ledger.open_account(new, 0)
        for offer, unit, amount in (("gig", Unit.OCTETS, octets), ("gift", Unit.MONEY, bonus)):
            gift = Gift(
                address=self.account.address, operation=offer, offer=offer, unit=unit, amount=amount, now=0
            )  # fmt: skip
            if amount:
                await self.ledger.give(gift)

    async def say(self, phase: Phase, session: str, used: int, wanted: int) -> Charged:
        self.requests += 1
        return await self.ledger.charge(
            Charge(
                address=self.account.address,
                version=1,
                session=session,
                operation=f"{self.requests}",
                fingerprint=0,
                phase=phase,
                door="test",
                now=self.requests,
                deadline=10**6,
                uses=(Use(key="k", unit=Unit.OCTETS, used=used, wanted=wanted, quote=self.quote),),
            )
        )

    async def paid(self) -> tuple[int, ...]:
        """What the main balance and each bucket have paid in the end; nothing is held."""
        account = await self.ledger.account(self.account.address)
        assert account.money.reserved == 0
        assert not any(bucket.counters.reserved for bucket in account.buckets)
        assert (await self.ledger.audit()).balanced
        by_offer = {bucket.offer: bucket.counters.debited for bucket in account.buckets}
        return account.money.debited, by_offer.get("gig", 0), by_offer.get("gift", 0)


def expected(overage: tuple[Overage, ...], used: int, octets: int, bonus: int) -> tuple[int, ...]:
    """By hand: the allowance first, the price of the rest from bonus money, what is left from the main balance."""
    allowed = min(used, octets)
    price = overage[0].price if overage and octets else PLAIN
    due = cost(PLAIN if price is None else price, used - allowed)
    return due - min(due, bonus), allowed, min(due, bonus)


async def test_splits_change_neither_price_nor_payer(ledger: Ledger) -> None:
    """Random splits of random use over random bundles, on both ledgers, against the sum done at once by hand."""
    chance = Random(32299)
    for number in range(120):
        overage = chance.choice(OVERAGES)
        quote = Quote(price=PLAIN, offers=("gig", "gift"), overage=overage, share=chance.choice([0, 0, 7, 50]))
        octets, bonus = chance.choice([0, 30, 100]), chance.choice([0, 15, 200])
        parts = [chance.randint(0, 60) for _ in range(chance.randint(1, 5))]
        desk = Desk(ledger, quote)
        await desk.begin(f"a{number}", octets, bonus, 10**6)
        for step, part in enumerate(parts):
            await desk.say(Phase.UPDATE if step else Phase.OPEN, f"s{number}", part, chance.randint(0, 80))
        await desk.say(Phase.CLOSE, f"s{number}", 0, 0)
        assert await desk.paid() == expected(overage, sum(parts), octets, bonus), (quote, parts, octets, bonus)


async def test_sessions_that_share_get_all_there_is_and_no_more(ledger: Ledger) -> None:
    """However many sessions share a balance: what all hold together is there, and the last gets what is left."""
    chance = Random(8506)
    for number in range(40):
        share, floor = chance.choice([1, 10, 33, 99]), chance.choice([1, 5, 20])
        octets, money = chance.randint(0, 300), chance.randint(0, 300)
        quote = Quote(price=Price(0, (Step(None, 1, 1),)), offers=("gig",), share=share, floor=floor)
        desk = Desk(ledger, quote)
        await desk.begin(f"a{number}", octets, 0, money)
        left, session = octets + money, 0
        while left:
            (grant,) = (await desk.say(Phase.OPEN, f"s{number}.{session}", 0, 1000)).grants
            assert grant.granted == min(left, 1000, max(floor, left * share // 100))
            left -= grant.granted
            assert grant.final == (not left)
            session += 1
        (grant,) = (await desk.say(Phase.OPEN, f"s{number}.{session}", 0, 1000)).grants
        assert grant.granted == 0


async def test_a_share_is_exact_however_large(ledger: Ledger) -> None:
    """Near 2^53 a float would be off by one; a share is the integer it should be."""
    for number, share in enumerate((1, 33, 67, 99)):
        amount = 2**53 - 2**47 - number
        desk = Desk(ledger, Quote(price=FREE, offers=("gig",), share=share, overage=OVERAGES[3]))
        await desk.begin(f"a{number}", amount, 0, 0)
        (grant,) = (await desk.say(Phase.OPEN, f"s{number}", 0, 2**53 - 1)).grants
        assert grant.granted == amount * share // 100
