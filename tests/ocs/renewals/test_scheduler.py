"""Schedulers on one ledger: each renewal once, whoever does it; money that comes in is used at once."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from balances.ledger import (
    AccountChange,
    Address,
    Ledger,
    Movement,
    NewAccount,
    Renewal,
    Renewed,
    Status,
    Unavailable,
)
from balances.renewals import RENEWED
from balances.store import StoreLedger
from charging.catalogue import Catalogue
from charging.catalogue.load import parse, read_files
from charging.renewals import DAY, subscription
from ocs.metrics import Metrics
from ocs.renewals.scheduler import Scheduler
from ocs.renewals.settings import RenewalSettings
from tests.ledgers import empty_store

OFFER = b'[offers.daily]\npays = ["data-standard"]\namount = "1 GB"\nrenews = "24 h"\nprice = "1.00 EUR"\n'
CATALOGUE = parse({**read_files("sample"), "daily.toml": OFFER})
BEGIN = 1_768_471_200_000
MICRO = 1_000_000


class Site:
    """A ledger with subscribers, and schedulers over it."""

    def __init__(self, ledger: Ledger, catalogue: Catalogue = CATALOGUE) -> None:
        self.ledger = ledger
        self.catalogue = catalogue
        self.now = BEGIN
        self.renewed: list[Address] = []
        self.metrics: list[Metrics] = []

    def scheduler(self, ledger: Ledger | None = None) -> Scheduler:
        self.metrics.append(Metrics("1"))
        return Scheduler(
            ledger or self.ledger, 16, lambda: self.catalogue, RenewalSettings(interval=0.01, rate=100_000.0),
            self.metrics[-1], self.renewed.append, lambda: self.now,
        )  # fmt: skip

    async def subscribe(self, name: str, euros: int) -> Address:
        new = NewAccount(id=name, plan="prepaid-basic", currency="EUR")
        account = await self.ledger.open_account(new, self.now)
        await self.pay(account.address, euros, "first")
        await self.ledger.subscribe(subscription(CATALOGUE, CATALOGUE.offers["daily"], account, "s", self.now))
        return account.address

    async def pay(self, address: Address, euros: int, key: str) -> None:
        movement = Movement(address=address, operation=key, amount=euros * MICRO, cause="topup", now=self.now)
        await self.ledger.credit(movement)

    async def renewals(self, addresses: Sequence[Address]) -> Counter[int]:
        """How many accounts have been renewed how often."""
        pages = [await self.ledger.entries(address) for address in addresses]
        return Counter(sum(entry.cause == RENEWED for entry in page) for page in pages)

    def results(self) -> dict[str, float]:
        found: Counter[str] = Counter()
        for metrics in self.metrics:
            for family in metrics.registry.collect():
                for sample in family.samples:
                    if sample.name == "ocs_renewals_total":
                        found[sample.labels["result"]] += sample.value
        return {name: value for name, value in found.items() if value}

    def lag(self) -> float:
        return float(self.metrics[-1].registry.get_sample_value("ocs_renewals_lag_seconds") or 0.0)


async def test_a_thousand_are_renewed_once_by_two_schedulers_on_two_links(store_url: str) -> None:
    async with empty_store(store_url) as link, empty_store(store_url) as other_link:
        ledger, other = StoreLedger(link), StoreLedger(other_link)
        await ledger.prepare()
        site = Site(ledger)
        addresses = await asyncio.gather(*[site.subscribe(f"a{each}", 5) for each in range(1000)])
        site.now += DAY
        both = [site.scheduler(ledger), site.scheduler(other)]
        tasks = [asyncio.create_task(one.run()) for one in both]
        while (await site.renewals(addresses))[1] < 1000:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        assert await site.renewals(addresses) == {1: 1000}
        assert site.results()["renewed"] == 1000
        assert len(site.renewed) == 1000
        audit = await ledger.audit()
        assert audit.balanced
        assert {one.asset: one.available for one in audit.sums}["EUR"] == 3000 * MICRO


async def test_two_that_found_the_same_renew_it_once(ledger: Ledger) -> None:
    """No lease of a shard is needed for that."""
    site = Site(ledger)
    addresses = [await site.subscribe(f"a{each}", 5) for each in range(20)]
    site.now += DAY
    schedulers = [site.scheduler() for _ in range(3)]
    found = [one for shard in range(16) for one in await ledger.due_renewals(shard, site.now)]
    await asyncio.gather(*[scheduler._renew(found) for scheduler in schedulers])
    assert await site.renewals(addresses) == {1: 20}
    assert site.results() == {"renewed": 20, "past": 40}


async def test_a_scheduler_that_was_away_charges_only_the_period_that_runs(ledger: Ledger) -> None:
    site = Site(ledger)
    address = await site.subscribe("ann", 20)
    site.now += 5 * DAY + 1000
    scheduler = site.scheduler()
    assert await scheduler.round() == 1
    assert site.lag() == 4 * 86_400 + 1
    assert await scheduler.round() == 0
    assert site.lag() == 0
    account = await ledger.account(address)
    assert account.money.balance == 18 * MICRO
    assert [one.due_at for one in await ledger.subscriptions(address)] == [BEGIN + 6 * DAY]


async def test_without_money_it_waits_for_the_next_top_up_or_day(ledger: Ledger) -> None:
    site = Site(ledger)
    address = await site.subscribe("ann", 1)
    scheduler = site.scheduler()
    site.now += DAY
    await scheduler.round()
    assert site.results() == {"unpaid": 1}
    site.now += 3600_000
    assert await scheduler.round() == 0
    await site.pay(address, 1, "second")
    scheduler.nudge(address)
    await settled(scheduler)
    assert site.results() == {"unpaid": 1, "renewed": 1}
    assert [one.since for one in await ledger.subscriptions(address)] == [site.now]
    site.now += DAY
    await scheduler.round()
    await site.pay(address, 1, "third")
    site.now += DAY
    assert await scheduler.round() == 1
    assert site.results() == {"unpaid": 2, "renewed": 2}


async def test_who_is_suspended_or_whose_offer_is_gone_waits(ledger: Ledger) -> None:
    site = Site(ledger)
    ann, bob = await site.subscribe("ann", 5), await site.subscribe("bob", 5)
    await ledger.change_account(ann, AccountChange(status=Status.SUSPENDED), site.now)
    site.now += DAY
    scheduler = site.scheduler()
    await scheduler.round()
    assert site.results() == {"paused": 1, "renewed": 1}
    site.catalogue = parse(read_files("sample"))
    site.now += DAY
    await scheduler.round()
    assert site.results() == {"paused": 3, "renewed": 1}
    assert [entry.reference for entry in await ledger.entries(bob)][-1] == "daily withdrawn"
    await ledger.change_account(ann, AccountChange(status=Status.ACTIVE), site.now)
    site.catalogue = CATALOGUE
    scheduler.nudge(ann)
    scheduler.nudge(bob)
    await settled(scheduler)
    assert site.results() == {"paused": 3, "renewed": 3}


async def test_a_store_that_is_away_only_delays_it(ledger: Ledger) -> None:
    site = Site(ledger)
    address = await site.subscribe("ann", 5)
    site.now += DAY
    scheduler = site.scheduler(Flaky(ledger))  # type: ignore[arg-type]
    task = asyncio.create_task(scheduler.run())
    while not site.renewed:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    assert await site.renewals([address]) == {1: 1}


class Flaky:
    """A ledger whose answers to renewals get lost at first: whether they were done is unknown."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lost = 2

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    async def renew(self, renewal: Renewal) -> Renewed:
        if self._lost:
            self._lost -= 1
            raise Unavailable("nothing was heard")
        return await self._ledger.renew(renewal)


async def settled(scheduler: Scheduler) -> None:
    await asyncio.gather(*scheduler._nudged)


@pytest.mark.parametrize("name", ["interval", "rate"])
def test_settings_are_above_nothing(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be above 0"):
        RenewalSettings(**{name: 0.0})
