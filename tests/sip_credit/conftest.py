"""A SIP door on loopback with the real engine over the ledger in memory, and a proxy to talk to it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from balances.channels import MemoryChannels
from balances.ledger import Account, AccountChange, Address, Identity, IdentityType, Movement, NewAccount, Status
from balances.memory import MemoryLedger
from balances.money import parse_amount
from charging.catalogue import load
from charging.engine import Engine
from charging.event import ChargingEvent, Memory, Outcome, Result, Unavailable
from charging.routes import Carriage, Routes
from charging.settings import ChargingSettings
from sip_credit.message import Message, Request, Response, acknowledge, parse
from sip_credit.observer import Orphan, SilentObserver
from sip_credit.server import SipServer
from sip_credit.settings import Settings

NOON = 1_768_471_200_000
ALICE = Identity(type=IdentityType.E164, value="491700001")


class Watch(SilentObserver):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int]] = []
        self.errors: list[str] = []
        self.received_ = 0
        self.duplicates = self.strangers = self.overruns = self.differences = self.lost = 0
        self.orphans: list[Orphan] = []
        self.away: list[tuple[str, str]] = []

    def received(self) -> None:
        self.received_ += 1

    def request(self, type: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((type, status))

    def protocol_error(self, reason: str, source: str = "") -> None:
        self.errors.append(reason)

    def duplicate(self) -> None:
        self.duplicates += 1

    def turned_away(self, reason: str, source: str) -> None:
        self.away.append((reason, source))

    def stranger(self, host: str) -> None:
        self.strangers += 1

    def orphan(self, orphan: Orphan) -> None:
        self.orphans.append(orphan)

    def overrun(self, seconds: int) -> None:
        self.overruns += seconds

    def clock_difference(self, seconds: float) -> None:
        self.differences += 1

    def unacknowledged(self) -> None:
        self.lost += 1


class Gate:
    """The engine behind a gate: a test may hold it shut, or take the store away."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.opened = asyncio.Event()
        self.opened.set()
        self.away = False
        self.events: list[ChargingEvent] = []

    async def handle(self, event: ChargingEvent) -> Outcome:
        self.events.append(event)
        if self.away:
            return Outcome(result=Result.UNAVAILABLE)
        outcome = await self.engine.handle(event)
        await self.opened.wait()
        return outcome

    async def claim(self, name: str, owner: str) -> str:
        if self.away:
            raise Unavailable("away")
        return await self.engine.claim(name, owner)

    def is_emergency(self, event: ChargingEvent) -> bool:
        return self.engine.is_emergency(event)

    async def routes(self, event: ChargingEvent, routing: str) -> Routes | None:
        return await self.engine.routes(event, routing)

    async def carriage(self, event: ChargingEvent, carrier: str, seconds: int) -> Carriage | None:
        return await self.engine.carriage(event, carrier, seconds)

    async def recall(self, session: str) -> Memory | None:
        if self.away:
            raise Unavailable("away")
        return await self.engine.recall(session)


class Shelf:
    """Keeps orphans, unless the store is away."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.away = False

    async def keep(self, id: str, at: int, report: bytes) -> bool:
        if self.away:
            raise Unavailable("away")
        return self.kept.setdefault(id, report) is report


class Proxy(asyncio.DatagramProtocol):
    """A UDP socket that sends requests and collects what comes."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport
        self.port = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.inbox.put_nowait(data)

    def send(self, message: Message | bytes) -> None:
        self.transport.sendto(message if isinstance(message, bytes) else message.encode())

    async def receive(self) -> Response:
        message = parse(await asyncio.wait_for(self.inbox.get(), 3))
        assert isinstance(message, Response)
        return message

    async def ask(self, request: Request | bytes) -> Response:
        """Send a request and return its answer; an INVITE's is acknowledged."""
        self.send(request)
        response = await self.receive()
        if isinstance(request, Request) and request.method == "INVITE" and response.status >= 200:
            self.send(acknowledge(request, response))
        return response

    async def silence(self, seconds: float = 0.05) -> None:
        await asyncio.sleep(seconds)
        assert self.inbox.empty(), self.inbox.get_nowait()


