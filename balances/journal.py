"""The journal: every ledger entry, from the store's outbox into durable files of JSON lines, each exactly once.

The order is: read the outbox, write and sync the file, note the position in the store, trim. The noted position is the
truth, and the files are asked what they hold beyond it: after a crash in between, and where the store went back to an
earlier state (a power cut, a failover). Any number of nodes may offer to keep the journal; one at a time does, shard by
shard, for as long as it is heard of (``lua/take.lua``).
"""

import asyncio
import logging
import time
from pathlib import Path

from balances.journal_files import Ahead, JournalFiles, Position, checksum, position, seal, to_text
from balances.keys import Keys
from balances.ledger import Entry, Record, Unavailable
from balances.link import Link
from balances.observer import Observer, Unobserved
from balances.scripts import script
from balances.wire import read_entry, text

log = logging.getLogger(__name__)

BATCH = 500
"""Entries read of one shard at a time."""

LEASE = 5_000
"""Milliseconds after which a node that is not heard of does not keep the journal any more."""

_PAUSE = 1.0
"""Seconds after a failure for which another node may take over."""

VERBS = ("take", "note")


class _Batch(Record, frozen=True, kw_only=True):
    """What a shard's outbox holds beyond the noted position, or the first of it."""

    shard: int
    noted: Position
    entries: tuple[Entry, ...]


def journal_key(shard: int) -> bytes:
    """Hash: who keeps the shard's journal and until when, up to where it is written, and whom it was taken from."""
    return f"journal:{{s{shard}}}".encode()


