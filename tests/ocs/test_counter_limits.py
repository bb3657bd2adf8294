"""Which changes of an account have its clients ask anew: those that change the status of a counter that counts."""

import pytest

from balances.ledger import Address, Entry, Gift, NewAccount, Unit
from balances.memory import MemoryLedger
from charging.catalogue import load
from charging.catalogue.load import SAMPLE
from ocs.counter_limits import CounterLimits

MB = 1_000_000


def entry(address: Address) -> Entry:
    return Entry(id="1-0", at=0, shard=address.shard, account=address.account, operation="o", cause="c")


async def account_with(ledger: MemoryLedger, name: str) -> Address:
    account = await ledger.open_account(NewAccount(id=name, plan="prepaid-basic", currency="EUR"), 0)
    gift = Gift(address=account.address, operation="g", offer="data-1gb", unit=Unit.OCTETS, amount=1000 * MB, now=0)
    await ledger.give(gift)
    return account.address


def use(ledger: MemoryLedger, address: Address, megabytes: int) -> None:
    [bucket] = ledger.shards[address.shard].accounts[address.account].buckets
    bucket.purse.debited += megabytes * MB


@pytest.mark.parametrize(("names", "told"), [(("data-80-percent",), True), (("money-low",), False), ((), False)])
async def test_a_status_that_changes_is_told_once(names: tuple[str, ...], told: bool) -> None:
    ledger, counters, heard = MemoryLedger(2), load(SAMPLE).counters, []
    limits = CounterLimits(ledger, names, lambda: counters, heard.append, lambda: 1)
    ann = await account_with(ledger, "ann")
    for megabytes in (0, 790, 20, 20):
        use(ledger, ann, megabytes)
        limits.heard(entry(ann))
        await limits.round()
    assert heard == ([ann] if told else [])


async def test_of_an_account_never_seen_before_nothing_is_told() -> None:
    ledger, counters, heard = MemoryLedger(2), load(SAMPLE).counters, []
    limits = CounterLimits(ledger, ("data-80-percent",), lambda: counters, heard.append, lambda: 1)
    ann = await account_with(ledger, "ann")
    use(ledger, ann, 900)
    limits.heard(entry(ann))
    limits.heard(entry(Address(shard=0, account="nobody")))
    await limits.round()
    assert heard == []
