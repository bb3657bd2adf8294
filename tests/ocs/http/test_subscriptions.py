"""Subscribing over the API: paid at once, once; listed with its next renewal; ended."""

from collections.abc import AsyncIterator

import pytest

from balances.ledger import Ledger
from charging.catalogue.load import parse, read_files
from charging.renewals import renewal
from tests.ocs.http.http_desk import NOON, Desk, problem

PATH = "/v1/accounts/alice/subscriptions"
OFFERS = b"""
[offers.monthly]
pays = ["data-standard"]
amount = "5 GB"
renews = "month"
price = "9.99 EUR"
rollover = "2 GB"

[offers.zloty]
pays = ["data-standard"]
amount = "5 GB"
renews = "month"
price = "9.99 PLN"
"""
CATALOGUE = parse({**read_files("sample"), "monthly.toml": OFFERS})


@pytest.fixture
async def desk(ledger: Ledger) -> AsyncIterator[Desk]:
    desk = Desk(ledger, catalogue=CATALOGUE)
    yield desk
    await desk.client.aclose()


async def end(desk: Desk, offer: str, key: str) -> object:
    return await desk.client.delete(f"{PATH}/{offer}", headers={"Idempotency-Key": key})


async def test_it_is_subscribed_to_once_renewed_and_ended(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("25.00")
    assert await desk.get(PATH) == {"subscriptions": []}
    offers = {one["name"]: one["renews"] for one in (await desk.get("/v1/tariffs"))["offers"]}
    assert offers["monthly"] == "every month for 9.99 EUR"
    first = await desk.post(PATH, {"offer": "monthly"}, "s1")
    assert first.status_code == 201, first.text
    given = first.json()
    assert (given["fee"], given["money"]["available"], given["bucket"]["id"]) == ("9.99", "15.01", "monthly#1")
    again = await desk.post(PATH, {"offer": "monthly"}, "s1")
    assert (again.status_code, again.content) == (200, first.content)
    problem(await desk.post(PATH, {"offer": "monthly"}, "s2"), 409, "subscribed")
    problem(await desk.post(PATH, {"offer": "zloty"}, "s1"), 422, "wrong-currency")
    (listed,) = (await desk.get(PATH))["subscriptions"]
    assert listed == {
        "offer": "monthly", "state": "active", "price": "9.99 EUR", "starts_at": "2026-01-15T10:00:00.000Z",
        "ends_at": "2026-02-15T00:00:00.000Z", "renews_at": "2026-02-15T00:00:00.000Z", "buckets": ["monthly#1"],
    }  # fmt: skip
    desk.now = NOON + 31 * 86_400_000
    for shard in range(16):
        for due in await desk.ledger.due_renewals(shard, desk.now):
            account = await desk.ledger.account(due.address)
            assert await desk.ledger.renew(renewal(CATALOGUE, account, due, desk.now)) == "renewed"
    assert (await desk.get(PATH))["subscriptions"][0]["renews_at"] == "2026-03-15T00:00:00.000Z"
    ended = await end(desk, "monthly", "e1")
    assert (ended.status_code, ended.json()["offer"]) == (200, "monthly")  # type: ignore[attr-defined]
    assert (await end(desk, "monthly", "e1")).content == ended.content  # type: ignore[attr-defined]
    problem(await end(desk, "monthly", "e2"), 404, "not-subscribed")  # type: ignore[arg-type]
    entries = (await desk.get("/v1/accounts/alice/entries"))["entries"]
    assert [one["cause"] for one in entries] == ["topup", "subscription", "rollover", "renewal", "unsubscribed"]
    assert entries[1]["explanation"].startswith("Subscribed, first period: debited 9.99 EUR")
    assert (await desk.get("/v1/audit"))["balanced"]


async def test_who_cannot_pay_is_not_active_or_asks_for_nonsense_gets_nothing(desk: Desk) -> None:
    await desk.open()
    problem(await desk.post(PATH, {"offer": "monthly"}, "s1"), 422, "insufficient-funds")
    problem(await desk.post(PATH, {"offer": "yearly"}, "s1"), 422, "unknown-offer")
    problem(await desk.post(PATH, {"offer": "data-1gb"}, "s1"), 422, "not-recurring")
    problem(await desk.post(PATH, {"offer": "zloty"}, "s1"), 422, "wrong-currency")
    problem(await desk.post(PATH, {"offer": "monthly"}), 400, "idempotency-key-required")
    problem(await desk.post("/v1/accounts/nobody/subscriptions", {"offer": "monthly"}, "s1"), 404, "no-such-account")
    await desk.client.patch("/v1/accounts/alice", json={"status": "suspended"})
    problem(await desk.post(PATH, {"offer": "monthly"}, "s1"), 422, "not-active")
    assert await desk.get(PATH) == {"subscriptions": []}
    told = (await desk.get("/v1/accounts/alice/entries"))["entries"]
    assert [entry["cause"] for entry in told] == ["status"], "nothing but the operator's change of the state"
