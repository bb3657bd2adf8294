"""Watches: who wants to hear of changes of an account, kept beside it in its shard.

A watch is due when its account has changed (``mark``), until somebody has looked at it: ``claim`` gives it to one
process for a while, ``settle`` says what came of it. What happens to a claimed watch whose process ends is looked at
again when the claim runs out; a mark that arrives meanwhile makes it due once more. So no change is missed, by
whichever process, and at most one looks at a watch at a time.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgpack

from balances.keys import Keys, encode
from balances.ledger import Address, Record
from balances.link import Link
from balances.scripts import script
from balances.wire import text

VERBS = ("watch", "unwatch", "mark", "claim", "settle", "defer")

MOST: Final = 32
"""Watches of one account; a further one takes the place of the oldest, whose owner will not have said goodbye."""


class Watch(Record, frozen=True, kw_only=True):
    """``context`` is the watcher's own memory, opaque here."""

    id: str
    address: Address
    context: bytes


class Due(Record, frozen=True, kw_only=True):
    """A watch whose account has changed at ``since`` (milliseconds), or that was put off until then."""

    watch: Watch
    since: int


class Claim(Record, frozen=True, kw_only=True):
    """A watch as it was when it was claimed, ``until`` (milliseconds)."""

    watch: Watch
    until: int


def watches_key(shard: int) -> bytes:
    """Hash: id of a watch to its account and context, packed."""
    return f"watch:{{s{shard}}}".encode()


def account_key(shard: int, account: str) -> bytes:
    """Sorted set: ids of the account's watches by the time of their last putting."""
    return encode(f"watchers:{{s{shard}}}:{account}")


def due_key(shard: int) -> bytes:
    """Sorted set: ids of watches by the time from which on somebody shall look."""
    return f"watchdue:{{s{shard}}}".encode()


def lease_key(shard: int, watch: str) -> bytes:
    """String with TTL: somebody is looking."""
    return encode(f"watchlease:{{s{shard}}}:{watch}")


class Watches:
    """The watches of all shards. Every verb may raise Unavailable. Times are milliseconds."""

    def __init__(self, link: Link, keys: Sequence[Keys]) -> None:
        self._link = link
        self._shards = tuple(key.shard for key in keys)

    async def put(self, watch: Watch, now: int, due: int) -> None:
        """Watch, or change the context of a watch; look at it at ``due`` for what happened meanwhile."""
        shard, account = watch.address.shard, watch.address.account
        keys = [watches_key(shard), account_key(shard, account), due_key(shard)]
        await self._run("watch", keys, encode(watch.id), _pack(watch), now, due, MOST)

    async def find(self, id: str) -> Watch | None:
        """The watch of this id, in whichever shard."""
        found = await asyncio.gather(
            *[self._link.call("HGET", watches_key(shard), encode(id)) for shard in self._shards]
        )
        known = [_unpack(shard, id, packed) for shard, packed in zip(self._shards, found, strict=True) if packed]
        return known[0] if known else None

    async def drop(self, watch: Watch) -> None:
        """Watch no longer."""
        shard, account = watch.address.shard, watch.address.account
        keys = [watches_key(shard), account_key(shard, account), due_key(shard)]
        await self._run("unwatch", keys, encode(watch.id))

    async def mark(self, addresses: Iterable[Address], now: int) -> None:
        """These accounts have changed."""
        by_shard: defaultdict[int, set[str]] = defaultdict(set)
        for address in addresses:
            by_shard[address.shard].add(address.account)
        await asyncio.gather(
            *[
                self._run("mark", [due_key(shard)], now, account_key(shard, ""), *map(encode, sorted(accounts)))
                for shard, accounts in by_shard.items()
            ]
        )

    async def mark_all(self, now: int) -> None:
        """Any account may have changed."""
        for shard in self._shards:
            ids = await self._link.call("HKEYS", watches_key(shard))
            for start in range(0, len(ids), 1000):
                pairs = [part for id in ids[start : start + 1000] for part in (now, id)]
                await self._link.call("ZADD", due_key(shard), "LT", *pairs)

    async def due(self, now: int, limit: int = 100) -> tuple[Due, ...]:
        """What somebody shall look at, per shard the ``limit`` that wait longest."""
        found = await asyncio.gather(
            *[
                self._link.call("ZRANGEBYSCORE", due_key(shard), "-inf", now, "WITHSCORES", "LIMIT", 0, limit)
                for shard in self._shards
            ]
        )
        pages = await asyncio.gather(
            *[self._read(shard, flat) for shard, flat in zip(self._shards, found, strict=True) if flat]
        )
        return tuple(due for page in pages for due in page)

    async def _read(self, shard: int, flat: list[bytes]) -> list[Due]:
        ids, scores = flat[::2], flat[1::2]
        packed = await self._link.call("HMGET", watches_key(shard), *ids)
        return [
            Due(watch=_unpack(shard, text(id), each), since=int(float(score)))
            for id, score, each in zip(ids, scores, packed, strict=True)
            if each is not None
        ]

    async def claim(self, watch: Watch, now: int, lease: int) -> Claim | None:
        """Take it in hand for ``lease`` milliseconds; None if it is not due any more or somebody else has it."""
        shard, until = watch.address.shard, now + lease
        keys = [watches_key(shard), due_key(shard), lease_key(shard, watch.id)]
        packed = await self._run("claim", keys, encode(watch.id), now, until, lease)
        return Claim(watch=_unpack(shard, watch.id, packed), until=until) if packed else None

    async def settle(self, claim: Claim, context: bytes, again: int | None = None) -> None:
        """Done: remember ``context``, unless the watch was put anew. ``again``: to be looked at then, and if marked."""
        watch = claim.watch
        shard = watch.address.shard
        new = _pack(Watch(id=watch.id, address=watch.address, context=context))
        keys = [watches_key(shard), due_key(shard), lease_key(shard, watch.id)]
        await self._run("settle", keys, encode(watch.id), claim.until, _pack(watch), new, again or 0)

    async def defer(self, due: Due, until: int) -> None:
        """Nobody can do anything about it now: look again then. Whoever has it in hand is not disturbed."""
        shard = due.watch.address.shard
        await self._run("defer", [due_key(shard), lease_key(shard, due.watch.id)], encode(due.watch.id), until)

    async def _run(self, verb: str, keys: Sequence[bytes], *args: bytes | str | int) -> Any:
        return await self._link.script(script(verb), keys, args)


def _pack(watch: Watch) -> bytes:
    packed: bytes = msgpack.packb((encode(watch.address.account), watch.context))
    return packed


def _unpack(shard: int, id: str, packed: bytes) -> Watch:
    account, context = msgpack.unpackb(packed)
    return Watch(id=id, address=Address(shard=shard, account=text(account)), context=context)
