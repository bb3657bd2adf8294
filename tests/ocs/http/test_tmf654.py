"""TMF654 v4: requests in the shape of its specification are accepted, and do what our own API does."""

from typing import Any

import httpx

from tests.ocs.http.http_desk import ALICE, Desk

BASE = "/tmf-api/prepayBalanceManagement/v4"

COMMON: dict[str, Any] = {
    "description": "Requested by the subscriber in the self-care portal",
    "reason": "self-care",
    "usageType": "monetary",
    "amount": {"amount": 10.25, "units": "EUR"},
    "bucket": {"id": "alice", "href": f"https://host:port{BASE}/bucket/alice", "name": "Main", "@type": "BucketRef"},
    "channel": {"id": "1", "name": "SelfCare", "@referredType": "Channel"},
    "logicalResource": [{"id": "1", "value": "491701234567", "@type": "MSISDN", "@referredType": "LogicalResource"}],
    "product": [{"id": "5", "href": "https://host:port/product/5", "name": "Prepaid", "@referredType": "Product"}],
    "requestor": {"id": "agent-7", "role": "agent", "@referredType": "Individual"},
    "validFor": {"startDateTime": "2026-01-15T00:00:00Z"},
    "@baseType": "Task",
    "@schemaLocation": "https://host:port/schema/Task.schema.json",
}
"""All members that the specification's create requests share."""

TOP_UP = COMMON | {
    "@type": "TopupBalance",
    "isAutoTopup": False,
    "partyAccount": {"id": "alice", "name": "Alice", "status": "active", "@referredType": "PartyAccount"},
    "paymentMethod": {"id": "8", "name": "card", "@referredType": "TokenizedCard"},
    "balanceTopup": {"id": "1", "href": "https://host:port/topupBalance/1", "role": "parent"},
}
TRANSFER = COMMON | {
    "@type": "TransferBalance",
    "amount": {"amount": 1, "units": "EUR"},
    "costOwner": "originator",
    "receiver": {"id": "bob", "role": "receiver"},
    "receiverBucket": {"id": "bob"},
    "receiverBucketUsageType": "monetary",
    "receiverLogicalResource": {"id": "2", "value": "491709999999"},
    "receiverProduct": {"id": "6"},
    "transferCost": {"unit": "EUR", "value": 0.1},
}


async def open_both(desk: Desk) -> None:
    await desk.open()
    identity = {"type": "e164", "value": "491709999999"}
    assert (await desk.post("/v1/accounts", ALICE | {"id": "bob", "identities": [identity]})).status_code == 201


