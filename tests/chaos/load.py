"""Load on a ledger whose store is being hurt, and the checker of what came of it.

Every request is repeated, under the same identity, until it is answered, as gateways and operators do. The history says
what was acknowledged; the checker holds the books against it.
"""

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from balances.ledger import (
    Account,
    Address,
    Charge,
    Charged,
    Movement,
    NewAccount,
    Phase,
    Quote,
    Unavailable,
    Unit,
    Use,
    Verdict,
)
from balances.link import ReplyError
from balances.price import Price, Step
from balances.store import StoreLedger

QUOTE = Quote(price=Price(0, (Step(None, 1, 1),)))
"""One micro-unit a unit, so that what was used is what is debited."""

FUNDS = 10**9


@dataclass(slots=True)
class Figures:
    """What a run came to."""

    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    topups: int = 0
    lost_charges: int = 0
    """Micro-units that were acknowledged as debited and are not in the books."""
    lost_topups: int = 0
    longest_wait: float = 0.0

    def __str__(self) -> str:
        errors = sum(self.errors.values())
        return (
            f"{self.requests} requests and {self.topups} top-ups answered, {errors} attempts without an answer, "
            f"longest wait {self.longest_wait:.1f} s; acknowledged and lost: {self.lost_topups} top-ups, "
            f"{self.lost_charges} micro-units of charges"
        )


class Load:
    """``crowd`` sessions at a time on ``accounts`` accounts, and a top-up now and then, until ``stop`` is set."""

    def __init__(self, ledger: StoreLedger, *, accounts: int = 8, crowd: int = 20, seed: int = 1) -> None:
        self.ledger = ledger
        self.figures = Figures()
        self.stop = asyncio.Event()
        self.skew = 0
        """Milliseconds by which the clock is wrong."""
        self.lapsed = 0
        """Sessions that nobody renewed in time, which only a wrong clock can do here."""
        self.lossy = False
        """The store may lose what it acknowledged: a failover."""
        self._accounts = accounts
        self._crowd = crowd
        self._chance = random.Random(seed)
        self._opened: list[Account] = []
        self._number = 0
        self._debited: Counter[str] = Counter()
        self._topped: dict[str, str] = {}
        """Acknowledged top-ups: operation to account."""

    def _now(self) -> int:
        return time.time_ns() // 1_000_000 + self.skew

    async def begin(self) -> None:
        for number in range(self._accounts):
            account = await self.ledger.open_account(NewAccount(id=f"c{number}", plan="p", currency="EUR"), self._now())
            self._opened.append(account)
            await self.ledger.move(self._movement(account.address, f"funds{number}", FUNDS))

    async def run(self) -> None:
        """Until ``stop``; then every session is ended in order."""
        cashiers = [self._topups() for _ in range(self._crowd // 2)]
        reaper = asyncio.create_task(self._reap())
        await asyncio.gather(*[self._sessions() for _ in range(self._crowd)], *cashiers)
        reaper.cancel()

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            with suppress(Unavailable, ReplyError):
                self.lapsed += len(await self.ledger.expire(self._now()))

    async def _sessions(self) -> None:
        while not self.stop.is_set():
            self._number += 1
            account = self._chance.choice(self._opened)
            name = f"s{self._number}"
            answer = await self._charge(account, name, 0, Phase.OPEN, wanted=500)
            for count in range(1, self._chance.randrange(2, 6)):
                if answer.verdict is not Verdict.DONE:
                    break
                used = self._chance.randrange(1, 400)
                answer = await self._charge(account, name, count, Phase.UPDATE, used=used, wanted=500)
            if answer.verdict is Verdict.DONE:
                await self._charge(account, name, 99, Phase.CLOSE, used=self._chance.randrange(200))

    async def leave_open(self) -> None:
        """Open a session that nobody speaks of any more."""
        self._number += 1
        await self._charge(self._chance.choice(self._opened), f"s{self._number}", 0, Phase.OPEN, wanted=500)

    async def _charge(self, account: Account, name: str, count: int, phase: Phase, **use: int) -> Charged:
        now = self._now()
        charge = Charge(
            address=account.address,
            version=account.version,
            session=name,
            operation=str(count),
            sequence=count,
            fingerprint=count,
            phase=phase,
            door="chaos",
            now=now,
            deadline=now + 600_000,
            uses=(Use(key="k", unit=Unit.OCTETS, quote=QUOTE, **use),),
        )
        answer = await self._until_answered(lambda: self.ledger.charge(charge))
        self.figures.requests += 1
        if answer.verdict in (Verdict.DONE, Verdict.LAPSED_SESSION):
            self._debited[account.address.account] += use.get("used", 0)
        else:
            assert self.lossy, f"{answer} to {charge}"
            assert answer.verdict in (Verdict.UNKNOWN_SESSION, Verdict.CLOSED_SESSION), answer
        if self._chance.random() < 0.1 and not self.lossy:
            again = await self._until_answered(lambda: self.ledger.charge(charge))
            assert msgspec.structs.replace(again, replayed=answer.replayed) == answer, "one request, two answers"
        await asyncio.sleep(self._chance.random() * 0.01)
        return answer

    async def _topups(self) -> None:
        while not self.stop.is_set():
            account = self._chance.choice(self._opened)
            self._number += 1
            operation = f"t{self._number}"
            await self._until_answered(
                lambda o=operation, a=account: self.ledger.move(self._movement(a.address, o, 1000))
            )
            self._topped[operation] = account.address.account
            self.figures.topups += 1
            await asyncio.sleep(self._chance.random() * 0.1)

    def _movement(self, address: Address, operation: str, amount: int) -> Movement:
        return Movement(address=address, operation=operation, amount=amount, cause="topup", now=self._now())

    async def _until_answered(self, ask):
        begun = time.monotonic()
        while True:
            try:
                answer = await ask()
                self.figures.longest_wait = max(self.figures.longest_wait, time.monotonic() - begun)
                return answer
            except Unavailable as problem:
                self.figures.errors[str(problem).partition(":")[0]] += 1
            except ReplyError as problem:  # a store that is ending, or a node that is not what it was
                self.figures.errors[str(problem)[:40]] += 1
                if time.monotonic() - begun > 60:
                    raise
            await asyncio.sleep(0.02)

    async def check(self) -> Figures:
        """Books close, top-ups are there once, nothing is charged twice; all is there, unless ``lossy``."""
        audit = await self.ledger.audit()
        assert audit.findings == ()
        for account in self._opened:
            name = account.address.account
            entries = await self._entries(account.address)
            topped = Counter(entry.operation for entry in entries if entry.cause == "topup")
            assert set(topped.values()) == {1}, "a top-up was done twice"
            acknowledged = {operation for operation, owner in self._topped.items() if owner == name}
            self.figures.lost_topups += len(acknowledged - set(topped))
            found = await self.ledger.account(account.address)
            lost = self._debited[name] - found.money.debited
            assert lost >= 0, f"{name}: {-lost} charged that nobody reported"
            self.figures.lost_charges += lost
            if not self.lossy:
                assert found.money.reserved == 0
                assert found.money.credited == FUNDS + 1000 * len(acknowledged)
        if not self.lossy:
            assert (self.figures.lost_charges, self.figures.lost_topups) == (0, 0)
        return self.figures

    async def _entries(self, address: Address):
        found = []
        while page := await self.ledger.entries(address, found[-1].id if found else "", 1000):
            found += page
        return found
