"""The journal: every entry once, in durable files, whatever is cut off when; and trimmed no more than allowed."""

import asyncio
import csv
import resource
from collections import Counter
from contextlib import contextmanager, suppress

import pytest

from balances.journal import Journal, journal_key
from balances.journal_files import DamagedJournal, read_journal
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
    await books.link.call("DEL", *[journal_key(key.shard) for key in books.ledger.keys])
    await books.pay(5)
    entries = await written(Journal(books.link, books.ledger.keys, tmp_path))
    assert operations(entries) == expected(books)


@pytest.mark.parametrize("cut", [1, 30, 200])
async def test_a_torn_line_is_cut_off_and_written_again(books, journal, tmp_path, cut):
    await books.pay(10)
    await written(journal)
    await books.link.call("DEL", *[journal_key(key.shard) for key in books.ledger.keys])
    (path,) = tmp_path.glob("journal-*.jsonl")
    path.write_bytes(path.read_bytes()[:-cut])
    entries = await written(Journal(books.link, books.ledger.keys, tmp_path))
    assert operations(entries) == expected(books)


@contextmanager
def full_disk(path, room):
    """The kernel refuses to let any file grow beyond what this one has and ``room`` octets, after writing what fits."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.stat().st_size if path.exists() else 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_leaves_no_half_batch(books, journal, tmp_path):
    path = tmp_path / "journal-000001.jsonl"
    await books.pay(10)
    await written(journal)
    await books.pay(10)
    size = path.stat().st_size
    with full_disk(path, room=700), pytest.raises(OSError, match="File too large"):
        await journal.round()
    assert path.stat().st_size == size
    assert operations(await written(journal)) == expected(books)


async def test_a_full_disk_is_told_once_and_written_on_when_there_is_room(books, journal, tmp_path, caplog):
    await books.pay(10)
    with full_disk(tmp_path / "journal-000001.jsonl", room=100):
        running = asyncio.create_task(journal.run(0.01))
        async with asyncio.timeout(20):
            while not journal.failing:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    async with asyncio.timeout(20):
        while len(list(read_journal(tmp_path))) < books.paid:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        while journal.failing:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()
    assert operations(read_journal(tmp_path)) == expected(books)
    told = [record.getMessage() for record in caplog.records if record.name == "balances.journal"]
    assert len([one for one in told if "journalling fails" in one]) == 1
    assert told[-1] == "journalling goes on"


async def test_a_damaged_end_that_was_never_synced_is_cut_off_and_written_again(books, journal, tmp_path):
    await books.pay(10)
    await written(journal)
    await books.link.call("DEL", *[journal_key(key.shard) for key in books.ledger.keys])
    (path,) = tmp_path.glob("journal-*.jsonl")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)  # blocks the file system never wrote
    path.write_bytes(data)
    entries = await written(Journal(books.link, books.ledger.keys, tmp_path))
    assert operations(entries) == expected(books)


async def test_a_changed_octet_is_found_by_whoever_reads(books, journal, tmp_path):
    await books.pay(10)
    await written(journal)
    (path,) = tmp_path.glob("journal-*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"credited":1', b'"credited":9', 1))
    with pytest.raises(DamagedJournal, match="line 1: the checksum does not fit"):
        list(read_journal(tmp_path))


async def test_names_that_are_no_unicode_do_not_stop_the_journal(books, journal):
    address = books.accounts[0]
    await books.ledger.move(Movement(address=address, operation="m\ud800", amount=1, cause="topup", now=NOW))
    await books.pay(3)
    assert operations(await written(journal)) == sorted([*expected(books), "m\\ud800"])


# Several nodes


def node(books, path, **options):
    return Journal(books.link, books.ledger.keys, path, **options)


async def test_one_node_at_a_time_keeps_the_journal(books, tmp_path):
    first, second = node(books, tmp_path / "a"), node(books, tmp_path / "b")
    await books.pay(10)
    await written(first)
    await books.pay(10)
    assert await written(second) == []
    assert operations(await written(first)) == expected(books)


async def test_a_node_that_is_silent_is_relieved_and_nothing_is_written_twice(books, tmp_path):
    first, second = node(books, tmp_path / "a", lease=1), node(books, tmp_path / "b", lease=60_000)
    await books.pay(10)
    await written(first)
    await books.pay(10)
    await asyncio.sleep(0.01)
    await written(second)
    await books.pay(10)
    assert len(await written(first)) == 10, "it is not asked any more"
    await written(second)
    assert operations([*read_journal(tmp_path / "a"), *read_journal(tmp_path / "b")]) == expected(books)


async def test_what_a_node_wrote_while_it_was_relieved_is_cut_off(books, tmp_path):
    """Paused between reading the outbox and noting what it wrote, as a stopped process or a virtual machine moved."""
    first, second = node(books, tmp_path / "a", lease=1), node(books, tmp_path / "b", lease=60_000)
    await books.pay(10)
    await written(first)
    await books.pay(10)
    append = first.files.append
    loop = asyncio.get_running_loop()

    def paused(entries, lines):
        asyncio.run_coroutine_threadsafe(written(second), loop).result(20)
        append(entries, lines)

    first.files.append = paused
    await first.round()
    first.files.append = append
    assert len(list(read_journal(tmp_path / "a"))) == 20
    await first.round()
    assert len(list(read_journal(tmp_path / "a"))) == 10
    assert operations([*read_journal(tmp_path / "a"), *read_journal(tmp_path / "b")]) == expected(books)
    # Later it may keep the journal again.
    for key in books.ledger.keys:
        await books.link.call("HSET", journal_key(key.shard), "lease", 0)
    await books.pay(10)
    await written(first)
    assert operations([*read_journal(tmp_path / "a"), *read_journal(tmp_path / "b")]) == expected(books)


# Charge detail records


async def test_a_finished_file_gets_its_charge_detail_records(books, tmp_path):
    journal = node(books, tmp_path, file_age=1000)
    await books.pay(10)
    await written(journal)
    assert list(tmp_path.glob("*.csv")) == [], "the file is in use"
    late = Movement(
        address=books.accounts[0], operation="late", amount=5, cause="topup", reference="r,1", now=NOW + 1000
    )
    await books.ledger.move(late)
    await written(journal)
    path = tmp_path / "journal-000001.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["operation"] for row in rows] == [entry.operation for entry in read_journal(tmp_path)][:10]
    assert rows[0]["time"] == "2023-11-14T22:13:20.000Z"
    assert {(row["asset"], row["credited"], row["debited"], row["bucket"]) for row in rows} == {
        ("EUR", "1", "0", "money")
    }
    before = path.read_bytes()
    path.unlink()
    await written(node(books, tmp_path, file_age=1000))
    assert path.read_bytes() == before


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
        while len(watched.entries) < books.paid or watched.lags[-1]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()
    assert operations(read_journal(tmp_path)) == expected(books)
    assert set(watched.entries.values()) == {1}
