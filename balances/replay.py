"""Replay: all books made again from the journal alone, and compared with what the store says.

The journal is read from its files and, where it is behind, to the end from the store's outbox; the store's books are
taken first, each shard at one moment, and the replay stops at the entry that moment had come to.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from balances.audit import add
from balances.books import MONEY, Purse
from balances.journal import journal_key
from balances.journal_files import Position, position, read_journal, readable
from balances.keys import Keys
from balances.ledger import Entry, Line
from balances.link import Link
from balances.store import ShardBooks, StoreLedger
from balances.wire import read_entry, text

_PAGE = 1000
"""Entries read of the outbox at a time."""

_LOOKED_UP = 100
"""Journalled entries of a shard beyond its books that are looked up in the store: it may have lost them."""


@dataclass(slots=True)
class BucketReplay:
    """A bucket as its entries have made it; ``after`` is what the last of them says remains."""

    asset: str
    purse: Purse = field(default_factory=Purse)
    after: int = 0

    def take(self, line: Line) -> None:
        add(self.purse, Purse(line.credited, line.debited, line.reserved, line.overrun))
        self.after = line.after


@dataclass(slots=True)
class ShardReplay:
    """The books of a shard as its entries have made them."""

    entries: int = 0
    last: Position = (0, 0)
    buckets: dict[tuple[str, str], BucketReplay] = field(default_factory=dict)
    """By account and bucket."""
    held: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Reserved by session, account and bucket."""
    beyond: list[str] = field(default_factory=list)
    """Ids of the first entries after those of the books."""
    sentences: list[str] = field(default_factory=list)

    def take(self, entry: Entry) -> None:
        """The next entry of the shard."""
        place = position(entry.id)
        if place <= self.last:
            self.sentences.append(f"entry {entry.id} of shard {entry.shard} is in the journal twice, or out of order")
            return
        self.last = place
        self.entries += 1
        for line in entry.lines:
            bucket = self.buckets.setdefault((entry.account, line.bucket), BucketReplay(line.asset))
            who = f"account {entry.account}, {line.bucket}: entry {entry.id}"
            if line.before != bucket.after:
                self.sentences.append(f"{who} begins at {line.before}, the one before ended at {bucket.after}")
            if line.before + line.credited - line.debited - line.reserved != line.after:
                self.sentences.append(f"{who} does not add up")
            bucket.take(line)
            if line.reserved and entry.session:
                self.held[readable(entry.session), entry.account, line.bucket] += line.reserved


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it: how many entries made how many accounts, and a sentence for each difference."""

    entries: int
    accounts: int
    findings: tuple[str, ...]


async def replay(ledger: StoreLedger, directories: Sequence[Path]) -> Replayed:
    """Replay what is in ``directories``, one for each node of the journal; raises Unavailable, DamagedJournal."""
    books = [await ledger.snapshot(keys) for keys in ledger.keys]
    tails = [await _tail(ledger.link, keys, one.last) for keys, one in zip(ledger.keys, books, strict=True)]
    shards = await asyncio.to_thread(_replay, directories, books, tails)
    findings: list[str] = []
    for keys, one, made in zip(ledger.keys, books, shards, strict=True):
        findings += made.sentences
        findings += compare(one, made)
        for id in made.beyond:
            if not await ledger.link.call("XRANGE", keys.outbox, id, id):
                findings.append(f"entry {id} of shard {keys.shard} is in the journal, and the store has lost it")
    return Replayed(
        entries=sum(made.entries for made in shards),
        accounts=len({account for made in shards for account, _ in made.buckets}),
        findings=tuple(findings),
    )


async def _tail(link: Link, keys: Keys, last: str) -> list[Entry]:
    """What the outbox holds that is not noted as journalled, up to the last entry of the books."""
    noted = await link.call("HGET", journal_key(keys.shard), "position")
    after = text(noted) if noted else "0-0"
    found: list[Entry] = []
    while position(after) < position(last):
        page = await link.call("XRANGE", keys.outbox, f"({after}", last, "COUNT", _PAGE)
        if not page:
            break
        found += [read_entry(keys.shard, entry, fields[1]) for entry, fields in page]
        after = found[-1].id
    return found


def _replay(directories: Sequence[Path], books: list[ShardBooks], tails: list[list[Entry]]) -> list[ShardReplay]:
    shards = [ShardReplay() for _ in books]
    ends = [position(one.last) for one in books]
    for entry in _merge(directories):
        made = shards[entry.shard]
        if position(entry.id) <= ends[entry.shard]:
            made.take(entry)
        elif len(made.beyond) < _LOOKED_UP:
            made.beyond.append(entry.id)
    for made, tail in zip(shards, tails, strict=True):
        for entry in tail:
            if position(entry.id) > made.last:
                made.take(entry)
    return shards


def _merge(directories: Sequence[Path]) -> Iterator[Entry]:
    """The entries of several nodes' journals. The shards changed hands, so only the ids know what came first."""
    if len(directories) == 1:
        yield from read_journal(directories[0])
        return
    entries = [entry for directory in directories for entry in read_journal(directory)]
    yield from sorted(entries, key=lambda entry: position(entry.id))


def compare(books: ShardBooks, made: ShardReplay) -> Iterator[str]:
    """What is different, a sentence each: every account and bucket, what was written off, the house, open sessions."""
    yield from _compare_accounts(books, made)
    house: defaultdict[str, Purse] = defaultdict(Purse)
    for bucket in made.buckets.values():
        add(house[bucket.asset], bucket.purse)
    for asset in sorted({*house, *books.house}):
        ours, theirs = house[asset], books.house.get(asset, Purse())
        if ours != theirs:
            yield f"house of shard {books.shard}, {asset}: the store has {_say(theirs)}, the journal {_say(ours)}"
    yield from _compare_sessions(books, made)


def _compare_accounts(books: ShardBooks, made: ShardReplay) -> Iterator[str]:
    left = {name: bucket.purse for name, bucket in made.buckets.items()}
    for account in books.accounts:
        name = account.address.account
        for bucket, (_, theirs) in account.purses().items():
            ours = left.pop((name, bucket), Purse())
            if ours != theirs:
                yield f"account {name}, {bucket}: the store has {_say(theirs)}, the journal {_say(ours)}"
    retired: defaultdict[tuple[str, str], Purse] = defaultdict(Purse)
    for (name, id), ours in left.items():
        add(retired[name, made.buckets[name, id].asset], ours)
    for account in books.accounts:
        name = account.address.account
        for asset, theirs in account.retired.items():
            ours = retired.pop((name, asset), Purse())
            if ours != theirs:
                yield f"account {name}, written off in {asset}: the store has {_say(theirs)}, the journal {_say(ours)}"
    for (name, asset), ours in retired.items():
        yield f"account {name}: the journal has {_say(ours)} of {asset}, the store nothing"


def _compare_sessions(books: ShardBooks, made: ShardReplay) -> Iterable[str]:
    held: Counter[tuple[str, str, str]] = Counter()
    for book in (book for session in books.sessions for book in session.books()):
        for key in book.keys.values():
            held[readable(book.id), book.address.account, MONEY] += key.cost
            for bucket, units in (*key.parts, *key.bonus):
                held[readable(book.id), book.address.account, bucket] += units
    for name in sorted({*held, *made.held}):
        if held[name] != made.held[name]:
            yield f"session {name[0]} holds {held[name]} of {name[2]}, by the journal {made.held[name]}"


def _say(purse: Purse) -> str:
    return f"{purse.credited} credited, {purse.debited} debited, {purse.reserved} reserved, {purse.overrun} overrun"