class Journal:
    """Writes ``directory/journal-000001.jsonl`` and so on. ``keep``: journalled entries that stay in the store.

    ``file_size``: octets, ``file_age``: milliseconds after which a new file is begun.
    """

    def __init__(
        self,
        link: Link,
        keys: list[Keys],
        directory: Path,
        *,
        file_size: int = 67_108_864,
        file_age: int = 3_600_000,
        keep: int = 1_000_000,
        lease: int = LEASE,
        observer: Observer | None = None,
    ) -> None:
        self.link = link
        self.keys = keys
        self.directory = directory
        self.files = JournalFiles(directory, size=file_size, age=file_age)
        self.keep = -(-keep // len(keys))
        self.lease = lease
        self.observer: Observer = observer or Unobserved()
        self.failing = ""
        """Why nothing is journalled just now."""
        self._take_script, self._note_script = map(script, VERBS)
        self._node = ""
        self._noted: dict[int, Position] = {}
        self._ahead: Ahead = {}

    async def run(self, interval: float = 0.2) -> None:
        """Journal until cancelled. If store or disk fail, the entries wait in the outbox; nothing is skipped."""
        while True:
            wrote, pause = 0, interval
            try:
                wrote = await self.round()
                self._recovered()
            except Unavailable as problem:
                log.debug("nothing journalled: %s", problem)
            except Exception as problem:
                pause = max(interval, _PAUSE)
                self._failed(problem)
                await self._offer()
            await asyncio.sleep(0 if wrote >= BATCH else pause)

    async def round(self) -> int:
        """Journal what the outbox has, up to BATCH entries of each shard we keep; returns how many. Raises Unavailable,
        and OSError where the disk refuses.
        """
        if not self._node:
            self._node = await asyncio.to_thread(self.files.node)
        relieved: dict[int, Position] = {}
        taken = await asyncio.gather(*[self._take(keys, relieved) for keys in self.keys])
        batches = [batch for batch in taken if batch is not None]
        await self._withdraw(relieved)
        await self._look_into_files({batch.shard: batch.noted for batch in batches})
        fresh: list[Entry] = []
        lines: list[bytes] = []
        for entry in (entry for batch in batches for entry in batch.entries):
            line = seal(entry)
            if self._ahead.get(entry.shard, {}).get(position(entry.id)) != checksum(line):
                fresh.append(entry)
                lines.append(line)
        if fresh:
            self.observer.journal_lag(max(0.0, time.time() - min(entry.at for entry in fresh) / 1000), len(fresh))
            await asyncio.to_thread(self.files.append, fresh, lines)
            for entry, line in zip(fresh, lines, strict=True):
                self._ahead.setdefault(entry.shard, {})[position(entry.id)] = checksum(line) or 0
                self.observer.journalled(entry)
        await asyncio.gather(*[self._note(batch) for batch in batches if batch.entries])
        if len(fresh) < BATCH:
            self.observer.journal_lag(0.0, 0)
        return len(fresh)

    async def _take(self, keys: Keys, relieved: dict[int, Position]) -> _Batch | None:
        """What is to be journalled of a shard; None if that is not ours to do, or if we were ``relieved``."""
        names = [keys.outbox, journal_key(keys.shard)]
        word, said, *rest = await self.link.script(self._take_script, names, [self._node, self.lease, BATCH])
        if word == b"yours":
            entries = [read_entry(keys.shard, entry, fields[1]) for entry, fields in rest[0]]
            return _Batch(shard=keys.shard, noted=position(text(said)), entries=tuple(entries))
        if word == b"relieved":
            relieved[keys.shard] = position(text(said))
        self._noted.pop(keys.shard, None)
        return None

    async def _withdraw(self, relieved: dict[int, Position]) -> None:
        """Cut off what we wrote of these shards beyond the position at which another node took over: it writes that."""
        if relieved:
            await asyncio.to_thread(self.files.withdraw, relieved)
            field = f"relieved:{self._node}"
            await asyncio.gather(*[self.link.call("HDEL", journal_key(shard), field) for shard in relieved])

    async def _look_into_files(self, noted: dict[int, Position]) -> None:
        """At the start, and whenever the store says something else than we noted there."""
        if any(self._noted.get(shard) != place for shard, place in noted.items()):
            self._ahead = await asyncio.to_thread(self.files.ahead, noted)
            self._noted = dict(noted)

    async def _note(self, batch: _Batch) -> None:
        """Note how far the shard is journalled, then trim what need not be kept."""
        last = position(batch.entries[-1].id)
        key = journal_key(batch.shard)
        args = [self._node, to_text(batch.noted), to_text(last)]
        (word,) = await self.link.script(self._note_script, [key], args)
        if word != b"done":
            self._noted.pop(batch.shard, None)
            return
        self._noted[batch.shard] = last
        ahead = self._ahead.get(batch.shard, {})
        self._ahead[batch.shard] = {place: crc for place, crc in ahead.items() if place > last}
        await self._trim(self.keys[batch.shard], last)

    async def _trim(self, keys: Keys, journalled: Position) -> None:
        excess = int(await self.link.call("XLEN", keys.outbox)) - self.keep
        if excess <= 0:
            return
        count = min(excess, 2 * BATCH)
        oldest = await self.link.call("XRANGE", keys.outbox, "-", to_text(journalled), "COUNT", count)
        if oldest:
            milliseconds, sequence = position(text(oldest[-1][0]))
            await self.link.call("XTRIM", keys.outbox, "MINID", f"{milliseconds}-{sequence + 1}")

    def _failed(self, problem: Exception) -> None:
        """Told once, not in every round."""
        if not self.failing:
            known = isinstance(problem, OSError)
            log.error("journalling fails, the entries wait: %s", problem, exc_info=None if known else problem)
        self.failing = str(problem) or repr(problem)
        self._noted.clear()  # what really is in the files is looked up there

    def _recovered(self) -> None:
        if self.failing:
            log.warning("journalling goes on")
            self.failing = ""

    async def _offer(self) -> None:
        """Let another node keep the journal, which may be able to write."""
        try:
            await asyncio.gather(*[self.link.call("HSET", journal_key(key.shard), "lease", 0) for key in self.keys])
        except Unavailable as problem:
            log.debug("the journal is not offered: %s", problem)
