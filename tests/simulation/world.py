"""A small world on virtual time: gateways, a network that loses, doubles, delays and reorders, server nodes that crash,
and a store whose answers get lost. Every choice is drawn from one seed.

The nodes are the real thing from the octets of a CCR to those of its CCA: codec, queue, credit control, engine, prices;
the ledger is the specification. The checker knows only what gateways said and heard, and the tariff.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from balances.ledger import Address, Identity, IdentityType, Movement, NewAccount, Unavailable
from balances.memory import MemoryLedger
from charging.catalogue import Catalogue
from charging.engine import Engine
from charging.settings import ChargingSettings
from ocs.credit_control.handler import CreditControl
from ocs.credit_control.settings import CreditControlSettings
from ocs.diameter import avps
from ocs.diameter.answer import Answer, compose
from ocs.diameter.answer import Identity as Origin
from ocs.diameter.codec import HEADER_SIZE, encode_message
from ocs.diameter.codes import Command
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message
from ocs.diameter.observer import NullObserver
from ocs.pending import Inbox, PeerInfo, PendingRequests
from ocs.room import Room
from tests.gateway import CLOSE, HOST, OPEN, UPDATE, ccr, granted, octets, result, service, services, subscriber
from tests.simulation.clock import VirtualLoop

NOON = 1_768_471_200
BLOCK, PRICE = 100_000, 1_000
"""The tariff of rating group 10: octets, and micro-units for each begun block of them."""

AGAIN = (3004, 5012)
"""Result codes that say: ask again, nobody knows yet."""

_TX = 2.0
_PATIENCE = 200
"""Seconds until a gateway repeats; how often it does before that is nobody's bad luck any more."""

_ORIGIN = Origin.of("ocs.example.net", "example.net")
_PEER = PeerInfo(host=HOST, realm="epc.example.net", address="10.0.0.1:3868")


class Violation(AssertionError):
    """A promise was broken; the message says which."""


@dataclass(slots=True)
class Chances:
    """How bad this world is: drawn once, from its seed."""

    lost: float
    doubled: float
    late: float
    store_lost: float
    store_slow: float
    crash: float
    pause: float
    overuse: float

    @classmethod
    def draw(cls, chance: random.Random) -> "Chances":
        return cls(*[chance.choice((0.0, low, high)) for low, high in _RANGES])


_RANGES = ((0.05, 0.3), (0.05, 0.4), (0.05, 0.4), (0.03, 0.25), (0.05, 0.3), (0.1, 0.5), (0.02, 0.15), (0.1, 0.4))


