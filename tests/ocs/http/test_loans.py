"""Emergency credits: taken once, when little is left, and repaid first."""

from tests.ocs.http.http_desk import Desk, problem

PATH = "/v1/accounts/alice/loans"


async def test_a_loan_is_taken_once_and_repaid_with_its_fee(desk: Desk) -> None:
    await desk.open()
    offer = {"amount": "2.00", "fee": "0.20", "when_below": "0.50"}
    assert await desk.get(PATH) == {"loan": None, "offer": offer}
    first = await desk.post(PATH, {}, "l1")
    assert first.status_code == 201, first.text
    assert first.json()["money"]["available"] == "2.00"
    again = await desk.post(PATH, {}, "l1")
    assert (again.status_code, again.content) == (200, first.content)
    problem(await desk.post(PATH, {}, "l2"), 422, "loan-outstanding")
    assert (await desk.get(PATH))["loan"]["outstanding"] == "2.20"
    part = await desk.top_up("1.00", "t1")
    assert (part.json()["repaid"], part.json()["money"]["balance"]) == ("1.00", "2.00")
    rest = await desk.top_up("5.00", "t2")
    assert (rest.json()["repaid"], rest.json()["money"]["balance"]) == ("1.20", "5.80")
    assert (await desk.top_up("5.00", "t2")).content == rest.content
    assert (await desk.get(PATH))["loan"] is None
    entries = (await desk.get("/v1/accounts/alice/entries"))["entries"]
    assert [one["cause"] for one in entries] == ["loan", "topup", "repayment", "topup", "repayment"]
    assert entries[-1]["explanation"] == "Loan repaid: debited 1.20 EUR (payment)."
    assert (await desk.get("/v1/audit"))["balanced"]


async def test_nobody_borrows_who_has_enough_or_is_suspended(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("0.50")
    problem(await desk.post(PATH, {}, "l1"), 422, "not-needed")
    await desk.client.patch("/v1/accounts/alice", json={"status": "suspended"})
    problem(await desk.post(PATH, {}, "l1"), 422, "not-active")
    problem(await desk.post(PATH, {}), 400, "idempotency-key-required")
    problem(await desk.post("/v1/accounts/nobody/loans", {}, "l1"), 404, "no-such-account")
    assert (await desk.get("/v1/accounts/alice"))["money"]["balance"] == "0.50"
