"""Accounts over HTTP."""

import pytest

from balances.ledger import Phase
from charging.event import Reason
from tests.ocs.http.http_desk import ALICE, Desk, problem


async def test_an_account_is_opened_and_read_back(desk: Desk) -> None:
    answer = await desk.post("/v1/accounts", ALICE | {"credit_limit": "2.5"})
    assert answer.status_code == 201
    assert answer.headers["location"] == "/v1/accounts/alice"
    expected = ALICE | {
        "status": "active",
        "credit_limit": "2.50",
        "parent": None,
        "billing": "own",
        "cap": None,
        "opened_at": "2026-01-15T10:00:00.000Z",
        "valid_until": None,
        "grace_until": None,
        "money": {"balance": "0.00", "reserved": "0.00", "available": "2.50", "overrun": "0.00"},
        "buckets": [],
        "meters": [],
        "sessions": [],
    }
    assert answer.json() == expected
    assert await desk.get("/v1/accounts/alice") == expected


async def test_an_account_shows_buckets_and_sessions(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("10.00")
    await desk.post("/v1/accounts/alice/buckets", {"offer": "data-1gb"}, "g1")
    await desk.charge(Phase.OPEN, wanted=1_200_000_000)
    account = await desk.get("/v1/accounts/alice")
    [bucket] = account["buckets"]
    [session] = account["sessions"]
    money = account["money"]
    assert bucket["offer"] == "data-1gb"
    assert bucket["initial"] == 10**9
    assert bucket["remaining"] + bucket["reserved"] == 10**9
    assert bucket["reserved"] > 0
    assert bucket["expires_at"] == "2026-02-14T10:00:00.000Z"
    assert session["id"] == "pgw.example.net;1;2"
    assert session["account"] == "alice"
    assert session["state"] == "open"
    assert session["reserved"] == money["reserved"]
    assert [(one["key"], one["unit"]) for one in session["holdings"]] == [("rg:10", "octets")]


@pytest.mark.parametrize(
    "identity", ["e164:491701234567", "imsi:262011234567890", "sip:alice@example.net"], ids=["e164", "imsi", "sip"]
)
async def test_an_account_is_found_by_each_identity(desk: Desk, identity: str) -> None:
    await desk.open()
    found = await desk.get(f"/v1/accounts?identity={identity}")
    assert [one["id"] for one in found["accounts"]] == ["alice"]
    assert found["next"] is None


async def test_nobody_is_found_by_an_unknown_identity(desk: Desk) -> None:
    assert await desk.get("/v1/accounts?identity=e164:1") == {"accounts": [], "next": None}


async def test_an_identity_without_a_type_is_refused(quick: Desk) -> None:
    details = problem(await quick.client.get("/v1/accounts?identity=491701234567"), 422, "invalid-request")
    assert details["errors"][0]["parameter"] == "identity"


async def test_accounts_are_listed_page_by_page(desk: Desk) -> None:
    names = [f"a{number}" for number in range(5)]
    for name in reversed(names):
        await desk.open(id=name, identities=[])
    seen: list[str] = []
    after = ""
    while after is not None:
        page = await desk.get(f"/v1/accounts?limit=2&after={after}")
        seen += [one["id"] for one in page["accounts"]]
        after = page["next"]
    assert seen == names


async def test_id_and_identity_are_given_once(desk: Desk) -> None:
    await desk.open()
    problem(await desk.post("/v1/accounts", ALICE | {"identities": []}), 409, "taken")
    problem(await desk.post("/v1/accounts", ALICE | {"id": "bob"}), 409, "taken")
    problem(await desk.client.get("/v1/accounts/bob"), 404, "no-such-account")


async def test_a_member_needs_its_parent(desk: Desk) -> None:
    child = {"id": "child", "identities": [], "parent": "alice"}
    problem(await desk.post("/v1/accounts", ALICE | child), 404, "no-such-account")
    await desk.open()
    await desk.open(**child)
    assert (await desk.get("/v1/accounts/child"))["parent"] == "alice"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"plan": "gold"}, "unknown-plan"),
        ({"currency": "USD"}, "wrong-currency"),
        ({"credit_limit": "-1"}, "invalid-request"),
        ({"credit_limit": "1.0000001"}, "invalid-request"),
        ({"credit_limit": "9999999999"}, "invalid-request"),
        ({"identities": [{"type": "e164", "value": "+49"}]}, "invalid-request"),
        ({"identities": [{"type": "sip", "value": "a@b"}] * 2}, "invalid-request"),
        ({"identities": [{"type": "mail", "value": "a@b"}]}, "invalid-request"),
        ({"id": "with space"}, "invalid-request"),
        ({"id": "x/y"}, "invalid-request"),
        ({"balance": "10"}, "invalid-request"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_wrong_account_is_refused_whole(desk: Desk, change: dict[str, object], kind: str) -> None:
    problem(await desk.post("/v1/accounts", ALICE | change), 422, kind)
    assert (await desk.get("/v1/accounts"))["accounts"] == []


async def test_terms_are_changed_one_by_one(desk: Desk) -> None:
    await desk.open()
    path = "/v1/accounts/alice"
    assert (await desk.client.patch(path, json={"status": "suspended"})).json()["status"] == "suspended"
    changed = (await desk.client.patch(path, json={"credit_limit": "5"})).json()
    assert (changed["status"], changed["credit_limit"], changed["money"]["available"]) == ("suspended", "5.00", "5.00")
    await desk.client.patch(path, json={"identities": [{"type": "nai", "value": "al@example.net"}]})
    account = await desk.get(path)
    assert account["identities"] == [{"type": "nai", "value": "al@example.net"}]
    assert (await desk.get("/v1/accounts?identity=e164:491701234567"))["accounts"] == []
    assert account["plan"] == "prepaid-basic"


async def test_a_suspended_account_is_granted_nothing(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("10.00")
    await desk.client.patch("/v1/accounts/alice", json={"status": "suspended"})
    outcome = await desk.charge(Phase.OPEN, wanted=1_000_000)
    assert [(item.granted or 0, item.reason) for item in outcome.items] == [(0, Reason.BARRED)]
    await desk.client.patch("/v1/accounts/alice", json={"status": "active"})
    outcome = await desk.charge(Phase.OPEN, session="another", wanted=1_000_000)
    assert [item.granted for item in outcome.items] == [1_000_000]


async def test_wrong_terms_change_nothing(desk: Desk) -> None:
    await desk.open()
    path = "/v1/accounts/alice"
    before = await desk.get(path)
    problem(await desk.client.patch(path, json={"plan": "gold"}), 422, "unknown-plan")
    problem(await desk.client.patch(path, json={"status": "asleep"}), 422, "invalid-request")
    problem(await desk.client.patch(path, json={"currency": "USD"}), 422, "invalid-request")
    problem(await desk.client.patch(path, json={"status": None}), 422, "invalid-request")
    problem(await desk.client.patch("/v1/accounts/bob", json={"status": "active"}), 404, "no-such-account")
    assert await desk.get(path) == before


async def test_a_credit_limit_in_use_stays(desk: Desk) -> None:
    await desk.open(credit_limit="5")
    await desk.post("/v1/accounts/alice/adjustments", {"amount": "-4", "reason": "fee"}, "a1")
    answer = await desk.client.patch("/v1/accounts/alice", json={"credit_limit": "3"})
    problem(answer, 422, "insufficient-funds")


async def test_entries_explain_themselves_page_by_page(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("10.00")
    await desk.post("/v1/accounts/alice/buckets", {"offer": "data-1gb"}, "g1")
    await desk.charge(Phase.OPEN, wanted=2_000_000)
    path = "/v1/accounts/alice/entries"
    first = await desk.get(f"{path}?limit=2")
    rest = await desk.get(f"{path}?limit=2&after={first['next']}")
    entries = first["entries"] + rest["entries"]
    assert [entry["explanation"] for entry in entries] == [
        "Top-up: credited 10.00 EUR (payment).",
        "Bundle given: credited 1 GB of bucket data-1gb#1 (data-1gb).",
        "Session opened over diameter: reserved 2 MB of bucket data-1gb#1.",
    ]
    assert rest["next"] is None
    [line] = entries[0]["lines"]
    assert line == {
        "bucket": "money", "asset": "EUR", "credited": "10.00", "debited": "0.00", "reserved": "0.00",
        "overrun": "0.00", "before": "0.00", "after": "10.00",
    }  # fmt: skip
    assert entries[2]["lines"][0]["reserved"] == 2_000_000
    assert entries[2]["session"] == "pgw.example.net;1;2"


async def test_entries_of_nobody(quick: Desk) -> None:
    problem(await quick.client.get("/v1/accounts/bob/entries"), 404, "no-such-account")
