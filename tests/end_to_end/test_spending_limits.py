"""A gateway uses up a bundle over Gy and a policy server hears of it over Sy, whichever workers have them."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

import pytest

from ocs.diameter import avps
from ocs.diameter.codes import Command
from ocs.diameter.message import Message
from tests.gateway import CLOSE, OPEN, UPDATE, Gateway, ccr, granted, octets, result, service, services, subscriber
from tests.house import House

SY = 16777302
PCRF = "pcrf.epc.example.net"
MB = 1_000_000


@pytest.fixture(scope="module", params=["1", "2"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = {
        "OCS_DIAMETER__SY": "true",
        "OCS_DIAMETER__REAUTHORISE_COUNTERS": '["data-80-percent"]',
        "OCS_DAEMON__WORKERS": request.param,
    }
    with House(tmp_path_factory.mktemp("house"), **settings) as house:
        yield house


def policy_server(house: House) -> Gateway:
    return Gateway("127.0.0.1", house.ports["diameter"], PCRF, applications=(SY,))


async def ask(pcrf: Gateway, session: str, kind: int, *parts: bytes) -> Message:
    head = (
        avps.SESSION_ID.encode(session),
        avps.AUTH_APPLICATION_ID.encode(SY),
        avps.ORIGIN_HOST.encode(PCRF),
        avps.ORIGIN_REALM.encode("epc.example.net"),
        avps.DESTINATION_REALM.encode("example.net"),
        avps.SL_REQUEST_TYPE.encode(kind),
    )
    return await pcrf.send(Command.SPENDING_LIMIT, [*head, *parts], SY, 0xC0)


def told(message: Message) -> dict[str, str]:
    return {
        report.require(avps.POLICY_COUNTER_IDENTIFIER): report.require(avps.POLICY_COUNTER_STATUS)
        for report in message.all(avps.POLICY_COUNTER_STATUS_REPORT)
    }


@pytest.fixture
def account(house: House) -> tuple[str, str]:
    """A number and the account it opens, with 5 EUR and 1 GB."""
    number = f"4917012{time.monotonic_ns() % 10**6:06d}"
    account = house.open_account(number, "5.00")
    house.post(f"/v1/accounts/{account}/buckets", {"offer": "data-1gb"})
    return number, account


@pytest.mark.rfc("8506", "5.5")
async def test_a_counter_that_reaches_its_limit_has_the_gateway_ask_anew(house: House) -> None:
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        for turn in range(1, 6):  # a server that is slow to look at the opening sees no change: give it longer
            number = f"49170129{turn:05}"
            account = house.open_account(number, "5.00")
            house.post(f"/v1/accounts/{account}/buckets", {"offer": "data-1gb"})
            who, gy = subscriber(number), f"limit;{number}"
            await gateway.ask(ccr(gy, OPEN, 0, who, service(10, wanted=()), service(20, wanted=())))
            await asyncio.sleep(turn)
            await gateway.ask(ccr(gy, UPDATE, 1, who, service(10, wanted=(), used=[octets(810 * MB)])))
            with contextlib.suppress(TimeoutError):
                rar = await gateway.asked(5)
                break
        else:
            raise AssertionError("nobody asks")
        assert (rar.command, rar.get(avps.SESSION_ID), rar.get(avps.RATING_GROUP)) == (Command.RE_AUTH, gy, None)
        gateway.reply(rar, 2002)
        await gateway.ask(ccr(gy, CLOSE, 2, who))


async def test_a_report_crosses_from_gy_to_sy(house: House, account: tuple[str, str]) -> None:
    number, name = account
    session, who = f"{PCRF};{number}", subscriber(number)
    async with policy_server(house) as pcrf, Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        answer = await ask(pcrf, session, 0, who)
        assert result(answer) == 2001
        assert told(answer) == {"data-80-percent": "below", "money-low": "enough"}

        gy = f"gw;{number}"
        opened = await gateway.ask(ccr(gy, OPEN, 0, who, service(10, wanted=())))
        assert granted(services(opened)[10]) == 10 * MB
        await gateway.ask(ccr(gy, UPDATE, 1, who, service(10, wanted=(), used=[octets(790 * MB)])))
        with pytest.raises(TimeoutError):
            await pcrf.asked(1.5)  # 790 MB used and 10 MB granted: not used yet

        await gateway.ask(ccr(gy, UPDATE, 2, who, service(10, wanted=(), used=[octets(10 * MB)])))
        report = await pcrf.asked()
        assert (report.command, report.get(avps.SESSION_ID)) == (Command.SPENDING_STATUS_NOTIFICATION, session)
        assert told(report) == {"data-80-percent": "reached"}
        pcrf.reply(report)

        # What the bundle does not cover is paid with money: both counters move with one report of usage.
        await gateway.ask(ccr(gy, CLOSE, 3, who, service(10, used=[octets(600 * MB)])))
        report = await pcrf.asked()
        assert told(report) == {"data-80-percent": "used-up", "money-low": "low"}
        pcrf.reply(report)
        assert house.money(name)["balance"] == 1_000_000
    assert house.audit()["balanced"]


async def test_a_subscription_outlives_a_killed_server(house: House, account: tuple[str, str]) -> None:
    number, name = account
    session, who = f"{PCRF};{number}", subscriber(number)
    async with policy_server(house) as pcrf:
        assert result(await ask(pcrf, session, 0, who)) == 2001
    await asyncio.to_thread(house.kill)
    await asyncio.to_thread(house.start)
    house.post(f"/v1/accounts/{name}/adjustments", {"amount": "-4.00", "reason": "test"})
    async with policy_server(house) as pcrf:
        report = await pcrf.asked()
        assert (report.get(avps.SESSION_ID), told(report)) == (session, {"money-low": "low"})
        pcrf.reply(report)
        end = (
            avps.SESSION_ID.encode(session),
            avps.ORIGIN_HOST.encode(PCRF),
            avps.ORIGIN_REALM.encode("epc.example.net"),
            avps.DESTINATION_REALM.encode("example.net"),
            avps.AUTH_APPLICATION_ID.encode(SY),
            avps.TERMINATION_CAUSE.encode(1),
        )
        assert result(await pcrf.send(Command.SESSION_TERMINATION, end, SY, 0xC0)) == 2001
        assert result(await pcrf.send(Command.SESSION_TERMINATION, end, SY, 0xC0)) == 5002