class House:
    """Ledger, engine, door and proxy, and a wall clock that stands still unless moved."""

    def __init__(self) -> None:
        self.now = NOON
        self.ledger = MemoryLedger()
        self.channels = MemoryChannels()
        self.shelf = Shelf()
        self.catalogue = load("sample")
        self.watch = Watch()
        self.gate: Gate
        self.server: SipServer
        self.proxy: Proxy
        self.ready = True
        self.branches = 0
        self.topups = self.paid_in = 0

    async def start(self, settings: Settings | None = None) -> None:
        """Start a door that remembers nothing."""
        self.gate = Gate(Engine(self.ledger, self.catalogue, ChargingSettings()))
        settings = settings or Settings(port=0)
        self.server = SipServer(
            settings,
            self.gate,
            self.watch,
            lambda: self.now,
            lambda: self.ready,
            channels=self.channels,
            orphans=self.shelf,
        )
        await self.server.start()
        loop = asyncio.get_running_loop()
        address = ("127.0.0.1", self.server.port)
        _, self.proxy = await loop.create_datagram_endpoint(Proxy, remote_addr=address)

    async def stop(self) -> None:
        self.proxy.transport.close()
        await self.server.drain()

    async def restart(self, settings: Settings | None = None) -> None:
        await self.stop()
        await self.start(settings)

    def later(self, seconds: float) -> None:
        self.now += int(seconds * 1000)

    # ---- accounts

    async def open(self, balance: str, name: str = "alice", identity: Identity = ALICE) -> Address:
        new = NewAccount(id=name, plan="prepaid-basic", currency="EUR", identities=(identity,))
        account = await self.ledger.open_account(new, self.now)
        if parse_amount(balance):
            await self.top_up(balance, name)
        return account.address

    async def account(self, name: str = "alice") -> Account:
        address = await self.ledger.address(name)
        assert address is not None
        return await self.ledger.account(address)

    async def suspend(self, name: str = "alice") -> None:
        account = await self.account(name)
        await self.ledger.change_account(account.address, AccountChange(status=Status.SUSPENDED), self.now)

    async def money(self, name: str = "alice") -> tuple[int, int]:
        """Paid for good and reserved, in seconds of the sample tariff: 0.001 EUR each."""
        money = (await self.account(name)).money
        return (self.paid_in - money.balance) // 1000, money.reserved // 1000

    async def top_up(self, amount: str, name: str = "alice") -> None:
        self.topups += 1
        account = await self.account(name)
        self.paid_in += parse_amount(amount)
        await self.ledger.move(
            Movement(
                address=account.address,
                operation=f"t{self.topups}",
                amount=parse_amount(amount),
                cause="topup",
                now=self.now,
            )
        )

    # ---- messages

    def request(
        self, method: str, call_id: str = "call-1", *headers: tuple[str, str], uri: str = "sip:+493012345@127.0.0.1"
    ) -> Request:
        self.branches += 1
        mandatory = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.proxy.port};branch=z9hG4bK{self.branches};rport"),
            ("From", "<sip:alice@example.net>;tag=a1"),
            ("To", "<sip:bob@example.net>"),
            ("Call-ID", call_id),
            ("CSeq", f"1 {method}"),
            ("Max-Forwards", "70"),
        ]
        return Request(method, uri, [*mandatory, *headers])

    def invite(
        self, call_id: str = "call-1", *headers: tuple[str, str], uri: str = "sip:+493012345@127.0.0.1"
    ) -> Request:
        """A check by a proxy that asks again."""
        asserted = ("P-Asserted-Identity", "<sip:+491700001@example.net>")
        return self.request("INVITE", call_id, asserted, ("X-OCS-Supports", "refresh"), *headers, uri=uri)

    def report(
        self,
        kind: str,
        milliseconds: int | None = None,
        call_id: str = "call-1",
        method: str = "NOTIFY",
        attempt: str = "",
    ) -> Request:
        """A report as Kamailio sends it, but for the session id: Call-ID alone must do."""
        headers = [("X-OCS-Event", kind), ("X-OCS-Call-ID", call_id)]
        if milliseconds is not None:
            headers.append(("X-OCS-Duration-Ms", str(milliseconds)))
        return self.request(method, f"{call_id}-{kind}{attempt}", *headers)

    async def tell(self, kind: str, milliseconds: int | None = None, **rest: str) -> Response:
        return await self.proxy.ask(self.report(kind, milliseconds, **rest))

    async def talk(self, balance: str = "1.00") -> None:
        """An account and a call that has just been answered."""
        await self.open(balance)
        assert (await self.proxy.ask(self.invite())).status == 302
        assert (await self.tell("start", 0)).status == 200


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    await house.start()
    yield house
    await house.stop()
    audit = await house.ledger.audit()
    assert audit.balanced, audit.findings
    assert house.server.in_flight == 0
