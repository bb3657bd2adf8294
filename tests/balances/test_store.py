"""What only the store can do wrong: its server, its settings, its data, lost connections and drift."""

import asyncio

import msgspec
import pytest

from balances import wire
from balances.keys import Keys
from balances.ledger import (
    Account,
    Charge,
    Metering,
    Movement,
    NewAccount,
    Phase,
    Quote,
    Unavailable,
    Unit,
    Use,
    Verdict,
)
from balances.link import Link, ReplyError
from balances.money import LIMIT
from balances.price import Price, Step
from balances.scripts import VERBS, all_scripts, assemble, made
from balances.server import StoreRefused
from balances.store import StoreLedger
from tests.servers import valkey

DATA = Quote(price=Price(0, (Step(None, 1, 1),)))


async def funded(store: StoreLedger) -> Account:
    account = await store.open_account(NewAccount(id="ann", plan="basic", currency="EUR"), 1)
    await store.move(Movement(address=account.address, operation="t", amount=100, cause="topup", now=1))
    return await store.account(account.address)


def charge(
    account: Account, phase: Phase, operation: str, session: str = "s", quote: Quote = DATA, **use: int
) -> Charge:
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
        uses=(Use(key="k", unit=Unit.OCTETS, quote=quote, **use),),
    )


async def test_the_number_of_shards_is_fixed_when_the_store_is_made(store: StoreLedger, link: Link) -> None:
    await StoreLedger(link).prepare()
    with pytest.raises(StoreRefused, match="made with shards 16, this is 4"):
        await StoreLedger(link, shards=4).prepare()


async def test_a_store_that_evicts_is_refused(link: Link) -> None:
    await link.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(StoreRefused, match="noeviction"):
            await StoreLedger(link).prepare()
    finally:
        await link.call("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_scripts_are_loaded_again_when_the_store_has_lost_them(store: StoreLedger, link: Link) -> None:
    account = await funded(store)
    await link.call("SCRIPT", "FLUSH")
    await link.call("FUNCTION", "FLUSH")
    await link.call("CONFIG", "RESETSTAT")
    answers = await asyncio.gather(
        *[store.charge(charge(account, Phase.OPEN, "0", session=f"s{n}", wanted=10)) for n in range(5)], store.expire(0)
    )
    assert [answer.verdict for answer in answers[:5]] == [Verdict.DONE] * 5
    assert b"cmdstat_function|load:calls=1," in await link.call("INFO", "commandstats"), "once for all that wait"
    assert len(await store.sessions()) == 5


async def test_what_one_charge_learnt_of_an_account_the_next_does_not_believe(store: StoreLedger, link: Link) -> None:
    """The function outlives its calls: what it notes of one must be gone at the next, above all of one that failed."""
    account = await funded(store)
    metered = Quote(price=Price(0, (Step(None, 1, 1),)), meters=(Metering(meter="m", ends_at=10**9, cap=1000, warn=5),))
    broken = charge(account, Phase.OPEN, "0", session="b", wanted=10, quote=metered)
    huge = msgspec.structs.replace(broken.uses[0], used=LIMIT - 1)
    broken = msgspec.structs.replace(broken, uses=(huge, msgspec.structs.replace(huge, key="k2")))
    first = await store.charge(broken)
    assert first.verdict is Verdict.OUT_OF_RANGE
    good = await store.charge(charge(account, Phase.OPEN, "0", session="g", wanted=10, quote=metered))
    assert (good.verdict, good.warned) == (Verdict.DONE, ())
    again = await store.charge(charge(account, Phase.UPDATE, "1", session="g", used=6, wanted=10, quote=metered))
    other = await store.charge(charge(account, Phase.UPDATE, "2", session="g", used=1, wanted=10, quote=metered))
    assert (again.warned, other.warned) == (("m",), ())
    assert (await store.audit()).findings == ()


async def test_releases_of_two_versions_stand_side_by_side(store: StoreLedger, link: Link) -> None:
    account = await funded(store)
    older = made("charge", f"{assemble('charge')}-- another release\n")
    nobody = wire.pack_charge(charge(account, Phase.EVENT, "0"), 1)
    await link.script(older, [b"acct:{s0}:nobody"] * 8, [nobody, b""])
    answer = await store.charge(charge(account, Phase.OPEN, "0", wanted=10))
    assert answer.verdict is Verdict.DONE
    listed = await link.call("FUNCTION", "LIST", "LIBRARYNAME", "ocs_charge_*")
    assert len(listed) == 2


async def test_a_store_that_is_gone_is_unavailable() -> None:
    with valkey() as url:
        link = Link(url, scripts=all_scripts())
        await link.open()
        store = StoreLedger(link)
        await store.prepare()
        account = await funded(store)
    with pytest.raises(Unavailable):
        await store.charge(charge(account, Phase.OPEN, "0", wanted=10))
    with pytest.raises(Unavailable):
        await store.probe()
    await link.close()


@pytest.mark.parametrize("counter", ["credited", "debited", "reserved", "overrun"])
async def test_the_audit_sees_drift_of_the_house(store: StoreLedger, link: Link, counter: str) -> None:
    account = await funded(store)
    await link.call("HINCRBY", Keys(account.address.shard).house, f"EUR:{counter}", 1)
    audit = await store.audit()
    assert not audit.balanced
    assert "the house says" in audit.findings[0]


async def test_the_audit_sees_a_reservation_without_its_session(store: StoreLedger, link: Link) -> None:
    account = await funded(store)
    keys = Keys(account.address.shard)
    await store.charge(charge(account, Phase.OPEN, "0", wanted=10))
    await link.call("ZREM", keys.due, "s:s")
    assert (await store.audit()).findings == ("session s is open, but would never lapse",)
    await link.call("SREM", keys.live("ann"), "s")
    assert (await store.audit()).findings == ("account ann, money: 10 reserved, but open sessions hold 0",)


async def test_ended_sessions_fade_and_open_ones_never(store: StoreLedger, link: Link) -> None:
    account = await funded(store)
    key = Keys(account.address.shard).session("s")
    await store.charge(charge(account, Phase.OPEN, "0", wanted=10))
    assert await link.call("PTTL", key) == -1
    await store.charge(charge(account, Phase.CLOSE, "1", used=10))
    assert 0 < await link.call("PTTL", key) <= store.window


async def test_a_script_that_cannot_write_changes_nothing(store: StoreLedger, link: Link) -> None:
    """With no memory left the store refuses the script before it starts, not in its middle."""
    account = await funded(store)
    await link.call("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises((Unavailable, ReplyError)):
            await store.charge(charge(account, Phase.OPEN, "0", wanted=10))
    finally:
        await link.call("CONFIG", "SET", "maxmemory", "0")
    assert (await store.account(account.address)).money.reserved == 0
    assert (await store.audit()).balanced


@pytest.mark.parametrize("verb", VERBS)
def test_each_script_says_what_it_takes_and_gives(verb: str) -> None:
    text = assemble(verb)
    assert text.startswith("#!lua")
    for word in (f"-- {verb}:", "-- KEYS", "-- ARGV", "-- Output", "-- Errors"):
        assert word in text
