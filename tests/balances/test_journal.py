"""The journal: every entry once, in durable files, whatever is cut off when; and trimmed no more than allowed."""

import asyncio
import os
from collections import Counter
from contextlib import suppress

import pytest

from balances.journal import Journal, position_key, read_journal
from balances.ledger import Entry, Movement, NewAccount, Unavailable
from balances.link import Link
from balances.observer import Unobserved
from balances.scripts import all_scripts
from balances.store import StoreLedger
from tests.servers import valkey

NOW = 1_700_000_000_000


class Books:
    """A ledger in a real store, with accounts that can be paid into."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.ledger = StoreLedger(link)
        self.paid = 0
        self.accounts = []

    async def open(self, count: int = 3) -> None:
        await self.ledger.prepare()
        for number in range(count):
            new = NewAccount(id=f"a{number}", plan="p", currency="EUR")
            self.accounts.append((await self.ledger.open_account(new, NOW)).address)

    async def pay(self, times: int) -> None:
        movements = []
        for _ in range(times):
            address = self.accounts[self.paid % len(self.accounts)]
            self.paid += 1
            movements.append(Movement(address=address, operation=f"m{self.paid}", amount=1, cause="topup", now=NOW))
        await asyncio.gather(*map(self.ledger.move, movements))

    async def outbox(self) -> int:
        return sum([await self.link.call("XLEN", key.outbox) for key in self.ledger.keys])


@pytest.fixture
async def books():
    with valkey() as url:
        link = Link(url, scripts=all_scripts())
        await link.open()
        books = Books(link)
        await books.open()
        yield books
        await link.close()


@pytest.fixture
def journal(books, tmp_path):
    return Journal(books.link, books.ledger.keys, tmp_path)


async def written(journal):
    """All that is to be written, by a journal that knows nothing yet, as after a start."""
    await journal.recover()
    while await journal.round():
        pass
    return list(read_journal(journal.directory))


def operations(entries):
    return sorted(entry.operation for entry in entries)


def expected(books):
    return sorted(f"m{number + 1}" for number in range(books.paid))


async def test_writes_every_entry_as_the_ledger_has_it(books, journal):
    await books.pay(30)
    entries = await written(journal)
    assert operations(entries) == expected(books)
    for address in books.accounts:
        kept = [entry for entry in entries if entry.account == address.account]
        assert tuple(kept) == await books.ledger.entries(address)


async def test_writes_nothing_twice_after_a_restart(books, journal, tmp_path):
    await books.pay(10)
    await written(journal)
    await books.pay(10)
    entries = await written(Journal(books.link, books.ledger.keys, tmp_path))
    assert operations(entries) == expected(books)


async def test_a_crash_between_file_and_store_is_healed_from_the_file(books, journal, tmp_path):
    await books.pay(10)
    await written(journal)
    await books.link.call("DEL", *[position_key(key.shard) for key in books.ledger.keys])
    await books.pay(5)
    entries = await written(Journal(books.link, books.ledger.keys, tmp_path))
    assert operations(entries) == expected(books)


@pytest.mark.parametrize("cut", [1, 30, 200])
async def test_a_torn_line_is_cut_off_and_written_again(books, journal, tmp_path, cut):
    await books.pay(10)
    await written(journal)
    await books.link.call("DEL", *[position_key(key.shard) for key in books.ledger.keys])
    (path,) = tmp_path.glob("journal-*.jsonl")
    path.write_bytes(path.read_bytes()[:-cut])
    entries = await written(Journal(books.link, books.ledger.keys, tmp_path))
    assert operations(entries) == expected(books)


async def test_a_failed_write_leaves_no_half_batch(books, journal, monkeypatch):
    await books.pay(10)
    await journal.recover()

    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("balances.journal._write", full)
        with pytest.raises(OSError, match="No space"):
            await journal.round()
    assert operations(await written(journal)) == expected(books)


async def test_begins_a_new_file_when_one_is_full_and_reads_over_all(books, tmp_path):
    journal = Journal(books.link, books.ledger.keys, tmp_path, file_size=2000)
    for _ in range(5):
        await books.pay(10)
        await written(journal)
    assert len(list(tmp_path.glob("journal-*.jsonl"))) == 5
    again = Journal(books.link, books.ledger.keys, tmp_path, file_size=2000)
    assert operations(await written(again)) == expected(books)


async def test_trims_journalled_entries_beyond_what_is_kept_and_no_others(books, tmp_path):
    shards = len({address.shard for address in books.accounts})
    journal = Journal(books.link, books.ledger.keys, tmp_path, keep=2 * len(books.ledger.keys))
    await books.pay(90)
    before = await books.outbox()
    await journal.recover()
    assert await books.outbox() == before, "nothing is journalled yet"
    await written(journal)
    assert await books.outbox() == 2 * shards
    await books.pay(30)
    assert await books.outbox() == 2 * shards + 30
    assert operations(await written(journal)) == expected(books)


async def test_runs_on_when_the_store_comes_back_and_reports_its_lag(books, tmp_path):
    class Watched(Unobserved):
        def __init__(self) -> None:
            self.entries: Counter[str] = Counter()
            self.lags: list[float] = []

        def journalled(self, entry: Entry) -> None:
            self.entries[entry.operation] += 1

        def journal_lag(self, seconds: float, entries: int) -> None:
            self.lags.append(seconds)

    watched = Watched()
    journal = Journal(books.link, books.ledger.keys, tmp_path, observer=watched)
    running = asyncio.create_task(journal.run(0.01))
    await books.pay(20)
    first = books.link._connection
    with suppress(Unavailable):
        await books.link.call("CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "no")
    async with asyncio.timeout(10):
        await first.lost.wait()
        while not books.link.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await books.pay(20)
        while len(watched.entries) < books.paid:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()
    assert operations(read_journal(tmp_path)) == expected(books)
    assert set(watched.entries.values()) == {1}
    assert watched.lags[-1] == 0
