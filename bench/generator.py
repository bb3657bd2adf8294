"""The load, a process of its own: open loop, so that arrivals wait for no answer and stalls show.

Each line on standard input is a step, ``{"rate": requests per second, "seconds": ...}``; each is answered by one line
with what became of it. Latency counts from the moment a request was meant to be sent.
"""

import asyncio
import json
import math
import sys
import time
from typing import Any, cast

import uvloop

from bench.messages import PROFILES, Profile, Session, capabilities, right, tail

TICK = 0.001
PATIENCE = 8.0
MOST_IN_FLIGHT = 1_200
"""Beyond, a step is given up: the server does not keep up, and requests that lapse would have an unknown outcome."""

_WINDOW = 200

_STRIDE = 7_919
"""A prime: neighbouring sessions are of accounts far apart."""

_WAITING, _WRONG, _REFUSED = -1.0, -2.0, -3.0
_SUCCESS = b"\x00\x00\x01\x0c\x40\x00\x00\x0c\x00\x00\x07\xd1"
_TOO_BUSY = b"\x00\x00\x01\x0c\x40\x00\x00\x0c\x00\x00\x0b\xbc"
"""Result-Codes 2001 and 3004 (RFC 6733 section 7.1.3)."""


class Peer(asyncio.Protocol):
    """One connection; cuts the stream and hands each answer on."""

    def __init__(self, generator: "Generator", host: str) -> None:
        self._generator = generator
        self._host = host
        self._rest = b""
        self.transport: asyncio.Transport
        self.opened = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(capabilities(self._host))

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at, end, now = 0, len(data), time.perf_counter()
        while end - at >= 20:
            length = int.from_bytes(data[at + 1 : at + 4], "big")
            if end - at < length:
                break
            if data[at + 5 : at + 8] == b"\x00\x01\x10":
                self._generator.answered(data[at : at + length], now)
            elif not self.opened.done():
                self.opened.set_result(None)
            at += length
        self._rest = data[at:]

    def connection_lost(self, _: Exception | None) -> None:
        self._generator.lost += 1


