"""Two daemons on one store, under one Origin-Host: any answers any session, and our own requests find their client."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import charging
from ocs.diameter import avps
from ocs.diameter.codes import Command
from tests.gateway import (
    CLOSE,
    OPEN,
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
from tests.servers import valkey

MB = 1_000_000
PEER = "gw.north.example.net"
OTHER = "gw.south.example.net"
WHOLESALE = """
[rates.wholesale]
service = "data"
price = "0.004 EUR per MB"
blocks = "100 kB"
[plans.wholesale]
currency = "EUR"
country = "germany"
data = [{ rate = "wholesale" }]
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, House]]:
    catalogue = tmp_path_factory.mktemp("catalogue")
    sample = (Path(charging.__file__).parent / "sample" / "catalogue.toml").read_text()
    (catalogue / "catalogue.toml").write_text(sample + WHOLESALE)
    with valkey() as url:
        settings = {
            "OCS_BALANCES__URL": url,
            "OCS_CHARGING__CATALOGUE": str(catalogue),
            "OCS_DIAMETER__ABORT_GRACE": "1.0",
        }
        north = House(tmp_path_factory.mktemp("north"), **settings)
        south = House(tmp_path_factory.mktemp("south"), **settings)
        with north, south:
            yield north, south


@pytest.fixture(scope="module")
def house(nodes: tuple[House, House]) -> House:
    """The one whose API the tests of this folder use."""
    return nodes[0]


def gateway_at(node: House, name: str) -> Gateway:
    return Gateway("127.0.0.1", node.ports["diameter"], name)


def of(peer: str, session: str, kind: int, number: int, *parts: bytes) -> tuple[bytes, ...]:
    head, _, *rest = ccr(session, kind, number, *parts)
    return (head, avps.ORIGIN_HOST.encode(peer), *rest)


async def until(found: Callable[[], Any], wanted: Any) -> None:
    end = time.monotonic() + 20
    while (last := await asyncio.to_thread(found)) != wanted:
        assert time.monotonic() < end, f"{last} instead of {wanted}"
        await asyncio.sleep(0.1)


def sold(nodes: tuple[House, House], name: str, number: str) -> tuple[str, str]:
    """A dealer with nearly nothing, and its customer with enough."""
    north, _ = nodes
    dealer, customer = f"{name}-dealer", name
    north.post("/v1/accounts", {"id": dealer, "plan": "wholesale", "currency": "EUR"})
    north.post(f"/v1/accounts/{dealer}/topups", {"amount": "0.004", "reference": "test"})
    ids = [{"type": "e164", "value": number}]
    tie = {"parent": dealer, "billing": "resold", "identities": ids}
    north.post("/v1/accounts", {"id": customer, "plan": "prepaid-basic", "currency": "EUR", **tie})
    north.post(f"/v1/accounts/{customer}/topups", {"amount": "5.00", "reference": "test"})
    return dealer, customer


async def test_any_node_answers_any_session_and_its_repeats(nodes: tuple[House, House]) -> None:
    north, south = nodes
    account = north.open_account("491770000001", "1.00")
    who, session = subscriber("491770000001"), f"{PEER};any;1"
    async with gateway_at(north, PEER) as one, gateway_at(south, OTHER) as two:
        opened = await one.ask(of(PEER, session, OPEN, 0, who, service(10, wanted=())))
        assert granted(services(opened)[10]) == 10 * MB
        update = of(PEER, session, UPDATE, 1, who, service(10, wanted=(), used=[octets(10 * MB)]))
        first = await two.ask(update)
        assert granted(services(first)[10]) == 10 * MB
        again = await one.ask(update)
        assert body(again) == body(first)
        closed = await one.ask(of(PEER, session, CLOSE, 2, who, service(10, used=[octets(5 * MB)])))
        assert result(closed) == 2001
    assert south.money(account) == {"balance": 850_000, "reserved": 0, "available": 850_000, "overrun": 0}


async def test_a_top_up_at_one_node_reaches_the_client_of_the_other(nodes: tuple[House, House]) -> None:
    north, south = nodes
    account = north.open_account("491770000002", "0")
    who, session = subscriber("491770000002"), f"{PEER};rar;1"
    async with gateway_at(north, PEER) as gateway:
        opened = await gateway.ask(of(PEER, session, OPEN, 0, who, service(10, wanted=())))
        assert granted(services(opened)[10]) is None
        await asyncio.to_thread(south.post, f"/v1/accounts/{account}/topups", {"amount": "5.00", "reference": "test"})
        rar = await gateway.asked()
        assert (rar.command, rar.get(avps.SESSION_ID)) == (Command.RE_AUTH, session)
        gateway.reply(rar, 2002)
        more = await gateway.ask(of(PEER, session, UPDATE, 1, who, service(10, wanted=())))
        assert granted(services(more)[10]) == 10 * MB
        await gateway.ask(of(PEER, session, CLOSE, 2, who, service(10)))


async def test_a_sellers_top_up_reaches_its_customers_sessions(nodes: tuple[House, House]) -> None:
    _, south = nodes
    dealer, _ = sold(nodes, "kim", "491770000003")
    who, session = subscriber("491770000003"), f"{PEER};dealer;1"
    async with gateway_at(nodes[0], PEER) as gateway:
        opened = await gateway.ask(of(PEER, session, OPEN, 0, who, service(10, wanted=())))
        group = services(opened)[10]
        assert granted(group) == MB  # what the dealer could pay for
        assert group.get(avps.FINAL_UNIT_INDICATION) is not None
        await asyncio.to_thread(south.post, f"/v1/accounts/{dealer}/topups", {"amount": "1.00", "reference": "test"})
        rar = await gateway.asked()
        assert (rar.command, rar.get(avps.SESSION_ID)) == (Command.RE_AUTH, session)
        gateway.reply(rar, 2002)
        more = await gateway.ask(of(PEER, session, UPDATE, 1, who, service(10, wanted=(), used=[octets(MB)])))
        assert granted(services(more)[10]) == 10 * MB
        await gateway.ask(of(PEER, session, CLOSE, 2, who, service(10)))
    assert nodes[0].money(dealer)["balance"] == 1_000_000


async def test_suspending_a_seller_ends_its_customers_sessions(nodes: tuple[House, House]) -> None:
    north, south = nodes
    dealer, customer = sold(nodes, "lee", "491770000004")
    who, session = subscriber("491770000004"), f"{PEER};barred;1"
    async with gateway_at(north, PEER) as gateway:
        await gateway.ask(of(PEER, session, OPEN, 0, who, service(10, wanted=())))
        await asyncio.to_thread(south.patch, f"/v1/accounts/{dealer}", {"status": "suspended"})
        asr = await gateway.asked()
        assert (asr.command, asr.get(avps.SESSION_ID)) == (Command.ABORT_SESSION, session)
        gateway.reply(asr, 2001)
        closed = await gateway.ask(of(PEER, session, CLOSE, 1, who, service(10, used=[octets(MB)])))
        assert result(closed) == 2001
    await until(lambda: north.money(customer)["reserved"], 0)
    assert north.money(dealer)["balance"] == 0
    assert north.money(customer)["balance"] == 4_990_000
