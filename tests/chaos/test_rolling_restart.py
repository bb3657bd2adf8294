"""Two daemons on one store, restarted one after the other under load: any answers any session, and nothing is lost."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from ocs.diameter.message import Message
from tests.chaos.line import Line
from tests.chaos.test_kill import ACCOUNTS, SESSIONS, UPDATES, _session
from tests.house import House
from tests.stores import single


class Lines:
    """Two routing agents, each connected to one daemon; the gateway behind takes turns."""

    def __init__(self, houses: list[House]) -> None:
        self._lines = [Line(house, f"agent{number}.example.net") for number, house in enumerate(houses)]
        self._turn = 0

    @property
    def answered(self) -> int:
        return sum(line.answered for line in self._lines)

    async def ask(self, parts: tuple[bytes, ...], end_to_end: int) -> Message:
        self._turn += 1
        return await self._lines[self._turn % len(self._lines)].ask(parts, end_to_end)

    async def close(self) -> None:
        for line in self._lines:
            await line.close()


async def test_restarted_one_after_the_other(tmp_path: Path, tell: Callable[[str], None]) -> None:
    with single() as store:
        shared = {"OCS_BALANCES__URL": f"redis://127.0.0.1:{store.port}"}
        for name in "ab":
            (tmp_path / name).mkdir()
        with House(tmp_path / "a", **shared) as first, House(tmp_path / "b", **shared) as second:
            houses = [first, second]
            numbers = [str(491_720_000_000 + i) for i in range(ACCOUNTS)]
            accounts = [first.open_account(number, "100.00") for number in numbers]
            lines = Lines(houses)
            load = [asyncio.create_task(_session(lines, numbers[i % ACCOUNTS], i)) for i in range(SESSIONS)]  # type: ignore[arg-type]
            for turn, house in enumerate(houses, 1):
                while lines.answered < turn * SESSIONS * (UPDATES + 2) // 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                assert await asyncio.to_thread(house.stop) == 0
                await asyncio.to_thread(house.start)
            assert not all(task.done() for task in load), "the load was over before the last restart"
            await asyncio.gather(*load)
            used = (UPDATES * 2 + 1) * 10_000 * (SESSIONS // ACCOUNTS)
            for account in accounts:
                for house in houses:
                    assert house.money(account)["balance"] == 100_000_000 - used
                    assert house.money(account)["reserved"] == 0
            audit = second.audit()
            assert audit["balanced"], audit["findings"]
            tell(f"2 restarts; {lines.answered} requests answered, each once")
            await lines.close()
