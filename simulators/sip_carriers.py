"""What carries a proxy's messages: UDP, or one TCP connection that is made again when it breaks."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol, cast

from sip_credit.message import RemoteError, Response, parse
from sip_credit.stream import FramingLost, MessageStream

_AGAIN = 0.1
"""Seconds between two attempts to connect."""


class Ears(Protocol):
    """Who hears what comes back."""

    def heard(self, response: Response) -> None: ...

    def unreadable(self) -> None: ...

    def broken(self) -> None:
        """What was on its way is lost (section 17.1.4): nobody repeats it but whoever sent it."""
        ...


class Datagrams(asyncio.DatagramProtocol):
    """UDP: messages get lost, and their transactions repeat them."""

    name = "UDP"
    reliable = False

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Take a port; the address it has."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, remote_addr=(host, port))
        assert self._transport is not None
        address: tuple[str, int] = self._transport.get_extra_info("sockname")[:2]
        return address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def error_received(self, _exc: Exception) -> None:
        """Nobody listens at the server's port: to the transactions it is the same as silence."""
        self._ears.broken()

    def datagram_received(self, data: bytes, _addr: object) -> None:
        _hear(self._ears, lambda: parse(data))

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(OSError):
                self._transport.sendto(data)

    def cut(self, data: bytes) -> None:
        """A datagram comes whole or not at all."""

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Stream(asyncio.Protocol):
    """TCP: nothing is lost but with the connection, and then everything that was on its way."""

    name = "TCP"
    reliable = True

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._target = ("", 0)
        self._transport: asyncio.Transport | None = None
        self._stream = MessageStream()
        self._closed = False
        self._connecting: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Connect; the address of our end. Raises OSError."""
        self._target = host, port
        await asyncio.get_running_loop().create_connection(lambda: self, host, port)
        assert self._transport is not None
        address: tuple[str, int] = self._transport.get_extra_info("sockname")[:2]
        return address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._stream = MessageStream()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        if not self._closed:
            self._ears.broken()
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        while not self._closed:
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().create_connection(lambda: self, *self._target)
                return
            await asyncio.sleep(_AGAIN)

    def data_received(self, data: bytes) -> None:
        self._stream.feed(data)
        while self._transport is not None and _hear(self._ears, self._stream.next):
            pass

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
        else:
            asyncio.get_running_loop().call_soon(self._ears.broken)

    def cut(self, data: bytes) -> None:
        """Break in the middle of a message."""
        if self._transport is not None:
            self._transport.write(data[: len(data) // 2])
            self._transport.close()

    def close(self) -> None:
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.close()


def _hear(ears: Ears, read: Callable[[], object]) -> bool:
    """Read one message and hand it on; False if there is none (any more)."""
    try:
        message = read()
    except FramingLost:
        ears.unreadable()
        return False
    except (RemoteError, ValueError):
        ears.unreadable()
        return True
    if isinstance(message, Response):
        ears.heard(message)
    return message is not None
