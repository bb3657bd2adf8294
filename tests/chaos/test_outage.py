"""The store is killed, and the daemon too, while services are granted on trust: all is charged once, at both doors."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from balances.money import parse_amount
from ocs.diameter import avps
from tests.gateway import (
    CLOSE,
    EVENT,
    OPEN,
    SMS,
    UPDATE,
    Gateway,
    body,
    ccr,
    granted,
    octets,
    result,
    service,
    services,
    subscriber,
)
from tests.house import House
from tests.sip_caller import Caller
from tests.stores import Process, single

MB, DATA_MB, SECOND, MESSAGE = 1_000_000, 10_000, 1_000, 90_000
"""A unit of each, and its price in micro-units."""

NUMBER, CALLED = "491712345678", "+493012345678"
USER = f"u{NUMBER}@example.net"
WHO = subscriber(NUMBER)
SETTINGS = {
    "OCS_OUTAGE__GRANTS": '[{ service = "data" }, { service = "voice" }, { service = "sms" }]',
    "OCS_OUTAGE__AFTER": "0.3",
    "OCS_OUTAGE__PER_SUBSCRIBER": "50.00",
}


@pytest.fixture
def store() -> Iterator[Process]:
    with single("--appendfsync", "always") as store:
        yield store


@pytest.fixture(params=[1, 2], ids=["alone", "workers"])
def house(request: pytest.FixtureRequest, store: Process, tmp_path: Path) -> Iterator[House]:
    url, workers = f"redis://127.0.0.1:{store.port}", str(request.param)
    with House(tmp_path, OCS_BALANCES__URL=url, OCS_DAEMON__WORKERS=workers, **SETTINGS) as house:
        yield house


def data(session: str, kind: int, number: int, used: int | None = None) -> tuple[bytes, ...]:
    """A request about rating group 10; it wants more unless it is the last."""
    wanted = None if kind == CLOSE else ()
    reported = None if used is None else [octets(used)]
    return ccr(session, kind, number, WHO, service(10, wanted=wanted, used=reported))


def message(session: str) -> tuple[bytes, ...]:
    units = avps.CC_SERVICE_SPECIFIC_UNITS.encode(1)
    to = avps.ADDRESS_DATA.encode(CALLED)
    recipient = avps.RECIPIENT_INFO.encode([avps.RECIPIENT_ADDRESS.encode([to])])
    information = avps.SERVICE_INFORMATION.encode([avps.SMS_INFORMATION.encode([recipient])])
    debit = avps.REQUESTED_ACTION.encode(0)
    return ccr(session, EVENT, 0, WHO, debit, service(None, wanted=[units]), information, context=SMS)


def quota(answer: object) -> int | None:
    return granted(services(answer)[10])  # type: ignore[arg-type]


async def until_granted(gateway: Gateway, request: tuple[bytes, ...]) -> bytes:
    """Repeat it, as a gateway does, until it is answered on trust: the store has been gone for long enough."""
    async with asyncio.timeout(20):
        while True:
            answer = await gateway.ask(request)
            if result(answer) == 2001:
                return body(answer)
            assert result(answer) in (3004, 5012)
            await asyncio.sleep(0.05)


async def settled(house: House) -> None:
    """Wait until nothing is open or promised any more."""
    async with asyncio.timeout(30):
        while any(path.stat().st_size for path in (house.directory / "var" / "outage").iterdir()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_both_doors_grant_on_trust_and_all_is_charged_once(house: House, store: Process) -> None:
    account = house.open_account(NUMBER, "50.00", sip=USER)
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway, Caller(house.ports["sip"]) as caller:
        assert quota(await gateway.ask(data("long", OPEN, 0))) == 10 * MB
        known = await caller.invite(USER, CALLED, "known")
        assert known.status == 302
        await caller.report("release", known.headers.get("X-OCS-Session"), "known", 0)

        store.kill()
        update = data("long", UPDATE, 1, 9 * MB)
        said = await until_granted(gateway, update)
        assert body(await gateway.ask(update)) == said
        assert quota(await gateway.ask(data("short", OPEN, 0))) == 10 * MB
        assert result(await gateway.ask(data("short", CLOSE, 1, 4 * MB))) == 2001
        assert quota(await gateway.ask(data("goes on", OPEN, 0))) == 10 * MB
        assert result(await gateway.ask(message("text"))) == 2001
        stranger = ccr("stranger", OPEN, 0, subscriber("491799999999"), service(10, wanted=()))
        assert result(await gateway.ask(stranger)) == 5012
        invite = await caller.invite(USER, CALLED, "call")
        call = invite.headers.get("X-OCS-Session")
        assert (invite.status, invite.headers.get("X-OCS-Max-Duration")) == (302, "60")
        assert (await caller.report("start", call, "call", 0)).status == 200

        await asyncio.to_thread(store.start)
        assert (await caller.report("stop", call, "call", 1_000)).status in (200, 503)
        await settled(house)
        assert (await caller.report("stop", call, "call", 1_000)).status == 200
        assert body(await gateway.ask(update)) == said, "a repeat after it was settled"
        assert quota(await gateway.ask(data("goes on", UPDATE, 1, 10 * MB))) == 10 * MB
        assert result(await gateway.ask(data("goes on", CLOSE, 2, 2 * MB))) == 2001
        assert result(await gateway.ask(data("long", CLOSE, 2, 1 * MB))) == 2001

    used = (9 + 1 + 4 + 12) * DATA_MB + MESSAGE + house_seconds(house, account) * SECOND
    money = house.money(account)
    assert money == {"balance": 50_000_000 - used, "reserved": 0, "available": 50_000_000 - used, "overrun": 0}
    audit = house.audit()
    assert audit["balanced"], audit["findings"]
    assert audit["currencies"]["EUR"]["reserved"] == "0.00"


def house_seconds(house: House, account: str) -> int:
    """Seconds of the only call that was used, by the ledger: a second or what the server's own clock says."""
    calls = [entry for entry in house.entries(account) if entry["door"] == "sip"]
    debited = sum(parse_amount(line["debited"]) for entry in calls for line in entry["lines"])
    assert 0 < debited <= 60 * SECOND
    assert debited % SECOND == 0
    return debited // SECOND


