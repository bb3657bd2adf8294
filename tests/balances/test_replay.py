"""All books made again from the journal: by ours, and by a program that knows the documented schema only."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from balances.journal import Journal
from balances.journal_files import journal_files
from balances.keys import Keys
from balances.ledger import (
    Movement,
)
from balances.link import Link
from balances.replay import replay
from balances.store import StoreLedger
from tests.balances.life import Life

READER = Path(__file__).parents[1] / "journal_reader.py"


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