class Generator:
    """All peers and sessions of a profile."""

    def __init__(self, profile: Profile, sessions: int, accounts: int, run: int) -> None:
        self.profile = profile
        self.sessions = [
            Session(profile.of(n), n, 0 if profile.hot else n * _STRIDE % accounts, run) for n in range(sessions)
        ]
        self.peers: list[Peer] = []
        self.lost = 0
        self.settled = 0
        """Requests answered as they must be that had usage to settle."""
        self.due = 0
        """Micro-units they cost."""
        self._turn = 0
        self._identifier = 1
        self._tails: dict[str, bytes] = {}
        self._asked: list[Session] = []
        """The sessions of a step, in the order of their requests."""
        self._base = 0
        self._times: list[float] = []
        self._start = 0.0
        self._rate = 1.0
        self._checked = False
        self.in_flight = 0
        self._overloaded = False
        self._refused: list[float] = []
        """After how many seconds requests were refused because there are too many; in overload, for any reason."""
        self.wrong: list[str] = []

    async def connect(self, host: str, port: int, peers: int) -> None:
        loop = asyncio.get_running_loop()
        for number in range(peers):
            name = f"gw{number}.bench.example.net"
            _, peer = await loop.create_connection(lambda name=name: Peer(self, name), host, port)  # type: ignore[misc]
            self.peers.append(peer)
            await asyncio.wait_for(peer.opened, PATIENCE)

    def answered(self, answer: bytes, now: float) -> None:
        place = int.from_bytes(answer[12:16], "big") - self._base
        if not 0 <= place < len(self._times) or self._times[place] != _WAITING:
            self.wrong.append("an answer to nothing")
            return
        self.in_flight -= 1
        if not self._checked:
            self._times[place] = now - self._start - place / self._rate
            if _SUCCESS not in answer:
                self.wrong.append(answer.hex())
        else:
            self._check(answer, self._asked[place].profile, place, now)

    def _check(self, answer: bytes, profile: Profile, place: int, now: float) -> None:
        known = self._tails.get(profile.name)
        if _TOO_BUSY in answer or (self._overloaded and _SUCCESS not in answer):
            self._times[place] = _REFUSED
            self._refused.append(now - self._start - place / self._rate)
        elif answer.endswith(known) if known else right(answer, profile):
            if not known:
                self._tails[profile.name] = tail(answer)
            self._times[place] = now - self._start - place / self._rate
        else:
            self._times[place] = _WRONG
            self.wrong.append(answer.hex())

    async def all(self, verb: str, rate: float) -> None:
        """Open or close every session; raises SystemExit if one is refused."""
        result = await self._run(rate, len(self._sessions_of(verb)), verb, math.inf)
        if result["wrong"] or result["unanswered"]:
            raise SystemExit(f"{verb}: {result} {self.wrong[:1]}")

    async def step(self, rate: float, seconds: float, most: float = MOST_IN_FLIGHT) -> dict[str, Any]:
        """Send updates at this rate for so long. The step is given up with more than ``most`` in flight."""
        return await self._run(rate, int(rate * seconds), "next", most)

    def _sessions_of(self, verb: str) -> list[Session]:
        return self.sessions if verb == "next" else [one for one in self.sessions if one.profile.session]

    async def _run(self, rate: float, count: int, verb: str, most: float = MOST_IN_FLIGHT) -> dict[str, Any]:
        self._base, self._rate, self._checked = self._identifier, rate, verb == "next"
        self._times, self._asked = [], []
        sessions = self._sessions_of(verb)
        self.wrong.clear()
        self._refused.clear()
        self._overloaded = verb == "next" and most > MOST_IN_FLIGHT
        self._start = time.perf_counter()
        given_up = False
        late = 0.0
        while len(self._times) < count and not given_up:
            now = time.perf_counter() - self._start
            late = max(late, now - len(self._times) / rate)
            if verb == "next" or self.in_flight < _WINDOW:  # opening and closing may wait
                due = min(count, int(now * rate) + 1) - len(self._times)
                self._send(due if verb == "next" else min(due, _WINDOW), verb, sessions)
            given_up = self.in_flight > most or self.lost > 0
            await asyncio.sleep(TICK)
        took = time.perf_counter() - self._start
        end = time.perf_counter() + PATIENCE
        while self.in_flight and time.perf_counter() < end and not self.lost:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        good = sorted(seconds for seconds in self._times if seconds >= 0)
        if verb != "open":
            self.settled += len(good)
            self.due += sum(one.profile.price for one, at in zip(self._asked, self._times, strict=True) if at >= 0)
        unanswered, self.in_flight = self.in_flight, 0
        return {
            "rate": rate,
            "sent": len(self._times),
            "seconds": took,
            "answered": len(good),
            "refused": len(self._refused),
            "slowest_ms": 1000 * max([0.0, *good[-1:], *self._refused]),
            "wrong": len(self.wrong),
            "first_wrong": self.wrong[:1],
            "unanswered": unanswered,
            "given_up": given_up,
            "lag_ms": 1000 * late,
            "ms": {str(p): 1000 * _percentile(good, p) for p in (50, 95, 99, 99.9)},
        }

    def _send(self, count: int, verb: str, sessions: list[Session]) -> None:
        if count <= 0:
            return
        size = len(sessions)
        batches: list[list[bytes]] = [[] for _ in self.peers]
        for _ in range(count):
            place = self._turn % size
            self._turn += 1
            self._asked.append(sessions[place])
            batches[place % len(batches)].append(getattr(sessions[place], verb)(self._identifier))
            self._identifier += 1
            self._times.append(_WAITING)
        self.in_flight += count
        for peer, batch in zip(self.peers, batches, strict=True):
            if batch:
                peer.transport.write(b"".join(batch))


def _percentile(ordered: list[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


async def main(options: dict[str, Any]) -> None:
    profile = PROFILES[options["profile"]]
    generator = Generator(profile, options["sessions"], options["accounts"], options["run"])
    await generator.connect("127.0.0.1", options["port"], options["peers"])
    sessions = not options["null"] and any(profile.of(n).session for n in range(len(profile.parts) or 1))
    if sessions:
        await generator.all("open", options["pace"])
    print(json.dumps({"ready": True}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        step = json.loads(line)
        if "rate" in step:
            print(json.dumps(await generator.step(**step)), flush=True)
        else:
            if sessions:
                await generator.all("close", options["pace"])
            print(json.dumps({"settled": generator.settled, "due": generator.due}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
