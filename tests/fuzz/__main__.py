"""Damaged Diameter and SIP messages against a real server for as long as wanted; see ``scripts/fuzz``.

Exit status 0 only if the server lived, every request that could be framed was answered, good clients never noticed,
nothing stayed open or in work, the books balance and memory came to rest.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzz.diameter import Attacker
from tests.fuzz.sip import TcpAttacker, UdpAttacker
from tests.gateway import CLOSE, OPEN, UPDATE, Gateway, ccr, octets, result, service, subscriber
from tests.house import House

KAMAILIO_NUMBER, HONEST_NUMBER = "491700001", "491709999999"
LEEWAY = 0.25
"""Memory may grow by this share after the first quarter of a run (caches fill up to their limits)..."""
LEAST_LEEWAY = 16_384
"""...or by this many kB in a short one."""


class Watch:
    """What the server takes and has open, from /proc."""

    def __init__(self, pid: int) -> None:
        self._proc = Path("/proc") / str(pid)
        self.memory: list[int] = []
        """kB resident, second by second."""

    async def run(self) -> None:
        while True:
            self.memory.append(self.resident())
            await asyncio.sleep(1)

    def resident(self) -> int:
        status = (self._proc / "status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def descriptors(self) -> int:
        return len(list((self._proc / "fd").iterdir()))


TOO_BUSY = 3004
REPEATS = 5
"""How often the honest gateway comes again where it is told that the server is too busy."""


class GoodClient:
    """An honest gateway among the noise: everything it asks is granted, in time.

    3004 is no defect but the promised answer of a server that has no processor left to decide within its deadline: the
    gateway repeats the request, as it should, and is refused only if no repeat is granted. How often that was needed
    stands in the table: none on a machine that has nothing else to do.
    """

    def __init__(self, port: int, number: str, counts: Counter[str]) -> None:
        self._port, self._number, self._counts = port, number, counts
        self.slowest = 0.0
        self.wrong: list[str] = []
        self.busy = 0

    async def run(self, end: float) -> None:
        loop = asyncio.get_running_loop()
        who, turn = subscriber(self._number), 0
        async with Gateway("127.0.0.1", self._port, "honest.example.net") as gateway:
            while loop.time() < end:
                turn += 1
                session = f"honest;{turn}"
                for kind, number, asked in (
                    (OPEN, 0, service(10, wanted=())),
                    (UPDATE, 1, service(10, wanted=(), used=[octets(10)])),
                    (CLOSE, 2, service(10, used=[octets(10)])),
                ):
                    request = ccr(session, kind, number, who, asked)
                    begun = loop.time()
                    code = result(await gateway.ask(request))
                    self.slowest = max(self.slowest, loop.time() - begun)
                    for _ in range(REPEATS):
                        if code != TOO_BUSY:
                            break
                        self.busy += 1
                        await asyncio.sleep(1)
                        code = result(await gateway.ask(request, flags=0xD0))
                    self._counts["honest requests"] += 1
                    if code != 2001:
                        self.wrong.append(f"{session} {kind}: {code}")
                await asyncio.sleep(0.1)


DOORS = ("both", "diameter", "sip")
"""Which door is attacked. The honest gateway is at the Diameter door all the same: they share a process."""


def attack(house: House, door: str, seed: int, counts: Counter[str]) -> list[Attacker | UdpAttacker | TcpAttacker]:
    """The attackers of a door; where it is the SIP door alone, there are more of them."""
    many = 2 if door == "sip" else 1
    found: list[Attacker | UdpAttacker | TcpAttacker] = []
    if door != "sip":
        port = house.ports["diameter"]
        found += [Attacker(port, f"fuzz{i}.example.net", Random(f"{seed}:diameter:{i}"), counts) for i in range(3)]
    if door != "diameter":
        port = house.ports["sip"]
        found += [UdpAttacker(port, Random(f"{seed}:udp{i or ''}"), counts) for i in range(many)]
        found += [TcpAttacker(port, Random(f"{seed}:tcp{i or ''}"), counts) for i in range(many)]
    return found


async def fuzz(house: House, seconds: float, seed: int, door: str) -> bool:
    """One run; prints its table and says whether it went well."""
    counts: Counter[str] = Counter()
    house.post("/v1/accounts/alice/topups", {"amount": "1000000.00", "reference": "fuzz"})
    for number in (KAMAILIO_NUMBER, HONEST_NUMBER):
        house.open_account(number, "1000000.00")
    watch = Watch(house.ports["pid"])
    descriptors = watch.descriptors()
    end = asyncio.get_running_loop().time() + seconds
    diameter = house.ports["diameter"]
    attackers = attack(house, door, seed, counts)
    good = GoodClient(diameter, HONEST_NUMBER, counts)
    watching = asyncio.create_task(watch.run())
    await asyncio.gather(good.run(end), *(attacker.run(end) for attacker in attackers))
    watching.cancel()
    await asyncio.sleep(3)  # the last requests end at their deadline

    memory = watch.memory
    quarter, last = max(memory[: len(memory) // 4 + 1]), memory[-1]
    leeway = max(LEAST_LEEWAY, int(quarter * LEEWAY))
    hung = [data for attacker in attackers for data in attacker.hung]
    peers = [peer for peer in house.get("/v1/peers")["peers"] if peer["door"] == "diameter"]
    left = watch.descriptors() - descriptors
    audit = house.audit()
    table: list[tuple[str, object, bool]] = [
        *((name, count, True) for name, count in sorted(counts.items())),
        ("requests never answered", len(hung), not hung),
        ("honest requests refused", len(good.wrong), not good.wrong),
        ("honest requests to be repeated, 3004", good.busy, True),
        ("load of the machine, last minute", round(os.getloadavg()[0], 1), True),
        ("slowest honest answer, s", round(good.slowest, 3), good.slowest < 3),
        ("connections left open", len(peers), not peers),
        ("descriptors more than before", left, left <= 4),
        ("memory at start, kB", memory[0], True),
        ("memory, most in the first quarter, kB", quarter, True),
        ("memory, most, kB", max(memory), True),
        ("memory at the end, kB", last, last <= quarter + leeway),
        ("books balance", audit["balanced"], bool(audit["balanced"])),
        ("tracebacks in the log", house.whole_log.count("Traceback"), "Traceback" not in house.whole_log),
    ]
    for name, value, well in table:
        print(f"{name:40} {value!s:>14} {'' if well else '  <-- NOT SO'}")
    for data in hung[:5]:
        print("never answered:", data.hex()[:400])
    for (frame, error), count in _tracebacks(house.whole_log).most_common(5):
        print(f"traceback, {count} times: {frame}: {error}")
    if "Traceback" in house.whole_log:
        print(house.whole_log[house.whole_log.rindex("Traceback") :][:6000])
    for line in good.wrong[:5]:
        print("honest request refused:", line)
    return all(well for *_, well in table)


def _tracebacks(log: str) -> Counter[tuple[str, str]]:
    """The last frame and the error of each traceback, counted."""
    found: Counter[tuple[str, str]] = Counter()
    for part in log.split("Traceback (most recent call last)")[1:]:
        frame = ""
        for line in part.splitlines()[1:]:
            if line.lstrip().startswith("File "):
                frame = line.strip()
            elif line and not line.startswith(" "):
                found[frame, line] += 1
                break
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--seed", type=int, default=None, help="the same seed draws the same messages")
    parser.add_argument("--door", choices=DOORS, default="both", help="which door is attacked (default both)")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}, {given.minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory() as directory, House(Path(directory), OCS_DAEMON__LOG_LEVEL="error") as house:
        well = asyncio.run(fuzz(house, given.minutes * 60, seed, given.door))
        stopped = house.stop()
    print(f"{'the server stopped with status':40} {stopped!s:>14}")
    return 0 if well and stopped == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
