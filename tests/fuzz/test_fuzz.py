"""A few seconds of ``scripts/fuzz``; run that one for longer."""

from pathlib import Path

from tests.fuzz.__main__ import fuzz
from tests.house import House


async def test_the_server_survives_damaged_messages(tmp_path: Path) -> None:
    with House(tmp_path, OCS_DAEMON__LOG_LEVEL="error") as house:
        assert await fuzz(house, 5, seed=8506, door="both")
        assert house.stop() == 0
