"""Channels of trunk groups: how many calls a group carries at a time, and how many begin within a second.

They are counted in the store, one atomic step a call, so that the limits hold over all workers and nodes. A channel is
a lease that ends with the call's session, by itself if need be: nothing that crashes can keep it. It is no money, so
the books do not know it, and a channel lost with the store's last second is only one call too many.
"""

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from balances.keys import Keys, encode, shard_of
from balances.ledger import Record
from balances.link import Link
from balances.scripts import script
from balances.wire import text

SECOND = 1000
"""Milliseconds over which calls a second are counted: at no moment have more begun within the last of these."""


class Limits(Record, frozen=True, kw_only=True):
    """What a trunk group may carry; 0 sets no limit."""

    channels: int = 0
    """Calls at one time, those that still ring included."""
    rate: int = 0
    """Calls begun within any second."""


class Room(StrEnum):
    """Has the call a channel, or which limit is in its way?"""

    FREE = "free"
    CHANNELS = "channels"
    RATE = "rate"


class Channels(Protocol):
    """The verbs; each may raise Unavailable. Times are milliseconds since 1970."""

    async def occupy(self, group: str, call: str, limits: Limits, now: int, until: int) -> Room:
        """Give the call a channel until then; one that it has already stays as it is."""
        ...

    async def keep(self, group: str, call: str, until: int) -> None:
        """The call goes on until then at the longest. Without a channel it gets none."""
        ...

    async def free(self, group: str, call: str) -> None:
        """The call is over, or was refused after all."""
        ...

    async def occupied(self, group: str, now: int) -> int:
        """How many channels are in use."""
        ...


class MemoryChannels:
    """The specification."""

    def __init__(self) -> None:
        self._leases: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._begun: defaultdict[str, dict[str, int]] = defaultdict(dict)

    async def occupy(self, group: str, call: str, limits: Limits, now: int, until: int) -> Room:
        leases = self._leases[group] = {each: end for each, end in self._leases[group].items() if end > now}
        if call in leases:
            return Room.FREE
        if limits.channels and len(leases) >= limits.channels:
            return Room.CHANNELS
        if limits.rate:
            begun = self._begun[group] = {each: at for each, at in self._begun[group].items() if at > now - SECOND}
            if len(begun) >= limits.rate:
                return Room.RATE
            begun[call] = now
        leases[call] = until
        return Room.FREE

    async def keep(self, group: str, call: str, until: int) -> None:
        if call in self._leases[group]:
            self._leases[group][call] = until

    async def free(self, group: str, call: str) -> None:
        self._leases[group].pop(call, None)

    async def occupied(self, group: str, now: int) -> int:
        return sum(end > now for end in self._leases[group].values())


class StoreChannels:
    """The same in the store; a group is kept in one shard."""

    def __init__(self, link: Link, keys: Sequence[Keys]) -> None:
        self._link = link
        self._shards = len(keys)

    async def occupy(self, group: str, call: str, limits: Limits, now: int, until: int) -> Room:
        keys = (self._key("trunk", group), self._key("trunkbegun", group))
        args = (encode(call), now, until, limits.channels, limits.rate)
        return Room(text(await self._link.script(script("occupy"), keys, args)))

    async def keep(self, group: str, call: str, until: int) -> None:
        await self._link.call("ZADD", self._key("trunk", group), "XX", until, encode(call))

    async def free(self, group: str, call: str) -> None:
        await self._link.call("ZREM", self._key("trunk", group), encode(call))

    async def occupied(self, group: str, now: int) -> int:
        return int(await self._link.call("ZCOUNT", self._key("trunk", group), f"({now}", "+inf"))

    def _key(self, kind: str, group: str) -> bytes:
        """Sorted set: calls of the group by the end of their lease (``trunk``), by their time (``trunkbegun``)."""
        return encode(f"{kind}:{{s{shard_of(group, self._shards)}}}:{group}")
