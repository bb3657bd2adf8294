"""Checks 1 to 10: capabilities exchange, watchdog, disconnection."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ocs.diameter import avps
from tests.gateway import OPEN, ccr, result, service, subscriber
from tests.house import House

Make = Callable[[str], tuple[str, str]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Strict about names, and with the shortest watchdog there may be."""
    strict = {"OCS_DIAMETER__ALLOWED_PEERS": '["*.example.net"]', "OCS_DIAMETER__WATCHDOG": "6.0"}
    with House(tmp_path_factory.mktemp("house"), **strict) as house:
        yield house


def base(host: str = "wire.epc.example.net") -> list[bytes]:
    return [avps.ORIGIN_HOST.encode(host), avps.ORIGIN_REALM.encode("epc.example.net")]


@pytest.mark.rfc("6733", "5.3")
async def test_check_01_credit_control_is_common(connect: Any) -> None:
    cea = await (await connect()).introduce()
    assert (cea.get(avps.RESULT_CODE), cea.flags_octet) == (2001, 0)
    assert cea.all(avps.AUTH_APPLICATION_ID) == [4]


@pytest.mark.rfc("6733", "5.3")
async def test_check_02_application_of_whatever_vendor(connect: Any) -> None:
    inside = avps.VENDOR_SPECIFIC_APPLICATION_ID.encode(
        (avps.VENDOR_ID.encode(999), avps.AUTH_APPLICATION_ID.encode(4))
    )
    assert result(await (await connect()).introduce(inside)) == 2001


@pytest.mark.rfc("6733", "5.3")
async def test_check_03_nothing_in_common(connect: Any) -> None:
    wire = await connect()
    assert result(await wire.introduce(avps.AUTH_APPLICATION_ID.encode(16777238))) == 5010
    assert await wire.ended()


@pytest.mark.rfc("6733", "2.4")
async def test_check_04_a_relay(connect: Any) -> None:
    assert result(await (await connect()).introduce(avps.AUTH_APPLICATION_ID.encode(0xFFFFFFFF))) == 2001


@pytest.mark.rfc("6733", "5.3")
async def test_check_05_a_stranger(connect: Any) -> None:
    wire = await connect()
    cea = await wire.introduce(host="pgw1.elsewhere.example.com")
    assert (result(cea), cea.is_error) == (3010, True)
    assert await wire.ended()


@pytest.mark.rfc("6733", "5.6.1")
async def test_check_06_credit_control_before_capabilities(connect: Any) -> None:
    wire = await connect()
    wire.send(ccr("early;1", OPEN, 0, subscriber("491701234567"), service(10, wanted=())))
    assert await wire.ended()


@pytest.mark.rfc("6733", "5.6")
async def test_check_07_a_second_connection_of_one_peer(connect: Any) -> None:
    first, second = await connect(), await connect()
    assert result(await first.introduce(host="twice.epc.example.net")) == 2001
    refused = asyncio.create_task(second.introduce(host="TWICE.epc.example.net"))
    probe = await first.read()
    assert (probe.command, probe.is_request) == (280, True)
    first.send([avps.RESULT_CODE.encode(2001), *base("twice.epc.example.net")], 280, 0, 0)
    assert result(await refused) != 2001
    assert await second.ended()
    assert result(await first.ask(base("twice.epc.example.net"), 280, 0, 0x80)) == 2001


@pytest.mark.rfc("6733", "5.5")
async def test_check_08_watchdog_under_load(wire: Any, subscriber_with: Make) -> None:
    number, _ = subscriber_with("1.00")
    load = [ccr(f"load;{turn}", OPEN, 0, subscriber(number), service(99, wanted=())) for turn in range(500)]
    asked = {wire.send(parts) for parts in load}
    watchdog = wire.send(base(wire.host), 280, 0, 0x80)
    answers = [await wire.read() for _ in range(501)]
    [dwa] = [answer for answer in answers if answer.command == 280]
    assert (result(dwa), dwa.flags_octet, dwa.hop_by_hop) == (2001, 0, watchdog)
    assert {answer.hop_by_hop for answer in answers if answer.command == 272} == asked


@pytest.mark.rfc("3539", "3.4.1")
async def test_check_09_silence(connect: Any) -> None:
    wire, loop = await connect(), asyncio.get_running_loop()
    await wire.introduce()
    begun = loop.time()
    request = await wire.read()
    assert (request.command, request.is_request, request.flags_octet) == (280, True, 0x80)
    assert loop.time() - begun > 3.9  # Tw 6 s, less the jitter of 2 s
    async with asyncio.timeout(25):
        while True:
            try:
                more = await wire.read(25)
            except (EOFError, ConnectionError):
                break
            assert not more.is_request, "a DWR is never sent twice"
    assert loop.time() - begun > 2 * 3.9


@pytest.mark.rfc("6733", "5.4")
async def test_check_10_disconnection(wire: Any, connect: Any, house: House) -> None:
    dpa = await wire.ask([*base(wire.host), avps.DISCONNECT_CAUSE.encode(0)], 282, 0, 0x80)
    assert (result(dpa), dpa.flags_octet) == (2001, 0)
    wire.close()
    again = await connect()
    assert result(await again.introduce(host=wire.host)) == 2001
