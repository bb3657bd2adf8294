"""A hypothesis state machine that does the same to both ledgers and looks for a difference after each step."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from balances import wire
from balances.keys import Keys
from balances.ledger import (
    Account,
    AccountChange,
    Address,
    Billing,
    Cancellation,
    Charge,
    Empty,
    Entry,
    Extension,
    Gift,
    Identity,
    IdentityType,
    Lapse,
    Ledger,
    LedgerError,
    Lending,
    Level,
    Lift,
    Metering,
    Movement,
    NewAccount,
    NewSubscription,
    Overage,
    Period,
    Phase,
    Quote,
    Receipt,
    Refund,
    Renewal,
    SessionState,
    Status,
    Subscription,
    Transfer,
    Unit,
    Use,
    Validity,
)
from balances.link import Link
from balances.memory import DAY, TRANSFER_OUT, MemoryLedger, Shard
from balances.money import LIMIT
from balances.price import FREE, Price, Step
from balances.scripts import all_scripts, assemble, made
from balances.store import StoreLedger
from balances.transfers import TRANSFER_IN, carry, landing, transfer_name
from tests.ledgers import chain_above

SPOILT = (
    "open",
    "change",
    "charge",
    "expire",
    "refund",
    "credit",
    "lend",
    "send",
    "arrive",
    "subscribe",
    "unsubscribe",
    "renew",
)
"""Scripts in which bugs are planted."""

SHARDS = 2
WINDOW = 100 * DAY
"""Longer than any life: the store forgets by its own clock."""
ACCOUNTS = ("ann", "bob", "cat")
SESSIONS = ("s1", "s2", "s3")
QUOTES = (
    Quote(price=Price(0, (Step(None, 1, 3),)), offers=("big", "small"), terms=b"plain"),
    Quote(price=Price(7, (Step(20, 10, 25), Step(None, 4, 5, 2, 1))), offers=("small",), terms=b"steps"),
    Quote(price=Price(0, (Step(None, 30, 100, 7, 6),)), terms=b"coarse"),
    Quote(price=FREE, offers=("big",), terms=b"free"),
    Quote(price=Price(0, (Step(None, 1, LIMIT // 50),)), terms=b"dear"),
    Quote(price=Price(3, (Step(None, 1, 2),)), offers=("small", "bonus"), terms=b"share", share=30, floor=4),
    Quote(
        price=Price(5, (Step(None, 5, 11),)),
        offers=("big", "small", "bonus"),
        terms=b"after",
        overage=(
            Overage(offer="small", price=Price(2, (Step(15, 5, 3), Step(None, 1, 2))), terms=b"dearer"),
            Overage(offer="big", price=None),
        ),
    ),
    Quote(
        price=Price(0, (Step(None, 1, 3),)),
        offers=("big", "small"),
        terms=b"fair",
        share=50,
        overage=(Overage(offer="small", price=FREE, terms=b"slow"),),
    ),
)

METERED = (
    Quote(
        price=Price(0, (Step(30, 1, 1), Step(None, 1, 4))),
        offers=("big",),
        terms=b"rising",
        meters=(Metering(meter="month", unit=Unit.OCTETS, ends_at=1200, warn=20, axis=True),),
    ),
    Quote(
        price=Price(0, (Step(40, 10, 25), Step(None, 4, 5, 2, 1))),
        offers=("small", "bonus"),
        terms=b"falling",
        meters=(
            Metering(meter="day", ends_at=1100, cap=60, warn=48),
            Metering(meter="month", unit=Unit.OCTETS, ends_at=1400, limit=90, axis=True),
        ),
    ),
    Quote(
        price=Price(4, (Step(None, 1, 3),)),
        offers=("small",),
        terms=b"capped",
        share=50,
        meters=(Metering(meter="day", ends_at=1300, cap=100, limit=20),),
    ),
    Quote(
        price=Price(0, (Step(None, 3, 7),)),
        offers=("small",),
        terms=b"free then",
        overage=(Overage(offer="small", price=Price(0, (Step(None, 1, 1),)), terms=b"beyond"),),
        meters=(Metering(meter="month", unit=Unit.OCTETS, ends_at=1300, cap=200, axis=True),),
    ),
    Quote(
        price=Price(0, (Step(None, 400, 12),)),
        offers=("big",),
        terms=b"fast",
        meters=(
            Metering(meter="month", unit=Unit.OCTETS, ends_at=1300, warn=12, limit=15, beyond=b"slow"),
            Metering(meter="day", unit=Unit.OCTETS, ends_at=1300, cap=24, warn=24, limit=40, beyond=b"crawling"),
        ),
    ),
)
"""Periods end one after the other, so that meters move on while sessions hold units. What is used of the last costs the
same whatever it is, so that spending comes to a warning exactly."""

amounts = st.one_of(st.integers(0, 40), st.integers(0, 400))
uses = st.builds(
    Use,
    key=st.sampled_from(["k1", "k2"]),
    unit=st.just(Unit.OCTETS),
    used=amounts,
    total=st.one_of(st.none(), st.none(), amounts),
    wanted=st.one_of(amounts, st.just(0), st.sampled_from([LIMIT - 1, LIMIT])),
    least=st.sampled_from([1, 1, 5, 400]),
    quote=st.one_of(st.none(), st.sampled_from(QUOTES[:4]), st.sampled_from(QUOTES), st.sampled_from(METERED)),
    denied=st.sampled_from([None, None, None, None, "barred"]),
)


class Machine(RuleBasedStateMachine):
    """``url`` and ``spoil`` are set by the test: where the store is, and what to break in its charge script."""

    url: str
    spoil: Callable[[str], str] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.memory = MemoryLedger(SHARDS, WINDOW)
        self.store = self.runner.run(self._connect())
        self.now = 1000
        self.operations = 0
        self.versions: dict[str, int] = {}
        self.last: Charge | None = None

    async def _connect(self) -> StoreLedger:
        self.link = Link(self.url, scripts=all_scripts())
        await self.link.open()
        await self.link.call("FLUSHALL")
        store = StoreLedger(self.link, SHARDS, WINDOW)
        await store.prepare()
        for verb in SPOILT if self.spoil else ():
            store.scripts[verb] = made(verb, self.spoil(assemble(verb)))
        return store

    def teardown(self) -> None:
        self.runner.run(self.link.close())
        self.runner.close()

    def same(self, verb: Callable[[Ledger], Coroutine[Any, Any, Any]]) -> Any:
        """Do it to both; the outcomes must be equal, errors included. Entry ids are each ledger's own."""
        outcomes = []
        for ledger in (self.memory, self.store):
            try:
                outcome = self.runner.run(verb(ledger))
            except LedgerError as refusal:
                outcome = type(refusal)
            if isinstance(outcome, Receipt):
                outcome = msgspec.structs.replace(outcome, entry="")
            outcomes.append(outcome)
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    def address(self, account: str) -> Address:
        address = self.runner.run(self.memory.address(account))
        assert address is not None
        return address

    def operation(self, fresh: bool) -> str:
        self.operations += fresh
        return f"o{self.operations}"

    @initialize(money=amounts)
    def two_accounts(self, money: int) -> None:
        self.open("ann", 0, None)
        self.open("bob", 30, "ann")
        self.move("ann", money + 100, True)

    @rule(account=st.sampled_from(ACCOUNTS), limit=st.sampled_from([0, 50]), parent=st.sampled_from([None, "ann"]))
    def open(self, account: str, limit: int, parent: str | None, billing: Billing = Billing.OWN) -> None:
        identities = (Identity(type=IdentityType.E164, value=account[0]),)
        new = NewAccount(
            id=account, plan="p", currency="EUR", credit_limit=limit, identities=identities, parent=parent,
            billing=billing,
        )  # fmt: skip
        self.same(lambda ledger: ledger.open_account(new, self.now))
        self.versions.setdefault(account, 1)

    @rule(
        account=st.sampled_from(ACCOUNTS[:2]),
        status=st.sampled_from([None, Status.ACTIVE, Status.ACTIVE, Status.ACTIVE, Status.SUSPENDED]),
        limit=st.sampled_from([None, 0, 50]),
    )
    def change(self, account: str, status: Status | None, limit: int | None) -> None:
        change = AccountChange(status=status, credit_limit=limit)
        self.same(lambda ledger: ledger.change_account(self.address(account), change, self.now))

    @rule(
        account=st.sampled_from(ACCOUNTS[:2]),
        amount=st.one_of(st.integers(1, 500), st.integers(-50, 0), st.just(LIMIT - 1)),
        fresh=st.sampled_from([True, True, False]),
    )
    def move(self, account: str, amount: int, fresh: bool) -> None:
        movement = Movement(
            address=self.address(account), operation=self.operation(fresh), amount=amount, cause="c", now=self.now
        )
        self.same(lambda ledger: ledger.move(movement))

    @rule(
        account=st.sampled_from(ACCOUNTS[:2]),
        offer=st.sampled_from(["big", "small", "bonus"]),
        amount=st.integers(1, 60),
        priority=st.integers(1, 2),
        starts=st.sampled_from([0, 0, 0, 30]),
        life=st.one_of(st.none(), st.integers(1, 100)),
        lasts=st.one_of(st.none(), st.none(), st.integers(0, 60), st.just(LIMIT // 2)),
        fresh=st.sampled_from([True, True, False]),
    )
    def give(self, account: str, offer: str, starts: int, life: int | None, fresh: bool, **rest: Any) -> None:
        gift = Gift(
            address=self.address(account),
            operation=self.operation(fresh),
            offer=offer,
            unit=Unit.MONEY if offer == "bonus" else Unit.OCTETS,
            starts_at=self.now + starts,
            expires_at=None if life is None else self.now + life,
            now=self.now,
            **rest,
        )
        self.same(lambda ledger: ledger.give(gift))

    @rule(
        account=st.sampled_from(ACCOUNTS[:2]),
        meter=st.sampled_from(["day", "month"]),
        life=st.integers(1, 300),
        fresh=st.sampled_from([True, True, False]),
    )
    def lift(self, account: str, meter: str, life: int, fresh: bool) -> None:
        lift = Lift(
            address=self.address(account),
            operation=self.operation(fresh),
            meter=meter,
            unit=Unit.OCTETS if meter == "month" else None,
            ends_at=self.now + life,
            reference="asked",
            now=self.now,
        )
        self.same(lambda ledger: ledger.lift(lift))

    def send(self, phase: Phase, session: str, uses: Sequence[Use], life: int = 50, **rest: Any) -> None:
        account = rest.pop("account", "ann")
        current = rest.pop("current", True)
        address = self.address(account)
        charge = Charge(
            address=address,
            version=self.runner.run(self.memory.account(address)).version + (not current),
            session=session,
            operation=self.operation(True),
            fingerprint=self.operations,
            sequence=rest.pop("sequence", None),
            phase=phase,
            door=rest.pop("door", "test"),
            now=self.now,
            deadline=self.now + life,
            uses=tuple(uses),
            levels=self.levels(address, uses),
            reference=f"carrier={self.operations % 3}" if self.operations % 2 else "",
            **rest,
        )
        self.last = charge
        self.same(lambda ledger: ledger.charge(charge))

    def levels(self, address: Address, uses: Sequence[Use]) -> tuple[Level, ...]:
        """Each with other quotes than the level below, but as many sorts of them; now and then one is barred."""
        found = []
        for place, (account, tie) in enumerate(self.runner.run(chain_above(self.memory, address)), start=1):
            quotes = tuple(None if use.quote is None else _other(use.quote, place + self.operations) for use in uses)
            barred = "barred" if self.operations % 11 == place else None
            found.append(
                Level(
                    address=account.address,
                    version=account.version + (self.operations % 13 == place),
                    billing=tie,
                    quotes=quotes,
                    denied=(barred,) * len(uses),
                )
            )
        return tuple(found)

    @rule(
        account=st.sampled_from(["ann", "ann", "ann", "bob"]),
        session=st.sampled_from(SESSIONS),
        phase=st.sampled_from([Phase.OPEN, Phase.UPDATE, Phase.CLOSE, Phase.EVENT, Phase.LAPSE]),
        life=st.integers(1, 60),
        uses=st.lists(uses, max_size=3),
        lapse=st.sampled_from(Lapse),
        empty=st.sampled_from(Empty),
        context=st.sampled_from([None, b"ctx"]),
        current=st.sampled_from([True] * 4 + [False]),
        sequence=st.one_of(st.none(), st.integers(0, 20)),
        door=st.sampled_from(["test"] * 5 + ["other"]),
    )
    def anything(self, phase: Phase, session: str, uses: list[Use], **rest: Any) -> None:
        self.send(phase, session, uses, **rest)

    @rule(
        session=st.sampled_from(SESSIONS[:2]),
        life=st.integers(1, 60),
        wanted=st.integers(1, 60),
        quote=st.sampled_from(QUOTES + METERED),
        lapse=st.sampled_from(Lapse),
    )
    def begin(self, session: str, life: int, wanted: int, quote: Quote, lapse: Lapse) -> None:
        use = Use(key="k1", unit=Unit.OCTETS, wanted=wanted, quote=quote)
        self.send(Phase.OPEN, session, [use], life, lapse=lapse)

    @rule(
        session=st.sampled_from(SESSIONS[:2]),
        phase=st.sampled_from([Phase.UPDATE, Phase.UPDATE, Phase.UPDATE, Phase.CLOSE, Phase.CLOSE, Phase.LAPSE]),
        used=st.one_of(st.integers(0, 60), st.integers(0, 300)),
        wanted=st.integers(0, 60),
        quote=st.one_of(st.none(), st.sampled_from(QUOTES + METERED)),
        lapse=st.sampled_from(Lapse),
    )
    def report(self, session: str, phase: Phase, used: int, wanted: int, quote: Quote | None, lapse: Lapse) -> None:
        use = Use(key="k1", unit=Unit.OCTETS, used=used, wanted=wanted, quote=quote)
        self.send(phase, session, [use], lapse=lapse)

    @rule()
    def open_overtaken_by_close(self) -> None:
        session = f"late{self.operations}"
        use = Use(key="k1", unit=Unit.OCTETS, wanted=1, quote=QUOTES[0])
        for phase in (Phase.CLOSE, Phase.OPEN, Phase.OPEN, Phase.CLOSE):
            self.send(phase, session, [use])

    @rule(later=st.integers(1, 80))
    def wait(self, later: int) -> None:
        self.now += later

    @precondition(lambda self: self.last is not None)
    @rule(other=st.booleans())
    def repeat(self, other: bool) -> None:
        assert self.last is not None
        repeated = msgspec.structs.replace(self.last, fingerprint=self.last.fingerprint + other)
        self.same(lambda ledger: ledger.charge(repeated))

    @rule(
        account=st.sampled_from(["ann", "ann", "bob"]),
        session=st.sampled_from([*SESSIONS, "r1"]),
        charged=st.sampled_from(SESSIONS),
        fresh=st.sampled_from([True, True, False]),
        units=st.one_of(st.none(), st.none(), st.integers(0, 40)),
    )
    def refund(self, account: str, session: str, charged: str, fresh: bool, units: int | None) -> None:
        above = self.runner.run(chain_above(self.memory, self.address(account)))
        refund = Refund(
            address=self.address(account),
            levels=tuple(one.address for one, _ in above),
            session=session,
            operation=self.operation(fresh),
            fingerprint=0,
            target=charged,
            units=units,
            door="test",
            now=self.now,
        )
        self.same(lambda ledger: ledger.refund(refund))

    @rule(later=st.one_of(st.integers(1, 20), st.integers(1, 80), st.just(70_000)), limit=st.integers(1, 5))
    def expire(self, later: int, limit: int) -> None:
        self.now += later
        self.same(lambda ledger: ledger.expire(self.now, limit))

    @invariant()
    def everything_agrees(self) -> None:
        self.runner.run(self._compare())

    async def _compare(self) -> None:
        """All of the store is read at once: the machine takes thousands of steps."""
        accounts = await self.memory.accounts()
        theirs = self.store
        found, sessions, audit, *parts = await asyncio.gather(
            theirs.accounts(),
            theirs.sessions(),
            theirs.audit(),
            *[self._entries_agree(account) for account in accounts],
            *[self._shard_agrees(shard, keys) for shard, keys in zip(self.memory.shards, theirs.keys, strict=True)],
        )
        assert found == accounts
        assert sessions == await self.memory.sessions()
        assert audit == await self.memory.audit()
        assert audit.findings == ()
        assert parts == [None] * len(parts)

    async def _entries_agree(self, account: Account) -> None:
        ours = await self.memory.entries(account.address)
        theirs = await self.store.entries(account.address)
        assert [_anonymous(entry) for entry in ours] == [_anonymous(entry) for entry in theirs]
        assert account.available >= -account.money.overrun

    async def _shard_agrees(self, shard: Shard, keys: Keys) -> None:
        calls = [
            self.link.call(*command)
            for name in shard.sessions
            for command in (
                ("GET", keys.session(name)),
                ("PTTL", keys.session(name)),
                ("PTTL", keys.answers(name)),
                ("HLEN", keys.answers(name)),
            )
        ]
        due, *replies = await asyncio.gather(self.link.call("ZRANGE", keys.due, 0, -1, "WITHSCORES"), *calls)
        assert {name.decode(): int(score) for name, score in zip(due[::2], due[1::2], strict=True)} == shard.due
        for at, (name, session) in enumerate(shard.sessions.items()):
            packed, ttl, answers_ttl, earlier = replies[4 * at : 4 * at + 4]
            assert packed is not None
            assert wire.read_session(keys.shard, name, packed) == replace(session, forget_at=None)
            assert (ttl == -1) == (session.state is SessionState.OPEN)
            assert earlier == len(shard.answers[name].kept) - 1
            assert not earlier or abs(answers_ttl - ttl) < 1000


def _other(quote: Quote, further: int) -> Quote:
    every = QUOTES + METERED
    return every[(every.index(quote) + further) % len(every)]


def _anonymous(entry: Entry) -> Entry:
    """Entry ids are each ledger's own."""
    return msgspec.structs.replace(entry, id="")


class UsedUp(Machine):
    """Its lives use bundles up, which takes more steps in a row than chance often strings together."""

    @rule(amount=st.integers(1, 20), more=st.integers(1, 40))
    def use_a_bundle_up(self, amount: int, more: int) -> None:
        self.give("ann", "small", 0, None, True, amount=amount, priority=1, lasts=None)
        use = Use(key="k1", unit=Unit.OCTETS, used=300, wanted=more, quote=QUOTES[6])
        session = f"used-up{self.operations}"
        for phase in (Phase.OPEN, Phase.UPDATE, Phase.CLOSE):
            self.send(phase, session, [use])


class Treasury(Machine):
    """Its accounts borrow, and send each other money."""

    @rule(
        account=st.sampled_from(ACCOUNTS[:2]),
        amount=st.one_of(st.integers(0, 100), st.just(LIMIT - 1)),
        fresh=st.sampled_from([True, True, False]),
    )
    def credit(self, account: str, amount: int, fresh: bool) -> None:
        movement = Movement(
            address=self.address(account), operation=self.operation(fresh), amount=amount, cause="c", now=self.now
        )
        self.same(lambda ledger: ledger.credit(movement))

    @rule(
        account=st.sampled_from(ACCOUNTS[:2]),
        amount=st.one_of(st.integers(0, 100), st.just(LIMIT - 1)),
        fee=st.integers(-1, 20),
        below=st.one_of(st.none(), st.integers(0, 200)),
        fresh=st.sampled_from([True, True, False]),
    )
    def lend(self, account: str, fresh: bool, **terms: Any) -> None:
        lending = Lending(address=self.address(account), operation=self.operation(fresh), now=self.now, **terms)
        self.same(lambda ledger: ledger.lend(lending))

    @rule(
        ends=st.permutations(ACCOUNTS[:2]),
        amount=st.one_of(st.integers(0, 60), st.just(LIMIT - 1)),
        fee=st.integers(-1, 5),
        day=st.sampled_from(["monday", "tuesday"]),
        daily=st.one_of(st.none(), st.integers(0, 3)),
        fresh=st.sampled_from([True, True, False]),
    )
    def send_money(self, ends: list[str], fresh: bool, **terms: Any) -> None:
        sender, to = map(self.address, ends)
        transfer = Transfer(address=sender, to=to, operation=self.operation(fresh), now=self.now, **terms)
        self.same(lambda ledger: ledger.send(transfer))

    @rule(wanted=st.integers(1, 20))
    def send_what_is_reserved(self, wanted: int) -> None:
        use = Use(key="k1", unit=Unit.OCTETS, wanted=wanted, quote=QUOTES[0])
        self.send(Phase.OPEN, f"held{self.operations}", [use])
        money = self.runner.run(self.memory.account(self.address("ann"))).money
        self.send_money(["ann", "bob"], True, amount=max(1, money.balance), fee=0, day="monday", daily=None)

    @rule()
    def send_more_than_a_day_allows(self) -> None:
        self.credit("ann", 50, True)
        day = f"day{self.operations}"
        for _ in range(2):
            self.send_money(["ann", "bob"], True, amount=1, fee=0, day=day, daily=1)

    @rule()
    def arrive_twice(self) -> None:
        self.credit("ann", 50, True)
        self.send_money(["ann", "bob"], True, amount=2, fee=1, day=f"day{self.operations}", daily=None)
        for place in range(len(self.runner.run(self.memory.in_transit()))):
            self.carry(place, False)

    @rule(which=st.integers(0, 3), crash=st.booleans())
    def carry(self, which: int, crash: bool) -> None:
        """What is in transit is credited; a crash may leave it so, for somebody else to find."""
        found = self.same(lambda ledger: ledger.in_transit())
        if which >= len(found):
            return
        transfer = found[which]
        if crash:
            self.same(lambda ledger: ledger.credit(landing(transfer, self.now)))
            return
        if isinstance(self.same(lambda ledger: carry(ledger, transfer, self.now)), Receipt):
            self.same(lambda ledger: ledger.arrived(transfer))

    async def _compare(self) -> None:
        await super()._compare()
        assert await self.store.in_transit() == await self.memory.in_transit()
        for account in await self.memory.accounts():
            assert await self.memory.loan(account.address) == await self.store.loan(account.address)
        self._nothing_is_lost()

    def _nothing_is_lost(self) -> None:
        """All that was sent has been credited, or will be."""
        lines = [(entry.cause, line) for shard in self.memory.shards for entry in shard.outbox for line in entry.lines]
        sent = sum(line.debited for cause, line in lines if cause == TRANSFER_OUT)
        credited = sum(line.credited for cause, line in lines if cause == TRANSFER_IN)
        flying = sum(
            transfer.amount
            for shard in self.memory.shards
            for transfer in shard.transit.values()
            if (transfer.to.account, transfer_name(transfer)) not in self.memory.shards[transfer.to.shard].operations
        )
        assert sent == credited + flying


periods = st.fixed_dictionaries(
    {
        "life": st.one_of(st.integers(1, 60), st.just(0)),
        "fee": st.one_of(st.integers(0, 60), st.sampled_from([-1, LIMIT])),
        "amount": st.one_of(st.integers(1, 60), st.sampled_from([0, LIMIT])),
        "priority": st.integers(1, 2),
        "carry": st.sampled_from([0, 10, 100]),
    }
)


class Subscribers(Machine):
    """Its accounts subscribe, and several try to renew what is due."""

    def period(self, offer: str, life: int, **rest: Any) -> Period:
        unit = Unit.MONEY if offer == "bonus" else Unit.OCTETS
        return Period(since=self.now, starts_at=self.now, ends_at=self.now + life, unit=unit, **rest)

    @rule(
        account=st.sampled_from(ACCOUNTS[:2]),
        offer=st.sampled_from(["big", "bonus"]),
        period=periods,
        fresh=st.sampled_from([True, True, False]),
    )
    def subscribe(self, account: str, offer: str, period: dict[str, int], fresh: bool) -> None:
        new = NewSubscription(
            address=self.address(account),
            operation=self.operation(fresh),
            offer=offer,
            period=self.period(offer, **period),
            now=self.now,
        )
        self.same(lambda ledger: ledger.subscribe(new))

    @rule(
        account=st.sampled_from(ACCOUNTS[:2]),
        offer=st.sampled_from(["big", "bonus"]),
        fresh=st.sampled_from([True, True, False]),
    )
    def unsubscribe(self, account: str, offer: str, fresh: bool) -> None:
        ended = Cancellation(address=self.address(account), operation=self.operation(fresh), offer=offer, now=self.now)
        self.same(lambda ledger: ledger.unsubscribe(ended))

    @rule(
        later=st.one_of(st.integers(0, 80), st.just(86_400_000)),
        period=st.one_of(periods, periods, periods, st.none()),
        retry=st.one_of(st.none(), st.integers(0, 20)),
    )
    def renew_what_is_due(self, later: int, period: dict[str, int] | None, retry: int | None) -> None:
        self.now += later
        for shard in range(SHARDS):
            for due in self.same(lambda ledger, shard=shard: ledger.due_renewals(shard, self.now)):  # type: ignore[misc]
                renewal = Renewal(
                    address=due.address,
                    offer=due.offer,
                    due_at=due.due_at,
                    period=self.period(due.offer, **period) if period else None,
                    retry_at=None if retry is None else self.now + retry,
                    paused_until=self.now + 30,
                    now=self.now,
                )
                self.same(lambda ledger, renewal=renewal: ledger.renew(renewal))  # type: ignore[misc]
                self.same(lambda ledger, renewal=renewal: ledger.renew(renewal))  # type: ignore[misc]

    @rule(used=st.integers(0, 20), held=st.integers(1, 20), carry=st.sampled_from([10, 100]), close=st.booleans())
    def use_and_renew(self, used: int, held: int, carry: int, close: bool) -> None:
        terms = {"fee": 1, "amount": 40, "priority": 1, "carry": carry}
        self.subscribe("ann", "big", {"life": 30, **terms}, True)
        session = f"held{self.operations}"
        self.begin(session, 200, held, QUOTES[0], Lapse.RELEASE)
        self.report(session, Phase.UPDATE, used, held, None, Lapse.RELEASE)
        self.renew_what_is_due(30, {"life": 30, **terms}, 10)
        if close:
            self.report(session, Phase.CLOSE, used, 0, None, Lapse.RELEASE)

    async def _compare(self) -> None:
        await super()._compare()
        for account in await self.memory.accounts():
            ours = await self.memory.subscriptions(account.address)
            assert ours == await self.store.subscriptions(account.address)
            due = [await self.store.link.call("ZSCORE", *self._renewal(one)) for one in ours]
            assert [int(score) for score in due] == [one.due_at for one in ours]

    def _renewal(self, subscription: Subscription) -> tuple[bytes, bytes]:
        keys = self.store.keys[subscription.address.shard]
        return keys.renewals, wire.pack([subscription.address.account, subscription.offer])


class Chained(Machine):
    """Its customer buys from a reseller, who shares the wallet of its owner, who buys from another."""

    @initialize(money=amounts)
    def two_accounts(self, money: int) -> None:
        self.open("top", 0, None)
        self.open("dad", 0, "top", Billing.RESOLD)
        self.open("bob", 0, "dad", Billing.SHARED)
        self.open("ann", 30, "bob", Billing.RESOLD)
        for account in ("ann", "dad", "top"):
            self.move(account, money + 100, True)

    @rule(
        account=st.sampled_from(["dad", "top"]),
        status=st.sampled_from([Status.ACTIVE, Status.ACTIVE, Status.SUSPENDED]),
        amount=st.integers(1, 300),
        offer=st.sampled_from(["big", "small", "bonus"]),
    )
    def change_above(self, account: str, status: Status, amount: int, offer: str) -> None:
        self.change(account, status, None)
        self.move(account, amount, True)
        self.give(account, offer, 0, 90, True, amount=amount, priority=1, lasts=None)

    @rule(phase=st.sampled_from([Phase.CLOSE, Phase.LAPSE]), wanted=st.integers(1, 20), quote=st.sampled_from(QUOTES))
    def end_without_a_report(self, phase: Phase, wanted: int, quote: Quote) -> None:
        session = f"silent{self.operations}"
        self.send(Phase.OPEN, session, [Use(key="k1", unit=Unit.OCTETS, wanted=wanted, quote=quote)])
        self.send(phase, session, [])

    @rule(wanted=st.integers(1, 20), quote=st.sampled_from(QUOTES), units=st.one_of(st.none(), st.integers(1, 20)))
    def take_an_event_back(self, wanted: int, quote: Quote, units: int | None) -> None:
        session = f"event{self.operations}"
        self.send(Phase.EVENT, session, [Use(key="k1", unit=Unit.OCTETS, wanted=wanted, quote=quote)])
        self.refund("ann", "r1", session, True, units)


validities = st.builds(
    lambda life, grace: (life, None if life is None or grace is None else life + grace),
    st.one_of(st.none(), st.integers(0, 90)),
    st.one_of(st.none(), st.integers(0, 90)),
)
"""Ends from now on."""


class Living(Machine):
    """Its accounts are opened to be used first, run out and are extended, up the chain too."""

    @initialize(money=amounts)
    def two_accounts(self, money: int) -> None:
        self.open("dad", 0, None)
        self.open("bob", 0, "dad", Billing.RESOLD)
        self.open("ann", 30, "bob", Billing.SHARED)
        for account in ("ann", "bob", "dad"):
            self.move(account, money + 100, True)
            self.live(account, Status.PRE_ACTIVE, (None, None))

    def validity(self, ends: tuple[int | None, int | None]) -> Validity:
        until, grace_until = (None if end is None else self.now + end for end in ends)
        return Validity(until=until, grace_until=grace_until)

    @rule(
        account=st.sampled_from(["ann", "bob", "dad"]),
        status=st.one_of(st.none(), st.sampled_from(Status)),
        ends=st.one_of(st.none(), validities),
    )
    def live(self, account: str, status: Status | None, ends: tuple[int | None, int | None] | None) -> None:
        change = AccountChange(status=status, validity=None if ends is None else self.validity(ends))
        self.same(lambda ledger: ledger.change_account(self.address(account), change, self.now))

    @rule(id=st.sampled_from(["eve", "fay"]), status=st.sampled_from(Status), ends=validities)
    def open_for_so_long(self, id: str, status: Status, ends: tuple[int | None, int | None]) -> None:
        new = NewAccount(id=id, plan="p", currency="EUR", status=status, validity=self.validity(ends))
        self.same(lambda ledger: ledger.open_account(new, self.now))

    @rule(
        account=st.sampled_from(["ann", "bob", "dad"]),
        ends=validities,
        fresh=st.sampled_from([True, True, False]),
        current=st.sampled_from([True, True, True, False]),
    )
    def extend(self, account: str, ends: tuple[int | None, int | None], fresh: bool, current: bool) -> None:
        address = self.address(account)
        version = self.runner.run(self.memory.account(address)).version + (not current)
        movement = Movement(
            address=address, operation=self.operation(fresh), amount=5, cause="c", now=self.now,
            extension=Extension(version=version, validity=self.validity(ends)),
        )  # fmt: skip
        self.same(lambda ledger: ledger.credit(movement))

    def send(self, phase: Phase, session: str, uses: Sequence[Use], life: int = 50, **rest: Any) -> None:
        begins = self.validity((life, 2 * life)) if self.operations % 3 else None
        super().send(phase, session, uses, life, activation=begins, **rest)

    def levels(self, address: Address, uses: Sequence[Use]) -> tuple[Level, ...]:
        begins = self.validity((70, None)) if self.operations % 4 else None
        return tuple(msgspec.structs.replace(level, activation=begins) for level in super().levels(address, uses))
