"""What one request costs the worker, in one process: octets in, everything a worker does, octets out.

    .venv/bin/python -m bench.hotpath              # microseconds of processor, best of several rounds
    .venv/bin/python -m bench.hotpath --profile    # and where they go

The server, its connection, the engine, the ledger and its link are the daemon's; only the two sockets are not there.
The store's place is taken by one that grants everything, so that what is measured is the worker alone.
"""

import argparse
import asyncio
import signal
import time
from collections import Counter
from types import FrameType
from typing import Any, cast

import hiredis
import uvloop

import ocs
from balances import wire
from balances.keys import SHARDS, shard_of
from balances.ledger import Address, Identity, IdentityType, NewAccount
from balances.link import Connection as StoreConnection
from balances.link import Link
from balances.store import StoreLedger
from bench.machine import ROOT
from bench.messages import PROFILES, Profile, Session, capabilities, e164, right
from charging.catalogue import load
from charging.engine import Engine
from charging.settings import ChargingSettings
from ocs.connection import Connection
from ocs.credit_control.handler import CreditControl
from ocs.credit_control.settings import CreditControlSettings
from ocs.diameter.settings import DiameterSettings
from ocs.garbage import settle
from ocs.metrics import Metrics
from ocs.observers import ChargingObserver, DiameterDoor, SipDoor, VaultObserver
from ocs.server import DiameterServer
from ocs.telling import Teller
from sip_credit.server import SipServer, _Datagrams
from sip_credit.settings import Grants, Peer, Settings
from sip_credit.transaction import Timers

ACCOUNT = "bench-0"
BATCH = 16
"""Requests of one read, as they come at saturation."""


class Bus:
    """Nobody listens."""

    def __init__(self) -> None:
        self.listeners: list[Any] = []

    async def say(self, word: object) -> None: ...


class Socket:
    """The transport of a peer: keeps what was written."""

    def __init__(self) -> None:
        self.written = bytearray()

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name.endswith("name") else None

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data

    def sendto(self, data: bytes, _address: object) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class Store:
    """The transport of the link: answers charges with one and the same grant of all that is wanted."""

    def __init__(self, account: bytes) -> None:
        self.protocol: StoreConnection
        self._account = account
        self.charged = b""
        """The answer to a charge, once one has been seen."""
        self.spent = 0.0
        """Seconds of processor that this stand-in has taken."""

    def write(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self._reply, data, len(self.protocol.pending))

    def _reply(self, data: bytes, calls: int) -> None:
        began = time.process_time()
        replies = self.charged * calls
        if not self.charged or b"$3\r\nSET\r\n" in data:
            reader = hiredis.Reader()
            reader.feed(data)
            found = []
            while command := reader.gets():
                found.append(self._answer(command))
            replies = b"".join(found)
        self.spent += time.process_time() - began
        self.protocol.data_received(replies)

    def _answer(self, command: list[Any]) -> bytes:
        if command[0] == b"SET":
            return b"$-1\r\n"
        if self.charged and command[0] != b"GET":
            return self.charged
        if command[0] == b"GET":
            packed = self._account if command[1].startswith(b"acct") else f"{_shard()}:{ACCOUNT}".encode()
            return b"$%d\r\n%b\r\n" % (len(packed), packed)
        fields = wire.unpack(command[-2])
        answer: list[Any] = [b"done", 0, 10**12, False, b""]
        for at in range(16, len(fields), 8):
            key, _, _, _, wanted, _, quote, _ = fields[at : at + 8]
            answer += [key, wanted, 100_000, 40_000, 0, b"", wire.unpack_quote(quote).terms, -1]
        packed = b"0" + wire.pack(answer)
        self.charged = b"$%d\r\n%b\r\n" % (len(packed), packed)
        return self.charged

    def close(self) -> None: ...
    def abort(self) -> None: ...


def _shard() -> int:
    return shard_of(ACCOUNT, SHARDS)


class Worker:
    """One worker without its sockets."""

    def __init__(self, profile: Profile, sessions: int) -> None:
        self.profile = profile
        self.sessions = [Session(profile, number, 0, 1) for number in range(sessions)]
        self.socket = Socket()
        self._identifier = 0

    async def start(self) -> None:
        metrics = Metrics(ocs.__version__)
        link = Link("redis://127.0.0.1:1", observer=VaultObserver(metrics))
        self.engine = Engine(
            StoreLedger(link), load("sample"), ChargingSettings(), ChargingObserver(metrics, Teller(Bus()))
        )
        identity = Identity(type=IdentityType.E164, value=e164(0))
        new = NewAccount(id=ACCOUNT, plan="prepaid-basic", currency="EUR", identities=(identity,))
        assert wire.read_account(Address(shard=_shard(), account=ACCOUNT), wire.pack_account(new, 0)).plan == new.plan
        store = self.store = Store(wire.pack_account(new, 0))
        loop = asyncio.get_running_loop()
        store.protocol = StoreConnection(loop, 2.0, link._observer, link._health, link._forget, None)
        store.protocol.connection_made(cast("asyncio.Transport", store))
        link._connection = store.protocol
        self.metrics, self.link = metrics, link
        door = DiameterDoor(metrics)
        handler = CreditControl(self.engine, CreditControlSettings(), door)
        settings = DiameterSettings(
            host="127.0.0.1",
            port=0,
            origin_host="ocs.example.net",
            origin_realm="example.net",
            max_in_flight=10**6,
            longest_wait=60.0,
        )
        self.server = DiameterServer(settings, handler, door)
        await self.server.start()
        self.connection = Connection(self.server)
        self.connection.connection_made(cast("asyncio.Transport", self.socket))
        self.connection.data_received(capabilities("gw.bench.example.net"))
        await self.run(self.messages("open", len(self.sessions)))
        settle()

    def messages(self, verb: str, count: int) -> list[bytes]:
        """Messages as they come in, several in a read."""
        single = []
        for number in range(count):
            self._identifier += 1
            single.append(getattr(self.sessions[number % len(self.sessions)], verb)(self._identifier))
        return [b"".join(single[at : at + BATCH]) for at in range(0, count, BATCH)]

    async def run(self, reads: list[bytes]) -> None:
        """Take all of it in and answer it, as many reads at once as a busy worker has in hand."""
        self.socket.written.clear()
        for number, read in enumerate(reads):
            self.connection.data_received(read)
            if number % 4 == 3:
                await asyncio.sleep(0)
        await self.server._pending.idle()
        await asyncio.sleep(0)

    def check(self, count: int) -> None:
        """Every request got its right answer."""
        data, found = bytes(self.socket.written), 0
        while data:
            length = int.from_bytes(data[1:4], "big")
            if not right(data[:length], self.profile):
                raise SystemExit(f"a wrong answer: {data[:length].hex()}")
            data, found = data[length:], found + 1
        if found != count:
            raise SystemExit(f"{found} answers to {count} requests")


