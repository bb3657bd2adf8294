"""The server asks by itself: top-ups reach redirected sessions, aborts their clients, whichever worker has the peer."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

import charging
from ocs.diameter import avps
from ocs.diameter.codes import Command
from ocs.diameter.message import Message
from tests.gateway import (
    CLOSE,
    OPEN,
    REALM,
    UPDATE,
    Gateway,
    ccr,
    granted,
    octets,
    result,
    service,
    services,
    subscriber,
)
from tests.house import House

MB = 1_000_000
PEERS = [f"gw{number}.epc.example.net" for number in range(6)]
Make = Callable[[str], tuple[str, str]]


@pytest.fixture(scope="module", params=["1", "2"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One process or two workers, and a catalogue that redirects whoever has run out of credit."""
    folder = tmp_path_factory.mktemp("catalogue")
    sample = (Path(charging.__file__).parent / "sample" / "catalogue.toml").read_text()
    redirecting = 'final = { action = "redirect", redirect = "http://topup.example.net/" }'
    (folder / "catalogue.toml").write_text(sample.replace('final = { action = "terminate" }', redirecting, 1))
    settings = {
        "OCS_CHARGING__CATALOGUE": str(folder),
        "OCS_DAEMON__WORKERS": request.param,
        "OCS_DIAMETER__ABORT_GRACE": "1.0",
        "OCS_DIAMETER__OWN_REQUEST_TIMEOUT": "1.0",
    }
    with House(tmp_path_factory.mktemp("house"), **settings) as house:
        yield house


@pytest.fixture
async def gateways(house: House) -> AsyncIterator[list[Gateway]]:
    """So many peers that each worker has some: which has which is up to the kernel."""
    async with AsyncExitStack() as stack:
        port = house.ports["diameter"]
        yield [await stack.enter_async_context(Gateway("127.0.0.1", port, peer)) for peer in PEERS]


def of(peer: str, session: str, kind: int, number: int, *parts: bytes) -> tuple[bytes, ...]:
    """A CCR of this peer."""
    head, _, *rest = ccr(session, kind, number, *parts)
    return (head, avps.ORIGIN_HOST.encode(peer), *rest)


async def nothing_comes(gateway: Gateway, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await gateway.asked(seconds)


async def until(house: House, found: Callable[[], Any], wanted: Any) -> None:
    """Wait for what happens behind the scenes."""
    end = time.monotonic() + 20
    while (last := await asyncio.to_thread(found)) != wanted:
        assert time.monotonic() < end, f"{last} instead of {wanted}:\n{house.said}"
        await asyncio.sleep(0.1)


def session_state(house: House, session: str) -> Any:
    return house.get(f"/v1/sessions/{session}")["state"]


async def top_up(house: House, account: str, amount: str = "5.00") -> None:
    await asyncio.to_thread(house.post, f"/v1/accounts/{account}/topups", {"amount": amount, "reference": "test"})


def counted(house: House, result: str) -> float:
    text = house._api.get("/metrics").text
    name = f'ocs_reauthorizations_total{{result="{result}"}} '
    return sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))


@pytest.mark.rfc("8506", "5.5")
@pytest.mark.parametrize("peer", range(len(PEERS)))
async def test_a_top_up_reaches_a_redirected_session_once_and_lifts_the_redirection(
    house: House, gateways: list[Gateway], subscriber_with: Make, peer: int
) -> None:
    number, account = subscriber_with("0")
    who, gateway, session = subscriber(number), gateways[peer], f"{PEERS[peer]};{number}"
    opened = await gateway.ask(of(PEERS[peer], session, OPEN, 0, who, service(10, wanted=())))
    group = services(opened)[10]
    assert (result(opened), granted(group)) == (2001, None)
    assert group.require(avps.FINAL_UNIT_INDICATION).get(avps.FINAL_UNIT_ACTION) == 1

    before = counted(house, "2002")
    await top_up(house, account)
    rar = await gateway.asked()
    assert (rar.command, rar.application, rar.flags_octet) == (Command.RE_AUTH, 4, 0xC0)
    assert rar.get(avps.SESSION_ID) == session
    assert (rar.get(avps.DESTINATION_HOST), rar.get(avps.DESTINATION_REALM)) == (PEERS[peer], REALM)
    assert (rar.get(avps.RE_AUTH_REQUEST_TYPE), rar.get(avps.AUTH_APPLICATION_ID)) == (0, 4)
    gateway.reply(rar, 2002)
    again = await gateway.ask(of(PEERS[peer], session, UPDATE, 1, who, service(10, wanted=())))
    assert granted(services(again)[10]) == 10 * MB
    assert all(other.requests.empty() for other in gateways)
    await until(house, lambda: counted(house, "2002"), before + 1)
    await gateway.ask(of(PEERS[peer], session, CLOSE, 2, who, service(10, used=[octets(MB)])))


