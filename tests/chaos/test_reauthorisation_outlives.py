"""A top-up's Re-Auth-Request that nobody answered before the daemon was killed comes again from the next one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocs.diameter import avps
from ocs.diameter.codes import Command
from tests.gateway import OPEN, Gateway, ccr, service, subscriber
from tests.house import House

PATIENCE = 60.0


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, OCS_DIAMETER__OWN_REQUEST_TIMEOUT="0.5") as house:
        yield house


@pytest.mark.rfc("8506", "5.5")
async def test_what_a_killed_daemon_had_not_told_the_next_one_tells(house: House) -> None:
    account = house.open_account("491760000001", "0")
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        await gateway.ask(ccr("outlives", OPEN, 0, subscriber("491760000001"), service(10, wanted=())))
        await asyncio.to_thread(house.post, f"/v1/accounts/{account}/topups", {"amount": "5.00", "reference": "test"})
        assert (await gateway.asked()).command == Command.RE_AUTH
        house.kill()
    await asyncio.to_thread(house.start)
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        again = await gateway.asked(PATIENCE)
        assert (again.command, again.get(avps.SESSION_ID)) == (Command.RE_AUTH, "outlives")
        gateway.reply(again, 2001)
        with pytest.raises(TimeoutError):
            await gateway.asked(7)