class Sampler:
    """Looks a thousand times a second of processor at what is being done, C code counted where it is called."""

    def __init__(self) -> None:
        self.own: Counter[str] = Counter()
        self.whole: Counter[str] = Counter()
        self.samples = 0

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _number: int, frame: FrameType | None) -> None:
        seen: set[str] = set()
        while frame is not None:
            code = frame.f_code
            name = f"{code.co_filename.removeprefix(f'{ROOT}/')}:{code.co_qualname}"
            if not seen:
                self.own[name] += 1
            seen.add(name)
            frame = frame.f_back
        self.whole.update(seen)
        self.samples += 1

    def show(self, lines: int) -> None:
        for title, counted in (("whole", self.whole), ("own", self.own)):
            print(f"--- {title}")
            for name, count in counted.most_common(lines):
                print(f"{100 * count / self.samples:5.1f} %  {name}")


class Calls(Worker):
    """The same for credit checks over SIP: an INVITE of a new call each, to its 302."""

    async def start(self) -> None:
        await super().start()
        self.store.charged = b""  # of sessions of data
        settings = Settings(
            port=0,
            max_transactions=10**6,
            max_pending=10**6,
            answer_within_ms=5_000,
            timers=Timers(t1=1_000.0, t2=1_000.0),  # nobody acknowledges
            peers=(Peer(grants=Grants.SLICES),),
        )
        self.sip = SipServer(settings, self.engine, SipDoor(self.metrics))
        await self.sip.start()
        self._proxy = _Datagrams(self.sip)
        self._proxy.connection_made(cast("asyncio.DatagramTransport", self.socket))
        settle()

    def messages(self, verb: str, count: int) -> list[bytes]:
        if verb == "open":
            return super().messages(verb, count)
        found = []
        for _ in range(count):
            self._identifier += 1
            found.append(_invite(self._identifier))
        return found

    async def run(self, reads: list[bytes]) -> None:
        if not reads or not reads[0].startswith(b"INVITE"):
            await super().run(reads)
            return
        self.socket.written.clear()
        for number, read in enumerate(reads):
            self._proxy.datagram_received(read, ("127.0.0.1", 5062))
            if number % BATCH == BATCH - 1:
                await asyncio.sleep(0)
        while self.sip.in_flight:  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(0)

    def check(self, count: int) -> None:
        found = self.socket.written.count(b"SIP/2.0 302 ")
        if found != count:
            raise SystemExit(f"{found} calls allowed of {count}")


def _invite(number: int) -> bytes:
    return (
        "INVITE sip:+493012345678@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:+{e164(0)}@bench.example.net>;tag=f{number}\r\nTo: <sip:+493012345678@127.0.0.1>\r\n"
        f"Call-ID: {number}@bench\r\nCSeq: 1 INVITE\r\nContact: <sip:proxy@127.0.0.1>\r\n"
        "X-OCS-Supports: refresh\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def measure(profile: Profile, options: argparse.Namespace) -> float:
    """Microseconds of processor for one request, the best round."""
    worker = (Calls if profile.name == "calls" else Worker)(profile, options.sessions)
    await worker.start()
    best = float("inf")
    verb = "next"
    await worker.run(worker.messages(verb, 1_000))
    worker.check(1_000)
    for _ in range(options.rounds):
        reads = worker.messages(verb, options.requests)
        began, apart = time.process_time(), worker.store.spent
        await worker.run(reads)
        best = min(best, time.process_time() - began - (worker.store.spent - apart))
    worker.check(options.requests)
    if options.profile:
        sampler = Sampler()
        for _ in range(options.rounds):
            reads = worker.messages(verb, options.requests)
            sampler.start()
            await worker.run(reads)
            sampler.stop()
        sampler.show(options.lines)
    await worker.server.close()
    return best / options.requests * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.hotpath", description=__doc__)
    parser.add_argument("--profiles", default="data-1,data-3,calls")
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--sessions", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--lines", type=int, default=45)
    options = parser.parse_args()
    for name in options.profiles.split(","):
        profile = PROFILES.get(name) or Profile(name, (10,))
        print(f"{name} {uvloop.run(measure(profile, options)):.1f}")


if __name__ == "__main__":
    main()
