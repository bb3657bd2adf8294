"""``scripts/bench-sip``: how many credit checks a second one worker answers, over UDP and TCP, and how fast.

Open loop, as in ``bench.generator``: INVITEs leave at a rate whether or not earlier ones were answered, and latency
counts from the moment one was meant to be sent to its 302, which is acknowledged. After each step all calls are
released. A run counts only if every INVITE got a 302 with the full slice, every release a 200, nothing is left reserved
and the books close.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import uvloop
from rich.console import Console
from rich.table import Table

from bench.accounts import open_accounts
from bench.machine import BenchFailed, Server, calls, cpu
from bench.messages import e164

SLOWEST = 50.0
"""Milliseconds: the 99th percentile of a rate that is sustained."""
TICK = 0.001
PATIENCE = 8.0
MOST_IN_FLIGHT = 900
"""Beyond, a step is given up: the server does not keep up (it refuses more than sip_credit.max_pending)."""
SOCKETS = 4
WINDOW = 16
"""Releases in flight: they are not measured and wait for each other."""
T1 = 0.5
"""Seconds until what was not answered over UDP is sent again (RFC 3261 section 17.1)."""
GRANTED = b"X-OCS-Max-Duration: 60\r\n"

_WAITING, _WRONG = -1.0, -2.0
_HEAD = (
    "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:{port};branch=z9hG4bK{name}-{number}\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:+{caller}@bench.example.net>;tag=f{number}\r\nTo: {to}\r\n"
    "Call-ID: {run}-{call}@bench\r\nCSeq: 1 {method}\r\n"
)
_URI = "sip:+493012345678@127.0.0.1"


class Channel(asyncio.DatagramProtocol, asyncio.Protocol):
    """One socket to the server, of either kind; hands each whole message on."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._rest = b""
        self.port = 0
        self.transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("Any", transport)
        self.port = int(transport.get_extra_info("sockname")[1])

    def send(self, message: bytes) -> None:
        if self._load.stream:
            self.transport.write(message)
        else:
            self.transport.sendto(message)

    def datagram_received(self, data: bytes, _: Any) -> None:
        self._load.answered(data, self, time.perf_counter())

    def data_received(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\r\n\r\n")  # no answer has a body
        now = time.perf_counter()
        for message in whole:
            self._load.answered(message + b"\r\n\r\n", self, now)


class Load:
    """The proxy: ``step`` asks for credit, then gives it all back."""

    def __init__(self, accounts: int, *, stream: bool) -> None:
        self.stream = stream
        self._accounts = accounts
        self._run = time.time_ns()
        self._channels: list[Channel] = []
        self._number = 0
        self._base = 0
        self._name = ""
        self._times: list[float] = []
        self._start = 0.0
        self._rate = 1.0
        self.in_flight = 0
        self.repeated = 0
        """Messages sent again, over UDP."""
        self.wrong: list[str] = []

    async def connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(SOCKETS):
            if self.stream:
                _, channel = await loop.create_connection(lambda: Channel(self), "127.0.0.1", port)
            else:
                _, channel = await loop.create_datagram_endpoint(lambda: Channel(self), remote_addr=("127.0.0.1", port))
            self._channels.append(channel)

    def close(self) -> None:
        for channel in self._channels:
            channel.transport.close()

    async def step(self, rate: float, seconds: float) -> dict[str, Any]:
        """INVITEs at this rate for so long; percentiles in milliseconds."""
        first = self._number
        result = await self._send_all("invite", rate, int(rate * seconds))
        result["first"], result["sent"] = first, self._number - first
        return result

    async def release(self, first: int, count: int) -> None:
        """Give back what the calls from ``first`` on hold; raises BenchFailed if one is not confirmed."""
        begun, self._number = self._number, first
        result = await self._send_all("release", 10_000.0, count, WINDOW)
        self._number = max(begun, self._number)
        if result["wrong"] or result["unanswered"]:
            raise BenchFailed(f"releases failed: {result} {self.wrong[:1]}")

    async def _send_all(self, name: str, rate: float, count: int, window: int = MOST_IN_FLIGHT) -> dict[str, Any]:
        self._name, self._base, self._rate, self._times = name, self._number, rate, []
        self.wrong.clear()
        self._start = time.perf_counter()
        given_up = False
        while len(self._times) < count and not given_up:
            due = min(count, int((time.perf_counter() - self._start) * rate) + 1)
            while len(self._times) < due and self.in_flight < window:
                channel = self._channels[self._number % SOCKETS]
                channel.send(self._message(name, self._number, channel.port))
                self._times.append(_WAITING)
                self.in_flight += 1
                self._number += 1
            given_up = self.in_flight >= MOST_IN_FLIGHT
            await asyncio.sleep(TICK)
        took = time.perf_counter() - self._start
        await self._rest_of_answers()
        good = sorted(each for each in self._times if each >= 0)
        unanswered, self.in_flight = self.in_flight, 0
        return {
            "seconds": took, "answered": len(good), "wrong": len(self.wrong), "unanswered": unanswered,
            "given_up": given_up,
            "ms": {str(p): 1000 * _percentile(good, p) for p in (50, 95, 99, 99.9)},
        }  # fmt: skip

    async def _rest_of_answers(self) -> None:
        """Wait for what is on its way; UDP may have lost some, which a proxy repeats (timers A and E)."""
        begun = time.perf_counter()
        end, again = begun + PATIENCE, begun + T1
        while self.in_flight and (now := time.perf_counter()) < end:
            if now > again and not self.stream:
                again = now + T1
                for place, said in enumerate(self._times):
                    if said == _WAITING:
                        channel = self._channels[(self._base + place) % SOCKETS]
                        channel.send(self._message(self._name, self._base + place, channel.port))
                        self.repeated += 1
            await asyncio.sleep(0.005)

    def _message(self, name: str, number: int, port: int, to: str = f"<{_URI}>") -> bytes:
        method = {"invite": "INVITE", "ack": "ACK", "release": "NOTIFY"}[name]
        call = f"{number}" if name != "release" else f"{number}-release"
        head = _HEAD.format(
            method=method, uri=_URI, transport="TCP" if self.stream else "UDP", port=port,
            name="invite" if name == "ack" else name, number=number, caller=e164(number % self._accounts), to=to,
            run=self._run, call=call,
        )  # fmt: skip
        more = {
            "invite": "Contact: <sip:proxy@127.0.0.1>\r\nX-OCS-Supports: refresh\r\n",
            "ack": "",
            "release": f"Event: ocs-credit\r\nX-OCS-Event: release\r\nX-OCS-Call-ID: {self._run}-{number}@bench\r\n",
        }[name]
        return f"{head}{more}Content-Length: 0\r\n\r\n".encode()

    def answered(self, data: bytes, channel: Channel, now: float) -> None:
        if data.startswith(b"SIP/2.0 100"):
            return
        mark = f";branch=z9hG4bK{self._name}-".encode()
        at = data.find(mark) + len(mark)
        number = int(data[at:].split(b"\r\n", 1)[0].split(b";", 1)[0]) if at >= len(mark) else -1
        if self._name == "invite" and number >= 0:
            to = data.split(b"\r\nTo: ", 1)[1].split(b"\r\n", 1)[0].decode()
            channel.send(self._message("ack", number, channel.port, to))
        place = number - self._base
        if not 0 <= place < len(self._times) or self._times[place] != _WAITING:
            return  # repeated, since its ACK was on its way
        self.in_flight -= 1
        right = GRANTED in data if self._name == "invite" else data.startswith(b"SIP/2.0 200")
        if right:
            self._times[place] = now - self._start - place / self._rate
        else:
            self._times[place] = _WRONG
            self.wrong.append(data.decode(errors="replace"))


def _percentile(ordered: list[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


async def search(load: Load, seconds: float) -> float:
    """The highest rate that is sustained, to about 6 %."""

    async def sustains(rate: float) -> bool:
        result = await load.step(rate, seconds)
        await load.release(result["first"], result["sent"])
        bad = result["given_up"] or result["wrong"] or result["unanswered"]
        return not bad and bool(result["ms"]["99"] <= SLOWEST)

    rate = 200.0
    while await sustains(rate):
        rate *= 1.5
    low, high = rate / 1.5, rate
    while high / low > 1.06:
        middle = (low + high) / 2
        low, high = (middle, high) if await sustains(middle) else (low, middle)
    return low


async def measure(transport: str, options: argparse.Namespace, say: Console) -> list[dict[str, Any]]:
    """Three rates of one transport, on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="ocs-bench-") as directory:
        server = Server(Path(directory), options.fsync)
        try:
            await open_accounts(server.socket, options.accounts)
            load = Load(options.accounts, stream=transport == "tcp")
            await load.connect(server.ports["sip"])
            say.print(f"{transport}: {options.accounts} accounts", style="dim")
            best = options.rate or await search(load, options.search)
            found = [await _at(share, best, load, server, options) for share in (50, 70, 90)]
            load.close()
            _check_books(server)
        finally:
            server.stop()
    return [{"transport": transport, "sustained": best, **each} for each in found]


async def _at(share: int, best: float, load: Load, server: Server, options: argparse.Namespace) -> dict[str, Any]:
    pids = {"worker_us": server.pid, "store_us": server.store_pid, "generator_us": os.getpid()}
    before, (ran, spent) = {name: cpu(pid) for name, pid in pids.items()}, calls(server.store)
    result = await load.step(best * share / 100, options.seconds)
    used = {name: 1e6 * (cpu(pid) - before[name]) / max(1, result["answered"]) for name, pid in pids.items()}
    ran_now, spent_now = calls(server.store)
    if result["wrong"] or result["unanswered"]:
        raise BenchFailed(f"not every INVITE got its 302: {result} {load.wrong[:1]}")
    await load.release(result["first"], result["sent"])
    return {
        "share": share, "rate": result["answered"] / result["seconds"], "ms": result["ms"], **used,
        "calls": (ran_now - ran) / result["answered"], "script_us": (spent_now - spent) / result["answered"],
    }  # fmt: skip


def _check_books(server: Server) -> None:
    audit = server.audit()
    reserved = Decimal(str(audit["currencies"]["EUR"]["reserved"]))
    if not audit["balanced"] or reserved:
        raise BenchFailed(f"{reserved} are still reserved; findings: {audit['findings'][:3]}")


def show(found: list[dict[str, Any]], say: Console) -> None:
    table = Table(title="one worker, embedded store: INVITE to 302; CPU in microseconds per INVITE, latency in ms")
    for name in ("transport", "at", "INVITE/s", "p50", "p95", "p99", "p99.9", "worker", "store", "generator", "calls",
                 "script"):  # fmt: skip
        table.add_column(name, justify="left" if name == "transport" else "right")
    for step in found:
        table.add_row(
            step["transport"], f"{step['share']} %", f"{step['rate']:,.0f}",
            *[f"{step['ms'][p]:.1f}" for p in ("50", "95", "99", "99.9")],
            *[f"{step[name]:.0f}" for name in ("worker_us", "store_us", "generator_us")],
            f"{step['calls']:.2f}", f"{step['script_us']:.0f}",
        )  # fmt: skip
    say.print(table)
    for transport, sustained in {step["transport"]: step["sustained"] for step in found}.items():
        say.print(f"{transport}: 100 % are {sustained:,.0f} INVITEs a second; all released, books close")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench-sip", description=__doc__)
    parser.add_argument("--transports", default="udp,tcp")
    parser.add_argument("--fsync", choices=("everysec", "always"), default="everysec")
    parser.add_argument("--accounts", type=int, default=2_000)
    parser.add_argument("--rate", type=float, help="measure below this many a second, without a search")
    parser.add_argument("--search", type=float, default=2.0, help="seconds for each rate tried")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds for each rate measured")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    os.environ.setdefault("OCS_SIP_CREDIT__ANSWER_WITHIN_MS", "10000")  # lateness is measured here, not answered 503
    say = Console(width=int(os.environ.get("COLUMNS", "130")))
    found: list[dict[str, Any]] = []
    try:
        for transport in options.transports.split(","):
            found += uvloop.run(measure(transport, options, say))
    except BenchFailed as failure:
        sys.exit(f"bench: this run does not count: {failure}")
    show(found, say)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