@dataclass(slots=True)
class Figures:
    """What happened."""

    requests: int = 0
    messages: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class FaultyLedger:
    """The ledger behind a bad line: late, silent before or silent after it did what it was asked."""

    def __init__(self, ledger: MemoryLedger, world: "World") -> None:
        self._ledger = ledger
        self._world = world

    def __getattr__(self, verb: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        act = getattr(self._ledger, verb)

        async def ask(*args: Any) -> Any:
            world = self._world
            fate = world.chance.random()
            await asyncio.sleep(world.delay(world.chances.store_slow, 3.0))
            if fate < world.chances.store_lost / 2:
                world.figures.faults["call lost"] += 1
                raise Unavailable("lost on the way to the store")
            done = await act(*args)
            await asyncio.sleep(world.delay(world.chances.store_slow, 1.0))
            if fate < world.chances.store_lost:
                world.figures.faults["reply lost"] += 1
                raise Unavailable("lost on the way from the store")
            return done

        return ask


class Node(Inbox):
    """One server process. It keeps nothing that matters, which crashing proves."""

    def __init__(self, world: "World") -> None:
        self.info = _PEER
        self.world = world
        self.alive = True
        ledger: Any = FaultyLedger(world.ledger, world)
        engine = Engine(ledger, world.catalogue, ChargingSettings())
        handler = CreditControl(engine, CreditControlSettings(), NullObserver(), world.clock)

        async def answer(message: Message, peer: PeerInfo) -> Answer:
            try:
                return await handler(message, peer)
            except RemoteError:
                raise
            except Exception as problem:
                world.broken = problem
                raise

        self.pending = PendingRequests(answer, NullObserver(), 2.0, Room(4096, 0.2))

    def receive(self, octets: bytes) -> None:
        if self.alive:
            self.pending.submit(self, Message(octets))

    def answer(self, request: Message, answer: Answer) -> None:
        if self.alive:
            self.world.carry(self.world.hear, compose(request, answer, _ORIGIN))

    def crash(self) -> None:
        self.alive = False
        self.pending.close()


class World:
    """``run`` lives one seed's life and checks it."""

    def __init__(self, seed: int, catalogue: Catalogue) -> None:
        self.seed = seed
        self.catalogue = catalogue
        self.chance = random.Random(seed)
        self.chances = Chances.draw(self.chance)
        self.figures = Figures()
        self.ledger = MemoryLedger(shards=2)
        self.nodes: list[Node] = []
        self.addresses: dict[str, Address] = {}
        self.credited: Counter[str] = Counter()
        self.used: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Octets that were reported and acknowledged, by account and session."""
        self._answers: dict[tuple[str, int, int], bytes] = {}
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._ids = 0
        self.broken: Exception | None = None
        """What went wrong where there was nobody to tell."""
        self._loop = VirtualLoop()

    def clock(self) -> float:
        return NOON + self._loop.time()

    def delay(self, often: float, most: float) -> float:
        """Seconds something takes: little, or with this probability up to ``most``."""
        late = self.chance.random() < often
        return self.chance.uniform(0, most) if late else self.chance.uniform(0.0001, 0.02)

    def run(self) -> Figures:
        """Raises Violation."""
        try:
            self._loop.run_until_complete(self._live())
        finally:
            self._loop.close()
        return self.figures

    async def _live(self) -> None:
        self.nodes = [Node(self) for _ in range(2)]
        for number in range(2):
            await self._open(str(491_710_000_000 + number))
        beside = [asyncio.create_task(chore()) for chore in (self._reap, self._crash, self._examine)]
        accounts = list(self.addresses)
        lives = [self._session(accounts[number % 2], f"gw;{number}") for number in range(self.chance.randrange(2, 7))]
        lives += [self._top_up(account, number) for account in accounts for number in range(2)]
        try:
            await asyncio.gather(*lives)
            self._stop_if_broken()
            for chore in beside:
                if chore.done():
                    chore.result()
        finally:
            for node in self.nodes:
                node.crash()
            for chore in beside:
                chore.cancel()
        await self._check()

    async def _open(self, number: str) -> None:
        identity = Identity(type=IdentityType.E164, value=number)
        new = NewAccount(id=number, plan="prepaid-basic", currency="EUR", identities=(identity,))
        account = await self.ledger.open_account(new, NOON * 1000)
        self.addresses[number] = account.address
        await self._credit(number, "start", self.chance.choice((0, 30_000, 200_000, 10_000_000)) + 1)

    async def _credit(self, number: str, operation: str, amount: int) -> None:
        now = int(self.clock() * 1000)
        address = self.addresses[number]
        movement = Movement(address=address, operation=operation, amount=amount, cause="topup", now=now)
        ledger = FaultyLedger(self.ledger, self)
        while True:
            try:
                await ledger.move(movement)
                break
            except Unavailable:
                await asyncio.sleep(1.0)
        self.credited[number] += amount

    async def _top_up(self, number: str, count: int) -> None:
        await asyncio.sleep(self.chance.uniform(0, 30))
        await self._credit(number, f"t{count}", self.chance.randrange(1, 100_000))

    # Gateways

    async def _session(self, number: str, name: str) -> None:
        """A data session from its initial request to its termination; the gateway never gives up."""
        await asyncio.sleep(self.chance.uniform(0, 20))
        who = subscriber(number)
        answer = await self._ask(ccr(name, OPEN, 0, who, service(10, wanted=())))
        updates = self.chance.randrange(0, 6)
        for count in range(1, updates + 1):
            if result(answer) != 2001 or not (quota := self._quota(answer)):
                break
            await self._use()
            used = self._consume(quota)
            answer = await self._ask(ccr(name, UPDATE, count, who, service(10, wanted=(), used=[octets(used)])))
            self._count(number, name, used, answer)
        if result(answer) == 2001:
            used = self._consume(self._quota(answer))
            answer = await self._ask(ccr(name, CLOSE, updates + 1, who, service(10, used=[octets(used)])))
            self._count(number, name, used, answer)

    async def _use(self) -> None:
        paused = self.chance.random() < self.chances.pause
        if paused:
            self.figures.faults["session lapses"] += 1
        await asyncio.sleep(self.chance.uniform(7_000, 9_000) if paused else self.chance.uniform(0.1, 20))

    def _quota(self, answer: Message) -> int:
        found = services(answer).get(10)
        return granted(found) or 0 if found else 0

    def _consume(self, quota: int) -> int:
        if self.chance.random() < self.chances.overuse:
            return self.chance.randrange(2 * quota + 1)
        return self.chance.choice((quota, self.chance.randrange(quota + 1)))

    def _count(self, number: str, name: str, used: int, answer: Message) -> None:
        """Usage that is answered is to be debited, also that of a session that has lapsed meanwhile (5002)."""
        if result(answer) not in (2001, 5002):
            raise Violation(f"{name}: a report is answered {result(answer)}")
        self.used[number, name] += used

    async def _ask(self, parts: tuple[bytes, ...]) -> Message:
        """Ask until there is an answer, each time as a copy of the first (RFC 8506 section 6.5)."""
        self.figures.requests += 1
        self._ids += 1
        number, flags = self._ids, 0xC0
        for _ in range(_PATIENCE):
            self._stop_if_broken()
            future: asyncio.Future[Message] = self._loop.create_future()
            self._waiting[number] = future
            request = encode_message(flags, Command.CREDIT_CONTROL, 4, number, number, parts)
            self.carry(lambda octets: self.chance.choice(self.nodes).receive(octets), request)
            try:
                async with asyncio.timeout(_TX):
                    answer = await future
                if result(answer) not in AGAIN:
                    return answer
                await asyncio.sleep(0.5)
            except TimeoutError:
                pass
            flags = 0xD0
        raise Violation(f"request {number} is never answered")

    def hear(self, octets: bytes) -> None:
        """An answer arrives at its gateway, perhaps the tenth to the same request."""
        answer = Message(octets)
        if result(answer) not in AGAIN:
            key = _key(answer)
            known = self._answers.setdefault(key, octets[HEADER_SIZE:])
            if known != octets[HEADER_SIZE:]:
                raise Violation(f"two answers to request {key}")
        future = self._waiting.get(answer.hop_by_hop)
        if future is not None and not future.done():
            future.set_result(answer)

    def carry(self, deliver: Callable[[bytes], None], octets: bytes) -> None:
        """The network: a message may be lost, doubled, and late, so that others overtake it."""
        self.figures.messages += 1
        if self.chance.random() < self.chances.lost:
            self.figures.faults["message lost"] += 1
            return
        copies = 1 + (self.chance.random() < self.chances.doubled)
        self.figures.faults["message doubled"] += copies - 1
        for _ in range(copies):
            self._loop.call_later(self.delay(self.chances.late, 30.0), self._deliver, deliver, octets)

    def _deliver(self, deliver: Callable[[bytes], None], octets: bytes) -> None:
        try:
            deliver(octets)
        except Violation as violation:
            self.broken = violation

    # Beside them

    async def _reap(self) -> None:
        ledger = FaultyLedger(self.ledger, self)
        while True:
            await asyncio.sleep(self.chance.uniform(30, 600))
            with suppress(Unavailable):
                await ledger.expire(int(self.clock() * 1000))

    async def _crash(self) -> None:
        while True:
            await asyncio.sleep(self.chance.uniform(0.5, 60))
            if self.chance.random() < self.chances.crash:
                self.figures.faults["node crashed"] += 1
                at = self.chance.randrange(len(self.nodes))
                self.nodes[at].crash()
                await asyncio.sleep(self.chance.uniform(0, 3))
                self.nodes[at] = Node(self)

    async def _examine(self) -> None:
        """The books close at every moment."""
        while True:
            await asyncio.sleep(self.chance.uniform(1, 200))
            await self._close_books()

    async def _close_books(self) -> None:
        audit = await self.ledger.audit()
        if audit.findings:
            raise Violation("; ".join(audit.findings))

    # The checker

    def _stop_if_broken(self) -> None:
        if self.broken is not None:
            raise self.broken

    async def _check(self) -> None:
        """Everything is over: nothing is held, everything reported is debited once, every top-up is there once."""
        await self.ledger.expire(int(self.clock() * 1000) + 10**9)
        await self._close_books()
        for number, address in self.addresses.items():
            money = (await self.ledger.account(address)).money
            due = sum(-(-used // BLOCK) * PRICE for (owner, _), used in self.used.items() if owner == number)
            if money.reserved:
                raise Violation(f"{number}: {money.reserved} are reserved for nobody")
            if money.debited != due:
                raise Violation(f"{number}: {money.debited} debited, {due} are due")
            if money.credited != self.credited[number]:
                raise Violation(f"{number}: {money.credited} credited, {self.credited[number]} were acknowledged")
            if money.overrun < money.debited - money.credited:
                raise Violation(f"{number}: {money.overrun} counted as overrun, but more is missing")


def _key(answer: Message) -> tuple[str, int, int]:
    return answer.require(avps.SESSION_ID), answer.require(avps.CC_REQUEST_TYPE), answer.require(avps.CC_REQUEST_NUMBER)
