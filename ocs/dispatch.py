"""Requests of our own to a client, wherever its connection is: in this process, another worker, on another node.

Whoever wants to ask says an *order* on the bus. Each process that has a way to the client tries to take it, the one
with the client's own connection first, agents later; taking is one atomic step in the store, so that one sends and no
other. The answer comes back over the bus.
"""

import asyncio
import uuid
from collections.abc import Iterable

from balances.ledger import Unavailable
from balances.link import Link, ReplyError
from ocs.bus import Answered, Bus, Order, Word
from ocs.connection import PeerUnreachable
from ocs.diameter.codes import CREDIT_CONTROL_APPLICATION
from ocs.diameter.errors import LocalError
from ocs.diameter.message import Message
from ocs.server import DiameterServer

_PRECEDENCE = 0.05
"""Seconds by which a process stands back for each step that it is farther from the client."""

_NOTICE = 0.5
"""Seconds after which an order that nobody has taken is withdrawn."""

_MEMORY = 60_000
"""Milliseconds for which the store remembers who took an order."""


async def _take(link: Link, order: str, taker: str) -> bool:
    """True for one of all who ask, False if that cannot be known."""
    try:
        return await link.call("SET", f"taken:{order}", taker, "NX", "PX", _MEMORY) is not None
    except (Unavailable, ReplyError):
        return False


class Dispatch:
    """The side that asks."""

    def __init__(self, bus: Bus, link: Link, timeout: float) -> None:
        """``timeout``: seconds the sender waits for the client's answer."""
        self._bus = bus
        self._link = link
        self._timeout = timeout
        self._asked: dict[str, asyncio.Future[Message]] = {}
        bus.listeners.append(self._hear)

    async def ask(
        self,
        host: str,
        realm: str,
        command: int,
        parts: Iterable[bytes],
        application: int = CREDIT_CONTROL_APPLICATION,
    ) -> Message:
        """Send a request towards ``host`` and return the answer; raises PeerUnreachable."""
        order = Order(
            id=uuid.uuid4().hex, host=host, realm=realm, command=command, application=application, parts=tuple(parts)
        )
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[order.id] = answer
        try:
            await self._bus.say(order)
            await asyncio.wait([answer], timeout=_NOTICE)
            if not answer.done() and await _take(self._link, order.id, "nobody"):
                raise PeerUnreachable(f"no peer leads to {host}")
            return await asyncio.wait_for(answer, self._timeout + _NOTICE)
        except TimeoutError:
            raise PeerUnreachable(f"{host} did not answer") from None
        except (Unavailable, ReplyError) as problem:
            raise PeerUnreachable(str(problem)) from None
        finally:
            del self._asked[order.id]

    def _hear(self, word: Word) -> None:
        if not isinstance(word, Answered):
            return
        answer = self._asked.get(word.id)
        if answer is None or answer.done():
            return
        if word.answer:
            answer.set_result(Message(word.answer))
        else:
            answer.set_exception(PeerUnreachable(word.problem))


class Delivery:
    """The side that has the connections."""

    def __init__(self, bus: Bus, link: Link, server: DiameterServer) -> None:
        self._bus = bus
        self._link = link
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        bus.listeners.append(self._hear)

    def close(self) -> None:
        self._bus.listeners.remove(self._hear)
        for task in self._tasks:
            task.cancel()

    def _hear(self, word: Word) -> None:
        if not isinstance(word, Order):
            return
        distance = self._server.distance(word.host, word.realm, word.application)
        if distance is not None:
            task = asyncio.get_running_loop().create_task(self._deliver(word, distance * _PRECEDENCE))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, order: Order, pause: float) -> None:
        await asyncio.sleep(pause)
        if not await _take(self._link, order.id, self._server.identity.host):
            return
        try:
            answer = await self._server.send(order.host, order.realm, order.command, order.parts, order.application)
            answered = Answered(id=order.id, answer=bytes(answer))
        except (PeerUnreachable, LocalError) as problem:
            answered = Answered(id=order.id, answer=b"", problem=str(problem))
        try:
            await self._bus.say(answered)
        except (Unavailable, ReplyError):
            return  # whoever asked gives up in time
