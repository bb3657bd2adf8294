"""Calls that are routed by us: what the proxy is offered, and what the ledger notes of whoever carried them."""

from typing import Any

import pytest

from charging.catalogue import parse
from charging.catalogue.load import SAMPLE
from sip_credit.settings import Peer, Settings, TrunkGroup

House = Any  # the fixture's class lives in conftest, which is no module to import from

CARRIERS = """
[decks.north]
service = "voice"
currency = "EUR"
per = "min"
[decks.south]
service = "voice"
currency = "EUR"
per = "min"
[carriers.north]
deck = "north"
contact = "sip:{b}@north.example.net;max={max}"
[carriers.south]
deck = "south"
contact = "sip:{b}@south.example.net"
[carriers.ourselves]
deck = "north"
contact = "sip:{b}@ocs.example.net"
[routings.both]
carriers = ["north", "south"]
[routings.one]
carriers = ["north", "ourselves"]
[routings.loop]
carriers = ["ourselves"]
"""
FILES = {
    "c.toml": (SAMPLE / "catalogue.toml").read_bytes() + CARRIERS.encode(),
    "decks/north.csv": b"prefix,price\n49,0.024\n4917,0.09\n",
    "decks/south.csv": b"prefix,price\n49,0.03\n4917,0.09\n",
}
MOBILE = "sip:+491709999999@h"


async def routed(house: House, routing: str, **more: Any) -> House:
    house.catalogue = parse(FILES)
    peers = (Peer(routing=routing, **more),)
    groups = (TrunkGroup(name="trunk", channels=1),)
    await house.restart(Settings(port=0, peers=peers, own_names=("ocs.example.net",), trunk_groups=groups))
    await house.open("1.00")
    return house


async def entries(house: House) -> list[Any]:
    account = await house.account()
    return list(await house.ledger.entries(account.address))


async def test_the_carriers_are_offered_in_order_with_q_values(house: House) -> None:
    await routed(house, "both")
    answer = await house.proxy.ask(house.invite())
    assert answer.status == 302
    assert answer.headers.all("Contact") == [
        "<sip:493012345@north.example.net;max=60>;q=1.0",
        "<sip:493012345@south.example.net>;q=0.9",
    ]
    assert answer.headers.get("X-OCS-Carriers") == "north, south"


@pytest.mark.parametrize("named_in", ["start", "interim", "stop"])
async def test_the_carrier_a_report_names_is_noted_with_cost_and_margin(house: House, named_in: str) -> None:
    await routed(house, "both")
    await house.proxy.ask(house.invite())
    for kind, milliseconds in (("start", 0), ("interim", 30_000), ("stop", 50_000)):
        house.later(30 if kind != "start" else 0)
        said = (("X-OCS-Event", kind), ("X-OCS-Call-ID", "call-1"), ("X-OCS-Duration-Ms", str(milliseconds)))
        named = (("X-OCS-Carrier", "south"),) if kind == named_in else ()
        report = house.request("NOTIFY", f"call-1-{kind}", *said, *named)
        assert (await house.proxy.ask(report)).status == 200
    last = (await entries(house))[-1]
    # the clocks differ by more than the tolerance, so the reported 50 s count
    assert last.reference == "carrier=south;cost=25000;margin=25000;currency=EUR"
    assert last.cause == "close"


async def test_the_only_carrier_offered_need_not_be_named(house: House) -> None:
    await routed(house, "one")
    answer = await house.proxy.ask(house.invite())
    assert answer.headers.get("X-OCS-Carriers") == "north"  # a contact that leads to ourselves is left out
    await house.tell("start", 0)
    house.later(10)
    await house.tell("stop", 10_000)
    assert (await entries(house))[-1].reference == "carrier=north;cost=4000;margin=6000;currency=EUR"


async def test_a_carrier_nobody_knows_is_noted_without_figures(house: House) -> None:
    await routed(house, "both")
    await house.proxy.ask(house.invite())
    stop = house.request(
        "NOTIFY", "call-1-stop", ("X-OCS-Event", "stop"), ("X-OCS-Call-ID", "call-1"), ("X-OCS-Duration-Ms", "1000"),
        ("X-OCS-Carrier", "east"),
    )  # fmt: skip
    assert (await house.proxy.ask(stop)).status == 200
    assert (await entries(house))[-1].reference == "carrier=east"


@pytest.mark.parametrize(
    ("routing", "uri", "reason"),
    [
        ("both", MOBILE, "no-profitable-route"),
        ("loop", "sip:+493012345@h", "no-route"),
        ("absent", "sip:+493012345@h", "no-route"),
    ],
)
async def test_a_call_that_cannot_be_carried_is_refused_and_reserves_nothing(
    house: House, routing: str, uri: str, reason: str
) -> None:
    await routed(house, routing, trunk_group="trunk")
    answer = await house.proxy.ask(house.invite(uri=uri))
    assert (answer.status, answer.headers.get("X-OCS-Reason")) == (404, reason)
    assert answer.headers.get("Reason").startswith("Q.850;cause=3;")
    assert await house.money() == (0, 0)
    assert await house.channels.occupied("trunk", house.now) == 0


async def test_who_may_not_call_is_told_that_and_not_where_calls_go(house: House) -> None:
    house.catalogue = parse(FILES)
    await house.restart(Settings(port=0, peers=(Peer(routing="both"),)))
    answer = await house.proxy.ask(house.invite())
    assert (answer.status, answer.headers.get("X-OCS-Reason")) == (403, "unknown-subscriber")


async def test_emergency_calls_go_where_they_always_go(house: House) -> None:
    await routed(house, "both")
    answer = await house.proxy.ask(house.invite(uri="sip:112@127.0.0.1"))
    assert answer.headers.all("Contact") == ["<sip:112@127.0.0.1>"]


async def test_another_process_knows_the_carrier_that_the_start_named(house: House) -> None:
    await routed(house, "both")
    await house.proxy.ask(house.invite())
    start = house.request(
        "NOTIFY", "call-1-start", ("X-OCS-Event", "start"), ("X-OCS-Call-ID", "call-1"), ("X-OCS-Carrier", "south")
    )
    assert (await house.proxy.ask(start)).status == 200
    await house.restart(Settings(port=0, peers=(Peer(routing="both"),)))
    house.later(20)
    assert (await house.tell("stop", 20_000)).status == 200
    assert (await entries(house))[-1].reference == "carrier=south;cost=10000;margin=10000;currency=EUR"
