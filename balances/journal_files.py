"""The journal's files: JSON lines with a checksum each, synced before anybody relies on them, rotated by size and age.

docs/journal.md is the schema. A line is ``{...,"crc":"xxxxxxxx"}``: the CRC-32 of its octets before ``,"crc"``. Nothing
in here knows the store; all of it blocks and belongs into a thread.
"""

import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec

from balances.details import details_of, make_details
from balances.ledger import Entry, Record

log = logging.getLogger(__name__)

Position = tuple[int, int]
"""A stream id, which orders the entries of a shard."""

Ahead = dict[int, dict[Position, int]]
"""Entries in the files that the store does not know to be there, by shard: positions with the lines' checksums."""

_SEAL = len(b',"crc":"01234567"}\n')


class DamagedJournal(Exception):
    """A line is not what was written: the message says which."""


class Place(Record, frozen=True, kw_only=True):
    """As much of a line as is needed to know where it belongs."""

    id: str
    shard: int
    at: int


def position(text: str) -> Position:
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or 0)


def to_text(position: Position) -> str:
    return f"{position[0]}-{position[1]}"


def seal(entry: Entry) -> bytes:
    """The entry as a line of the journal. Names come from the network: what is no Unicode in them stands escaped."""
    try:
        body = msgspec.json.encode(entry)[:-1]
    except UnicodeEncodeError:
        names = {
            name: readable(value) for name in entry.__struct_fields__ if isinstance(value := getattr(entry, name), str)
        }
        body = msgspec.json.encode(msgspec.structs.replace(entry, **names))[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


def readable(name: str) -> str:
    """The name, with a backslash and digits for what is no Unicode."""
    return name.encode("utf-8", "backslashreplace").decode()


def checksum(line: bytes) -> int | None:
    """The line's checksum; None if the line is damaged or not finished."""
    body, tail = line[:-_SEAL], line[-_SEAL:]
    crc = crc32(body)
    return crc if tail == b',"crc":"%08x"}\n' % crc else None


def journal_files(directory: Path) -> list[Path]:
    """The files in the order of their writing."""
    return sorted(directory.glob("journal-*.jsonl"))


def read_journal(directory: Path) -> Iterator[Entry]:
    """All journalled entries, in the order of their writing; the entries of a shard come in the order of their ids.

    A line still being written is left out. Raises DamagedJournal.
    """
    decoder = msgspec.json.Decoder(Entry)
    for path in journal_files(directory):
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    continue
                if checksum(line) is None:
                    raise DamagedJournal(f"{path}, line {number}: the checksum does not fit")
                yield decoder.decode(line)


class JournalFiles:
    """``directory/journal-000001.jsonl`` and so on, the last one in use.

    ``size``: octets, ``age``: milliseconds after which the next one is begun.
    """

    def __init__(self, directory: Path, *, size: int, age: int) -> None:
        self.directory = directory
        self.size = size
        self.age = age
        self._began: int | None = None
        """Time of the first entry of the file in use, once known."""

    def node(self) -> str:
        """Who writes here: a name made up once for the directory."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.directory / "node"
        try:
            if name := path.read_text().strip():
                return name
        except FileNotFoundError:
            pass
        name = uuid.uuid4().hex
        replace(path, f"{name}\n".encode())
        return name

    def ahead(self, noted: dict[int, Position]) -> Ahead:
        """What the files hold of these shards beyond the positions noted in the store, after a crash or where the store
        went back.

        The end of a write that a crash tore is cut off: its entries are still in the outbox.
        """
        found: Ahead = {shard: {} for shard in noted}
        files = journal_files(self.directory)
        for path in reversed(files):
            beyond = self._beyond(path, noted, mend=path is files[-1])
            for shard, place, crc in beyond:
                found[shard][place] = crc
            if not beyond and path.stat().st_size:
                break  # what is older is noted: a file holds whole batches
        for path in files[:-1]:
            _finish(path)
        return found

    def _beyond(self, path: Path, noted: dict[int, Position], *, mend: bool) -> list[tuple[int, Position, int]]:
        found: list[tuple[int, Position, int]] = []
        offset, damaged = 0, None
        decoder = msgspec.json.Decoder(Place)
        with path.open("rb") as lines:
            for line in lines:
                crc = checksum(line)
                if crc is None:
                    damaged = offset if damaged is None else damaged
                else:
                    place = decoder.decode(line)
                    if place.shard in noted and position(place.id) > noted[place.shard]:
                        if damaged is None:
                            found.append((place.shard, position(place.id), crc))
                    elif damaged is not None:
                        log.error("%s is damaged at octet %d, before what was synced", path, damaged)
                        damaged = None
                offset += len(line)
        if damaged is not None and mend:
            log.warning("%s: cutting off %d octets that were never synced", path, offset - damaged)
            with path.open("r+b") as file:
                file.truncate(damaged)
                os.fsync(file.fileno())
        return found

    def withdraw(self, beyond: dict[int, Position]) -> None:
        """Take out what lies beyond these positions of shards: another node writes it."""
        decoder = msgspec.json.Decoder(Place)
        for path in reversed(journal_files(self.directory)):
            lines = path.read_bytes().splitlines(keepends=True)
            places = [decoder.decode(line) if checksum(line) is not None else None for line in lines]
            kept = [
                line
                for line, place in zip(lines, places, strict=True)
                if place is None or place.shard not in beyond or position(place.id) <= beyond[place.shard]
            ]
            if len(kept) == len(lines) and lines:
                break
            if len(kept) < len(lines):
                log.warning("%s: %d entries are in another node's journal", path, len(lines) - len(kept))
                replace(path, b"".join(kept))
                details_of(path).unlink(missing_ok=True)
        self._began = None

    def append(self, entries: list[Entry], lines: list[bytes]) -> None:
        """Write and sync, in the file in use or a new one if that is full or old: all of it, or nothing and OSError."""
        path = self._file_in_use(entries[0].at)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            start = os.fstat(descriptor).st_size
            try:
                _write(descriptor, b"".join(lines))
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, start)  # half a batch would be written twice
                raise
        finally:
            os.close(descriptor)
        if start == 0:
            self._began = entries[0].at
            sync_directory(self.directory)

    def _file_in_use(self, now: int) -> Path:
        files = journal_files(self.directory)
        if not files:
            return self.directory / "journal-000001.jsonl"
        path = files[-1]
        size = path.stat().st_size
        if self._began is None and size:
            with path.open("rb") as lines:
                self._began = msgspec.json.decode(lines.readline(), type=Place).at
        old = self._began is not None and now - self._began >= self.age
        if size < self.size and not (size and old):
            return path
        self._began = None
        _finish(path)
        return self.directory / f"journal-{int(path.stem.rpartition('-')[2]) + 1:06d}.jsonl"


def _finish(path: Path) -> None:
    if problem := make_details(path):
        log.error("%s: no charge detail records until the next start: %s", path, problem)


def replace(path: Path, data: bytes) -> None:
    """Put a file in place, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    sync_directory(path.parent)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
