"""All books made again from the journal: by ours, and by a program that knows the documented schema only."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from balances.journal import Journal
from balances.journal_files import journal_files
from balances.keys import Keys
from balances.ledger import (
    Account,
    Charge,
    Gift,
    Lapse,
    Movement,
    NewAccount,
    Phase,
    Quote,
    Refund,
    Unit,
    Use,
)
from balances.link import Link
from balances.price import Price, Step
from balances.replay import replay
from balances.store import StoreLedger

QUOTES = (
    Quote(price=Price(0, (Step(None, 10, 7),)), offers=("bundle",)),
    Quote(price=Price(3, (Step(50, 5, 9), Step(None, 20, 11))), offers=("bundle", "night")),
)
READER = Path(__file__).parents[1] / "journal_reader.py"


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
        else:
            await self.charge(address, session, operation)

    async def charge(self, address, session, operation) -> None:
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


@pytest.fixture
async def life(link: Link, store: StoreLedger) -> Life:
    life = Life(store, 1)
    await life.begin()
    return life


def journal_of(life: Life, directory: Path, **options: int) -> Journal:
    return Journal(life.ledger.link, life.ledger.keys, directory, **options)


async def write(journal: Journal) -> None:
    while await journal.round():
        pass


def read(*directories: Path) -> dict[str, dict[str, dict[str, int]]]:
    """What the independent program makes of the journal."""
    command = [sys.executable, str(READER), *map(str, directories)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    books: dict[str, dict[str, dict[str, int]]] = json.loads(found.stdout)
    return books


@pytest.mark.parametrize("seed", range(5))
async def test_an_independent_reading_reproduces_every_balance(life: Life, tmp_path: Path, seed: int) -> None:
    life.chance.seed(seed)
    journal = journal_of(life, tmp_path, keep=50, file_size=20_000)
    for _ in range(12):
        for _ in range(100):
            await life.step()
        await write(journal)
    books = read(tmp_path)
    buckets = 0
    for account in life.accounts:
        account = await life.ledger.account(account.address)
        names = ("credited", "debited", "reserved", "overrun")
        for bucket, counters in [("money", account.money), *((one.id, one.counters) for one in account.buckets)]:
            assert books[account.address.account][bucket] == {name: getattr(counters, name) for name in names}
            buckets += 1
    assert buckets > 6
    assert len(journal_files(tmp_path)) > 3
    found = await replay(life.ledger, [tmp_path])
    assert found.findings == ()
    assert found.accounts == 6
    assert found.entries > 500


async def test_what_is_not_journalled_yet_is_read_from_the_outbox(life: Life, tmp_path: Path) -> None:
    for _ in range(200):
        await life.step()
    assert (await replay(life.ledger, [tmp_path])).findings == ()
    await write(journal_of(life, tmp_path))
    for _ in range(200):
        await life.step()
    assert (await replay(life.ledger, [tmp_path])).findings == ()


async def test_finds_a_balance_that_was_tampered_with(life: Life, tmp_path: Path, link: Link) -> None:
    for _ in range(100):
        await life.step()
    await write(journal_of(life, tmp_path))
    victim = life.accounts[0].address
    key = Keys(victim.shard).account(victim.account)
    before = await link.call("GET", key)
    await life.ledger.move(Movement(address=victim, operation="x", amount=7, cause="topup", now=life.now))
    await link.call("SET", key, before)
    await write(journal_of(life, tmp_path))
    findings = (await replay(life.ledger, [tmp_path])).findings
    assert len(findings) == 1
    assert findings[0].startswith("account a0, money: the store has")


async def test_finds_a_missing_and_a_doubled_entry(life: Life, tmp_path: Path) -> None:
    for _ in range(60):
        await life.step()
    await write(journal_of(life, tmp_path))
    (path,) = journal_files(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    for missing in (0, len(lines) // 2, len(lines) - 1):
        path.write_bytes(b"".join(lines[:missing] + lines[missing + 1 :]))
        assert (await replay(life.ledger, [tmp_path])).findings != ()
    path.write_bytes(b"".join(lines + lines[-1:]))
    assert any("is in the journal twice" in one for one in (await replay(life.ledger, [tmp_path])).findings)


async def test_says_what_the_store_has_lost(life: Life, tmp_path: Path, link: Link) -> None:
    """As after a power cut: the journal was synced, the store's own file was not."""
    for _ in range(50):
        await life.step()
    victim = life.accounts[1].address
    keys = Keys(victim.shard)
    kept = [(name, await link.call("DUMP", name)) for name in await link.call("KEYS", f"*{{s{victim.shard}}}*")]
    await life.ledger.move(Movement(address=victim, operation="lost", amount=7, cause="topup", now=life.now))
    await write(journal_of(life, tmp_path))
    await link.call("DEL", *await link.call("KEYS", f"*{{s{victim.shard}}}*"))
    for name, dump in kept:
        await link.call("RESTORE", name, 0, dump)
    findings = (await replay(life.ledger, [tmp_path])).findings
    assert len(findings) == 1
    assert "is in the journal, and the store has lost it" in findings[0]
    # The store goes on, and so does the journal, with what is new.
    await life.ledger.move(Movement(address=victim, operation="new", amount=5, cause="topup", now=life.now))
    journal = journal_of(life, tmp_path)
    await write(journal)
    assert int(await link.call("XLEN", keys.outbox)) > 0
    found = (await replay(life.ledger, [tmp_path])).findings
    assert any(one.startswith(f"account {victim.account}, money: the store has") for one in found)