@pytest.mark.rfc("8506", "5.5")
async def test_a_top_up_reaches_the_client_wherever_its_request_had_come_in(
    house: House, gateways: list[Gateway], subscriber_with: Make, record_property: Callable[[str, object], None]
) -> None:
    """Each client's request comes through the first one's connection, its RAR goes to its own, in whichever worker."""
    took = []
    for peer, gateway in zip(PEERS, gateways, strict=True):
        number, account = subscriber_with("0")
        session = f"elsewhere;{number}"
        opened = await gateways[0].ask(of(peer, session, OPEN, 0, subscriber(number), service(10, wanted=())))
        assert avps.FINAL_UNIT_INDICATION in services(opened)[10]
        begun = time.monotonic()
        await top_up(house, account)
        rar = await gateway.asked()
        took.append(time.monotonic() - begun)
        assert (rar.get(avps.SESSION_ID), rar.get(avps.RATING_GROUP)) == (session, 10)
        gateway.reply(rar, 2001)
    record_property("seconds_from_top_up_to_rar", took)
    print(f"\nfrom top-up to RAR: {', '.join(f'{each:.2f}' for each in took)} s")


@pytest.mark.rfc("8506", "5.5")
async def test_of_two_services_the_one_without_credit_is_asked_after_a_top_up_and_both_after_a_bundle(
    house: House, gateways: list[Gateway], subscriber_with: Make
) -> None:
    number, account = subscriber_with("0.10")
    who, gateway, session = subscriber(number), gateways[0], f"two;{number}"
    both = service(20, wanted=(), used=None), service(10, wanted=())
    opened = services(await gateway.ask(of(PEERS[0], session, OPEN, 0, who, service(99, wanted=()), *both)))
    assert [granted(opened[group]) for group in (99, 20, 10)] == [5 * MB, MB, None]
    await top_up(house, account, "5.00")  # group 20 has its last units, group 10 nothing: both are short
    rar = await gateway.asked()
    assert (rar.get(avps.RATING_GROUP), rar.get(avps.SERVICE_IDENTIFIER)) == (None, None)
    gateway.reply(rar, 2002)
    again = await gateway.ask(of(PEERS[0], session, UPDATE, 1, who, service(20, wanted=(), used=[octets(MB)])))
    assert granted(services(again)[20]) == 5 * MB
    await top_up(house, account, "1.00")
    rar = await gateway.asked()  # group 10 alone is left
    assert rar.get(avps.RATING_GROUP) == 10
    gateway.reply(rar, 2002)
    await gateway.ask(of(PEERS[0], session, UPDATE, 2, who, service(10, wanted=())))
    await asyncio.to_thread(house.post, f"/v1/accounts/{account}/buckets", {"offer": "data-1gb"})
    rar = await gateway.asked()
    assert rar.get(avps.RATING_GROUP) is None
    gateway.reply(rar, 2002)


async def test_a_burst_of_top_ups_is_one_request(house: House, gateways: list[Gateway], subscriber_with: Make) -> None:
    number, account = subscriber_with("0")
    gateway, session = gateways[0], f"burst;{number}"
    await gateway.ask(of(PEERS[0], session, OPEN, 0, subscriber(number), service(10, wanted=())))
    await asyncio.gather(*(top_up(house, account, "1.00") for _ in range(5)))
    gateway.reply(await gateway.asked(), 2001)  # and then no update: the client has its Validity-Time
    await nothing_comes(gateway, 1)
    assert session_state(house, session) == "open"


@pytest.mark.rfc("6733", "8.5")
async def test_a_client_that_has_lost_the_session_releases_it(
    house: House, gateways: list[Gateway], subscriber_with: Make
) -> None:
    number, account = subscriber_with("1.00")
    gateway, session = gateways[1], f"lost;{number}"
    await gateway.ask(of(PEERS[1], session, OPEN, 0, subscriber(number), service(10, wanted=())))
    assert house.money(account)["reserved"] == 100_000
    await top_up(house, account)
    gateway.reply(await gateway.asked(), 5002)
    await until(house, lambda: house.money(account)["reserved"], 0)
    assert session_state(house, session) == "lapsed"


async def test_who_cannot_now_is_asked_again(house: House, gateways: list[Gateway], subscriber_with: Make) -> None:
    number, account = subscriber_with("0")
    gateway, session = gateways[2], f"again;{number}"
    await gateway.ask(of(PEERS[2], session, OPEN, 0, subscriber(number), service(10, wanted=())))
    await top_up(house, account)
    gateway.reply(await gateway.asked(), 5012)
    gateway.reply(await gateway.asked(), 2002)
    await nothing_comes(gateway, 1)


