"""The daemon is killed in mid-load and started again: no money drifts, sessions go on, repeats get their answers."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from balances.money import parse_amount
from tests.chaos.line import Line
from tests.gateway import CLOSE, OPEN, UPDATE, body, ccr, octets, result, service, subscriber
from tests.house import House

MB = 1_000_000
SESSIONS = 40
UPDATES = 12
ACCOUNTS = 8
KILLS = 2


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path) as house:
        yield house


async def _session(line: Line, number: str, index: int) -> list[tuple[tuple[bytes, ...], int, bytes]]:
    """One whole data session of 2 MB an update; what was asked and answered."""
    who, name = subscriber(number), f"gw;chaos;{index}"
    requests = [
        ccr(name, OPEN, 0, who, service(10, wanted=())),
        *(
            ccr(name, UPDATE, count, who, service(10, wanted=(), used=[octets(2 * MB)]))
            for count in range(1, UPDATES + 1)
        ),
        ccr(name, CLOSE, UPDATES + 1, who, service(10, used=[octets(MB)])),
    ]
    said = []
    for count, request in enumerate(requests):
        end_to_end = index << 8 | count
        answer = await line.ask(request, end_to_end)
        assert result(answer) == 2001
        said.append((request, end_to_end, body(answer)))
        await asyncio.sleep(0.02)
    return said


async def test_killed_in_mid_load_nothing_is_lost_and_nothing_charged_twice(house: House) -> None:
    numbers = [str(491_710_000_000 + i) for i in range(ACCOUNTS)]
    accounts = [house.open_account(number, "100.00") for number in numbers]
    line = Line(house)
    load = [asyncio.create_task(_session(line, numbers[i % ACCOUNTS], i)) for i in range(SESSIONS)]
    for kill in range(1, KILLS + 1):
        while line.answered < kill * SESSIONS * (UPDATES + 2) // (KILLS + 1):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        house.kill()
        await asyncio.to_thread(house.start)
    assert not all(task.done() for task in load), "the load was over before the daemon was killed"
    sessions = await asyncio.gather(*load)
    assert line.resent > 0

    used = (UPDATES * 2 + 1) * 10_000 * (SESSIONS // ACCOUNTS)
    for account in accounts:
        assert house.money(account) == {
            "balance": 100_000_000 - used,
            "reserved": 0,
            "available": 100_000_000 - used,
            "overrun": 0,
        }
        credited = sum(parse_amount(line["credited"]) for entry in house.entries(account) for line in entry["lines"])
        assert credited == 100_000_000
    for request, end_to_end, said in (exchange for session in sessions for exchange in session[-3:]):
        assert body(await line.ask(request, end_to_end)) == said
    audit = house.audit()
    assert audit["balanced"], audit["findings"]
    assert audit["currencies"]["EUR"]["reserved"] == "0.00"
    await line.close()
