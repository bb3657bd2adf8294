"""How accounts live, over the API: opened as their plan says, extended by money and by operators, over in time."""

from collections.abc import AsyncIterator

import httpx
import pytest

from balances.ledger import Ledger, Phase
from balances.store import StoreLedger
from charging.catalogue.load import parse, read_files
from tests.ledgers import empty_store
from tests.ocs.http.http_desk import Desk, problem

ALICE = "/v1/accounts/alice"
PLANS = b"""
[plans.opened]
currency = "EUR"
data = [{ rate = "data-standard" }]
[plans.opened.life]
active = "30 days"
grace = "10 days"
extends = [{ topup = "5.00", by = "60 days" }]

[plans.used]
currency = "EUR"
data = [{ rate = "data-standard" }]
[plans.used.life]
begins = "first use"
active = "90 days"

[plans.filled]
currency = "EUR"
data = [{ rate = "data-standard" }]
[plans.filled.life]
begins = "top-up"
active = "30 days"
"""
CATALOGUE = parse({**read_files("sample"), "lives.toml": PLANS})
FEBRUARY, MARCH = "2026-02-15T00:00:00.000Z", "2026-03-17T00:00:00.000Z"
FOR_EVER = {"valid_until": None, "grace_until": None}
DAY = 86_400_000


@pytest.fixture
async def desk(ledger: Ledger) -> AsyncIterator[Desk]:
    desk = Desk(ledger, catalogue=CATALOGUE)
    yield desk
    await desk.client.aclose()


async def life(desk: Desk) -> tuple[str, str | None, str | None]:
    account = await desk.get(ALICE)
    return account["status"], account["valid_until"], account["grace_until"]


async def told(desk: Desk) -> list[str]:
    """What the ledger says of the account's life."""
    entries = (await desk.get(f"{ALICE}/entries"))["entries"]
    return [one["explanation"] for one in entries if not one["lines"]]


async def change(desk: Desk, **terms: str | None) -> httpx.Response:
    return await desk.client.patch(ALICE, json=terms)


async def pass_days(desk: Desk, days: int) -> None:
    desk.now += days * DAY
    await desk.ledger.expire(desk.now, 100)


@pytest.mark.parametrize(
    ("plan", "opened"),
    [
        ("opened", ("active", FEBRUARY, "2026-02-25T00:00:00.000Z")),
        ("used", ("pre-active", None, None)),
        ("filled", ("pre-active", None, None)),
        ("prepaid-basic", ("active", None, None)),
    ],
)
async def test_an_account_is_opened_as_its_plan_says(desk: Desk, plan: str, opened: tuple[str, None, None]) -> None:
    await desk.open(plan=plan)
    assert await life(desk) == opened
    assert await told(desk) == []


async def test_a_first_use_activates_and_is_an_entry_in_words(desk: Desk) -> None:
    await desk.open(plan="used")
    await desk.top_up("10.00")
    assert await life(desk) == ("pre-active", None, None)
    await desk.charge(Phase.OPEN, wanted=1_000_000)
    assert await life(desk) == ("active", "2026-04-16T00:00:00.000Z", None)
    assert await told(desk) == ["Active from now on over diameter (until 2026-04-16T00:00:00Z)."]


async def test_a_top_up_activates_once(desk: Desk) -> None:
    await desk.open(plan="filled")
    first = await desk.top_up("1.00")
    assert await life(desk) == ("active", FEBRUARY, None)
    desk.now += DAY
    again = await desk.top_up("1.00")
    assert (again.status_code, again.content) == (200, first.content)
    assert await life(desk) == ("active", FEBRUARY, None)
    assert await told(desk) == ["Active from now on (until 2026-02-15T00:00:00Z)."]


async def test_a_top_up_extends_once_and_ends_a_grace(desk: Desk) -> None:
    await desk.open(plan="opened")
    await desk.top_up("4.99", "k0")
    assert (await life(desk))[1] == FEBRUARY
    first = await desk.top_up("5.00")
    assert (await life(desk))[1:] == (MARCH, "2026-03-27T00:00:00.000Z")
    desk.now += DAY
    again = await desk.top_up("5.00")
    assert (again.status_code, again.content) == (200, first.content)
    assert (await life(desk))[1] == MARCH
    await pass_days(desk, 60)
    assert (await life(desk))[0] == "grace"
    await desk.top_up("5.00", "k2")
    assert await life(desk) == ("active", "2026-05-17T00:00:00.000Z", "2026-05-27T00:00:00.000Z")
    assert await told(desk) == [
        "Validity changed (until 2026-03-17T00:00:00Z).",
        "Validity over, in grace.",
        "Validity changed (until 2026-05-17T00:00:00Z).",
    ]


