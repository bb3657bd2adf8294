"""What a door refuses before anybody is asked for credit is in the tail of refused requests, with its reason."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gateway import OPEN, Gateway, ccr, service, subscriber
from tests.house import House
from tests.sip_caller import Caller

SETTINGS = {
    "OCS_DIAMETER__ALLOWED_PEERS": '["gw.*"]',
    "OCS_SIP_CREDIT__PEERS": '[{name = "pbx", networks = ["127.0.0.1/32"]}]',
    "OCS_SIP_CREDIT__HOST": "0.0.0.0",
    "OCS_SIP_CREDIT__OWN_NAMES": '["sip.example.net"]',
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory):
    with House(tmp_path_factory.mktemp("house"), **SETTINGS) as house:
        yield house


async def refusals(house: House) -> AsyncIterator[tuple[str, str, str]]:
    """Door, reason and sentence of each, as they come."""
    url = f"http://127.0.0.1:{house.ports['http']}/v1/events"
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client, client.stream("GET", url) as stream:
        kind = ""
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: ") and kind == "refused":
                word = json.loads(line.removeprefix("data: "))
                yield word["door"], word["reason"], word["explanation"]


async def said(house: House, *expected: tuple[str, str, str]) -> None:
    """Wait until each of them has been told of."""
    missing, heard = set(expected), []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            async for one in refusals(house):
                heard.append(one)
                missing.discard(one)
                if not missing:
                    return
    raise AssertionError(f"{missing} is not among {heard}")


async def test_at_the_sip_door(house: House) -> None:
    port = house.ports["sip"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.9", 0))
        stranger.sendto(b"OPTIONS sip:x SIP/2.0\r\n\r\n", ("127.0.0.1", port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as garbage:
        garbage.bind(("127.0.0.1", 0))
        garbage.sendto(b"GET / HTTP/1.1\r\n\r\n", ("127.0.0.1", port))
    async with Caller(port) as caller:
        assert (await caller.invite("alice@example.net", "+49301", "c1")).status == 302
        nobody = await caller.invite("nobody@example.net", "+49301", "c2")
        assert nobody.status == 403
    await said(
        house,
        ("sip", "stranger", "Turned away over sip (from 127.0.0.9): refused: stranger."),
        ("sip", "syntax", "Turned away over sip (from pbx): refused: syntax."),
        (
            "sip",
            "nobody has this identity",
            "Session opened over sip (voice 49301): refused: nobody is known as sip:nobody@example.net.",
        ),
    )


async def test_at_the_diameter_door(house: House) -> None:
    with pytest.raises((AssertionError, ConnectionError, TimeoutError)):
        async with Gateway("127.0.0.1", house.ports["diameter"], "stranger.example.net"):
            pass
    async with Gateway("127.0.0.1", house.ports["diameter"], "gw.example.net") as gateway:
        who = subscriber("491700001")
        await gateway.ask(ccr("gw;1", OPEN, 0, who, service(10, wanted=()), realm="elsewhere.example.net"))
    await said(house, ("diameter", "3003", "Turned away over diameter (from gw.example.net): refused: 3003."))