async def test_a_daemon_that_is_killed_meanwhile_charges_what_it_answered(house: House, store: Process) -> None:
    account = house.open_account(NUMBER, "50.00", sip=USER)
    asked: list[tuple[tuple[bytes, ...], bytes]] = []
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        assert quota(await gateway.ask(data("long", OPEN, 0))) == 10 * MB
        store.kill()
        update = data("long", UPDATE, 1, 9 * MB)
        asked.append((update, await until_granted(gateway, update)))
        for number in range(20):
            opened = await gateway.ask(data(f"s{number}", OPEN, 0))
            assert quota(opened) == 10 * MB
            asked.append((data(f"s{number}", OPEN, 0), body(opened)))
            assert result(await gateway.ask(data(f"s{number}", UPDATE, 1, 3 * MB))) == 2001
        house.kill()
    await asyncio.to_thread(store.start)
    await asyncio.to_thread(house.start)
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        for request, answer in asked:
            assert body(await gateway.ask(request)) == answer, "the same answer by the next process"
        for number in range(20):
            assert result(await gateway.ask(data(f"s{number}", CLOSE, 2, 2 * MB))) == 2001
        assert result(await gateway.ask(data("long", CLOSE, 2, 1 * MB))) == 2001
    await settled(house)
    used = (10 + 20 * 5) * DATA_MB
    money = house.money(account)
    assert money == {"balance": 50_000_000 - used, "reserved": 0, "available": 50_000_000 - used, "overrun": 0}
    assert house.audit()["balanced"]