def error(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["code"] == code
    assert answer.json()["status"] == str(status)
    assert answer.json()["reason"]


async def test_a_top_up(desk: Desk) -> None:
    await open_both(desk)
    first = await desk.post(f"{BASE}/topupBalance", TOP_UP, "k1")
    assert first.status_code == 201, first.text
    made = first.json()
    assert (made["status"], made["@type"], made["amount"]) == (
        "completed", "TopupBalance", {"amount": 10.25, "units": "EUR"},
    )  # fmt: skip
    again = await desk.post(f"{BASE}/topupBalance", TOP_UP, "k1")
    assert (again.status_code, again.content) == (200, first.content)
    assert (await desk.get("/v1/accounts/alice"))["money"]["balance"] == "10.25"
    assert first.headers["location"] == made["href"]
    assert await desk.get(made["href"]) == made
    assert await desk.get(f"{BASE}/topupBalance?partyAccount.id=alice") == [made]
    assert await desk.get(f"{BASE}/topupBalance?logicalResource.id=%2B491701234567&fields=status") == [
        {"id": made["id"], "href": made["href"], "status": "completed"}
    ]


async def test_whom_a_task_is_about(desk: Desk) -> None:
    await open_both(desk)
    for name in ("bucket", "partyAccount", "logicalResource"):
        only = {key: TOP_UP[key] for key in ("amount", name)}
        assert (await desk.post(f"{BASE}/topupBalance", only)).status_code == 201
    assert (await desk.get("/v1/accounts/alice"))["money"]["balance"] == "30.75"
    error(await desk.post(f"{BASE}/topupBalance", {"amount": {"amount": 1}}), 422, "invalid-request")
    error(await desk.post(f"{BASE}/topupBalance", TOP_UP | {"bucket": {"id": "x"}}), 404, "no-such-account")


async def test_an_adjustment(desk: Desk) -> None:
    await open_both(desk)
    await desk.top_up("5.00")
    body = COMMON | {"@type": "AdjustBalance", "adjustType": "oneTime", "amount": {"amount": -1.5, "units": "EUR"}}
    done = await desk.post(f"{BASE}/adjustBalance", body)
    assert done.status_code == 201, done.text
    assert (await desk.get(done.json()["href"]))["amount"] == {"amount": -1.5, "units": "EUR"}
    assert (await desk.get("/v1/accounts/alice"))["money"]["balance"] == "3.50"
    error(await desk.post(f"{BASE}/adjustBalance", body | {"amount": {"amount": -9}}), 422, "insufficient-funds")


async def test_a_transfer(desk: Desk) -> None:
    await open_both(desk)
    await desk.top_up("5.00")
    done = await desk.post(f"{BASE}/transferBalance", TRANSFER, "x1")
    assert done.status_code == 201, done.text
    assert (await desk.post(f"{BASE}/transferBalance", TRANSFER, "x1")).status_code == 200
    by_number = {name: TRANSFER[name] for name in ("amount", "logicalResource", "receiverLogicalResource")}
    assert (await desk.post(f"{BASE}/transferBalance", by_number)).status_code == 201
    assert (await desk.get("/v1/accounts/alice"))["money"]["balance"] == "2.80"
    assert (await desk.get("/v1/accounts/bob"))["money"]["balance"] == "2.00"
    assert len(await desk.get(f"{BASE}/transferBalance?partyAccount.id=alice")) == 2
    error(await desk.post(f"{BASE}/transferBalance", TRANSFER | {"costOwner": "receiver"}), 422, "invalid-request")


async def test_a_transfer_is_read_as_it_was_answered(desk: Desk) -> None:
    await open_both(desk)
    await desk.top_up("5.00")
    made = (await desk.post(f"{BASE}/transferBalance", TRANSFER)).json()
    assert made["reason"] == "self-care"
    assert made["receiverBucket"]["id"] == "bob"
    assert made["receiverLogicalResource"] == {"id": "e164:491709999999", "value": "491709999999"}
    assert [one["id"] for one in made["logicalResource"]] == [
        "e164:491701234567", "imsi:262011234567890", "sip:alice@example.net",
    ]  # fmt: skip
    assert await desk.get(made["href"]) == made
    assert await desk.get(f"{BASE}/transferBalance?partyAccount.id=alice") == [made]


async def test_a_list_says_how_many_there_are_of_how_many(desk: Desk) -> None:
    await open_both(desk)
    for _ in range(3):
        await desk.post(f"{BASE}/topupBalance", TOP_UP)
    page = await desk.client.get(f"{BASE}/topupBalance?partyAccount.id=alice&offset=1&limit=1")
    assert (page.headers["x-result-count"], page.headers["x-total-count"]) == ("1", "3")


STATES = {
    "pre-active": "suspended", "active": "active", "grace": "expired", "suspended": "suspended", "closed": "expired",
}  # fmt: skip


async def test_the_state_of_an_account_is_that_of_its_buckets(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("5.00")
    await desk.post("/v1/accounts/alice/buckets", {"offer": "data-1gb"}, "k2")
    ends = {"valid_until": "2026-06-01T00:00:00Z", "grace_until": None}
    await desk.client.patch("/v1/accounts/alice", json=ends)
    for state, said in STATES.items():
        await desk.client.patch("/v1/accounts/alice", json={"status": state})
        money, bundle = await desk.get(f"{BASE}/bucket?partyAccount.id=alice")
        assert (money["status"], bundle["status"]) == (said, said), state
        assert money["validFor"]["endDateTime"] == "2026-06-01T00:00:00.000Z"
        sums = await desk.get(f"{BASE}/accumulatedBalance?partyAccount.id=alice")
        assert [one["totalBalance"]["amount"] for one in sums] == [5, 10**9], "it is there, whatever the state"


async def test_buckets_and_their_sums(desk: Desk) -> None:
    await open_both(desk)
    await desk.top_up("5.00")
    for key in ("g1", "g2"):
        await desk.post("/v1/accounts/alice/buckets", {"offer": "data-1gb"}, key)
    money, first, second = await desk.get(f"{BASE}/bucket?partyAccount.id=alice")
    assert (money["id"], money["usageType"], money["remainingValue"]) == (
        "alice", "monetary", {"amount": 5.0, "units": "EUR"},
    )  # fmt: skip
    assert (first["usageType"], first["remainingValue"]) == ("data", {"amount": 10**9, "units": "octets"})
    assert await desk.get(second["href"]) == second
    sums = await desk.get(f"{BASE}/accumulatedBalance?logicalResource.id=491701234567")
    assert [(one["name"], one["totalBalance"]["amount"]) for one in sums] == [("monetary", 5.0), ("data", 2 * 10**9)]
    assert await desk.get(sums[1]["href"]) == sums[1]
    assert [one["id"] for one in await desk.get(f"{BASE}/bucket?offset=3&limit=5")] == ["bob"]
    error(await desk.client.get(f"{BASE}/bucket/alice!none"), 404, "not-found")
    error(await desk.client.get(f"{BASE}/bucket/nobody"), 404, "no-such-account")
    error(await desk.client.get(f"{BASE}/bucket?limit=0"), 422, "invalid-request")


async def test_what_is_refused_says_why(desk: Desk) -> None:
    await open_both(desk)
    for wrong, code in (
        ({"amount": {"amount": 1, "units": "USD"}}, "invalid-request"),
        ({"amount": {"amount": 1, "units": "GB"}, "usageType": "data"}, "invalid-request"),
        ({"amount": {"amount": 0.0000001}}, "invalid-request"),
        ({"amount": {"amount": 1e300}}, "invalid-request"),
        ({"amount": {"amount": -1}}, "invalid-request"),
        ({"recurringPeriod": "monthly", "isAutoTopup": True}, "invalid-request"),
        ({"voucher": "1234"}, "not-offered" if desk.house.redeemer is None else "not-redeemed"),
        ({"bucket": {"id": "alice!data-1gb#1"}}, "invalid-request"),
    ):
        error(await desk.post(f"{BASE}/topupBalance", TOP_UP | wrong), 422, code)
    assert (await desk.get("/v1/accounts/alice/entries"))["entries"] == []
