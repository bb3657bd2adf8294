"""What the store must be, when a credit counts as done, and what happens when the journal is behind."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from balances.backlog import Backlog
from balances.confirmation import Confirmation
from balances.journal import Journal
from balances.ledger import Account, Charge, Gift, Movement, NewAccount, Phase, Quote, Unavailable, Unit, Use, Verdict
from balances.link import Link, ReplyError
from balances.price import Price, Step
from balances.replay import replay
from balances.scripts import all_scripts
from balances.server import Durability, StoreRefused
from balances.store import StoreLedger
from tests.balances.life import Life
from tests.house import ROOT
from tests.servers import valkey
from tests.stores import Process, single, watched

SECURITY = ROOT / "docs" / "security.md"
QUOTE = Quote(price=Price(0, (Step(None, 1, 1),)))


@pytest.fixture
async def durable() -> AsyncIterator[tuple[Process, StoreLedger, Account]]:
    """A store that syncs always, and a ledger that waits for it."""
    with single("--appendfsync", "always") as process:
        url = f"redis://127.0.0.1:{process.port}"
        link, credits = Link(url, scripts=all_scripts()), Link(url, timeout=4.0)
        await link.open()
        await credits.open()
        ledger = StoreLedger(link, confirmation=Confirmation(credits, Durability.DISK))
        await ledger.prepare(Durability.DISK)
        account = await ledger.open_account(NewAccount(id="ann", plan="p", currency="EUR"), 1)
        yield process, ledger, account
        await link.close()
        await credits.close()


def topup(account: Account, operation: str) -> Movement:
    return Movement(address=account.address, operation=operation, amount=5, cause="topup", now=1)


async def test_a_store_without_a_file_is_refused_where_a_disk_is_asked_for() -> None:
    with valkey() as url:
        link = Link(url)
        await link.open()
        warnings = await StoreLedger(link).prepare()
        assert len(warnings) == 1
        assert "appendonly is off" in warnings[0]
        with pytest.raises(StoreRefused, match=r"durability is disk, but the store's appendonly is off"):
            await StoreLedger(link).prepare(Durability.DISK)
        await link.close()


async def test_a_store_without_replicas_is_refused_where_one_is_asked_for(durable) -> None:
    process, ledger, _ = durable
    assert await ledger.prepare(Durability.DISK) == []
    with pytest.raises(StoreRefused, match="no replica that is connected"):
        await ledger.prepare(Durability.REPLICA)
    process.ask("CONFIG", "SET", "appendfsync", "no")
    assert any("appendfsync is no" in warning for warning in await ledger.prepare())


async def test_says_what_a_failover_may_lose() -> None:
    with watched() as stores:
        link = Link(f"redis://127.0.0.1:{stores.master.port}")
        await link.open()
        told = " / ".join(await StoreLedger(link).prepare())
        assert "a failover to a replica loses what had not reached it" in told
        assert "min-replicas-to-write is 0" in told
        assert "a failover" not in " / ".join(await StoreLedger(link).prepare(Durability.REPLICA))
        await link.close()


async def test_a_credit_is_done_when_it_is_on_disk(durable) -> None:
    process, ledger, account = durable
    assert not (await ledger.move(topup(account, "1"))).repeated
    gift = Gift(address=account.address, operation="2", offer="o", unit=Unit.OCTETS, amount=5, now=1)
    assert (await ledger.give(gift)).bucket == "o#1"
    assert process.ask("INFO", "commandstats").count(b"cmdstat_waitaof") == 1


async def test_a_credit_that_is_not_on_disk_in_time_is_unknown_and_its_repeat_finds_out(durable) -> None:
    process, ledger, account = durable
    process.ask("CONFIG", "SET", "appendfsync", "no")
    with pytest.raises(Unavailable, match="the credit is on 0 disks here"):
        await ledger.move(topup(account, "1"))
    process.ask("CONFIG", "SET", "appendfsync", "always")
    assert (await ledger.move(topup(account, "1"))).repeated
    assert (await ledger.account(account.address)).money.credited == 5


async def test_a_credit_that_a_failover_took_is_not_confirmed(durable) -> None:
    process, ledger, account = durable
    run = ledger._run

    async def forgetting(verb, keys, *args):
        """The store that answered is not the one that is asked whether it is safe."""
        reply = await run(verb, keys, *args)
        process.ask("DEL", keys[4])
        return reply

    ledger._run = forgetting
    with pytest.raises(Unavailable, match="another has taken over"):
        await ledger.move(topup(account, "1"))


async def test_those_who_wait_at_the_same_time_share_a_round() -> None:
    with single("--appendfsync", "everysec") as process:
        url = f"redis://127.0.0.1:{process.port}"
        link, credits = Link(url, scripts=all_scripts()), Link(url, timeout=4.0)
        await link.open()
        await credits.open()
        ledger = StoreLedger(link, confirmation=Confirmation(credits, Durability.DISK))
        await ledger.prepare(Durability.DISK)
        account = await ledger.open_account(NewAccount(id="ann", plan="p", currency="EUR"), 1)
        await asyncio.gather(*[ledger.move(topup(account, str(number))) for number in range(200)])
        assert (await ledger.account(account.address)).money.credited == 1000
        stats = process.ask("INFO", "commandstats").decode()
        line = next(line for line in stats.splitlines() if line.startswith("cmdstat_waitaof"))
        assert int(line.partition("calls=")[2].partition(",")[0]) < 20
        await link.close()
        await credits.close()


async def test_where_the_journal_is_behind_nothing_new_begins_and_what_runs_is_settled(store, tmp_path) -> None:
    account = await store.open_account(NewAccount(id="ann", plan="p", currency="EUR"), 1)

    def charge(phase: Phase, session: str, operation: str, **use: int) -> Charge:
        return Charge(
            address=account.address,
            version=account.version,
            session=session,
            operation=operation,
            fingerprint=0,
            phase=phase,
            door="test",
            now=10,
            deadline=100,
            uses=(Use(key="k", unit=Unit.OCTETS, quote=QUOTE, **use),),
        )

    for number in range(10):
        await store.move(topup(account, str(number)))
    assert (await store.charge(charge(Phase.OPEN, "s", "0", wanted=10))).verdict is Verdict.DONE
    backlog = Backlog(store, limit=10)
    await backlog.look()
    for phase in (Phase.OPEN, Phase.EVENT):
        with pytest.raises(Unavailable, match="the journal is behind"):
            await store.charge(charge(phase, "t", "0", wanted=1))
    assert (await store.charge(charge(Phase.UPDATE, "s", "1", used=4, wanted=2))).grants[0].settled == 4
    assert (await store.charge(charge(Phase.CLOSE, "s", "2", used=2))).grants[0].settled == 2
    journal = Journal(store.link, store.keys, tmp_path, keep=0)
    await journal.round()
    await backlog.look()
    assert (await store.charge(charge(Phase.OPEN, "t", "0", wanted=1))).verdict is Verdict.DONE


async def test_a_user_of_the_store_with_the_documented_rights_can_do_everything_and_nothing_else(tmp_path) -> None:
    lines = map(str.strip, SECURITY.read_text().splitlines())
    words = next(line for line in lines if line.startswith("ACL SETUSER ocs")).split()
    with single() as process:
        process.ask(*[">secret" if word.startswith(">") else word for word in words])
        link = Link(f"redis://ocs:secret@127.0.0.1:{process.port}", scripts=all_scripts())
        await link.open()
        ledger = StoreLedger(link)
        await ledger.prepare(Durability.DISK)
        life = Life(ledger, 1)
        await life.begin()
        for _ in range(300):
            await life.step()
        journal = Journal(link, ledger.keys, tmp_path)
        while await journal.round():
            pass
        await Backlog(ledger, 10**9).look()
        assert (await replay(ledger, [tmp_path])).findings == ()
        await ledger.probe()
        for forbidden in ("FLUSHALL", "KEYS *", "CONFIG SET maxmemory 1", "SHUTDOWN", "ACL LIST", "FUNCTION FLUSH"):
            with pytest.raises(ReplyError, match="NOPERM"):
                await link.call(*forbidden.split())
        with pytest.raises(ReplyError, match="NOPERM"):
            await link.call("SET", "other:key", 1)
        await link.close()