async def test_a_daemon_that_is_killed_while_it_settles_charges_once(house: House, store: Process) -> None:
    account = house.open_account(NUMBER, "50.00", sip=USER)
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        assert quota(await gateway.ask(data("first", OPEN, 0))) == 10 * MB
        assert result(await gateway.ask(data("first", CLOSE, 1, 0))) == 2001
        store.kill()
        await until_granted(gateway, data("s0", OPEN, 0))
        requests = [data(f"s{number}", OPEN, 0) for number in range(1, 200)]
        requests += [data(f"s{number}", CLOSE, 1, 1 * MB) for number in range(200)]
        answers = [await gateway.ask(request) for request in requests]
        assert {result(answer) for answer in answers} == {2001}
    await asyncio.to_thread(store.start)
    await asyncio.sleep(0.3)
    for _ in range(3):
        house.kill()
        await asyncio.to_thread(house.start)
        await asyncio.sleep(0.1)
    await settled(house)
    used = 200 * DATA_MB
    money = house.money(account)
    assert money == {"balance": 50_000_000 - used, "reserved": 0, "available": 50_000_000 - used, "overrun": 0}
    assert house.audit()["balanced"]


class Phones:
    """Sessions of some subscribers, one after the other, that repeat each request until it is acknowledged."""

    def __init__(self, numbers: list[str]) -> None:
        self.reported = dict.fromkeys(numbers, 0)
        self.store_is_gone = False
        self.on_trust = 0
        self.enough = asyncio.Event()

    async def use(self, gateway: Gateway, number: str) -> None:
        count = 0
        while not self.enough.is_set():
            name, count = f"{number};{count}", count + 1
            await self._insist(gateway, number, name, OPEN, 0, None)
            for update in (1, 2):
                await self._insist(gateway, number, name, UPDATE, update, 2 * MB)
            await self._insist(gateway, number, name, CLOSE, 3, 1 * MB)

    async def _insist(
        self, gateway: Gateway, number: str, session: str, kind: int, order: int, used: int | None
    ) -> None:
        wanted = None if kind == CLOSE else ()
        report = None if used is None else [octets(used)]
        request = ccr(session, kind, order, subscriber(number), service(10, wanted=wanted, used=report))
        flags, gone = 0xC0, self.store_is_gone
        while (code := result(await gateway.ask(request, flags=flags))) != 2001:
            assert code in (3004, 5012), (session, kind, order)
            flags = 0xD0
            await asyncio.sleep(0.02)
            gone = self.store_is_gone
        self.on_trust += gone and self.store_is_gone
        self.reported[number] += used or 0


async def test_the_store_is_killed_again_and_again_under_traffic_and_every_report_is_charged_once(
    house: House, store: Process
) -> None:
    accounts = {number: house.open_account(number, "50.00") for number in (f"49171234567{n}" for n in range(8))}
    phones = Phones(list(accounts))
    async with AsyncExitStack() as stack:
        gateways = [
            await stack.enter_async_context(Gateway("127.0.0.1", house.ports["diameter"], f"gw{number}.example.net"))
            for number in range(4)
        ]
        async with asyncio.TaskGroup() as group:
            for place, number in enumerate(accounts):
                group.create_task(phones.use(gateways[place % 4], number))
            for _ in range(3):
                await asyncio.sleep(0.5)
                store.kill()
                phones.store_is_gone = True
                await asyncio.sleep(1.0)
                phones.store_is_gone = False
                await asyncio.to_thread(store.start)
            await asyncio.sleep(0.5)
            phones.enough.set()
    await settled(house)
    assert phones.on_trust > 10
    for number, account in accounts.items():
        left = 50_000_000 - phones.reported[number] // MB * DATA_MB
        assert house.money(account) == {"balance": left, "reserved": 0, "available": left, "overrun": 0}
    audit = house.audit()
    assert audit["balanced"], audit["findings"]
