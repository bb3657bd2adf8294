"""Chains of accounts: docs/resellers.md says only what is so, and what each level is asked to pay is its own affair."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from balances.ledger import (
    AccountChange,
    Address,
    Billing,
    Charge,
    Identity,
    IdentityType,
    Ledger,
    NewAccount,
    NotChargeable,
    OutOfRange,
    Status,
    Unit,
    Verdict,
)
from balances.money import parse_amount
from charging.catalogue import Catalogue, parse
from charging.event import Action, Phase, Reason, RequestItem, Result
from charging.settings import ChargingSettings
from ocs.abort import aborter
from tests.charging.desk import CALL, MAIN, Desk

PAGE = (Path(__file__).parents[2] / "docs" / "resellers.md").read_text()
(CATALOGUE,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
TABLE = re.findall(r"^\| (alice|dealer|carrier) \| (\d) \| ([\d.]+) \| ([\d.]*) ?\|$", PAGE, re.MULTILINE)
ITEM = RequestItem(key="v", wanted=60)


@pytest.fixture
def catalogue() -> Catalogue:
    return parse({"page.toml": CATALOGUE.encode()})


@pytest.fixture
def desk(ledger: Ledger, catalogue: Catalogue) -> Desk:
    return Desk(ledger, catalogue)


async def opened(
    desk: Desk, name: str, money: str = "0", parent: str | None = None, billing: Billing = Billing.OWN, **more: object
) -> Address:
    new = NewAccount(id=name, currency="EUR", parent=parent, billing=billing, **{"plan": name, **more})  # type: ignore[arg-type]
    account = await desk.ledger.open_account(new, desk.now)
    if parse_amount(money):
        await desk.top_up(account.address, money)
    return account.address


async def three(desk: Desk, carrier: str = "1", dealer: str = "1", alice: str = "1") -> tuple[Address, ...]:
    return (
        await opened(desk, "carrier", carrier),
        await opened(desk, "dealer", dealer, "carrier", Billing.RESOLD),
        await opened(desk, "alice", alice, "dealer", Billing.RESOLD, plan="retail", identities=(MAIN,)),
    )


async def call(desk: Desk, phase: Phase, used: int = 0, session: str = "s", **more: object) -> object:
    wanted = ITEM.wanted if phase in (Phase.OPEN, Phase.UPDATE, Phase.EVENT) else None
    item = RequestItem(key="v", used=used, wanted=wanted, unit=Unit.SECONDS)
    return await desk.say(phase, item, session=session, service=CALL, **more)


async def test_the_pages_example_is_charged_as_it_says(desk: Desk) -> None:
    accounts = dict(zip(("carrier", "dealer", "alice"), await three(desk), strict=True))
    await call(desk, Phase.OPEN)
    await call(desk, Phase.UPDATE, 30)
    await call(desk, Phase.CLOSE, 20)
    assert [row[0] for row in TABLE] == ["alice", "dealer", "carrier"]
    for name, level, debited, margin in TABLE:
        entries = [one for one in await desk.ledger.entries(accounts[name]) if one.session]
        assert {one.level for one in entries} == {int(level)}
        assert sum(line.debited for one in entries for line in one.lines) == parse_amount(debited)
        margins = [one.margin for one in entries if one.margin is not None]
        assert (sum(margins) if margin else margins) == (parse_amount(margin) if margin else [])
    assert (await desk.ledger.audit()).balanced


async def test_the_grant_is_the_least(desk: Desk) -> None:
    await three(desk, carrier="0.006", dealer="0.012")
    outcome = await call(desk, Phase.OPEN)
    assert (outcome.items[0].granted, outcome.items[0].cost) == (15, 15_000)  # type: ignore[attr-defined]
    assert outcome.items[0].final is not None  # type: ignore[attr-defined]


@pytest.mark.parametrize(("poor", "short"), [("carrier", "carrier"), ("dealer", "dealer"), ("alice", "")])
async def test_an_empty_wallet_refuses_and_is_told_apart(desk: Desk, poor: str, short: str) -> None:
    await three(desk, **{poor: "0"})
    outcome = await desk.say(Phase.OPEN, ITEM, service=CALL)
    assert (outcome.result, outcome.short) == (Result.NO_CREDIT, short)
    assert not any(name in outcome.reason for name in ("carrier", "dealer", "alice"))
    assert [one.money.reserved for one in await desk.ledger.accounts()] == [0, 0, 0]


async def test_a_suspended_seller_refuses_new_use_and_settles_what_runs(desk: Desk) -> None:
    _, dealer, alice = await three(desk)
    await call(desk, Phase.OPEN)
    await desk.ledger.change_account(dealer, AccountChange(status=Status.SUSPENDED), desk.now)
    outcome = await desk.say(Phase.UPDATE, replace(ITEM, used=30, unit=Unit.SECONDS), service=CALL)
    assert (outcome.items[0].granted, outcome.items[0].reason, outcome.short) == (0, Reason.BARRED, "dealer")
    assert await desk.money(alice) == (970_000, 0)
    assert await desk.money(dealer) == (982_000, 0)
    refused = await desk.say(Phase.OPEN, ITEM, session="t", service=CALL)
    assert (refused.result, refused.short) == (Result.BARRED, "dealer")


async def test_a_sellers_new_plan_holds_from_the_next_request_on(desk: Desk) -> None:
    carrier, dealer, alice = await three(desk)
    await call(desk, Phase.OPEN)
    await desk.ledger.change_account(dealer, AccountChange(plan="carrier"), desk.now)
    await call(desk, Phase.UPDATE, 10)
    assert desk.notices.seen == [("reread", "stale")]
    await call(desk, Phase.CLOSE, 10)
    assert 1_000_000 - (await desk.money(dealer))[0] == 10 * 600 + 10 * 400
    assert 1_000_000 - (await desk.money(alice))[0] == 20 * 1000
    assert 1_000_000 - (await desk.money(carrier))[0] == 20 * 400


async def test_a_seller_without_a_price_cannot_provide(desk: Desk) -> None:
    _, dealer, _ = await three(desk)
    await desk.ledger.change_account(dealer, AccountChange(plan="nothing"), desk.now)
    outcome = await desk.say(Phase.OPEN, ITEM, service=CALL)
    assert (outcome.result, outcome.short) == (Result.UNRATEABLE, "dealer")


async def test_a_refund_reaches_every_level(desk: Desk) -> None:
    carrier, dealer, alice = await three(desk)
    await desk.say(Phase.EVENT, ITEM, session="e", service=CALL)
    assert await desk.money(carrier) == (976_000, 0)
    outcome = await desk.ask(Action.REFUND, RequestItem(key="v"), session="r", refund_of="e", service=CALL)
    assert (outcome.result, outcome.spent) == (Result.OK, 60_000)
    assert [await desk.money(one) for one in (carrier, dealer, alice)] == [(1_000_000, 0)] * 3


async def test_prices_are_told_for_each_level(desk: Desk) -> None:
    await three(desk, dealer="0")
    explained = await desk.engine.explain(desk.event(Phase.OPEN, ITEM, service=CALL))
    assert (explained.price, explained.result) == (60_000, Result.NO_CREDIT)
    told = [(level.account, level.plan, level.price, level.margin, level.reason) for level in explained.levels]
    assert told == [
        ("dealer", "dealer", 36_000, 24_000, Reason.NO_CREDIT),
        ("carrier", "carrier", 24_000, 12_000, Reason.NONE),
    ]
    check = await desk.ask(Action.CHECK_BALANCE, ITEM, service=CALL)
    assert check.enough is False


async def family(desk: Desk, money: str, cap: int | None = None) -> Address:
    owner = await opened(desk, "family", money, plan="retail")
    for name, number in (("mum", "491701234567"), ("kid", "491701234569")):
        who = (Identity(type=IdentityType.E164, value=number),)
        limit = cap if name == "kid" else None
        await opened(desk, name, "0", "family", Billing.SHARED, plan="retail", identities=who, cap=limit)
    return owner


KID = (Identity(type=IdentityType.E164, value="491701234569"),)


async def test_members_share_what_one_of_them_leaves(desk: Desk) -> None:
    owner = await family(desk, "0.09")
    mum = await desk.say(Phase.OPEN, ITEM, service=CALL, session="mum")
    kid = await desk.say(Phase.OPEN, ITEM, service=CALL, session="kid", identities=KID)
    assert (mum.items[0].granted, kid.items[0].granted) == (60, 30)
    assert (mum.account and mum.account.account, kid.available) == ("mum", 0)
    third = await desk.say(Phase.OPEN, ITEM, service=CALL, session="more", identities=KID)
    assert (third.result, third.short) == (Result.NO_CREDIT, "family")
    await call(desk, Phase.CLOSE, 60, "mum")
    await call(desk, Phase.CLOSE, 10, "kid", identities=KID)
    assert await desk.money(owner) == (20_000, 0)
    assert {one.id for one in await desk.ledger.sessions(owner)} == set()


async def test_a_member_stops_at_its_cap_until_it_is_raised(desk: Desk) -> None:
    owner = await family(desk, "1", cap=20_000)
    kid = await desk.say(Phase.OPEN, ITEM, service=CALL, session="kid", identities=KID)
    assert (kid.items[0].granted, kid.items[0].cost) == (20, 20_000)
    await call(desk, Phase.CLOSE, 20, "kid", identities=KID)
    refused = await desk.say(Phase.OPEN, ITEM, service=CALL, session="k2", identities=KID)
    assert refused.result is Result.LIMIT_REACHED
    mum = await desk.say(Phase.OPEN, ITEM, service=CALL, session="mum")
    assert mum.items[0].granted == 60
    (meter,) = (await desk.ledger.account(owner)).meters
    assert (meter.name, meter.spent) == ("member/kid", 20_000)
    address = await desk.ledger.address("kid")
    assert address
    await desk.ledger.change_account(address, AccountChange(cap=30_000), desk.now)
    raised = await desk.say(Phase.OPEN, ITEM, service=CALL, session="k3", identities=KID)
    assert raised.items[0].granted == 10
    await desk.ledger.change_account(address, AccountChange(cap=-1), desk.now)
    free = await desk.say(Phase.OPEN, ITEM, service=CALL, session="k4", identities=KID)
    assert free.items[0].granted == 60


async def test_a_suspended_member_is_its_own_affair(desk: Desk) -> None:
    await family(desk, "1")
    address = await desk.ledger.address("kid")
    assert address
    await desk.ledger.change_account(address, AccountChange(status=Status.SUSPENDED), desk.now)
    refused = await desk.say(Phase.OPEN, ITEM, service=CALL, identities=KID)
    assert (refused.result, refused.short) == (Result.BARRED, "")
    assert (await desk.say(Phase.OPEN, ITEM, service=CALL, session="m")).result is Result.OK


async def test_a_colleague_who_knows_nothing_ends_the_call(desk: Desk) -> None:
    """Any engine serves any request of a chain: nothing of it lives in a process."""
    carrier, *_ = await three(desk)
    await call(desk, Phase.OPEN)
    other = desk.colleague(ChargingSettings())
    await other.say(Phase.CLOSE, RequestItem(key="v", used=50, unit=Unit.SECONDS), service=None, identities=())
    assert await desk.money(carrier) == (980_000, 0)


async def test_what_cannot_be_charged_together_is_not_opened(desk: Desk) -> None:
    await opened(desk, "carrier")
    with pytest.raises(NotChargeable, match="needs a parent"):
        await opened(desk, "alone", billing=Billing.SHARED)
    with pytest.raises(NotChargeable, match="currency is EUR"):
        await desk.ledger.open_account(
            NewAccount(id="x", plan="p", currency="USD", parent="carrier", billing=Billing.RESOLD), desk.now
        )
    with pytest.raises(OutOfRange):
        await opened(desk, "capped", parent="carrier", billing=Billing.SHARED, cap=-1)
    parent = "carrier"
    for place in range(7):
        name = f"level{place}"
        await opened(desk, name, parent=parent, billing=Billing.RESOLD)
        parent = name
    with pytest.raises(NotChargeable, match="at most 8"):
        await opened(desk, "level7", parent=parent, billing=Billing.RESOLD)


async def test_an_operator_ends_a_session_on_every_level(desk: Desk) -> None:
    carrier, dealer, alice = await three(desk)
    await call(desk, Phase.OPEN)
    (session,) = await desk.ledger.sessions(carrier)
    assert session.address == alice
    await aborter(desk.ledger, lambda: desk.now + 1)(session)
    assert [await desk.money(one) for one in (carrier, dealer, alice)] == [(1_000_000, 0)] * 3
    assert (await desk.ledger.audit()).balanced


async def test_a_charge_that_forgets_the_chain_does_nothing(desk: Desk) -> None:
    _, _, alice = await three(desk)
    await call(desk, Phase.OPEN)
    forgetful = Charge(
        address=alice, version=1, session="s", operation="x", fingerprint=0, phase=Phase.CLOSE, door="test",
        now=desk.now, deadline=desk.now,
    )  # fmt: skip
    assert (await desk.ledger.charge(forgetful)).verdict is Verdict.STALE
    assert (await desk.money(alice))[1] == 60_000
