"""The journal: every ledger entry, from the store's outbox into durable files of JSON lines, each exactly once.

The order is: read the outbox, write and sync the file, note the position in the store, trim. A crash in between is
healed at the start: a torn last line is cut off, and what the last file holds beyond the noted position is known by
its ids. One journal serves one store; it runs in one process.
"""

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from balances.keys import Keys
from balances.ledger import Entry, Record, Unavailable
from balances.link import Link
from balances.observer import Observer, Unobserved
from balances.wire import read_entry

log = logging.getLogger(__name__)

BATCH = 500
"""Entries read of one shard at a time."""

Position = tuple[int, int]
"""A stream id, which orders the entries of a shard."""

_BEGINNING: Position = (0, 0)


class _Place(Record, frozen=True, kw_only=True):
    """As much of a line as is needed to know where it belongs."""

    id: str
    shard: int


def position_key(shard: int) -> bytes:
    """String: the id of the shard's last entry that is in the journal."""
    return f"journal:{{s{shard}}}".encode()


class Journal:
    """Writes ``directory/journal-000001.jsonl`` and so on. ``keep``: journalled entries that stay in the store."""

    def __init__(
        self,
        link: Link,
        keys: list[Keys],
        directory: Path,
        *,
        file_size: int = 67_108_864,
        keep: int = 1_000_000,
        observer: Observer | None = None,
    ) -> None:
        self.link = link
        self.keys = keys
        self.directory = directory
        self.file_size = file_size
        self.keep = -(-keep // len(keys))
        self.observer: Observer = observer or Unobserved()
        self._positions: dict[int, Position] = {}

    async def run(self, interval: float = 0.2) -> None:
        """Journal until cancelled. If store or disk fail, the entries wait in the outbox; nothing is skipped."""
        while True:
            wrote = 0
            try:
                if not self._positions:
                    await self.recover()
                wrote = await self.round()
            except Unavailable as problem:
                log.debug("nothing journalled: %s", problem)
                self._positions = {}
            except Exception:
                log.exception("journalling failed; trying again")
                self._positions = {}  # what really is in the files is looked up there
            await asyncio.sleep(0 if wrote >= BATCH else interval)

    async def recover(self) -> None:
        """Find out what is journalled already: what the store notes, and what the last file says beyond that."""
        written = await asyncio.to_thread(self._recover_files)
        noted = await asyncio.gather(*[self.link.call("GET", position_key(key.shard)) for key in self.keys])
        for key, text in zip(self.keys, noted, strict=True):
            store = _position(text.decode()) if text else _BEGINNING
            self._positions[key.shard] = max(store, written.get(key.shard, _BEGINNING))

    async def round(self) -> int:
        """Journal what the outbox has, up to BATCH entries of each shard; returns how many. ``recover`` comes first."""
        batches = await asyncio.gather(
            *[
                self.link.call("XRANGE", key.outbox, f"({_text(self._positions[key.shard])}", "+", "COUNT", BATCH)
                for key in self.keys
            ]
        )
        entries: list[Entry] = []
        for key, batch in zip(self.keys, batches, strict=True):
            entries += [read_entry(key.shard, entry, fields[1]) for entry, fields in batch]
        if entries:
            oldest = min(entry.at for entry in entries)
            self.observer.journal_lag(max(0.0, time.time() - oldest / 1000), len(entries))
            await asyncio.to_thread(self._append, entries)
            for entry in entries:
                self._positions[entry.shard] = max(self._positions[entry.shard], _position(entry.id))
                self.observer.journalled(entry)
            await self._acknowledge({entry.shard for entry in entries})
        if len(entries) < BATCH:
            self.observer.journal_lag(0.0, 0)
        return len(entries)

    async def _acknowledge(self, shards: set[int]) -> None:
        """Note the positions, then trim what is journalled and not to be kept."""
        await asyncio.gather(
            *[self.link.call("SET", position_key(shard), _text(self._positions[shard])) for shard in shards]
        )
        await asyncio.gather(*[self._trim(key) for key in self.keys if key.shard in shards])

    async def _trim(self, key: Keys) -> None:
        excess = int(await self.link.call("XLEN", key.outbox)) - self.keep
        if excess <= 0:
            return
        journalled = _text(self._positions[key.shard])
        oldest = await self.link.call("XRANGE", key.outbox, "-", journalled, "COUNT", min(excess, 2 * BATCH))
        if oldest:
            milliseconds, sequence = _position(oldest[-1][0].decode())
            await self.link.call("XTRIM", key.outbox, "MINID", f"{milliseconds}-{sequence + 1}")

    def _recover_files(self) -> dict[int, Position]:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        files = _files(self.directory)
        if not files:
            return {}
        _cut_torn_line(files[-1])
        decoder = msgspec.json.Decoder(_Place)
        written: dict[int, Position] = {}
        # One batch never spans two files, so what the store has not noted is in the last one that holds anything.
        last = next((file for file in reversed(files) if file.stat().st_size), files[-1])
        with last.open("rb") as lines:
            for line in lines:
                place = decoder.decode(line)
                written[place.shard] = max(written.get(place.shard, _BEGINNING), _position(place.id))
        return written

    def _append(self, entries: list[Entry]) -> None:
        """Write and sync, in the file in use or, if that is full, in a new one."""
        files = _files(self.directory)
        path = files[-1] if files else self.directory / "journal-000001.jsonl"
        if files and path.stat().st_size >= self.file_size:
            path = self.directory / f"journal-{int(path.stem.rpartition('-')[2]) + 1:06d}.jsonl"
        encode = msgspec.json.encode
        data = b"".join(encode(entry) + b"\n" for entry in entries)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            start = os.fstat(descriptor).st_size
            try:
                _write(descriptor, data)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, start)  # half a batch would be written twice
                raise
        finally:
            os.close(descriptor)
        if start == 0:
            _sync_directory(self.directory)


def read_journal(directory: Path) -> Iterator[Entry]:
    """All journalled entries, in the order of their writing; the entries of a shard come in the order of their ids.

    A line still being written is left out. Raises msgspec.DecodeError for a damaged file.
    """
    decoder = msgspec.json.Decoder(Entry)
    for path in _files(directory):
        with path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    yield decoder.decode(line)


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("journal-*.jsonl"))


def _position(text: str) -> Position:
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or 0)


def _text(position: Position) -> str:
    return f"{position[0]}-{position[1]}"


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _cut_torn_line(path: Path) -> None:
    """A crash in the middle of a write leaves a line without its end; its entry is still in the outbox."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        log.warning("%s: cutting off a line of %d octets that was never finished", path, len(data) - whole)
        with path.open("r+b") as file:
            file.truncate(whole)
            os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
