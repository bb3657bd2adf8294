"""Vouchers: made, switched, redeemed once by whoever types the code, not to be guessed, and nothing lost in a crash."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from balances.store import StoreLedger
from balances.transfers import PATIENCE
from balances.vouchers import Refused, check_digit, new_code, normal, readable
from tests.ledgers import empty_store
from tests.ocs.http.http_desk import ALICE, Desk, problem

PATH = "/v1/accounts/{}/vouchers"
WRONG = "4000 0000 0000 0002"


@pytest.fixture
async def shop(store_url: str) -> AsyncIterator[Desk]:
    """Alice and bob, who live in different shards, on a store."""
    async with empty_store(store_url) as link:
        ledger = StoreLedger(link)
        await ledger.prepare()
        desk = Desk(ledger)
        await desk.open()
        await desk.post("/v1/accounts", ALICE | {"id": "bob", "identities": []})
        yield desk
        await desk.client.aclose()


async def batch(desk: Desk, id: str = "spring", count: int = 3, state: str = "active", **worth: Any) -> list[str]:
    made = await desk.post(
        "/v1/vouchers", {"id": id, "count": count} | (worth or {"amount": "5.00", "currency": "EUR"})
    )
    assert made.status_code == 201, made.text
    if state != "created":
        assert (await desk.client.patch(f"/v1/vouchers/{id}", json={"state": state})).json()["state"] == state
    codes: list[str] = made.json()["codes"]
    return codes


async def balance(desk: Desk, account: str) -> str:
    money: str = (await desk.get(f"/v1/accounts/{account}"))["money"]["balance"]
    return money


def test_a_code_has_a_check_digit() -> None:
    assert check_digit("7992739871") == "3"
    code = new_code()
    assert normal(readable(code)) == normal(readable(code).replace(" ", "-")) == code
    assert len({new_code() for _ in range(1000)}) == 1000
    for place in range(16):
        other = str((int(code[place]) + 1) % 10)
        assert normal(code[:place] + other + code[place + 1 :]) is None
    assert normal("") is normal("1" * 15) is normal("١" * 16) is None


async def test_a_voucher_is_redeemed_once(shop: Desk) -> None:
    codes = await batch(shop)
    first = await shop.post(PATH.format("alice"), {"code": codes[0]}, "v1")
    assert first.status_code == 201, first.text
    assert (first.json()["amount"], first.json()["money"]["balance"]) == ("5.00", "5.00")
    again = await shop.post(PATH.format("alice"), {"code": codes[0].replace(" ", "")}, "v1")
    assert (again.status_code, again.content) == (200, first.content)
    problem(await shop.post(PATH.format("alice"), {"code": codes[0]}, "v2"), 422, "not-redeemed")
    problem(await shop.post(PATH.format("bob"), {"code": codes[0]}, "v1"), 422, "not-redeemed")
    assert (await balance(shop, "alice"), await balance(shop, "bob")) == ("5.00", "0.00")
    entry = (await shop.get("/v1/accounts/alice/entries"))["entries"][0]
    assert entry["explanation"].startswith("Voucher redeemed: credited 5.00 EUR (spring #")
    shown = await shop.get("/v1/vouchers/spring")
    assert (shown["issued"], shown["redeemed"], shown["state"]) == (3, 1, "active")


async def test_of_two_accounts_in_different_shards_one_gets_it(shop: Desk) -> None:
    codes = await batch(shop, count=20)
    asked = [(name, code) for code in codes for name in ("alice", "bob")]
    shop.house.redeemer._settings = type(shop.house.redeemer._settings)(tries=1000)  # type: ignore[union-attr]
    answers = await asyncio.gather(
        *(shop.post(PATH.format(name), {"code": code}, f"k{code.replace(' ', '')}") for name, code in asked)
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 20 + [422] * 20
    assert float(await balance(shop, "alice")) + float(await balance(shop, "bob")) == 100
    assert (await shop.get("/v1/audit"))["balanced"]


async def test_what_is_not_active_is_worth_nothing(shop: Desk) -> None:
    (code,) = await batch(shop, "a", 1, "created")
    answer = problem(await shop.post(PATH.format("alice"), {"code": code}, "v"), 422, "not-redeemed")
    assert "not active" in answer["detail"]
    await shop.client.patch("/v1/vouchers/a", json={"state": "blocked"})
    answer = problem(await shop.post(PATH.format("alice"), {"code": code}, "v"), 422, "not-redeemed")
    assert "blocked" in answer["detail"]
    await shop.client.patch("/v1/vouchers/a", json={"state": "active"})
    (old,) = await batch(shop, "b", 1, amount="1.00", currency="EUR", expires_at="2026-01-15T11:00:00Z")
    shop.now += 3_600_000
    answer = problem(await shop.post(PATH.format("alice"), {"code": old}, "v"), 422, "not-redeemed")
    assert "expired" in answer["detail"]
    assert (await shop.get("/v1/vouchers/b"))["state"] == "expired"
    assert await balance(shop, "alice") == "0.00"


async def test_who_guesses_is_locked_for_a_time(shop: Desk) -> None:
    codes = await batch(shop)
    for _ in range(5):
        problem(await shop.post(PATH.format("alice"), {"code": "4000 0000 0000 0003"}, "v"), 422, "not-redeemed")
    assert (await shop.post(PATH.format("alice"), {"code": codes[0]}, "v0")).status_code == 201
    answers = await asyncio.gather(*(shop.post(PATH.format("alice"), {"code": WRONG}, "v") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [422] * 3 + [429] * 17
    locked = await shop.post(PATH.format("alice"), {"code": codes[1]}, "v1")
    problem(locked, 429, "too-many-tries")
    assert 0 < int(locked.headers["Retry-After"]) <= 60
    assert (await shop.post(PATH.format("bob"), {"code": codes[1]}, "v1")).status_code == 201
    counted = shop.metrics.vouchers.labels(Refused.UNKNOWN.value)._value.get()
    assert (counted, shop.metrics.vouchers.labels("locked")._value.get()) == (3, 18)


@pytest.mark.parametrize("worth", [{"amount": "5.00", "currency": "EUR"}, {"offer": "data-1gb"}])
@pytest.mark.parametrize("lost", ["credit", "settle"])
async def test_a_crash_in_between_is_finished_once(shop: Desk, lost: str, worth: dict[str, str]) -> None:
    """By who claimed it, who asks again, or by whoever looks; and nobody else gets it meanwhile."""
    codes = await batch(shop, **worth)
    redeemer = shop.house.redeemer
    assert redeemer

    async def crash(*_: object) -> None:
        raise ConnectionError

    place, name = (redeemer.vouchers, "settle") if lost == "settle" else (shop.ledger, "credit")
    name = "give" if name == "credit" and "offer" in worth else name
    whole = getattr(place, name)
    setattr(place, name, crash)
    for number in (0, 1):
        problem(await shop.post(PATH.format("alice"), {"code": codes[number]}, "v1"), 500, "internal-error")
    setattr(place, name, whole)
    problem(await shop.post(PATH.format("bob"), {"code": codes[0]}, "v1"), 422, "not-redeemed")
    assert (await shop.post(PATH.format("alice"), {"code": codes[0]}, "v9")).status_code in (200, 201)
    assert await redeemer.finish() == 0, "whoever claimed it is left the time"
    shop.now += PATIENCE
    assert await redeemer.finish() == 1
    assert await redeemer.finish() == 0
    account = await shop.get("/v1/accounts/alice")
    assert (account["money"]["balance"], len(account["buckets"])) == (("0.00", 2) if "offer" in worth else ("10.00", 0))
    assert (await shop.get("/v1/audit"))["balanced"]


async def test_codes_are_nowhere_in_the_store(shop: Desk) -> None:
    codes = [code.replace(" ", "").encode() for code in await batch(shop)]
    await shop.post(PATH.format("alice"), {"code": codes[0].decode()}, "v1")
    assert isinstance(shop.ledger, StoreLedger)
    link = shop.ledger.link
    for key in await link.call("KEYS", "*"):
        dumped = key + (await link.call("DUMP", key))
        assert not any(code in dumped for code in codes)


async def test_what_makes_no_batch(shop: Desk) -> None:
    good = {"id": "a", "count": 1, "amount": "1.00", "currency": "EUR"}
    for wrong in (
        {"count": 0}, {"count": 10_001}, {"amount": "0"}, {"amount": None}, {"offer": "data-1gb"}, {"currency": None},
        {"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": "tomorrow"}, {"expires_at": "2030-01-01T00:00:00"},
        {"id": "a b"},
    ):  # fmt: skip
        problem(await shop.post("/v1/vouchers", good | wrong), 422, "invalid-request")
    problem(await shop.post("/v1/vouchers", {"id": "a", "count": 1, "offer": "none"}), 422, "unknown-offer")
    assert (await shop.get("/v1/vouchers"))["batches"] == []
    await batch(shop, "a", 1)
    problem(await shop.post("/v1/vouchers", good), 409, "taken")
    problem(await shop.client.get("/v1/vouchers/none"), 404, "no-such-batch")
    usd = await batch(shop, "usd", 1, amount="1.00", currency="USD")
    problem(await shop.post(PATH.format("alice"), {"code": usd[0]}, "v"), 422, "not-redeemed")
