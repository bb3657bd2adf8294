"""How accounts of a plan live: what begins it, how long it lasts, what a credit makes of it, and what is granted."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from balances.ledger import (
    AccountChange,
    Address,
    Billing,
    Identity,
    IdentityType,
    Ledger,
    Movement,
    NewAccount,
    Status,
    Validity,
)
from balances.money import parse_amount
from charging.catalogue import Catalogue, CatalogueError, parse
from charging.catalogue.life import days
from charging.event import Phase, Reason, RequestItem, Result
from charging.life import credit, opening
from tests.charging.desk import MAIN, Desk

MB = 10**6
BERLIN = ZoneInfo("Europe/Berlin")
BASE = """
[services.data]
quota = "10 MB"
validity = "1 h"
empty = "keep"
lapse = "release"
[rates.data]
service = "data"
price = "0.01 EUR per MB"
[rates.gift]
service = "data"
price = "free"
"""


def catalogue(life: str, more: str = "") -> Catalogue:
    plan = 'currency = "EUR"\ntimezone = "Europe/Berlin"\n'
    lines = 'data = [{ rating_group = 99, rate = "gift" }, { rate = "data" }]\n'
    return parse({"c.toml": f"{BASE}[plans.p]\n{plan}{lines}{more}[plans.p.life]\n{life}\n".encode()})


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * 1000


def told(validity: Validity) -> list[str | None]:
    """When it ends, and the grace, by the clock in Berlin."""
    return [
        None if end is None else datetime.fromtimestamp(end // 1000, BERLIN).strftime("%Y-%m-%d %H:%M")
        for end in (validity.until, validity.grace_until)
    ]


def wants(group: int, used: int = 0, wanted: int | None = 0) -> RequestItem:
    return RequestItem(key=str(group), rating_group=group, used=used, wanted=wanted)


class House:
    """A desk whose accounts are of plan ``p``."""

    def __init__(self, ledger: Ledger, life: str) -> None:
        self.desk = Desk(ledger, catalogue(life))
        self.desk.now = at("2026-03-01 12:00")

    async def open(self) -> Address:
        status, validity = opening(self.plan, self.desk.now)
        new = NewAccount(id="alice", plan="p", currency="EUR", identities=(MAIN,), status=status, validity=validity)
        return (await self.desk.ledger.open_account(new, self.desk.now)).address

    @property
    def plan(self):
        found = self.desk.engine.catalogue.find("p")
        assert found
        return found

    async def top_up(self, address: Address, amount: str) -> None:
        self.desk.number += 1
        movement = Movement(
            address=address, operation=f"t{self.desk.number}", amount=parse_amount(amount), cause="topup",
            now=self.desk.now,
        )  # fmt: skip
        for _ in range(2):  # a repeat, from the terms as they are then
            await credit(self.desk.ledger, self.desk.engine.catalogue, movement)

    async def seen(self, address: Address) -> tuple[Status, list[str | None]]:
        account = await self.desk.ledger.account(address)
        return account.status, told(account.validity)


async def test_the_first_use_that_is_not_free_begins_its_life(ledger: Ledger) -> None:
    house = House(ledger, 'begins = "first use"\nactive = "90 days"\ngrace = "30 days"')
    alice = await house.open()
    await house.top_up(alice, "5.00")
    assert await house.seen(alice) == (Status.PRE_ACTIVE, [None, None])
    free = await house.desk.say(Phase.OPEN, wants(99))
    assert (free.result, free.items[0].granted > 0) == (Result.OK, True)
    assert (await house.seen(alice))[0] is Status.PRE_ACTIVE
    paid = await house.desk.say(Phase.UPDATE, wants(10))
    assert (paid.result, paid.items[0].granted > 0) == (Result.OK, True)
    assert await house.seen(alice) == (Status.ACTIVE, ["2026-05-31 00:00", "2026-06-30 00:00"])
    again = await house.desk.say(Phase.UPDATE, wants(10, used=MB))
    assert again.items[0].granted > 0
    assert [entry.cause for entry in await ledger.entries(alice)].count("activation") == 1


async def test_the_first_top_up_begins_its_life_and_nothing_is_sold_before(ledger: Ledger) -> None:
    house = House(ledger, 'begins = "top-up"\nactive = "1 month"')
    alice = await house.open()
    barred = await house.desk.say(Phase.OPEN, wants(10))
    assert barred.items[0].reason is Reason.BARRED
    await house.top_up(alice, "5.00")
    assert await house.seen(alice) == (Status.ACTIVE, ["2026-04-02 00:00", None])
    assert (await house.desk.say(Phase.OPEN, wants(10), session="t")).items[0].granted > 0


async def test_a_top_up_extends_by_what_it_reaches_and_never_shortens(ledger: Ledger) -> None:
    extends = 'extends = [{ topup = "5.00", by = "10 days" }, { topup = "20.00 EUR", by = "1 year" }]'
    house = House(ledger, f'active = "30 days"\ngrace = "5 days"\n{extends}')
    alice = await house.open()
    assert await house.seen(alice) == (Status.ACTIVE, ["2026-04-01 00:00", "2026-04-06 00:00"])
    await house.top_up(alice, "4.99")
    await house.top_up(alice, "5.00")
    assert (await house.seen(alice))[1] == ["2026-04-01 00:00", "2026-04-06 00:00"], "ten days would end before"
    house.desk.now = at("2026-03-28 09:00")
    await house.top_up(alice, "5.00")
    assert (await house.seen(alice))[1] == ["2026-04-08 00:00", "2026-04-13 00:00"]
    await house.top_up(alice, "25.00")
    assert (await house.seen(alice))[1] == ["2027-03-29 00:00", "2027-04-03 00:00"]
    assert [entry.cause for entry in await ledger.entries(alice)].count("extension") == 2


async def test_over_it_gets_what_is_free_until_it_is_extended_or_closed(ledger: Ledger) -> None:
    house = House(ledger, 'active = "30 days"\ngrace = "5 days"\nextends = [{ topup = "5.00", by = "10 days" }]')
    alice = await house.open()
    await house.top_up(alice, "5.00")
    house.desk.now = at("2026-03-31 23:40")
    outcome = await house.desk.say(Phase.OPEN, wants(10))
    assert outcome.items[0].validity == 20 * 60, "the quota ends when the account does"
    house.desk.now = at("2026-04-01 00:00")
    await ledger.expire(house.desk.now, 100)
    await ledger.expire(house.desk.now, 100)
    late = await house.desk.say(Phase.UPDATE, wants(10, used=MB))
    assert (late.items[0].granted, late.items[0].reason, late.spent) == (0, Reason.BARRED, 10_000)
    assert (await house.desk.say(Phase.UPDATE, wants(99))).items[0].granted > 0
    await house.top_up(alice, "5.00")
    assert await house.seen(alice) == (Status.ACTIVE, ["2026-04-12 00:00", "2026-04-17 00:00"])
    assert (await house.desk.say(Phase.UPDATE, wants(10))).items[0].granted > 0
    house.desk.now = at("2026-04-17 00:00")
    await ledger.expire(house.desk.now, 100)
    await house.top_up(alice, "5.00")
    assert (await house.seen(alice))[0] is Status.CLOSED, "closed is closed"
    causes = [entry.cause for entry in await ledger.entries(alice)]
    assert [cause for cause in causes if cause in ("expiry", "closing", "extension")] == [
        "expiry", "extension", "expiry", "closing",
    ]  # fmt: skip


async def test_of_who_shares_a_wallet_the_owner_s_price_decides(ledger: Ledger) -> None:
    house = House(ledger, 'active = "30 days"')
    owner = await house.open()
    await house.top_up(owner, "5.00")
    name = Identity(type=IdentityType.E164, value="491700000002")
    new = NewAccount(
        id="kid", plan="p", currency="EUR", parent="alice", billing=Billing.SHARED, identities=(name,)
    )  # fmt: skip
    member = await ledger.open_account(new, house.desk.now)
    granted = await house.desk.say(Phase.OPEN, wants(10), session="a", identities=(name,))
    assert granted.items[0].granted > 0
    await ledger.change_account(member.address, AccountChange(status=Status.GRACE), house.desk.now)
    barred = await house.desk.say(Phase.OPEN, wants(10), session="b", identities=(name,))
    assert (barred.items[0].granted, barred.items[0].reason) == (0, Reason.BARRED)
    free = await house.desk.say(Phase.OPEN, wants(99), session="c", identities=(name,))
    assert free.items[0].granted > 0


async def test_a_member_s_first_use_begins_its_own_life_and_the_wallet_s(ledger: Ledger) -> None:
    house = House(ledger, 'begins = "first use"\nactive = "30 days"')
    owner = await house.open()
    await house.top_up(owner, "5.00")
    name = Identity(type=IdentityType.E164, value="491700000002")
    new = NewAccount(
        id="kid", plan="p", currency="EUR", parent="alice", billing=Billing.SHARED, identities=(name,),
        status=Status.PRE_ACTIVE,
    )  # fmt: skip
    member = await ledger.open_account(new, house.desk.now)
    granted = await house.desk.say(Phase.OPEN, wants(10), session="a", identities=(name,))
    assert granted.items[0].granted > 0
    for address in (member.address, owner):
        assert await house.seen(address) == (Status.ACTIVE, ["2026-04-01 00:00", None])


@pytest.mark.parametrize(
    ("text", "day", "ends"),
    [
        ("1 day", "2026-03-28 23:59", "2026-03-30 00:00"),
        ("90 days", "2026-03-01 00:00", "2026-05-31 00:00"),
        ("1 month", "2026-01-31 12:00", "2026-03-01 00:00"),
        ("12 months", "2027-02-28 12:00", "2028-02-29 00:00"),
        ("1 year", "2028-02-29 12:00", "2029-03-01 00:00"),
    ],
)
def test_days_and_months_are_those_of_the_plan_s_clock(text: str, day: str, ends: str) -> None:
    found = catalogue(f'active = "{text}"').find("p")
    assert found
    assert opening(found, at(day)) == (Status.ACTIVE, Validity(until=at(ends)))
    assert days(text).count > 0


def test_a_life_longer_than_the_calendar_ends_with_it() -> None:
    found = catalogue('active = "9000 years"\ngrace = "99999 days"').find("p")
    assert found
    _, validity = opening(found, at("2026-01-01 00:00"))
    assert validity.until == validity.grace_until == 253_402_300_799_000


@pytest.mark.parametrize(
    ("life", "line", "problem"),
    [
        ('active = "90"', 18, "'90' is no number of days"),
        ('active = "0 days"', 18, "is no number of days"),
        ('active = "2 weeks"', 18, "is no number of days"),
        ('grace = "30 days"', 18, "grace: without active it never ends"),
        ('extends = [{ topup = "1.00", by = "1 day" }]', 18, "extends: without active it never ends"),
        ('active = "1 day"\nextends = [{ topup = "1.00 USD", by = "1 day" }]', 19, "topup is in USD, the plan in EUR"),
        ('active = "1 day"\nextends = [{ topup = "x", by = "1 day" }]', 19, "topup: 'x' is not a decimal amount"),
        (
            'active = "1 day"\nextends = [{ topup = "2.00", by = "1 day" }, { topup = "2.00", by = "2 days" }]', 19,
            "the amounts must rise",
        ),
        ('begins = "birth"', 0, "birth"),
        ('lasts = "1 day"', 0, "lasts"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_with_its_line(life: str, line: int, problem: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        catalogue(life)
    assert problem in str(caught.value)
    if line:
        assert f"c.toml:{line}" in str(caught.value)
