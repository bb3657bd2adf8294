"""Two telephones with our hop between them, on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from balances.ledger import Phase
from sip_credit.message import Request, Response, parse, respond
from sip_credit.settings import Mode, Peer, Settings
from sip_credit.transaction import Timers
from tests.sip_credit.conftest import House

PATIENCE = 10.0


class Phone(asyncio.DatagramProtocol):
    """A UDP socket that sends and collects messages; what repeats itself is collected once."""

    def __init__(self, name: str, tag: str) -> None:
        self.name = name
        self.tag = tag
        self.number = 0
        self.branches = 0
        self.inbox: asyncio.Queue[Request | Response] = asyncio.Queue()
        self.seen: set[bytes] = set()
        self.transport: asyncio.DatagramTransport
        self.port = 0

    @classmethod
    async def ring_up(cls, name: str, tag: str) -> "Phone":
        loop = asyncio.get_running_loop()
        _, phone = await loop.create_datagram_endpoint(lambda: cls(name, tag), local_addr=("127.0.0.1", 0))
        return phone

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data not in self.seen:
            self.seen.add(data)
            message = parse(data)
            if not isinstance(message, Response) or message.status != 100:
                self.inbox.put_nowait(message)

    def send(self, message: Request | Response, port: int) -> None:
        self.transport.sendto(message.encode(), ("127.0.0.1", port))

    async def request(self, method: str) -> Request:
        message = await asyncio.wait_for(self.inbox.get(), PATIENCE)
        assert isinstance(message, Request), message
        assert message.method == method
        return message

    async def response(self, status: int) -> Response:
        message = await asyncio.wait_for(self.inbox.get(), PATIENCE)
        assert isinstance(message, Response), message
        assert message.status == status, message.encode()
        return message

    @property
    def contact(self) -> tuple[str, str]:
        return "Contact", f"<sip:{self.name}@127.0.0.1:{self.port}>"

    def via(self) -> tuple[str, str]:
        self.branches += 1
        return "Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{self.tag}{self.branches}"

    def answer(self, request: Request, status: int, *headers: tuple[str, str]) -> Response:
        """Answer a request; one to an INVITE copies its Record-Route and gives a Contact (section 12.1.1)."""
        more = [*headers]
        if request.method == "INVITE" and 100 < status < 300:
            more += [("Record-Route", route) for route in request.headers.all("Record-Route")] + [self.contact]
        response = respond(request, status, tag=self.tag, headers=more)
        self.send(response, request.via.port or 5060)
        return response


class Line(House):
    """A house whose door is in the path: alice's phone calls bob's."""

    def __init__(self) -> None:
        super().__init__()
        self.alice: Phone
        self.bob: Phone
        self.routes: list[tuple[str, str]] = []
        self.to = ""
        self.target = ""
        self.invite_: Request

    async def begin(self) -> None:
        self.alice = await Phone.ring_up("alice", "a1")
        self.bob = await Phone.ring_up("bob", "b1")
        peer = Peer(mode=Mode.IN_PATH, next_hop=f"127.0.0.1:{self.bob.port}")
        timers = Timers(t1=0.1, t2=0.4, t4=0.5)
        self.settings = Settings(port=0, in_path_port=0, answer_within_ms=5000, peers=(peer,), timers=timers)
        await self.start(self.settings)

    async def again(self, **changes: Any) -> None:
        """Another server in the place of this one, which knows of no call; the calls' money is where it was."""
        ports = {"port": self.server.port, "in_path_port": self.server.in_path_port}
        self.settings = msgspec.structs.replace(self.settings, **{**ports, **changes})
        await self.restart(self.settings)

    async def end(self) -> None:
        self.alice.transport.close()
        self.bob.transport.close()
        await self.stop()

    def call(
        self, call_id: str = "call-1", *headers: tuple[str, str], uri: str = "sip:+493012345@example.net"
    ) -> Request:
        """Alice calls bob."""
        self.alice.number += 1
        self.invite_ = Request(
            "INVITE",
            uri,
            [
                self.alice.via(),
                ("From", "<sip:+491700001@example.net>;tag=a1"),
                ("To", "<sip:bob@example.net>"),
                ("Call-ID", call_id),
                ("CSeq", f"{self.alice.number} INVITE"),
                ("Max-Forwards", "70"),
                self.alice.contact,
                ("Subject", "hello"),
                *headers,
            ],
            b"v=0\r\n",
        )
        self.alice.send(self.invite_, self.server.port)
        return self.invite_

    async def answered(self) -> Request:
        """Bob takes the call; what he got as INVITE."""
        got = await self.bob.request("INVITE")
        self.bob.answer(got, 180)
        await self.alice.response(180)
        self.bob.answer(got, 200)
        ok = await self.alice.response(200)
        self.routes = [("Route", route) for route in ok.headers.all("Record-Route")]
        self.to = ok.headers.get("To")
        self.target = f"sip:bob@127.0.0.1:{self.bob.port}"
        self.alice.send(self.inside("ACK", self.alice, self.invite_.cseq.number), self.server.in_path_port)
        await self.bob.request("ACK")
        return got

    def inside(self, method: str, phone: Phone, number: int = 0, *headers: tuple[str, str]) -> Request:
        """A request in the dialog by one of the phones."""
        ends = [self.invite_.headers.get("From"), self.to]
        by_alice = phone is self.alice
        if not number:
            phone.number += 1
        sender, receiver = ends if by_alice else ends[::-1]
        target = self.target if by_alice else f"sip:alice@127.0.0.1:{self.alice.port}"
        return Request(
            method,
            target,
            [
                phone.via(),
                *self.routes,
                ("From", sender),
                ("To", receiver),
                ("Call-ID", self.invite_.call_id),
                ("CSeq", f"{number or phone.number} {method}"),
                ("Max-Forwards", "70"),
                *headers,
            ],
        )

    async def started(self) -> None:
        """Wait until the vault knows that the call was answered."""
        await self.until(lambda: any(event.phase is Phase.UPDATE for event in self.gate.events))
        await self.until(lambda: not self.server.in_flight)

    async def settled(self) -> tuple[int, int]:
        """Seconds paid and reserved, once nothing is reserved any more."""
        for _ in range(int(PATIENCE / 0.01)):
            if not (await self.money())[1]:
                break
            await asyncio.sleep(0.01)
        await self.until(lambda: not self.server.in_flight)
        return await self.money()

    @staticmethod
    async def until(come: Callable[[], bool]) -> None:
        for _ in range(int(PATIENCE / 0.01)):
            if come():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it has not come")


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    await line.begin()
    yield line
    await line.end()
    audit = await line.ledger.audit()
    assert audit.balanced, audit.findings
    assert line.server.in_flight == 0
