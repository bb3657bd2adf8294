"""Credit sessions over HTTP."""

from urllib.parse import quote

import pytest

from balances.ledger import Phase
from tests.ocs.http.http_desk import Desk, problem


async def test_open_sessions_are_listed_of_all_and_of_one(desk: Desk) -> None:
    await desk.open()
    await desk.open(id="bob", identities=[])
    await desk.top_up("10.00")
    await desk.charge(Phase.OPEN, wanted=10_000_000)
    [session] = (await desk.get("/v1/sessions"))["sessions"]
    assert session["account"] == "alice"
    assert session["door"] == "diameter"
    assert session["reserved"] == "0.10"
    [holding] = session["holdings"]
    assert (holding["key"], holding["granted"], holding["cost"]) == ("rg:10", 10_000_000, "0.10")
    assert (await desk.get("/v1/sessions?account=alice"))["sessions"] == [session]
    assert (await desk.get("/v1/sessions?account=bob"))["sessions"] == []
    problem(await desk.client.get("/v1/sessions?account=carol"), 404, "no-such-account")


@pytest.mark.parametrize("name", ["pgw.example.net;1;2", "a/b@c", "100%/abort", "x y?z#"])
async def test_a_session_is_read_by_any_id(desk: Desk, name: str) -> None:
    await desk.open()
    await desk.top_up("10.00")
    await desk.charge(Phase.OPEN, session=name, wanted=10_000_000)
    session = await desk.get(f"/v1/sessions/{quote(name, safe='')}")
    assert (session["id"], session["state"]) == (name, "open")


async def test_an_aborted_session_is_closed_and_gives_back_what_it_held(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("10.00")
    await desk.charge(Phase.OPEN, wanted=10_000_000)
    path = "/v1/sessions/pgw.example.net;1;2"
    answer = await desk.client.post(f"{path}/abort")
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["reserved"]) == ("closed", "0.00")
    assert desk.aborted == ["pgw.example.net;1;2"]
    assert (await desk.get("/v1/sessions"))["sessions"] == []
    assert (await desk.get("/v1/accounts/alice"))["money"]["reserved"] == "0.00"
    problem(await desk.client.post(f"{path}/abort"), 409, "session-ended")
    assert len(desk.aborted) == 1


async def test_an_unknown_session(desk: Desk) -> None:
    problem(await desk.client.get("/v1/sessions/x"), 404, "no-such-session")
    problem(await desk.client.post("/v1/sessions/x/abort"), 404, "no-such-session")
