"""Word between the processes that share a store: a short stream in it, which every process reads as it grows.

What is said here is said to whoever listens just now. A process that loses the store misses what is said meanwhile, and
takes up again at the end: nothing on the bus may be the only thing between us and a right bill.
"""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from balances.ledger import Identity, Record, Unavailable, Unit
from balances.link import Link, ReplyError
from balances.target import Target
from balances.topology import link_to

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


class Follow(Record, frozen=True, kw_only=True, tag="follow", array_like=True):
    """Somebody looks at this account, or at whoever comes under these identities: tell of each request."""

    account: str
    identities: tuple[Identity, ...]
    seconds: float
    """For so long, unless it is said again."""


class HandledItem(Record, frozen=True, kw_only=True, array_like=True):
    """What one item of a request reported, wanted and got."""

    key: str
    unit: Unit
    used: int = 0
    wanted: bool = False
    granted: int = 0
    cost: int = 0
    settled: int = 0
    reason: str = ""


class Handled(Record, frozen=True, kw_only=True, tag="handled", array_like=True):
    """A charging request that was answered: told if it was refused, or if somebody follows its subscriber."""

    at: int
    door: str
    phase: str
    session: str
    identities: tuple[str, ...]
    account: str
    service: str
    """What it is about, as far as the request says: the kind, and who is called or the access point."""
    result: str
    reason: str
    replayed: bool
    currency: str
    available: int
    items: tuple[HandledItem, ...]
    untold: int = 0
    """How many before this one were left out, because there were too many to tell."""
    short: str = ""
    """The account up the subscriber's chain for whose sake something was refused."""


Word = Order | Answered | Doubted | Alive | Follow | Handled
Listener = Callable[[Word], None]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Word).decode


class Bus:
    """``say`` over the process's own link; what is said anywhere, here too, reaches all ``listeners``."""

    def __init__(self, link: Link, target: Target, name: str) -> None:
        self._link = link
        self._reader = link_to(target, name=name, timeout=_WAIT / 1000 + 2)
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
