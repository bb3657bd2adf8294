"""The link to a Cluster: each call goes to the master of its key's slot, and on to another where that has moved.

Nothing is sent twice that may have run: MOVED and ASK are a node's word that it ran nothing. The map of slots is read
again once a second and whenever a call had to be sent on.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from redis.crc import key_slot

from balances.ledger import Unavailable
from balances.link import Argument, Call, Link, Reply, ReplyError, Script
from balances.target import Target

log = logging.getLogger(__name__)

SLOTS = 16_384

_REFRESH = 1.0
"""Seconds between two readings of the map."""

_HOPS = 5
"""Nodes a call is sent on to at most."""

Node = tuple[str, int]


class ClusterLink(Link):
    """A link to every master. ``connected``: all of them are."""

    def __init__(self, url: str | Target, *, scripts: Iterable[Script] = (), **options: Any) -> None:
        super().__init__(url, scripts=scripts, **options)
        self._options = {**options, "scripts": self._scripts}
        self._nodes: dict[Node, Link] = {}
        self._slots: list[Node | None] = [None] * SLOTS
        self._moved = asyncio.Event()

    @property
    def connected(self) -> bool:
        return bool(self._nodes) and all(link.connected for link in self._nodes.values())

    @property
    def away(self) -> float:
        return max((link.away for link in self._nodes.values()), default=0.0)

    @property
    def in_flight(self) -> int:
        return sum(link.in_flight for link in self._nodes.values())

    async def open(self, patience: float = 10.0) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while True:
            try:
                await self._read_map()
                missing = None if None not in self._slots else "some slots are nobody's"
                if missing is None and self.connected:
                    break
                problem: object = missing or "some masters cannot be reached"
            except (Unavailable, ReplyError) as failure:
                problem = failure
            if loop.time() >= deadline:
                await self.close()
                raise Unavailable(f"{self.target}: {problem}")
            await asyncio.sleep(0.05)
        self._keeper = asyncio.create_task(self._keep_map(), name=f"link {self.target}")

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        nodes, self._nodes = self._nodes, {}
        await asyncio.gather(*[link.close() for link in nodes.values()])

    def node_of(self, key: bytes) -> Link:
        """Raises Unavailable."""
        link = self._link_of(_key_slot(key))
        if link is None:
            raise Unavailable("no node has the slot")
        return link

    async def everywhere(self, *args: Argument) -> list[Reply]:
        return list(await asyncio.gather(*[link.call(*args) for link in self._nodes.values()]))

    def script(self, script: Script, keys: Sequence[bytes], args: Sequence[Argument]) -> "asyncio.Future[Reply]":
        link = self._link_of(_key_slot(keys[0]))
        if link is None:
            return self._refuse("connection", f"{script.name}: no node has the slot")
        return link.script(script, keys, args)

    def _request(self, call: Call, command: tuple[Argument, ...]) -> "asyncio.Future[Reply]":
        link = self._link_of(_key_slot(_key_of(command)))
        if link is None:
            return self._refuse("connection", f"{call.name}: no node has the slot")
        return link._request(call, command)

    def _link_of(self, slot: int) -> Link | None:
        node = self._slots[slot]
        return self._nodes.get(node) if node else None

    def _send_on(self, call: Call, message: str) -> bool:
        """``MOVED slot host:port`` or ``ASK slot host:port``: send the call there, if we are connected to it."""
        word, slot, address = message.split()[:3]
        host, _, port = address.rpartition(":")
        node = (host, int(port))
        self._moved.set()
        if word == "MOVED":
            self._slots[int(slot)] = node
        link = self._nodes.get(node)
        connection = link._connection if link else None
        call.hops += 1
        if call.future.done():
            return True
        if connection is None or call.hops > _HOPS:
            call.future.set_exception(Unavailable(f"{call.name}: slot {slot} moves to {address}"))
            return True
        connection.repeat(call, asking=word == "ASK")
        return True

    async def _keep_map(self) -> None:
        """Read the map for ever: when a call was sent on, and now and then."""
        while True:
            try:
                async with asyncio.timeout(_REFRESH):
                    await self._moved.wait()
                await asyncio.sleep(0.05)  # many calls are sent on at the same time
            except TimeoutError:
                pass
            self._moved.clear()
            try:
                await self._read_map()
            except (Unavailable, ReplyError) as problem:
                log.debug("the map of the Cluster is not read: %s", problem)

    async def _read_map(self) -> None:
        """Ask any node that answers; connect to masters that are new, and leave those that are none any more."""
        asked: list[Link] = [link for link in self._nodes.values() if link.connected]
        for link in asked:
            try:
                return await self._use_map(await link.call("CLUSTER", "SLOTS"), link.target.host)
            except (Unavailable, ReplyError):
                continue
        problem: Exception = Unavailable("no node of the Cluster answers")
        for host, port in self.target.nodes:
            link = Link(self.target.at(host, port), name=self.name, timeout=self._timeout)
            try:
                await link.open(patience=0.0)
                return await self._use_map(await link.call("CLUSTER", "SLOTS"), host)
            except (Unavailable, ReplyError) as failure:
                problem = failure
            finally:
                await link.close()
        raise problem

    async def _use_map(self, ranges: list[Any], asked: str) -> None:
        slots: list[Node | None] = [None] * SLOTS
        for first, last, master, *_ in ranges:
            node = (master[0].decode() if master[0] else asked, master[1])
            slots[first : last + 1] = [node] * (last + 1 - first)
        masters = {node for node in slots if node}
        for node in masters - set(self._nodes):
            link = Link(self.target.at(*node), **self._options)
            link.redirected = self._send_on
            link.keep()
            self._nodes[node] = link
        self._slots = slots
        gone = [self._nodes.pop(node) for node in set(self._nodes) - masters]
        await asyncio.gather(*[link.close() for link in gone])


def _key_of(command: tuple[Argument, ...]) -> bytes:
    """The key that says where a command goes; those we send have one, or all of one slot."""
    where = command.index("STREAMS") + 1 if command[0] == "XREAD" else 1
    key = command[where]
    return key if isinstance(key, bytes) else str(key).encode()


def _key_slot(key: bytes) -> int:
    slot: int = key_slot(key)
    return slot