@pytest.fixture
async def shop(store_url: str) -> AsyncIterator[Desk]:
    """Vouchers are kept in a store only."""
    async with empty_store(store_url) as link:
        ledger = StoreLedger(link)
        await ledger.prepare()
        desk = Desk(ledger, catalogue=CATALOGUE)
        yield desk
        await desk.client.aclose()


async def test_a_voucher_extends_as_a_top_up_does_once(shop: Desk) -> None:
    await shop.open(plan="opened")
    made = await shop.post("/v1/vouchers", {"id": "spring", "count": 1, "amount": "5.00", "currency": "EUR"})
    await shop.client.patch("/v1/vouchers/spring", json={"state": "active"})
    (code,) = made.json()["codes"]
    first = await shop.post(f"{ALICE}/vouchers", {"code": code}, "v1")
    assert first.status_code == 201, first.text
    assert (await life(shop))[1] == MARCH
    shop.now += DAY
    again = await shop.post(f"{ALICE}/vouchers", {"code": code}, "v1")
    assert (again.status_code, again.content) == (200, first.content)
    assert (await life(shop))[1] == MARCH
    assert await told(shop) == ["Validity changed (until 2026-03-17T00:00:00Z)."]


async def test_time_moves_an_account_on_and_only_an_operator_takes_it_back(desk: Desk) -> None:
    await desk.open(plan="opened")
    await pass_days(desk, 31)
    assert (await life(desk))[0] == "grace"
    await pass_days(desk, 10)
    assert (await life(desk))[0] == "closed"
    await desk.top_up("5.00")
    assert (await life(desk))[0] == "closed"
    assert (await change(desk, status="active", **FOR_EVER)).json()["status"] == "active"
    assert await told(desk) == [
        "Validity over, in grace.",
        "Grace over, closed.",
        "State changed by an operator (active).",
        "Validity changed (without end).",
    ]


async def test_an_operator_s_extension_ends_a_grace(desk: Desk) -> None:
    await desk.open(plan="opened")
    await pass_days(desk, 31)
    prolonged = (await change(desk, valid_until=FEBRUARY, grace_until="2026-03-01T00:00:00Z")).json()
    assert (prolonged["status"], prolonged["grace_until"]) == ("grace", "2026-03-01T00:00:00.000Z")
    extended = (await change(desk, valid_until="2026-06-01T02:00:00+02:00", grace_until=None)).json()
    assert await life(desk) == ("active", "2026-06-01T00:00:00.000Z", None)
    assert (extended["status"], extended["valid_until"]) == ("active", "2026-06-01T00:00:00.000Z")
    await change(desk, **FOR_EVER)
    assert await life(desk) == ("active", None, None)
    before = await told(desk)
    await change(desk, **FOR_EVER)
    assert await told(desk) == before, "nothing has changed"


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"valid_until": "2027-01-01T00:00:00Z"}, "/valid_until"),
        ({"grace_until": None}, "/valid_until"),
        ({"valid_until": "2027-01-01T00:00:00", "grace_until": None}, "/valid_until"),
        ({"valid_until": "tomorrow", "grace_until": None}, "/valid_until"),
        ({"valid_until": "2027-01-01T00:00:00Z", "grace_until": "2027-02-01"}, "/grace_until"),
        ({"valid_until": "2027-01-01T00:00:00Z", "grace_until": "2026-12-31T23:59:59Z"}, "/grace_until"),
        ({"valid_until": None, "grace_until": "2027-01-01T00:00:00Z"}, "/grace_until"),
        ({"valid_until": "1969-01-01T00:00:00Z", "grace_until": None}, "/grace_until"),
        ({"valid_until": 1, "grace_until": None}, "/valid_until"),
    ],
    ids=str,
)
async def test_a_validity_that_makes_no_sense_changes_nothing(
    desk: Desk, terms: dict[str, str | None], pointer: str
) -> None:
    await desk.open(plan="opened")
    before = await desk.get(ALICE)
    details = problem(await change(desk, status="suspended", **terms), 422, "invalid-request")
    assert details["errors"][0]["pointer"] == f"#{pointer}"
    assert await desk.get(ALICE) == before
