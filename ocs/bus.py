"""Word between the processes that share a store: a short stream in it, which every process reads as it grows.

What is said here is said to whoever listens just now. A process that loses the store misses what is said meanwhile, and
takes up again at the end: nothing on the bus may be the only thing between us and a right bill.
"""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from balances.ledger import Record, Unavailable
from balances.link import Link, ReplyError
from balances.target import Target

log = logging.getLogger(__name__)

STREAM = b"bus"
"""Key of the stream, beside the ledger's own."""

_KEPT = 10_000
"""Messages the stream keeps, more or less."""

_WAIT = 1_000
_PAUSE = 0.2
"""Milliseconds for which a read waits for news; seconds between two attempts where the store is away."""


class Order(Record, frozen=True, kw_only=True, tag="order", array_like=True):
    """A request of ours, to be sent by one process that has a way to ``host``."""

    id: str
    host: str
    realm: str
    command: int
    application: int
    parts: tuple[bytes, ...]
    """The request's complete AVPs."""


class Answered(Record, frozen=True, kw_only=True, tag="answered", array_like=True):
    """What came of an order: the whole answer message, or nothing and why."""

    id: str
    answer: bytes
    problem: str = ""


class Doubted(Record, frozen=True, kw_only=True, tag="doubted", array_like=True):
    """Somebody else claims the identity of a peer that ``holder`` has: does its connection live?"""

    host: str
    holder: str


class Alive(Record, frozen=True, kw_only=True, tag="alive", array_like=True):
    """The doubted peer gave a sign of life."""

    host: str


Word = Order | Answered | Doubted | Alive
Listener = Callable[[Word], None]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Word).decode


class Bus:
    """``say`` over the process's own link; what is said anywhere, here too, reaches all ``listeners``."""

    def __init__(self, link: Link, target: Target, name: str) -> None:
        self._link = link
        self._reader = Link(target, name=name, timeout=_WAIT / 1000 + 2)
        self._task: asyncio.Task[None] | None = None
        self.listeners: list[Listener] = []

    async def open(self, patience: float) -> None:
        """Connect and begin to listen; raises Unavailable."""
        await self._reader.open(patience)
        try:
            last = await self._end()
        except BaseException:
            await self._reader.close()
            raise
        self._task = asyncio.create_task(self._listen(last), name="bus")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._reader.close()

    async def say(self, word: Word) -> None:
        """May raise Unavailable: whether it was said is not known then."""
        await self._link.call("XADD", STREAM, "MAXLEN", "~", _KEPT, "*", "w", _encode(word))

    async def _end(self) -> bytes:
        newest = await self._reader.call("XREVRANGE", STREAM, "+", "-", "COUNT", 1)
        return bytes(newest[0][0]) if newest else b"0-0"

    async def _listen(self, last: bytes) -> None:
        while True:
            try:
                found = await self._reader.call("XREAD", "COUNT", 100, "BLOCK", _WAIT, "STREAMS", STREAM, last)
                for _, entries in found or ():
                    for last, (_, packed) in entries:  # noqa: B007 - the last one is where the next read begins
                        self._hear(packed)
            except (Unavailable, ReplyError):
                last = await self._take_up_again()

    async def _take_up_again(self) -> bytes:
        """What was said meanwhile is stale, and another store may have taken over with ids of its own."""
        while True:
            await asyncio.sleep(_PAUSE)
            try:
                return await self._end()
            except (Unavailable, ReplyError) as problem:
                log.debug("the bus is away: %s", problem)

    def _hear(self, packed: bytes) -> None:
        try:
            word = _decode(packed)
        except msgspec.DecodeError:
            return  # of another version than ours
        for listener in self.listeners:
            try:
                listener(word)
            except Exception:
                log.exception("what was said could not be followed")
