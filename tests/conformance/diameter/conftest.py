"""A Diameter client of few lines on a real TCP connection, and a server with a handler that answers 2001."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from ocs.diameter import avps
from ocs.diameter.answer import Answer
from ocs.diameter.codec import encode_message
from ocs.diameter.message import Message
from ocs.diameter.settings import DiameterSettings
from ocs.server import DiameterServer, PeerInfo

_ids = itertools.count(1000)


def head(host: str = "pgw1.epc.example.net", realm: str = "epc.example.net") -> list[bytes]:
    return [avps.ORIGIN_HOST.encode(host), avps.ORIGIN_REALM.encode(realm)]


def cer(host: str = "pgw1.epc.example.net", applications: Iterable[bytes] | None = None) -> list[bytes]:
    return [
        *head(host),
        avps.HOST_IP_ADDRESS.encode("127.0.0.1"),
        avps.VENDOR_ID.encode(0),
        avps.PRODUCT_NAME.encode("test"),
        *([avps.AUTH_APPLICATION_ID.encode(4)] if applications is None else applications),
    ]


def ccr(without: Any = None, session: str = "pgw1;1;1", number: int = 0, **changes: Any) -> list[bytes]:
    """The AVPs of a CCR-I; ``without`` leaves one out, keywords (constants' names) replace values."""
    values: dict[str, Any] = {
        "SESSION_ID": session,
        "ORIGIN_HOST": "pgw1.epc.example.net",
        "ORIGIN_REALM": "epc.example.net",
        "DESTINATION_REALM": "example.net",
        "AUTH_APPLICATION_ID": 4,
        "SERVICE_CONTEXT_ID": "32251@3gpp.org",
        "CC_REQUEST_TYPE": 1,
        "CC_REQUEST_NUMBER": number,
        **changes,
    }
    definitions = {name: getattr(avps, name) for name in values}
    return [definitions[name].encode(value) for name, value in values.items() if definitions[name] is not without]


class Client:
    """Writes requests, reads messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def read(self) -> Message:
        start = await asyncio.wait_for(self.reader.readexactly(4), 5)
        return Message(start + await self.reader.readexactly(int.from_bytes(start[1:], "big") - 4))

    def send(self, parts: Iterable[bytes], flags: int = 0xC0, command: int = 272, application: int = 4) -> int:
        number = next(_ids)
        self.write(encode_message(flags, command, application, number, number + 0xABC00000, parts))
        return number

    async def ask(self, parts: Iterable[bytes], **header: int) -> Message:
        number = self.send(parts, **header)
        answer = await self.read()
        assert not answer.is_request
        assert (answer.hop_by_hop, answer.end_to_end) == (number, number + 0xABC00000)
        return answer

    def answer(
        self,
        request: Message,
        result_code: int = 2001,
        host: str = "pgw1.epc.example.net",
        more: Iterable[bytes] = (),
    ) -> None:
        parts = [*request.raw(avps.SESSION_ID), avps.RESULT_CODE.encode(result_code), *head(host), *more]
        flags = request.flags_octet & 0x40 | (0x20 if result_code // 1000 == 3 else 0)
        ids = request.hop_by_hop, request.end_to_end
        self.write(encode_message(flags, request.command, request.application, *ids, parts))

    async def introduce(self, parts: Iterable[bytes]) -> Message:
        return await self.ask(parts, flags=0x80, command=257, application=0)

    async def closed(self) -> bool:
        """Is the connection ended by the server, with nothing more said?"""
        try:
            return await asyncio.wait_for(self.reader.read(1), 5) == b""
        except ConnectionResetError:
            return True


Handle = Callable[[Message, PeerInfo], Awaitable[Answer]]


class Door:
    """A running server and how to reach it."""

    def __init__(self) -> None:
        self.handled: list[Message] = []
        self.handle: Handle = self._grant
        self.clients: list[Client] = []
        self.server: DiameterServer

    async def _grant(self, request: Message, peer: PeerInfo) -> Answer:
        self.handled.append(request)
        return Answer()

    async def start(self, **settings: Any) -> None:
        async def handle(request: Message, peer: PeerInfo) -> Answer:
            return await self.handle(request, peer)

        self.server = DiameterServer(DiameterSettings(port=0, **settings), handle)
        await self.server.start()

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        port = self.server.tls_port if tls else self.server.port
        client = Client(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))
        self.clients.append(client)
        return client

    async def open(self, host: str = "pgw1.epc.example.net") -> Client:
        client = await self.connect()
        answer = await client.introduce(cer(host))
        assert answer.get(avps.RESULT_CODE) == 2001
        return client

    async def stop(self) -> None:
        for client in self.clients:
            client.writer.close()
        await self.server.close()


@pytest.fixture
async def make_door() -> AsyncIterator[Callable[..., Awaitable[Door]]]:
    doors: list[Door] = []

    async def make(**settings: Any) -> Door:
        door = Door()
        await door.start(**settings)
        doors.append(door)
        return door

    yield make
    for door in doors:
        await door.stop()


@pytest.fixture
async def door(make_door: Callable[..., Awaitable[Door]]) -> Door:
    return await make_door()


@pytest.fixture
def build() -> SimpleNamespace:
    return SimpleNamespace(cer=cer, ccr=ccr, head=head, client=Client)
