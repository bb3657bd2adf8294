"""Confirmation: a credit is acknowledged only when it is on disk, here and on a replica if that is asked for (WAITAOF).

WAITAOF holds its connection up, so that this has one of its own. Those who wait at the same time share one round: is
what they did there (a failover may have come between), one more write, and the wait until that, and so all before it,
is on disk.
"""

import asyncio

from balances.ledger import Unavailable
from balances.link import Link
from balances.server import Durability

PATIENCE = 3_000
"""Milliseconds a round may take; with appendfsync everysec one second is usual."""


class _Group:
    """Who waits for the next round on a node."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.keys: list[bytes] = []
        self.next: asyncio.Task[set[bytes]] | None = None


class Confirmation:
    """``link`` is for nobody else; its timeout is above PATIENCE."""

    def __init__(self, link: Link, durability: Durability) -> None:
        self._link = link
        self._replicas = 1 if durability is Durability.REPLICA else 0
        self._groups: dict[int, _Group] = {}

    async def confirm(self, key: bytes, marker: bytes) -> None:
        """Wait until ``key``, which a script wrote, is safe; ``marker`` is a key of the same shard to write to. Raises
        Unavailable if it is not there, or not safe in time: then nobody knows, and the caller repeats.
        """
        node = self._link.node_of(key)
        group = self._groups.setdefault(id(node), _Group())
        group.keys.append(key)
        if group.next is None:
            group.next = asyncio.create_task(self._round(node, group, marker))
        if key not in await asyncio.shield(group.next):
            raise Unavailable("the credit is not in the store any more: another has taken over")

    async def _round(self, node: Link, group: _Group, marker: bytes) -> set[bytes]:
        """One round for all that wait; returns the keys that are there."""
        async with group.lock:
            keys, group.keys, group.next = group.keys, [], None
            there = [node.call("EXISTS", key) for key in keys]
            writes = [node.call("SET", marker, 1), node.call("WAITAOF", 1, self._replicas, PATIENCE)]
            *found, _, safe = await asyncio.gather(*there, *writes)
            if safe[0] < 1 or safe[1] < self._replicas:
                raise Unavailable(f"the credit is on {safe[0]} disks here and {safe[1]} of replicas, in {PATIENCE} ms")
            return {key for key, exists in zip(keys, found, strict=True) if exists}
