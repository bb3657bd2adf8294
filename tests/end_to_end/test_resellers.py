"""Chains of accounts through both doors of a running server: resellers, and members of a shared wallet."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import charging
from tests.gateway import CLOSE, OPEN, Gateway, ccr, granted, octets, result, service, services, subscriber
from tests.house import House
from tests.sip_caller import Caller

PAGE = (Path(__file__).parents[2] / "docs" / "resellers.md").read_text()
(PLANS,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SAMPLE = (Path(charging.__file__).parent / "sample" / "catalogue.toml").read_text()
OWN = PLANS[PLANS.index("[rates.retail]") :]
CALLED = "+493012345678"
MB = 1_000_000


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("resellers")
    catalogue = folder / "catalogue"
    catalogue.mkdir()
    (catalogue / "catalogue.toml").write_text(f"{SAMPLE}\n{OWN}")
    with House(folder, OCS_CHARGING__CATALOGUE=str(catalogue), OCS_DAEMON__WORKERS="2") as house:
        yield house


def opened(house: House, name: str, plan: str, money: str = "", **more: object) -> str:
    house.post("/v1/accounts", {"id": name, "plan": plan, "currency": "EUR", **more})
    if money:
        house.post(f"/v1/accounts/{name}/topups", {"amount": money, "reference": "test"})
    return name


def three(house: House, name: str, dealer: str) -> tuple[str, str, str]:
    sip = [{"type": "sip", "value": f"{name}@example.net"}]
    return (
        opened(house, f"{name}-carrier", "carrier", "1.00"),
        opened(house, f"{name}-dealer", "dealer", dealer, parent=f"{name}-carrier", billing="resold"),
        opened(house, name, "retail", "1.00", parent=f"{name}-dealer", billing="resold", identities=sip),
    )


async def test_a_call_moves_three_wallets_in_one_group(house: House) -> None:
    carrier, dealer, alice = three(house, "alice", "1.00")
    async with Caller(house.ports["sip"]) as caller:
        answer = await caller.invite("alice@example.net", CALLED, "three-1")
        assert answer.status == 302
        session = answer.headers.get("X-OCS-Session")
        await caller.report("start", session, "three-1", 0)
        assert (await caller.report("stop", session, "three-1", 900)).status == 200
    assert [house.money(one)["balance"] for one in (alice, dealer, carrier)] == [999_000, 999_400, 999_600]
    last = [house.entries(one)[-1] for one in (alice, dealer, carrier)]
    assert len({(entry["session"], entry["operation"], entry["cause"]) for entry in last}) == 1
    assert [(entry["level"], entry["margin"]) for entry in last] == [(0, None), (1, "0.0004"), (2, "0.0002")]
    assert house.audit()["balanced"]


async def test_the_middle_ones_empty_wallet_refuses_and_names_nobody(house: House) -> None:
    carrier, dealer, bob = three(house, "bob", "")
    async with Caller(house.ports["sip"]) as caller:
        answer = await caller.invite("bob@example.net", CALLED, "empty-1")
    assert answer.status == 402
    assert "dealer" not in answer.encode().decode()
    asked = {"account": bob, "service": {"kind": "voice", "called": CALLED}, "units": 60}
    priced = house.post("/v1/price", asked)
    assert priced["result"] == "no-credit"
    assert [(one["account"], one["reason"]) for one in priced["levels"]] == [
        (dealer, "insufficient-credit"),
        (carrier, ""),
    ]
    assert [house.money(one)["reserved"] for one in (bob, dealer, carrier)] == [0, 0, 0]


async def test_two_members_use_one_wallet_over_both_doors_and_never_overspend(house: House, gateway: Gateway) -> None:
    family = opened(house, "family", "prepaid-basic", "0.13")
    numbers = ("491760000001", "491760000002")
    for number in numbers:
        ids = [{"type": "e164", "value": number}, {"type": "sip", "value": f"u{number}@example.net"}]
        opened(house, f"m{number}", "prepaid-basic", parent=family, billing="shared", identities=ids)
    data, calling = subscriber(numbers[0]), f"u{numbers[1]}@example.net"
    opening = [gateway.ask(ccr(f"gw;family;{n}", OPEN, 0, data, service(10, wanted=()))) for n in range(3)]
    async with Caller(house.ports["sip"]) as caller:
        answers = asyncio.gather(*[caller.invite(calling, CALLED, f"family-{n}") for n in range(5)])
        sessions = await asyncio.gather(*opening)
        calls = [answer for answer in await answers if answer.status == 302]
        money = house.money(family)
        assert (money["balance"], money["overrun"]) == (130_000, 0)
        assert 0 <= money["available"] < 1_000  # not enough for another second or block
        for number, answer in enumerate(calls):
            session, seconds = answer.headers.get("X-OCS-Session"), answer.headers.get("X-OCS-Max-Duration")
            stop = await caller.report("stop", session, f"family-stop-{number}", 1000 * int(seconds or 0))
            assert stop.status == 200
    for number, opened_session in enumerate(sessions):
        got = granted(services(opened_session)[10]) or 0
        close = ccr(f"gw;family;{number}", CLOSE, 1, data, service(10, used=[octets(got)]))
        assert result(await gateway.ask(close)) in (2001, 5002)
    after = house.money(family)
    assert (after["reserved"], after["overrun"]) == (0, 0)
    assert 0 <= after["balance"] == after["available"] < 130_000
    assert house.audit()["balanced"]
