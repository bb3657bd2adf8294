"""Copies and reorderings among the requests, the daemon killed in their middle: one charge each, identical answers.

``scripts/soak-diameter`` runs the large one: 10,000 requests with 1,000 copies and reorderings.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.line import Line
from tests.gateway import CLOSE, OPEN, UPDATE, body, ccr, octets, result, service, subscriber
from tests.house import House

MB = 1_000_000
REQUESTS = 20
"""Of each session: initial, updates, termination."""
ACCOUNTS = 10
AT_ONCE = 40
"""Sessions that run at one time."""
PRICE = 10_000
"""Micro-units per megabyte."""
HOW = ("T at once", "T first", "new identifier", "another connection", "eight at once", "overtaken by the next")
Parts = tuple[bytes, ...]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Two workers, so that copies meet other processes."""
    with House(tmp_path, OCS_DAEMON__WORKERS="2") as house:
        yield house


class Traffic:
    """Sessions over two agents, as which copies may take different ways."""

    def __init__(self, house: House, sessions: int, faults: int, seed: int) -> None:
        self.lines = [Line(house, f"dra{number}.epc.example.net") for number in (1, 2)]
        self.said: dict[tuple[int, int], bytes] = {}
        self.injected: Counter[str] = Counter()
        draw = random.Random(seed)
        ends = 0, REQUESTS - 1
        numbers = *ends, *range(1, REQUESTS - 2, 2)  # so that whoever is overtaken by the next leaves others alone
        drawn = draw.sample([(session, number) for session in range(sessions) for number in numbers], faults)
        self._faults = {where: draw.choice(HOW[:5] if where[1] in ends else HOW) for where in drawn}
        self._gate = asyncio.Semaphore(AT_ONCE)

    def request(self, session: int, number: int) -> Parts:
        """Request ``number`` of a session; one megabyte is used before each but the first."""
        who, name = subscriber(number_of(session)), f"gw;copies;{session}"
        if number == 0:
            return ccr(name, OPEN, 0, who, service(10, wanted=()))
        used = [octets(MB)]
        if number < REQUESTS - 1:
            return ccr(name, UPDATE, number, who, service(10, wanted=(), used=used))
        return ccr(name, CLOSE, number, who, service(10, used=used))

    async def session(self, session: int) -> None:
        async with self._gate:
            number = 0
            while number < REQUESTS:
                how = self._faults.get((session, number), "")
                both = how == HOW[5]
                if both:  # the next one goes first
                    self.injected[how] += 1
                    await asyncio.gather(self._ask(session, number + 1), self._ask(session, number))
                else:
                    await self._with_copies(session, number, how)
                number += 2 if both else 1

    async def _with_copies(self, session: int, number: int, how: str) -> None:
        if how:
            self.injected[how] += 1
        if how == "T at once":
            await asyncio.gather(self._ask(session, number), self._ask(session, number, flags=0xD0))
        elif how == "T first":
            await self._ask(session, number, flags=0xD0)
            await self._ask(session, number)
        elif how == "new identifier":
            await self._ask(session, number)
            await self._ask(session, number, end_to_end=1 << 31 | session << 8 | number)
        elif how == "another connection":
            await asyncio.gather(self._ask(session, number), self._ask(session, number, way=1))
        elif how == "eight at once":
            await asyncio.gather(*(self._ask(session, number, way=each % 2) for each in range(8)))
        else:
            await self._ask(session, number)

    async def _ask(
        self, session: int, number: int, *, way: int = 0, end_to_end: int | None = None, flags: int = 0xC0
    ) -> None:
        """Ask; every answer to the request must be the first one, octet by octet."""
        line = self.lines[(session + way) % 2]
        answer = await line.ask(self.request(session, number), end_to_end or (session << 8 | number), flags)
        assert result(answer) == 2001
        assert self.said.setdefault((session, number), body(answer)) == body(answer), (session, number)

    async def again(self, where: tuple[int, int]) -> None:
        """Ask what was asked before."""
        await self._ask(*where, flags=0xD0)


def number_of(session: int) -> str:
    return str(491_720_000_000 + session % ACCOUNTS)


@pytest.mark.rfc("8506", "8.2")
@pytest.mark.parametrize(("requests", "faults"), [(1_000, 100), pytest.param(10_000, 1_000, marks=pytest.mark.long)])
async def test_copies_and_reorderings_across_a_kill_are_charged_once_and_answered_alike(
    house: House, requests: int, faults: int
) -> None:
    sessions = requests // REQUESTS
    accounts = [house.open_account(number_of(number), "1000.00") for number in range(ACCOUNTS)]
    traffic = Traffic(house, sessions, faults, seed=20)
    begun = time.monotonic()
    load = [asyncio.create_task(traffic.session(session)) for session in range(sessions)]
    while len(traffic.said) < requests // 2:
        await asyncio.sleep(0.005)
        assert not any(task.done() and task.exception() for task in load)
    house.kill()
    assert not all(task.done() for task in load), "the load was over before the daemon was killed"
    before = sorted(traffic.said)
    await asyncio.to_thread(house.start)
    await asyncio.gather(*load)
    assert (len(traffic.said), traffic.injected.total()) == (requests, faults)
    took = time.monotonic() - begun
    await asyncio.gather(*(traffic.again(where) for where in before[:: max(1, len(before) // 500)]))

    spent = (REQUESTS - 1) * PRICE * (sessions // ACCOUNTS)
    for account in accounts:
        left = 1_000_000_000 - spent
        assert house.money(account) == {"balance": left, "reserved": 0, "available": left, "overrun": 0}
        operations = Counter((entry["session"], entry["operation"]) for entry in house.entries(account))
        assert set(operations.values()) == {1}
    audit = house.audit()
    assert audit["balanced"], audit["findings"]
    resent = sum(line.resent for line in traffic.lines)
    assert resent > 0
    print(f"\n{requests} requests, {faults} faults, {resent} repeated, {took:.1f} s")
    print(", ".join(f"{how}: {count}" for how, count in sorted(traffic.injected.items())))
    for line in traffic.lines:
        await line.close()
