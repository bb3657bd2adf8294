"""A bare connection to the server."""

import asyncio
import itertools
from collections.abc import Iterable

from ocs.diameter import avps
from ocs.diameter.codec import HEADER_SIZE, encode_message
from ocs.diameter.message import Message

PATIENCE = 10.0
_hosts = itertools.count(1)


class Wire:
    """A bare connection: any octets out, messages in, and whether the server has ended it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._ids = 0
        self.host = f"wire{next(_hosts)}.epc.example.net"

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def read(self, patience: float = PATIENCE) -> Message:
        """The next message; raises TimeoutError or an EOFError."""
        async with asyncio.timeout(patience):
            head = await self._reader.readexactly(HEADER_SIZE)
            return Message(head + await self._reader.readexactly(int.from_bytes(head[1:4], "big") - HEADER_SIZE))

    async def ended(self) -> bool:
        """Has the server ended the connection without another word?"""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.read(1) == b""
            except ConnectionResetError:
                return True

    def send(self, parts: Iterable[bytes], command: int = 272, application: int = 4, flags: int = 0xC0) -> int:
        """Send a request; its Hop-by-Hop Identifier."""
        self._ids += 1
        self.write(encode_message(flags, command, application, self._ids, self._ids + 0xABC00000, parts))
        return self._ids

    async def ask(self, parts: Iterable[bytes], command: int = 272, application: int = 4, flags: int = 0xC0) -> Message:
        """Send a request and read its answer, which carries its identifiers."""
        number = self.send(parts, command, application, flags)
        answer = await self.read()
        assert (answer.is_request, answer.command, answer.application) == (False, command, application)
        assert (answer.hop_by_hop, answer.end_to_end) == (number, number + 0xABC00000)
        return answer

    async def introduce(self, *applications: bytes, host: str = "") -> Message:
        """Exchange capabilities; by default credit control is offered."""
        parts = (
            avps.ORIGIN_HOST.encode(host or self.host),
            avps.ORIGIN_REALM.encode("epc.example.net"),
            avps.HOST_IP_ADDRESS.encode("127.0.0.1"),
            avps.VENDOR_ID.encode(0),
            avps.PRODUCT_NAME.encode("test"),
            *(applications or (avps.AUTH_APPLICATION_ID.encode(4),)),
        )
        return await self.ask(parts, 257, 0, 0x80)

    def close(self) -> None:
        self._writer.close()
