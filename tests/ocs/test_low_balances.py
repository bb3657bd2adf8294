"""Accounts that run low are found, followed and let go."""

from typing import Any

import pytest

from balances.ledger import Ledger, Phase
from ocs import low_balances
from tests.ledgers import ledger, store_url
from tests.ocs.http.http_desk import Desk

__all__ = ["ledger", "store_url"]


async def open_with(desk: Desk, account: str, amount: str, **more: Any) -> None:
    await desk.post(
        "/v1/accounts", {"id": account, "plan": "prepaid-basic", "currency": "EUR", "identities": []} | more
    )
    await desk.post(f"/v1/accounts/{account}/topups", {"amount": amount}, f"k-{account}")


def low(desk: Desk) -> list[str]:
    return [account.address.account for account in desk.low.lowest(10)]


async def test_a_walk_finds_all_who_are_low(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low_balances, "PAGE", 2)
    desk = Desk(ledger)
    for number in range(5):
        await open_with(desk, f"a{number}", f"0.{9 - number}0")
    await open_with(desk, "rich", "5.00")
    await open_with(desk, "postpaid", "0.10", credit_limit="100")
    await open_with(desk, "suspended", "0.01")
    await desk.client.patch("/v1/accounts/suspended", json={"status": "suspended"})
    for _ in range(6):
        await desk.low.round()
    assert low(desk) == ["a4", "a3", "a2", "a1", "a0"]
    await desk.client.aclose()


async def test_what_the_journal_hears_is_looked_at_at_once(ledger: Ledger) -> None:
    desk = Desk(ledger)
    await desk.open()
    await desk.top_up("1.05")
    await desk.low.round()
    assert low(desk) == []
    desk.low._after = "zzz"  # the walk is elsewhere
    await desk.charge(Phase.OPEN, wanted=10_000_000)
    address = await ledger.address("alice")
    assert address is not None
    for entry in await ledger.entries(address):
        desk.low.heard(entry)
    await desk.low.round()
    assert low(desk) == ["alice"]
    desk.low._after = "zzz"
    await desk.top_up("5.00", "k2")
    desk.low.heard((await ledger.entries(address))[-1])
    await desk.low.round()
    assert low(desk) == []
    await desk.client.aclose()
