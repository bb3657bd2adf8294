"""Runs the stories in ``stories/`` on both ledgers; ``stories/README.md`` explains their language."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from balances.ledger import (
    AccountChange,
    Address,
    Billing,
    Cancellation,
    Charge,
    Charged,
    Empty,
    Extension,
    Gift,
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
    OutOfRange,
    Overage,
    Period,
    Phase,
    Quote,
    Receipt,
    Refund,
    Renewal,
    Status,
    Transfer,
    Unit,
    Use,
    Validity,
)
from balances.price import Price, Step
from balances.transfers import carry, on_its_way
from tests.ledgers import chain_above


@dataclass
class Story:
    title: str
    lines: list[str] = field(default_factory=list)


def read_stories() -> list[Story]:
    stories: list[Story] = []
    for path in sorted((Path(__file__).parent / "stories").glob("*.story")):
        for line in path.read_text().splitlines():
            text = line.partition(" # ")[0].strip()
            if line.startswith("    ") and text:
                stories[-1].lines[-1] += f" {text}"
            elif text.startswith("story "):
                stories.append(Story(f"{path.stem}: {text[6:]}"))
            elif text:
                stories[-1].lines.append(text)
    return stories


def pairs(words: list[str]) -> dict[str, Any]:
    """``used=5 final=yes denied=barred`` as values."""
    found: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        found[name] = int(value) if value.lstrip("-").isdigit() else {"yes": True, "no": False}.get(value, value)
    return found


def validity(options: dict[str, Any]) -> Validity:
    return Validity(until=options.get("until"), grace_until=options.get("grace_until"))


def stretch(text: object) -> Validity:
    """``UNTIL`` or ``UNTIL:GRACE_UNTIL``."""
    return Validity(**dict(zip(("until", "grace_until"), map(int, str(text).split(":")), strict=False)))


class Teller:
    """Does on a ledger what the lines say and checks what they expect."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = 1000
        self.operations = 0
        self.quotes: dict[str, Quote] = {}
        self.addresses: dict[str, Address] = {}
        self.transfers: dict[str, Transfer] = {}
        self.activation: Validity | None = None

    async def tell(self, line: str) -> None:
        action, _, expected = (part.strip() for part in line.partition("->"))
        verb, *words = action.split()
        if verb in tuple(Phase):
            await self.charge(Phase(verb), action, expected)
        else:
            await getattr(self, f"do_{verb}")(words, expected)

    async def do_quote(self, words: list[str], _: str) -> None:
        options = pairs(words[1:])
        steps = []
        for step in str(options.get("steps", "")).split(",") if "steps" in options else []:
            upto, *numbers = step.split(":")
            steps.append(Step(None if upto == "-" else int(upto), *[int(number) for number in numbers]))
        offers = tuple(str(options["offers"]).split(",")) if "offers" in options else ()
        self.quotes[words[0]] = Quote(
            price=Price(options.get("setup", 0), tuple(steps)), offers=offers, terms=words[0].encode(),
            share=options.get("share", 0), floor=options.get("floor", 0),
            overage=tuple(self.overage(each) for each in str(options.get("overage", "")).split(",") if each),
            meters=tuple(self.metering(each) for each in str(options.get("meters", "")).split(",") if each),
        )  # fmt: skip

    def overage(self, text: str) -> Overage:
        offer, name = text.split(":")
        quote = self.quotes.get(name)
        return Overage(offer=offer, price=quote.price if quote else None, terms=quote.terms if quote else b"")

    def metering(self, text: str) -> Metering:
        name, ends_at, *rest = text.split(":")
        said = {key: value for key, _, value in (each.partition("~") for each in rest)}
        beyond = said.pop("beyond", "").encode()
        options = {key: int(value) for key, value in said.items()}
        unit = Unit.OCTETS if options.pop("octets", 0) else None
        axis = bool(options.pop("axis", 0))
        return Metering(meter=name, ends_at=int(ends_at), unit=unit, axis=axis, beyond=beyond, **options)

    async def do_lift(self, words: list[str], expected: str) -> None:
        account, operation, meter, ends_at = words
        receipt = await self.ledger.lift(
            Lift(address=self.addresses[account], operation=operation, meter=meter, ends_at=int(ends_at), now=self.now)
        )
        self.expect(receipt, pairs(expected.split()))

    async def do_meter(self, words: list[str], expected: str) -> None:
        account = await self.ledger.account(self.addresses[words[0]])
        found = {meter.name: meter for meter in account.meters}
        self.expect(found[words[1]], pairs(expected.split()))

    async def do_account(self, words: list[str], _: str) -> None:
        options = pairs(words[1:])
        new = NewAccount(
            id=words[0], plan="plan", currency="EUR", credit_limit=options.get("limit", 0),
            parent=options.get("parent"), billing=Billing(options.get("billing", "own")),
            status=Status(options.get("status", "active")), validity=validity(options),
        )  # fmt: skip
        self.addresses[words[0]] = (await self.ledger.open_account(new, self.now)).address
        if options.get("money"):
            await self.do_move([words[0], str(options["money"])], "")

    async def do_move(self, words: list[str], _: str) -> None:
        self.operations += 1
        address = self.addresses[words[0]]
        amount, operation = int(words[1]), f"move{self.operations}"
        await self.ledger.move(
            Movement(address=address, operation=operation, amount=amount, cause="topup", now=self.now)
        )

    async def do_credit(self, words: list[str], expected: str) -> None:
        account, operation, amount, *rest = words
        options = pairs(rest)
        extension = None
        if "extends" in options:
            extension = Extension(version=options["version"], validity=stretch(options["extends"]))
        movement = Movement(
            address=self.addresses[account], operation=operation, amount=int(amount), cause="topup", now=self.now,
            extension=extension,
        )  # fmt: skip
        await self.expect_of(self.ledger.credit(movement), expected)

    async def do_lend(self, words: list[str], expected: str) -> None:
        account, operation, amount, *options = words
        lending = Lending(
            address=self.addresses[account], operation=operation, amount=int(amount), now=self.now, **pairs(options)
        )
        await self.expect_of(self.ledger.lend(lending), expected)

    async def do_loan(self, words: list[str], expected: str) -> None:
        loan = await self.ledger.loan(self.addresses[words[0]])
        if expected == "none":
            assert loan is None
        else:
            self.expect(loan, pairs(expected.split()))

    async def do_send(self, words: list[str], expected: str) -> None:
        sender, operation, to, amount, *options = words
        self.transfers[operation] = Transfer(
            address=self.addresses[sender], operation=operation, to=self.addresses[to], amount=int(amount),
            now=self.now, **pairs(options),
        )  # fmt: skip
        await self.expect_of(self.ledger.send(self.transfers[operation]), expected)

    async def do_carry(self, words: list[str], _: str) -> None:
        await carry(self.ledger, on_its_way(self.transfers[words[0]], "EUR"), self.now)

    async def do_transit(self, _: list[str], expected: str) -> None:
        found = await self.ledger.in_transit()
        assert [f"{one.sender.account}:{one.to.account}:{one.amount}" for one in found] == expected.split()
        money = [one.in_transit for one in (await self.ledger.audit()).sums if one.asset == "EUR"]
        assert money == [sum(one.amount for one in found)]

    async def expect_of(self, doing: Awaitable[Receipt], expected: str) -> None:
        """What the receipt says, or the name of the error."""
        if expected and "=" not in expected:
            with pytest.raises(LedgerError) as refused:
                await doing
            assert refused.type.__name__ == expected
        else:
            self.expect(await doing, pairs(expected.split()))

    async def do_give(self, words: list[str], _: str) -> None:
        self.operations += 1
        account, offer, unit, amount, *rest = words
        await self.ledger.give(
            Gift(
                address=self.addresses[account],
                operation=f"give{self.operations}",
                offer=offer,
                unit=Unit(unit),
                amount=int(amount),
                now=self.now,
                **pairs(rest),
            )
        )

    def period(self, words: list[str]) -> Period:
        options = pairs(words)
        unit = Unit(options.pop("unit", "octets"))
        starts_at = options.pop("starts_at", self.now)
        return Period(since=starts_at, starts_at=starts_at, unit=unit, **options)

    async def do_subscribe(self, words: list[str], expected: str) -> None:
        account, operation, offer, *options = words
        new = NewSubscription(
            address=self.addresses[account], operation=operation, offer=offer, period=self.period(options), now=self.now
        )
        await self.expect_of(self.ledger.subscribe(new), expected)

    async def do_unsubscribe(self, words: list[str], expected: str) -> None:
        account, operation, offer = words
        ended = Cancellation(address=self.addresses[account], operation=operation, offer=offer, now=self.now)
        await self.expect_of(self.ledger.unsubscribe(ended), expected)

    async def do_renew(self, words: list[str], expected: str) -> None:
        account, offer, due_at, *options = words
        rest = [word for word in options if word not in ("stop", "withdrawn")]
        renewal = Renewal(
            address=self.addresses[account],
            offer=offer,
            due_at=int(due_at),
            period=None if "withdrawn" in options else self.period(rest),
            retry_at=None if "stop" in options else self.now + 10,
            paused_until=self.now + 20,
            now=self.now,
        )
        assert (await self.ledger.renew(renewal)).value == expected

    async def do_renewals(self, _: list[str], expected: str) -> None:
        shards = {address.shard for address in self.addresses.values()}
        due = [one for shard in shards for one in await self.ledger.due_renewals(shard, self.now)]
        assert [f"{one.address.account}:{one.offer}" for one in due] == expected.split()

    async def do_subscription(self, words: list[str], expected: str) -> None:
        found = {one.offer: one for one in await self.ledger.subscriptions(self.addresses[words[0]])}
        if expected == "none":
            assert words[1] not in found
        else:
            self.expect(found[words[1]], pairs(expected.split()))

    async def do_now(self, words: list[str], _: str) -> None:
        self.now = int(words[0])

    async def do_status(self, words: list[str], _: str) -> None:
        change = AccountChange(status=Status(words[1]))
        await self.ledger.change_account(self.addresses[words[0]], change, self.now)

    async def do_valid(self, words: list[str], _: str) -> None:
        change = AccountChange(validity=validity(pairs(words[1:])))
        await self.ledger.change_account(self.addresses[words[0]], change, self.now)

    async def do_unsound(self, words: list[str], _: str) -> None:
        with pytest.raises(OutOfRange):
            validity(pairs(words))

    async def do_life(self, words: list[str], expected: str) -> None:
        account = await self.ledger.account(self.addresses[words[0]])
        options = pairs(expected.split())
        ends = {name: options.pop(name) for name in ("until", "grace_until") if name in options}
        self.expect(account.validity, ends)
        self.expect(account, options)

    async def do_expire(self, _: list[str], expected: str) -> None:
        lapsed = await self.ledger.expire(self.now)
        assert sorted(found.session for found in lapsed) == expected.split()

    async def do_refund(self, words: list[str], expected: str) -> None:
        session, operation, target, *options = words
        above = await chain_above(self.ledger, self.addresses["ann"])
        answer = await self.ledger.refund(
            Refund(
                address=self.addresses["ann"],
                levels=tuple(account.address for account, _ in above),
                session=session,
                operation=operation,
                fingerprint=0,
                target=target,
                door="test",
                now=self.now,
                **pairs(options),
            )
        )
        self.expect(answer, pairs(expected.split()))

    async def do_money(self, words: list[str], expected: str) -> None:
        account = await self.ledger.account(self.addresses[words[0]])
        options = pairs(expected.split())
        if "available" in options:
            assert account.available == options.pop("available")
        self.expect(account.money, options)

    async def do_bucket(self, words: list[str], expected: str) -> None:
        account = await self.ledger.account(self.addresses[words[0]])
        found = {bucket.id: bucket.counters for bucket in account.buckets}
        if expected == "gone":
            assert words[1] not in found
        else:
            self.expect(found[words[1]], pairs(expected.split()))

    async def do_span(self, words: list[str], expected: str) -> None:
        account = await self.ledger.account(self.addresses[words[0]])
        (bucket,) = [bucket for bucket in account.buckets if bucket.id == words[1]]
        self.expect(bucket, pairs(expected.split()))

    async def do_session(self, words: list[str], expected: str) -> None:
        session = await self.ledger.session(self.addresses["ann"], words[0])
        if expected == "none":
            assert session is None
        else:
            self.expect(session, pairs(expected.split()))

    async def do_entries(self, words: list[str], expected: str) -> None:
        entries = await self.ledger.entries(self.addresses[words[0]])
        assert [entry.cause for entry in entries] == expected.split()

    async def do_margins(self, words: list[str], expected: str) -> None:
        entries = await self.ledger.entries(self.addresses[words[0]])
        found = [entry.margin for entry in entries if entry.margin is not None]
        assert found == [int(word) for word in expected.split()]

    async def do_group(self, words: list[str], expected: str) -> None:
        """All entries of the last charge, as LEVEL:ACCOUNT."""
        entries = [entry for address in self.addresses.values() for entry in await self.ledger.entries(address)]
        last = [entry for entry in entries if entry.operation == f"charge{self.operations}"]
        assert len({(entry.session, entry.at) for entry in last}) == 1
        assert sorted(f"{entry.level}:{entry.account}" for entry in last) == expected.split()

    async def levels(self, address: Address, items: list[list[str]]) -> tuple[Level, ...]:
        """Those up the chain, with the quotes that ``up=`` names, nearest first; else the use's own."""
        found = []
        for place, (account, tie) in enumerate(await chain_above(self.ledger, address)):
            said = [pairs(words[1:]) for words in items]
            names = [str(one["up"]).split(",")[place] if "up" in one else one.get("quote") for one in said]
            found.append(
                Level(
                    address=account.address,
                    version=account.version,
                    billing=tie,
                    quotes=tuple(self.quotes[name] if name else None for name in names),
                    denied=(None,) * len(items),
                    activation=self.activation,
                )
            )
        return tuple(found)

    async def charge(self, phase: Phase, action: str, expected: str) -> None:
        head, *items = [part.split() for part in action.split("|")]
        options = pairs(head[2:])
        address = self.addresses[options.get("account", "ann")]
        self.operations += 1
        self.activation = stretch(options["activate"]) if "activate" in options else None
        charge = Charge(
            address=address,
            version=options.get("version", (await self.ledger.account(address)).version),
            session=head[1],
            operation=str(options.get("op", f"charge{self.operations}")),
            fingerprint=options.get("print", 0),
            phase=phase,
            door="test",
            now=self.now,
            deadline=options.get("deadline", self.now + 100),
            uses=tuple(self.use(words) for words in items),
            levels=await self.levels(address, items),
            lapse=Lapse(options.get("lapse", "release")),
            empty=Empty(options.get("empty", "keep")),
            activation=self.activation,
        )
        self.check(await self.ledger.charge(charge), expected)

    def use(self, words: list[str]) -> Use:
        options = pairs(words[1:])
        options.pop("up", None)
        quote = self.quotes[options.pop("quote")] if "quote" in options else None
        return Use(key=words[0], unit=Unit(options.pop("unit", "octets")), quote=quote, **options)

    def check(self, answer: Charged, expected: str) -> None:
        head, *grants = [part.split() for part in expected.split("|")]
        assert answer.verdict.value == head[0]
        options = pairs(head[1:])
        if "warned" in options:
            assert ",".join(answer.warned) == options.pop("warned")
        self.expect(answer, options)
        if grants:
            assert [grant.key for grant in answer.grants] == [words[0] for words in grants]
            for grant, words in zip(answer.grants, grants, strict=True):
                self.expect(grant, pairs(words[1:]))

    def expect(self, record: object, values: dict[str, Any]) -> None:
        for name, value in values.items():
            found = getattr(record, name)
            said = found.decode() if isinstance(found, bytes) else found
            assert (said or "none" if value == "none" else said) == value, f"{name} of {record}"


@pytest.mark.parametrize("story", read_stories(), ids=lambda story: story.title)
async def test_story(ledger: Ledger, story: Story) -> None:
    teller = Teller(ledger)
    for line in story.lines:
        try:
            await teller.tell(line)
        except AssertionError as problem:
            raise AssertionError(f"{line}\n{problem}") from problem
        audit = await ledger.audit()
        assert audit.balanced, f"{line}\n{audit.findings}"
