"""Everything that can happen to accounts, by chance, in a store."""

import random
from contextlib import suppress

from balances.ledger import (
    Account,
    Address,
    Charge,
    Gift,
    InsufficientFunds,
    Lapse,
    Movement,
    NewAccount,
    NewSubscription,
    Period,
    Phase,
    Quote,
    Refund,
    Renewal,
    Unit,
    Use,
)
from balances.price import Price, Step
from balances.store import StoreLedger

QUOTES = (
    Quote(price=Price(0, (Step(None, 10, 7),)), offers=("bundle",)),
    Quote(price=Price(3, (Step(50, 5, 9), Step(None, 20, 11))), offers=("bundle", "night")),
)


class Life:
    """Everything that can happen to accounts, by chance, in a store."""

    def __init__(self, ledger: StoreLedger, seed: int) -> None:
        self.ledger = ledger
        self.chance = random.Random(seed)
        self.now = 1_700_000_000_000
        self.accounts: list[Account] = []
        self.done = 0

    async def begin(self) -> None:
        for number in range(6):
            new = NewAccount(id=f"a{number}", plan="p", currency="EUR", credit_limit=number * 100)
            self.accounts.append(await self.ledger.open_account(new, self.now))

    async def step(self) -> None:
        self.done += 1
        self.now += self.chance.randrange(60)
        address = self.chance.choice(self.accounts).address
        operation, session = f"o{self.done}", f"s{self.chance.randrange(4)}\ud800;{address.account}"
        fate = self.chance.random()
        if fate < 0.2:
            amount = self.chance.randrange(1, 500)
            await self.ledger.move(
                Movement(address=address, operation=operation, amount=amount, cause="topup", now=self.now)
            )
        elif fate < 0.3:
            await self.ledger.give(
                Gift(
                    address=address,
                    operation=operation,
                    offer=self.chance.choice(["bundle", "night"]),
                    unit=Unit.OCTETS,
                    amount=self.chance.randrange(1, 300),
                    expires_at=self.now + self.chance.randrange(1, 2000),
                    now=self.now,
                )
            )
        elif fate < 0.35:
            await self.ledger.expire(self.now)
        elif fate < 0.4:
            await self.ledger.refund(
                Refund(
                    address=address,
                    session=f"r{session}",
                    operation=operation,
                    fingerprint=0,
                    target=session,
                    door="test",
                    now=self.now,
                )
            )
        elif fate < 0.45:
            await self.subscribe_or_renew(address, operation)
        else:
            await self.charge(address, session, operation)

    async def subscribe_or_renew(self, address: Address, operation: str) -> None:
        """Of a bundle whose periods are short; now and then there is not enough money."""
        period = Period(
            since=self.now, starts_at=self.now, ends_at=self.now + self.chance.randrange(1, 500),
            fee=self.chance.randrange(100), unit=Unit.OCTETS, amount=self.chance.randrange(1, 100), carry=30,
        )  # fmt: skip
        for one in await self.ledger.subscriptions(address):
            renewal = Renewal(
                address=address, offer=one.offer, due_at=one.due_at, period=period, retry_at=self.now + 10,
                paused_until=self.now + 20, now=self.now,
            )  # fmt: skip
            await self.ledger.renew(renewal)
            return
        new = NewSubscription(address=address, operation=operation, offer="bundle", period=period, now=self.now)
        with suppress(InsufficientFunds):
            await self.ledger.subscribe(new)

    async def charge(self, address: Address, session: str, operation: str) -> None:
        phase = self.chance.choice([Phase.OPEN, Phase.UPDATE, Phase.UPDATE, Phase.CLOSE, Phase.EVENT])
        use = Use(
            key=self.chance.choice("ab"),
            unit=Unit.OCTETS,
            used=self.chance.randrange(120) if phase in (Phase.UPDATE, Phase.CLOSE) else 0,
            wanted=self.chance.randrange(150),
            quote=self.chance.choice(QUOTES),
        )
        await self.ledger.charge(
            Charge(
                address=address,
                version=1,
                session=session,
                operation=operation,
                fingerprint=0,
                phase=phase,
                door="test",
                now=self.now,
                deadline=self.now + self.chance.randrange(200),
                lapse=self.chance.choice(list(Lapse)),
                uses=(use,),
            )
        )
