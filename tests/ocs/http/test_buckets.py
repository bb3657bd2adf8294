"""Bundles of every kind over the API: how long they last, in what they are counted, who cannot have them."""

import pytest

from balances.ledger import Ledger, Phase
from charging.catalogue import load
from tests.charging.golden_cases import FOLDER
from tests.ocs.http.http_desk import ALICE, Desk, problem

GOLDEN = load(FOLDER / "catalogue")


@pytest.fixture
async def shop(ledger: Ledger):
    """A desk at which the golden catalogue's bundles are sold. It is 2026-01-15, 11:00 in Berlin."""
    desk = Desk(ledger, catalogue=GOLDEN)
    account = ALICE | {"plan": "allowances"}
    assert (await desk.post("/v1/accounts", account)).status_code == 201
    yield desk
    await desk.client.aclose()


async def give(shop: Desk, offer: str) -> dict[str, object]:
    given = await shop.post("/v1/accounts/alice/buckets", {"offer": offer}, offer)
    assert given.status_code == 201, given.text
    return given.json()["bucket"]


async def test_spans_are_by_the_plan_s_days(shop: Desk) -> None:
    day = await give(shop, "day-pass")
    assert (day["starts_at"], day["expires_at"]) == ("2026-01-15T10:00:00.000Z", "2026-01-15T23:00:00.000Z")
    week = await give(shop, "week-pass")
    assert week["expires_at"] == "2026-01-18T23:00:00.000Z"
    later = await give(shop, "advent")
    assert (later["starts_at"], later["expires_at"]) == ("2026-11-30T23:00:00.000Z", "2026-12-24T23:00:00.000Z")


async def test_a_bucket_says_that_its_clock_has_not_begun_and_then_when_it_ends(shop: Desk) -> None:
    trial = await give(shop, "trial")
    assert (trial["good_for"], trial["expires_at"]) == (3600, None)
    await shop.charge(Phase.OPEN, wanted=1_000_000)
    (bucket,) = (await shop.get("/v1/accounts/alice"))["buckets"]
    assert (bucket["good_for"], bucket["expires_at"]) == (None, "2026-01-15T11:00:00.000Z")
    assert bucket["reserved"] == 1_000_000


async def test_bonus_money_is_written_as_money_and_kept_apart(shop: Desk) -> None:
    bonus = await give(shop, "bonus")
    assert (bonus["unit"], bonus["initial"], bonus["remaining"]) == ("money", "5.00", "5.00")
    asked = {"service": {"kind": "data"}, "account": "alice", "rating_group": 10, "units": 100_000_000}
    price = (await shop.post("/v1/price", asked)).json()
    assert (price["price"], price["cost"], price["result"]) == ("1.00", "0.00", "ok")
    assert price["items"][0]["payments"] == [
        {"bucket": "bonus#1", "offer": "bonus", "unit": "money", "units": "1.00", "left": "4.00"}
    ]
    assert "Bucket bonus#1 pays 1.00 EUR first; 4.00 EUR are left in it." in price["reasons"]
    await shop.charge(Phase.OPEN, wanted=1_000_000)
    account = await shop.get("/v1/accounts/alice")
    assert account["buckets"][0]["reserved"] == "0.01"
    assert account["money"]["available"] == "0.00"
    entries = (await shop.get("/v1/accounts/alice/entries"))["entries"]
    assert entries[0]["lines"][0]["asset"] == "EUR bonus"
    assert entries[1]["explanation"] == "Session opened over diameter: reserved 0.01 EUR bonus of bucket bonus#1."
    audit = await shop.get("/v1/audit")
    assert audit["balanced"] is True
    assert audit["currencies"]["EUR bonus"]["credited"] == "5.00"
    assert audit["currencies"]["EUR"]["credited"] == "0.00"


async def test_bonus_money_in_another_currency_is_refused(shop: Desk) -> None:
    answer = await shop.post("/v1/accounts/alice/buckets", {"offer": "bonus-dollars"}, "d")
    problem(answer, 422, "wrong-currency")
    assert (await shop.get("/v1/accounts/alice"))["buckets"] == []


async def test_a_price_tells_what_holds_when_a_bundle_is_used_up(shop: Desk) -> None:
    await give(shop, "fair-100")
    asked = {"service": {"kind": "data"}, "account": "alice", "rating_group": 10, "units": 150_000_000}
    price = (await shop.post("/v1/price", asked)).json()
    (item,) = price["items"]
    assert (item["overage"], item["throttle"], item["granted"], item["cost"]) == (
        "fair-100",
        "slow",
        150_000_000,
        "0.00",
    )
    assert "Beyond it the overage of offer fair-100 holds, slowed down to slow." in price["reasons"]
