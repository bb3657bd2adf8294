"""Notices on their way, in the store: found in the ledger's outbox, kept until they are taken or given up.

Every step may be repeated after a crash: a notice has the same name each time it is found, and its place in the outbox
is noted only when all before it are kept. So each is sent at least once.
"""

from collections.abc import Iterable

import msgspec

from balances.keys import Keys
from balances.ledger import Entry, Record
from balances.link import Link
from balances.wire import read_entry, text
from ocs.webhooks.alerts import AlertBook, Standing, bucket_key, told_key, told_levels
from ocs.webhooks.notices import Notice, Occasion, credits, ended, occasions, used

DUE, TRIES, LOG, LEASE = b"hooks:due", b"hooks:tries", b"hooks:log", b"hooks:lease"
LEASE_MILLISECONDS = 10_000
BATCH = 200
LOGGED = 1_000
"""Deliveries that the log keeps."""


class Delivery(Record, frozen=True, kw_only=True):
    """One attempt: of which notice, when (milliseconds), which one it was, and what came of it."""

    notice: Notice
    at: int
    attempt: int
    result: str
    """``delivered``, ``failed`` (sent again later) or ``given up``."""
    reason: str = ""


class Queue:
    """Any call may raise Unavailable."""

    def __init__(self, link: Link, keys: Iterable[Keys], alerts: AlertBook) -> None:
        self._link = link
        self._keys = tuple(keys)
        self._alerts = alerts

    async def lead(self, node: str) -> bool:
        """Is the work ours for the next seconds? One node has it; another takes over when that one is silent."""
        if await self._link.call("SET", LEASE, node, "NX", "PX", LEASE_MILLISECONDS) is not None:
            return True
        if await self._link.call("GET", LEASE) != node.encode():
            return False
        await self._link.call("PEXPIRE", LEASE, LEASE_MILLISECONDS)
        return True

    async def collect(self, now: int) -> int:
        """Keep the notices of what is new in the outbox; how many entries were looked at."""
        return sum([await self._collect(keys, now) for keys in self._keys])

    async def _collect(self, keys: Keys, now: int) -> int:
        place = f"hooks:place:{keys.shard}"
        after = await self._link.call("GET", place)
        if after is None:  # the first time ever: what was before is no news
            newest = await self._link.call("XREVRANGE", keys.outbox, "+", "-", "COUNT", 1)
            await self._link.call("SET", place, newest[0][0] if newest else b"0-0")
            return 0
        batch = await self._link.call("XRANGE", keys.outbox, b"(" + after, "+", "COUNT", BATCH)
        entries = [read_entry(keys.shard, id, fields[1]) for id, fields in batch]
        standings = await self._alerts.of(keys, {entry.account for entry in entries if used(entry)})
        for entry in entries:
            await self._keep(entry, standings.get(entry.account, Standing()), now)
        if batch:
            await self._link.call("SET", place, batch[-1][0])
        return len(batch)

    async def _keep(self, entry: Entry, standing: Standing, now: int) -> None:
        if credits(entry):
            for level in told_levels(standing.alerts):
                await self._link.call("DEL", told_key(entry.account, level))
        for occasion in occasions(entry, standing):
            if await self._is_news(occasion):
                await self._link.call("ZADD", DUE, "NX", now, msgspec.json.encode(occasion.notice))
        for bucket in ended(entry):
            await self._link.call("DEL", bucket_key(entry.account, bucket))

    async def _is_news(self, occasion: Occasion) -> bool:
        """Told of already? By this very notice, perhaps, before a crash: then it is kept again."""
        if not occasion.once:
            return True
        id = occasion.notice.id
        if occasion.bucket:
            key = bucket_key(occasion.notice.account, occasion.bucket)
            if await self._link.call("HSETNX", key, occasion.once, id):
                return True
            return bool(await self._link.call("HGET", key, occasion.once) == id.encode())
        key = f"hooks:told:{occasion.once}"
        if await self._link.call("SET", key, id, "NX") is not None:
            return True
        return bool(await self._link.call("GET", key) == id.encode())

    async def due(self, now: int) -> list[Notice]:
        """Those to be sent by now, the longest due first."""
        found = await self._link.call("ZRANGE", DUE, "-inf", now, "BYSCORE", "LIMIT", 0, BATCH)
        return [msgspec.json.decode(one, type=Notice) for one in found]

    async def begin(self, notice: Notice) -> int:
        """Count an attempt; which one it is."""
        return int(await self._link.call("HINCRBY", TRIES, notice.id, 1))

    async def put_off(self, delivery: Delivery, until: int) -> None:
        """To be sent again then."""
        await self._link.call("ZADD", DUE, "XX", until, msgspec.json.encode(delivery.notice))
        await self._log(delivery)

    async def finish(self, delivery: Delivery) -> None:
        """Taken, or given up."""
        await self._log(delivery)
        await self._link.call("ZREM", DUE, msgspec.json.encode(delivery.notice))
        await self._link.call("HDEL", TRIES, delivery.notice.id)

    async def _log(self, delivery: Delivery) -> None:
        await self._link.call("LPUSH", LOG, msgspec.json.encode(delivery))
        await self._link.call("LTRIM", LOG, 0, LOGGED - 1)

    async def waiting(self) -> int:
        """How many are on their way."""
        return int(await self._link.call("ZCARD", DUE))

    async def log(self, limit: int) -> list[Delivery]:
        """The last attempts, newest first."""
        found = await self._link.call("LRANGE", LOG, 0, limit - 1)
        return [msgspec.json.decode(text(one), type=Delivery) for one in found]
