"""Transfers between accounts of any shards, and what happens where one stops on its way."""

import asyncio

from balances.reaper import Reaper
from balances.transfers import PATIENCE
from tests.ocs.http.http_desk import ALICE, Desk, problem

PATH = "/v1/accounts/alice/transfers"


async def two(desk: Desk) -> None:
    """Alice has 10 euros, and bob lives in another shard."""
    await desk.open()
    assert (await desk.post("/v1/accounts", ALICE | {"id": "bob", "identities": []})).status_code == 201
    alice, bob = [await desk.ledger.address(name) for name in ("alice", "bob")]
    assert alice
    assert bob
    assert alice.shard != bob.shard
    await desk.top_up("10.00")


async def balance(desk: Desk, account: str) -> str:
    money: str = (await desk.get(f"/v1/accounts/{account}"))["money"]["balance"]
    return money


async def test_money_is_sent_once_for_its_key(desk: Desk) -> None:
    await two(desk)
    body = {"to": "bob", "amount": "3.00", "reference": "pizza"}
    first = await desk.post(PATH, body, "x1")
    assert first.status_code == 201, first.text
    assert {name: first.json()[name] for name in ("to", "amount", "fee")} == {
        "to": "bob", "amount": "3.00", "fee": "0.10",
    }  # fmt: skip
    again = await desk.post(PATH, body, "x1")
    assert (again.status_code, again.content) == (200, first.content)
    problem(await desk.post(PATH, body | {"amount": "3.01"}, "x1"), 409, "operation-conflict")
    assert (await balance(desk, "alice"), await balance(desk, "bob")) == ("6.90", "3.00")
    sent = (await desk.get("/v1/accounts/alice/entries"))["entries"][1:]
    assert [one["explanation"] for one in sent] == [
        "Transfer sent: debited 3.00 EUR (to bob pizza).",
        "Fee of the transfer: debited 0.10 EUR (to bob pizza).",
    ]
    got = (await desk.get("/v1/accounts/bob/entries"))["entries"]
    assert [one["explanation"] for one in got] == ["Transfer received: credited 3.00 EUR (from alice pizza)."]
    assert (await desk.get("/v1/transfers"))["transfers"] == []


async def test_what_the_plan_does_not_allow(desk: Desk) -> None:
    await two(desk)
    other = ALICE | {"id": "far", "identities": [], "currency": "EUR"}
    assert (await desk.post("/v1/accounts", other)).status_code == 201
    await desk.client.patch("/v1/accounts/far", json={"status": "closed"})
    for body, status, kind in (
        ({"to": "bob", "amount": "0.49"}, 422, "invalid-request"),
        ({"to": "bob", "amount": "20.01"}, 422, "invalid-request"),
        ({"to": "bob", "amount": "-1.00"}, 422, "invalid-request"),
        ({"to": "alice", "amount": "1.00"}, 422, "invalid-request"),
        ({"to": "far", "amount": "1.00"}, 422, "not-active"),
        ({"to": "nobody", "amount": "1.00"}, 404, "no-such-account"),
        ({"to": "bob", "amount": "9.95"}, 422, "insufficient-funds"),
    ):
        problem(await desk.post(PATH, body, "x1"), status, kind)
    assert await balance(desk, "alice") == "10.00"


async def test_so_many_a_day(desk: Desk) -> None:
    await two(desk)
    body = {"to": "bob", "amount": "0.50"}
    answers = await asyncio.gather(*(desk.post(PATH, body, f"x{number}") for number in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [429] * 3
    problem(await desk.post(PATH, body, "y"), 429, "too-many-transfers")
    desk.now += 86_400_000
    assert (await desk.post(PATH, body, "y")).status_code == 201
    assert (await balance(desk, "alice"), await balance(desk, "bob")) == ("6.40", "3.00")


async def test_what_stops_on_its_way_is_seen_and_carried_on(desk: Desk) -> None:
    await two(desk)
    credit = desk.ledger.credit

    async def crash(*_: object) -> None:
        raise ConnectionError

    desk.ledger.credit = crash  # type: ignore[method-assign,assignment]
    problem(await desk.post(PATH, {"to": "bob", "amount": "3.00"}, "x1"), 500, "internal-error")
    desk.ledger.credit = credit  # type: ignore[method-assign]
    (transfer,) = (await desk.get("/v1/transfers"))["transfers"]
    assert (transfer["account"], transfer["to"], transfer["amount"]) == ("alice", "bob", "3.00")
    audit = await desk.get("/v1/audit")
    assert audit["balanced"]
    assert (audit["currencies"]["EUR"]["in_transit"], audit["currencies"]["EUR"]["available"]) == ("3.00", "6.90")

    reaper = Reaper(desk.ledger, lambda: desk.now)
    await reaper.reap()
    assert await balance(desk, "bob") == "0.00", "whoever sent it is left the time to carry it itself"
    desk.now += PATIENCE
    await reaper.reap()
    await reaper.reap()
    assert await balance(desk, "bob") == "3.00"
    assert (await desk.post(PATH, {"to": "bob", "amount": "3.00"}, "x1")).status_code == 200
    assert (await balance(desk, "alice"), await balance(desk, "bob")) == ("6.90", "3.00")
    audit = await desk.get("/v1/audit")
    assert (audit["currencies"]["EUR"]["in_transit"], audit["balanced"]) == ("0.00", True)


async def test_a_crash_between_credit_and_note_doubles_nothing(desk: Desk) -> None:
    await two(desk)
    arrived = desk.ledger.arrived

    async def crash(*_: object) -> None:
        raise ConnectionError

    desk.ledger.arrived = crash  # type: ignore[method-assign,assignment]
    problem(await desk.post(PATH, {"to": "bob", "amount": "3.00"}, "x1"), 500, "internal-error")
    desk.ledger.arrived = arrived  # type: ignore[method-assign]
    desk.now += PATIENCE
    await asyncio.gather(*(Reaper(desk.ledger, lambda: desk.now).reap() for _ in range(3)))
    assert (await balance(desk, "alice"), await balance(desk, "bob")) == ("6.90", "3.00")
    assert (await desk.get("/v1/transfers"))["transfers"] == []
    assert (await desk.get("/v1/audit"))["balanced"]