@pytest.mark.rfc("6733", "8.5.1")
async def test_an_aborted_session_waits_for_the_clients_report(
    house: House, gateways: list[Gateway], subscriber_with: Make
) -> None:
    number, account = subscriber_with("1.00")
    who, gateway, session = subscriber(number), gateways[3], f"abort;{number}"
    await gateway.ask(of(PEERS[3], session, OPEN, 0, who, service(10, wanted=())))
    aborting = asyncio.create_task(asyncio.to_thread(house.post, f"/v1/sessions/{session}/abort", {}))
    asr = await gateway.asked()
    assert (asr.command, asr.get(avps.SESSION_ID)) == (Command.ABORT_SESSION, session)
    assert asr.get(avps.RE_AUTH_REQUEST_TYPE) is None
    gateway.reply(asr)
    end = await gateway.ask(of(PEERS[3], session, CLOSE, 1, who, service(10, used=[octets(2 * MB)])))
    assert result(end) == 2001
    await aborting
    assert house.money(account) == {"balance": 980_000, "reserved": 0, "available": 980_000, "overrun": 0}
    assert session_state(house, session) == "closed"


async def test_an_aborted_session_lapses_if_no_report_comes_and_a_late_one_counts(
    house: House, gateways: list[Gateway], subscriber_with: Make
) -> None:
    number, account = subscriber_with("1.00")
    who, gateway, session = subscriber(number), gateways[4], f"silent;{number}"
    await gateway.ask(of(PEERS[4], session, OPEN, 0, who, service(10, wanted=())))
    aborting = asyncio.create_task(asyncio.to_thread(house.post, f"/v1/sessions/{session}/abort", {}))
    gateway.reply(await gateway.asked())
    assert (await aborting)["id"] == session
    await until(house, lambda: house.money(account)["reserved"], 0)
    assert session_state(house, session) == "lapsed"
    late = await gateway.ask(of(PEERS[4], session, CLOSE, 1, who, service(10, used=[octets(2 * MB)])))
    assert house.money(account)["balance"] == 980_000, result(late)


async def test_a_session_without_a_way_to_its_client_ends_all_the_same(
    house: House, gateways: list[Gateway], subscriber_with: Make
) -> None:
    number, account = subscriber_with("1.00")
    session = f"away;{number}"
    await gateways[0].ask(of("gone.example.org", session, OPEN, 0, subscriber(number), service(10, wanted=())))
    await asyncio.to_thread(house.post, f"/v1/sessions/{session}/abort", {})
    await until(house, lambda: house.money(account)["reserved"], 0)


async def test_suspension_ends_the_accounts_sessions(
    house: House, gateways: list[Gateway], subscriber_with: Make
) -> None:
    number, account = subscriber_with("1.00")
    who, gateway, session = subscriber(number), gateways[5], f"barred;{number}"
    await gateway.ask(of(PEERS[5], session, OPEN, 0, who, service(10, wanted=())))
    await asyncio.to_thread(house.patch, f"/v1/accounts/{account}", {"status": "suspended"})
    asr = await gateway.asked()
    assert asr.command == Command.ABORT_SESSION
    gateway.reply(asr)
    await gateway.ask(of(PEERS[5], session, CLOSE, 1, who, service(10, used=[octets(MB)])))
    assert house.money(account)["balance"] == 990_000
    await asyncio.to_thread(house.patch, f"/v1/accounts/{account}", {"status": "active"})


@pytest.mark.rfc("6733", "5.6")
async def test_an_identity_is_connected_once_whichever_worker_has_it(house: House, gateways: list[Gateway]) -> None:
    for _ in range(6):
        with pytest.raises((AssertionError, ConnectionError)):
            async with Gateway("127.0.0.1", house.ports["diameter"], PEERS[0]):
                pass
    assert result(await gateways[0].ask(of(PEERS[0], "still;there", OPEN, 0, service(10, wanted=())))) == 5030


@pytest.mark.rfc("6733", "8.16")
async def test_a_restarted_client_has_lost_its_sessions(
    house: House, gateways: list[Gateway], subscriber_with: Make
) -> None:
    number, account = subscriber_with("1.00")
    who, old, other = subscriber(number), avps.ORIGIN_STATE_ID.encode(7), f"stays;{number}"
    host = "restarting.epc.example.net"

    async def open_session(gateway: Gateway, host: str, name: str, *parts: bytes) -> Message:
        return await gateway.ask(of(host, name, OPEN, 0, *parts, who, service(10, wanted=())))

    await open_session(gateways[0], host, f"first;{number}", old)
    await open_session(gateways[1], PEERS[1], other, old)
    assert house.money(account)["reserved"] == 200_000
    for gateway in gateways:  # whichever worker hears of it
        await open_session(gateway, host, f"new;{number}", avps.ORIGIN_STATE_ID.encode(8))
    await until(house, lambda: session_state(house, f"first;{number}"), "lapsed")
    assert session_state(house, other) == "open"
    assert session_state(house, f"new;{number}") == "open"
    assert house.money(account)["reserved"] == 200_000
