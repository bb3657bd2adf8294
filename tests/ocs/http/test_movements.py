"""Top-ups, adjustments and gifts: once for each Idempotency-Key."""

import asyncio

import pytest

from charging.catalogue.load import parse, read_files
from tests.ocs.http.http_desk import Desk, problem


async def test_a_top_up_is_credited_once_for_its_key(desk: Desk) -> None:
    await desk.open()
    first = await desk.top_up("10.00")
    assert first.status_code == 201
    assert first.json()["amount"] == "10.00"
    assert first.json()["reference"] == "payment"
    assert first.json()["money"]["balance"] == "10.00"
    await desk.post("/v1/accounts/alice/adjustments", {"amount": "-1", "reason": "fee"}, "a1")
    again = await desk.top_up("10.00")
    assert again.status_code == 200
    assert again.content == first.content, "the answer is the first one's though the balance has moved"
    assert (await desk.get("/v1/accounts/alice"))["money"]["balance"] == "9.00"


async def test_the_amount_may_be_written_otherwise_in_a_repeat(desk: Desk) -> None:
    await desk.open()
    first = await desk.top_up("10.00")
    again = await desk.top_up("10")
    assert (again.status_code, again.content) == (200, first.content)


async def test_a_key_is_not_used_for_something_else(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("10.00")
    problem(await desk.top_up("10.01"), 409, "operation-conflict")
    other = {"amount": "10.00", "reference": "another"}
    problem(await desk.post("/v1/accounts/alice/topups", other, "k1"), 409, "operation-conflict")
    same = {"amount": "10.00", "reason": "payment"}
    problem(await desk.post("/v1/accounts/alice/adjustments", same, "k1"), 409, "operation-conflict")
    problem(await desk.post("/v1/accounts/alice/buckets", {"offer": "data-1gb"}, "k1"), 409, "operation-conflict")
    account = await desk.get("/v1/accounts/alice")
    assert account["money"]["balance"] == "10.00"
    assert account["buckets"] == []


async def test_of_many_repeats_at_once_one_is_the_first(desk: Desk) -> None:
    await desk.open()
    answers = await asyncio.gather(*(desk.top_up("1.00") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.content for answer in answers}) == 1
    assert (await desk.get("/v1/accounts/alice"))["money"]["balance"] == "1.00"


@pytest.mark.parametrize("path", ["topups", "adjustments", "buckets"])
async def test_a_key_is_required(desk: Desk, path: str) -> None:
    await desk.open()
    body = {"topups": {"amount": "1"}, "adjustments": {"amount": "1", "reason": "x"}, "buckets": {"offer": "data-1gb"}}
    problem(await desk.post(f"/v1/accounts/alice/{path}", body[path]), 400, "idempotency-key-required")
    problem(await desk.post(f"/v1/accounts/alice/{path}", body[path], "with space"), 422, "invalid-request")
    problem(await desk.post(f"/v1/accounts/alice/{path}", body[path], "x" * 129), 422, "invalid-request")
    assert (await desk.get("/v1/accounts/alice/entries"))["entries"] == []


@pytest.mark.parametrize(
    "amount", ["0", "-1", "1e3", "1,00", "0x10", "", "1.", " 1", "1\n", "NaN", "0.0000001", 10, 1.5]
)
async def test_what_is_no_amount_is_refused_with_its_place(quick: Desk, amount: object) -> None:
    await quick.open()
    answer = await quick.post("/v1/accounts/alice/topups", {"amount": amount}, "k1")
    details = problem(answer, 422, "invalid-request")
    assert details["errors"][0]["pointer"] == "#/amount"
    assert (await quick.get("/v1/accounts/alice"))["money"]["balance"] == "0.00"


async def test_the_smallest_amount_is_kept_exactly(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("0.000001")
    await desk.top_up("9007199254.740990", "k2")
    assert (await desk.get("/v1/accounts/alice"))["money"]["balance"] == "9007199254.740991"
    problem(await desk.top_up("0.000001", "k3"), 422, "out-of-range")


async def test_adjustments_go_both_ways_but_not_below_nothing(desk: Desk) -> None:
    await desk.open()
    path = "/v1/accounts/alice/adjustments"
    assert (await desk.post(path, {"amount": "2.00", "reason": "goodwill"}, "a1")).status_code == 201
    taken = await desk.post(path, {"amount": "-1.50", "reason": "fee"}, "a2")
    assert taken.status_code == 201
    assert taken.json()["amount"] == "-1.50"
    assert taken.json()["money"]["available"] == "0.50"
    problem(await desk.post(path, {"amount": "-0.51", "reason": "fee"}, "a3"), 422, "insufficient-funds")
    problem(await desk.post(path, {"amount": "0", "reason": "fee"}, "a4"), 422, "invalid-request")
    problem(await desk.post(path, {"amount": "1"}, "a5"), 422, "invalid-request")
    entries = (await desk.get("/v1/accounts/alice/entries"))["entries"]
    assert [entry["explanation"] for entry in entries] == [
        "Adjustment: credited 2.00 EUR (goodwill).",
        "Adjustment: debited 1.50 EUR (fee).",
    ]


async def test_a_bundle_is_given_once_for_its_key(desk: Desk) -> None:
    await desk.open()
    path = "/v1/accounts/alice/buckets"
    first = await desk.post(path, {"offer": "data-1gb"}, "g1")
    assert first.status_code == 201
    bucket = first.json()["bucket"]
    assert (bucket["offer"], bucket["unit"], bucket["initial"]) == ("data-1gb", "octets", 10**9)
    desk.now += 60_000
    again = await desk.post(path, {"offer": "data-1gb"}, "g1")
    assert (again.status_code, again.content) == (200, first.content)
    second = await desk.post(path, {"offer": "data-1gb"}, "g2")
    assert second.status_code == 201
    buckets = (await desk.get("/v1/accounts/alice"))["buckets"]
    assert {one["id"] for one in buckets} == {bucket["id"], second.json()["bucket"]["id"]}
    problem(await desk.post(path, {"offer": "data-9gb"}, "g3"), 422, "unknown-offer")


async def test_nobody_is_topped_up(desk: Desk) -> None:
    problem(await desk.top_up("1.00"), 404, "no-such-account")


METERED = parse(
    {
        **read_files("sample"),
        "meters.toml": b"""
[meters.roaming-month]
period = "month"
cap = "50.00 EUR"
""",
    }
)


async def test_consent_lifts_a_limit_once_and_stands_in_the_ledger(desk: Desk) -> None:
    desk.engine.publish(METERED)
    await desk.open()
    path = "/v1/accounts/alice/meters/roaming-month/lift"
    first = await desk.post(path, {"reference": "by phone"}, "l1")
    assert first.status_code == 201, first.text
    again = await desk.post(path, {"reference": "by phone"}, "l1")
    assert again.status_code == 200
    assert again.content == first.content
    other = await desk.post(path, {"reference": "by letter"}, "l1")
    problem(other, 409, "operation-conflict")
    account = await desk.get("/v1/accounts/alice")
    (meter,) = account["meters"]
    assert meter == {
        "name": "roaming-month", "unit": None, "used": 0, "reserved": 0, "limit": None, "spent": "0.00",
        "reserved_money": "0.00", "cap": "50.00", "lifted": True, "ends_at": first.json()["ends_at"],
    }  # fmt: skip
    entries = (await desk.get("/v1/accounts/alice/entries"))["entries"]
    assert entries[-1]["cause"] == "limit-lifted"
    assert entries[-1]["reference"] == "roaming-month by phone"


async def test_no_such_meter(desk: Desk) -> None:
    await desk.open()
    problem(await desk.post("/v1/accounts/alice/meters/none/lift", {}, "l1"), 422, "unknown-meter")


async def test_what_an_amount_looks_like_is_said_in_words(desk: Desk) -> None:
    await desk.open()
    answer = await desk.post("/v1/accounts/alice/topups", {"amount": "1,00 EUR"}, "t1")
    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert fault["pointer"] == "#/amount"
    assert fault["detail"].startswith("Expected an amount such as 1.50")
