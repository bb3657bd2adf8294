"""Many calls at one time on one balance, over both doors at once: together they cannot spend what is not there."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.gateway import (
    CLOSE,
    OPEN,
    UPDATE,
    VOICE,
    Gateway,
    call_data,
    ccr,
    granted,
    result,
    seconds,
    service,
    services,
    subscriber,
)
from tests.house import House
from tests.sip_caller import Caller

CALLED = "493012345678"
SECOND = 1_000
"""Micro-units a second, in the sample plan."""
SLICE = 60
_numbers = itertools.count(491_710_000_000)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server that is patient with its store, since so many ask at once that some wait, and believes any duration:
    here nobody really talks."""
    settings = {"OCS_SIP_CREDIT__ANSWER_WITHIN_MS": "10000", "OCS_SIP_CREDIT__LEAD": "1000000"}
    with House(tmp_path_factory.mktemp("house"), **settings) as house:
        yield house


@pytest.fixture
async def gateway(house: House) -> AsyncIterator[Gateway]:
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        yield gateway


async def sip_call(caller: Caller, number: str, call_id: str) -> int:
    """Talk as long as the server lets us; the seconds that were talked."""
    answer = await caller.invite(f"u{number}@example.net", f"+{CALLED}", call_id)
    if answer.status != 302:
        assert answer.status == 402
        return 0
    session, cap = answer.headers.get("X-OCS-Session"), int(answer.headers.get("X-OCS-Max-Duration"))
    assert (await caller.report("start", session, call_id, 0)).status == 200
    while "X-OCS-Refresh" in answer.headers:
        asked = cap - 1  # the second that is left belongs to the call whatever the answer is
        answer = await caller.report("interim", session, call_id, asked * 1000)
        if answer.status == 200:
            cap = asked + int(answer.headers.get("X-OCS-Max-Duration"))
    assert (await caller.report("stop", session, call_id, cap * 1000)).status == 200
    return cap


async def diameter_call(gateway: Gateway, number: str, session: str) -> int:
    """The same over Ro."""
    who, data = subscriber(number), call_data(CALLED)
    first = await gateway.ask(ccr(session, OPEN, 0, who, service(100, wanted=[seconds(SLICE)]), data, context=VOICE))
    if result(first) != 2001 or not services(first):
        assert result(first) == 4012
        return 0
    got = granted(services(first)[100]) or 0
    talked = 0
    for number_of_request in itertools.count(1):
        talked += got
        more = service(100, wanted=[seconds(SLICE)], used=[seconds(got)])
        answer = await gateway.ask(ccr(session, UPDATE, number_of_request, who, more, data, context=VOICE))
        found = services(answer).get(100)
        got = (granted(found) if found is not None else 0) or 0
        if not got:
            last = ccr(session, CLOSE, number_of_request + 1, who, service(100), context=VOICE)
            assert result(await gateway.ask(last)) == 2001
            return talked
    raise AssertionError


@pytest.mark.parametrize("calls", [2, 10, 100])
@pytest.mark.parametrize("doors", ["sip", "both"])
async def test_together_they_spend_what_there_is(house: House, gateway: Gateway, calls: int, doors: str) -> None:
    number = str(next(_numbers))
    account = house.open_account(number, "0.50", sip=f"u{number}@example.net")
    async with Caller(house.ports["sip"]) as caller:
        by_diameter = calls // 2 if doors == "both" else 0
        talks = [sip_call(caller, number, f"{number}-{call}") for call in range(calls - by_diameter)]
        talks += [diameter_call(gateway, number, f"as;{number};{call}") for call in range(by_diameter)]
        talked = sum(await asyncio.wait_for(asyncio.gather(*talks), 60))
    money = house.money(account)
    assert money["reserved"] == 0
    spent = 500_000 - money["balance"]
    assert spent == talked * SECOND  # every second that was let run is charged, and once
    assert spent <= 500_000 + SLICE * SECOND
    assert spent >= 500_000 - SLICE * SECOND  # and what is there can be used
    audit = house.audit()
    assert audit["balanced"], audit["findings"]
