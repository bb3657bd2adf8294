"""A SIP door without sockets: octets in, octets out, over the real engine and the ledger in memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from balances.ledger import Identity, IdentityType, Movement, NewAccount
from balances.memory import MemoryLedger
from charging.catalogue import parse as parse_catalogue
from charging.engine import Engine
from charging.event import ChargingEvent, Memory, Outcome
from charging.routes import Carriage, Routes
from charging.settings import ChargingSettings
from sip_credit.message import RemoteError, Request, parse
from sip_credit.server import SipServer
from sip_credit.settings import Peer, Settings

NOON = 1_768_471_200_000

CATALOGUE = b"""
[services.voice]
quota = "60 s"
minimum = "1 s"
maximum = "1 h"
validity = "120 s"
empty = "refuse"
lapse = "release"

[rates.call]
service = "voice"
price = "0.06 EUR per min"
blocks = "1/1"

[plans.any]
currency = "EUR"
voice = [{ rate = "call" }]
"""


class Wire:
    """Where octets to the proxy end up. The proxy is 127.0.10.2:5060 over UDP."""

    reliable = False
    open = True

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.octets = 0
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()

    def send(self, data: bytes) -> None:
        self.sent.put_nowait(data)


class Bench:
    """The door, its clock and the wire."""

    def __init__(self, settings: Settings) -> None:
        self.now = NOON
        self.held = asyncio.Event()
        self.held.set()
        self.ledger = MemoryLedger()
        self.engine = Engine(self.ledger, parse_catalogue({"any.toml": CATALOGUE}), ChargingSettings())
        self.server = SipServer(settings, self, clock=lambda: self.now)
        self.wire = Wire(settings.peers[0])

    async def handle(self, event: ChargingEvent) -> Outcome:
        await self.held.wait()
        return await self.engine.handle(event)

    async def claim(self, name: str, owner: str) -> str:
        return await self.engine.claim(name, owner)

    def is_emergency(self, event: ChargingEvent) -> bool:
        return self.engine.is_emergency(event)

    async def routes(self, event: ChargingEvent, routing: str) -> Routes | None:
        return await self.engine.routes(event, routing)

    async def carriage(self, event: ChargingEvent, carrier: str, seconds: int) -> Carriage | None:
        return await self.engine.carriage(event, carrier, seconds)

    async def recall(self, session: str) -> Memory | None:
        return await self.engine.recall(session)

    async def open(self, number: str, micro: int) -> None:
        """An account with so much money."""
        identity = Identity(type=IdentityType.E164, value=number)
        new = NewAccount(id=number, plan="any", currency="EUR", identities=(identity,))
        account = await self.ledger.open_account(new, self.now)
        if micro:
            await self.ledger.move(
                Movement(address=account.address, operation="t", amount=micro, cause="topup", now=self.now)
            )

    def receive(self, data: bytes) -> None:
        """One datagram from the proxy."""
        try:
            message = parse(data)
        except RemoteError as error:
            self.server.refuse(error, self.wire)  # type: ignore[arg-type]
            return
        assert isinstance(message, Request)
        self.server.receive(message.received_from("127.0.10.2", 5060), self.wire)  # type: ignore[arg-type]

    async def sent(self) -> bytes:
        """The next datagram to the proxy."""
        return await asyncio.wait_for(self.wire.sent.get(), 3)

    async def ask(self, data: bytes) -> bytes:
        self.receive(data)
        return await self.sent()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench(Settings(slice=5, answer_within_ms=2000))
    yield bench
    bench.held.set()
    await bench.server.drain()
