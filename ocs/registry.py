"""Which process has which peer: one connection for each identity over all workers and nodes (RFC 6733 section 5.6).

A claim on an identity is a key in the store that its process keeps alive; that of a process that was killed is gone
within seconds. Where the store is away peers are let in: an answer is worth more than tidiness.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from balances.ledger import Unavailable
from balances.link import Link, Reply, ReplyError, Script
from ocs.bus import Alive, Bus, Doubted, Word

log = logging.getLogger(__name__)

LEASE = 2.0
"""Seconds a claim lives without being renewed; it is renewed three times in that."""

_AGAIN = 0.2
_GRACE = 1.0
"""Seconds between two attempts at a claim somebody else has; for how much longer than its holder can lag behind."""

_CLAIM = Script(
    "claim-peer",
    """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
""",
)
_RELEASE = Script("release-peer", "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end")


def _key(host: str) -> bytes:
    """String with TTL: the process that has the peer."""
    return f"peer:{host}".encode("utf-8", "surrogatepass")


class Registry:
    """``patience``: seconds in which a peer that is doubted has answered or is closed."""

    def __init__(self, link: Link, bus: Bus, patience: float) -> None:
        self.name = uuid.uuid4().hex
        self.doubted: Callable[[str], None] = _ignore
        """Called with the identity of a peer of ours that somebody else claims to be."""
        self._link = link
        self._bus = bus
        self._patience = max(patience, LEASE) + _GRACE
        self._held: set[str] = set()
        self._alive: set[str] = set()
        self._sought: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._renewal = asyncio.create_task(self._renew(), name="registry")
        bus.listeners.append(self._hear)

    def __repr__(self) -> str:
        return f"<Registry {self.name}: {len(self._held)} peers>"

    async def close(self) -> None:
        self._bus.listeners.remove(self._hear)
        tasks = (self._renewal, *self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    def seek(self, host: str, decided: Callable[[bool], None]) -> None:
        """Claim an identity; ``decided`` is told whether it is ours now, sooner or later."""

        async def decide() -> None:
            decided(await self._seek(host))

        self._start(decide())

    def take(self, host: str) -> None:
        """We have the peer, whoever else may have it."""
        self._held.add(host)
        _forget(self._link.call("SET", _key(host), self.name, "PX", int(LEASE * 1000)))

    def drop(self, host: str) -> None:
        """The peer is ours no more."""
        if host in self._held:
            self._held.discard(host)
            _forget(self._link.script(_RELEASE, [_key(host)], [self.name]))

    def alive(self, host: str) -> None:
        """The peer that was doubted lives."""
        self._start(self._say(Alive(host=host)))

    # ----

    async def _seek(self, host: str) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        self._sought.add(host)
        try:
            holder = await self._claim(host)
            if holder != self.name:
                await self._say(Doubted(host=host, holder=holder))
            while holder != self.name:
                if host in self._alive or loop.time() >= end:
                    return False
                await asyncio.sleep(_AGAIN)
                holder = await self._claim(host)
        finally:
            self._sought.discard(host)
            self._alive.discard(host)
        self._held.add(host)
        return True

    async def _claim(self, host: str) -> str:
        """Whose it is now."""
        try:
            holder = await self._link.script(_CLAIM, [_key(host)], [self.name, int(LEASE * 1000)])
        except (Unavailable, ReplyError):
            return self.name
        return bytes(holder).decode()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE / 3)
            for host, holder in zip(
                held := tuple(self._held), await asyncio.gather(*map(self._claim, held)), strict=True
            ):
                if holder != self.name and host in self._held:
                    self._held.discard(host)
                    log.warning("peer %s is connected elsewhere too", host)

    def _hear(self, word: Word) -> None:
        if isinstance(word, Doubted) and word.holder == self.name:
            self.doubted(word.host)
        elif isinstance(word, Alive) and word.host in self._sought:
            self._alive.add(word.host)

    async def _say(self, word: Word) -> None:
        try:
            await self._bus.say(word)
        except (Unavailable, ReplyError):
            return  # whoever waits for it waits a little longer

    def _start(self, chore: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(chore)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _ignore(_host: str) -> None: ...


def _forget(reply: "asyncio.Future[Reply]") -> None:
    """Nobody waits for this reply: its failure is none either."""
    reply.add_done_callback(lambda done: done.cancelled() or done.exception())
