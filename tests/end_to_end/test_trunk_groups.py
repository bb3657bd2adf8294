"""Channel limits over workers: calls at one time, whichever process hears of them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.house import House
from tests.sip_caller import Caller

CALLS, CHANNELS, SOCKETS = 200, 10, 20
NUMBER, CALLED = "491712345678", "+493012345678"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two workers, patient with their store."""
    settings = {
        "OCS_DAEMON__WORKERS": "2",
        "OCS_SIP_CREDIT__ANSWER_WITHIN_MS": "10000",
        "OCS_SIP_CREDIT__TRUNK_GROUPS": f'[{{name = "trunk", channels = {CHANNELS}}}]',
        "OCS_SIP_CREDIT__PEERS": '[{name = "proxy", trunk_group = "trunk"}]',
    }
    with House(tmp_path_factory.mktemp("house"), **settings) as house:
        yield house


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not met():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_of_two_hundred_calls_at_once_on_two_workers_exactly_as_many_are_let_through_as_there_are_channels(
    house: House,
) -> None:
    house.open_account(NUMBER, "100.00", sip=f"u{NUMBER}@example.net")
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(Caller(house.ports["sip"])) for _ in range(SOCKETS)]

        async def call(number: int) -> tuple[int, str, str]:
            caller = callers[number % SOCKETS]
            answer = await caller.invite(f"u{NUMBER}@example.net", CALLED, f"call-{number}")
            return answer.status, answer.headers.get("X-OCS-Reason"), answer.headers.get("X-OCS-Session")

        async def all_at_once(start: int) -> list[str]:
            """The sessions of those that were let through."""
            said = await asyncio.gather(*[call(start + number) for number in range(CALLS)])
            assert {status for status, _, _ in said} == {302, 480}
            assert all(reason == "channel-limit" for status, reason, _ in said if status == 480)
            return [session for status, _, session in said if status == 302]

        talking = await all_at_once(0)
        assert len(talking) == CHANNELS
        await until(lambda: house.get("/v1/overview")["trunks"] == [{"name": "trunk", "channels": 10, "limit": 10}])
        for number, session in enumerate(talking):  # by whichever worker: each socket is heard by one of them
            caller = callers[number % SOCKETS]
            assert (await caller.report("start", session, session, 0)).status == 200
            assert (await caller.report("stop", session, session, 0)).status == 200
        await until(lambda: house.get("/v1/overview")["trunks"][0]["channels"] == 0)
        assert len(await all_at_once(CALLS)) == CHANNELS
    audit = house.audit()
    assert audit["balanced"], audit["findings"]
