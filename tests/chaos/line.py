"""A client that does not give up."""

import asyncio

from ocs.diameter.message import Message
from tests.gateway import HOST, Gateway, result
from tests.house import House


class Line:
    """The gateway's side of a connection that comes and goes: each request is repeated until it is answered."""

    def __init__(self, house: House, identity: str = HOST) -> None:
        self._house = house
        self._identity = identity
        self._gateway: Gateway | None = None
        self._lock = asyncio.Lock()
        self.answered = self.resent = 0

    async def ask(self, parts: tuple[bytes, ...], end_to_end: int | None = None, flags: int = 0xC0) -> Message:
        """The answer, however often the server goes away; sent with the T flag from the second time on."""
        while True:
            gateway = None
            try:
                gateway = await self._connected()
                answer = await gateway.ask(parts, end_to_end, flags)
                if result(answer) not in (3004, 5012):  # not known yet: ask again
                    self.answered += 1
                    return answer
            except OSError:  # of which TimeoutError is one
                if gateway is self._gateway:  # and nobody has connected again meanwhile
                    await self.close()
            flags = 0xD0
            self.resent += 1
            await asyncio.sleep(0.05)

    async def _connected(self) -> Gateway:
        async with self._lock:
            if self._gateway is None:
                self._gateway = await self._connect()
            return self._gateway

    async def _connect(self) -> Gateway:
        """A server that has just come back may still be asking the others whether they have this peer."""
        gateway = Gateway("127.0.0.1", self._house.ports["diameter"], self._identity)
        try:
            return await gateway.__aenter__()
        except AssertionError:
            await gateway.__aexit__()
            raise ConnectionError("not let in yet") from None

    async def close(self) -> None:
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            await gateway.__aexit__()
