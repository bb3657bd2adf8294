"""The promises on disk: JSON lines with a checksum each, synced before anybody hears of a promise.

A line is the CRC-32 of what follows it in eight hexadecimal digits, a space, and a promise or the name of one that is
settled. When all are settled the file is emptied.
"""

import asyncio
import fcntl
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from zlib import crc32

import msgspec

from balances.journal_files import sync_directory
from balances.ledger import Record
from charging.event import Phase
from charging.trust import Promise

log = logging.getLogger(__name__)

Name = tuple[str, str]
"""Session and operation."""

_BEGINNINGS = 0.75
"""The share of the file that what begins may fill; the rest is for reports of what runs."""


class _Line(Record, frozen=True, kw_only=True, omit_defaults=True):
    promise: Promise | None = None
    settled: Name | None = None


_decode = msgspec.json.Decoder(_Line).decode


def name_of(promise: Promise) -> Name:
    return promise.event.session, promise.event.operation


class PromiseFile:
    """One process's file. Writes go to a thread, one at a time, with all that came together meanwhile."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._size = size
        self._octets = 0
        """Written and synced."""
        self._coming = 0
        """Octets that wait, or are being written."""
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Future[None] | None = None
        self._descriptor = -1

    @property
    def is_empty(self) -> bool:
        """Is there nothing that somebody once promised?"""
        return not self.path.exists() or not self.path.stat().st_size

    def hold(self) -> None:
        """Make it ours, until ``close``; a process that is just ending may still have it. Blocks."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        sync_directory(self.path.parent)

    def read(self) -> list[Promise]:
        """What is not settled, in the order in which it was promised. The end of a write that a crash tore is cut off:
        nobody has heard of it. Blocks.
        """
        found: dict[Name, Promise] = {}
        end = good = 0
        data = self.path.read_bytes()
        for line in data.splitlines(keepends=True):
            end += len(line)
            said = _read(line)
            if said is None:
                continue
            if good < end - len(line):
                log.error("%s is damaged between octets %d and %d", self.path, good, end - len(line))
            good = end
            if said.promise is not None:
                found[name_of(said.promise)] = said.promise
            elif said.settled is not None:
                found.pop(said.settled, None)
        if good < len(data):
            log.warning("%s: cutting off %d octets that were never synced", self.path, len(data) - good)
            os.truncate(self.path, good)
        self._octets = good
        return list(found.values())

    def has_room(self, phase: Phase) -> bool:
        """Is there room for one more? What begins leaves some for the reports of what runs."""
        beginning = phase in (Phase.OPEN, Phase.EVENT)
        return self._octets + self._coming < self._size * (_BEGINNINGS if beginning else 1.0)

    def promise(self, promise: Promise) -> "asyncio.Future[None]":
        """Write it; the future is done when it is on the disk, or holds OSError."""
        return self._append(_Line(promise=promise))

    def settle(self, name: Name) -> None:
        """Note that it is settled. Should that be lost, it is settled once more, which the ledger recognises."""
        self._append(_Line(settled=name))

    def clear(self) -> None:
        """Everything in it is settled: empty it, unless something is being written just now."""
        if self._octets and self._writing is None:
            self._start(self._empty, 0, ())

    async def close(self) -> None:
        """Return when nothing is being written any more, and it is nobody's."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, line: _Line) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # not everybody waits for it
        try:
            body = msgspec.json.encode(line)
        except UnicodeEncodeError as problem:
            future.set_exception(OSError(f"a name that is no Unicode: {problem}"))
            return future
        sealed = b"%08x %b\n" % (crc32(body), body)
        self._coming += len(sealed)
        self._waiting.append((sealed, future))
        if self._writing is None:
            self._write()
        return future

    def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        data = b"".join([line for line, _ in batch])
        self._start(partial(self._put, data), len(data), [future for _, future in batch])

    def _start(self, write: Callable[[], None], octets: int, waiting: Sequence["asyncio.Future[None]"]) -> None:
        self._writing = asyncio.get_running_loop().run_in_executor(None, write)
        self._writing.add_done_callback(partial(self._written, octets, waiting))

    def _written(self, octets: int, waiting: Sequence["asyncio.Future[None]"], done: "asyncio.Future[None]") -> None:
        self._writing = None
        self._coming -= octets
        problem = done.exception()
        if problem is not None:
            log.error("%s cannot be written: %s", self.path, problem)
        for future in waiting:
            if future.done():
                continue
            if problem is None:
                future.set_result(None)
            else:
                future.set_exception(problem)
        if self._waiting:
            self._write()

    def _put(self, data: bytes) -> None:
        """All of it and synced, or nothing and OSError."""
        end, left = self._octets, memoryview(data)
        try:
            while left:
                written = os.pwrite(self._descriptor, left, end)
                left, end = left[written:], end + written
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._octets)
            raise
        self._octets = end

    def _empty(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.fsync(self._descriptor)
        self._octets = 0


def _read(line: bytes) -> _Line | None:
    """What a line says; None if it is not what was written."""
    seal, _, body = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or seal != b"%08x" % crc32(body):
        return None
    return _decode(body)
