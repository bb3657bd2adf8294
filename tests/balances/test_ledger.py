"""Accounts, identities, operations and pages: what the stories do not tell, on both ledgers."""

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from balances.ledger import (
    CROWDED,
    KEYS,
    Account,
    AccountChange,
    Address,
    Charge,
    Charged,
    Gift,
    Identity,
    IdentityType,
    InsufficientFunds,
    Ledger,
    Metering,
    Movement,
    NewAccount,
    NoSuchAccount,
    OperationConflict,
    OutOfRange,
    Phase,
    Quote,
    Refund,
    Status,
    Taken,
    Unit,
    Use,
    Verdict,
)
from balances.money import LIMIT
from balances.price import Price, Step

DATA = Quote(price=Price(0, (Step(None, 1, 1),)), terms=b"data")


def e164(number: str) -> Identity:
    return Identity(type=IdentityType.E164, value=number)


async def opened(ledger: Ledger, name: str, *numbers: str, parent: str | None = None, limit: int = 0) -> Account:
    identities = tuple(e164(number) for number in numbers)
    new = NewAccount(id=name, plan="basic", currency="EUR", credit_limit=limit, identities=identities, parent=parent)
    return await ledger.open_account(new, 5)


def top_up(account: Account, operation: str, amount: int) -> Movement:
    return Movement(address=account.address, operation=operation, amount=amount, cause="topup", reference="cash", now=7)


def opening(account: Account, session: str, wanted: int) -> Charge:
    return Charge(
        address=account.address,
        version=account.version,
        session=session,
        operation="0",
        fingerprint=1,
        phase=Phase.OPEN,
        door="test",
        now=10,
        deadline=100,
        uses=(Use(key="k", unit=Unit.OCTETS, wanted=wanted, least=wanted, quote=DATA),),
    )


def updating(account: Account, session: str, operation: str, used: int, wanted: int) -> Charge:
    use = Use(key="k", unit=Unit.OCTETS, used=used, wanted=wanted, quote=DATA)
    return msgspec.structs.replace(opening(account, session, 0), phase=Phase.UPDATE, operation=operation, uses=(use,))


async def test_an_account_is_found_by_id_and_identity(ledger: Ledger) -> None:
    account = await opened(ledger, "ann", "491", "492")
    assert await ledger.address("ann") == await ledger.find(e164("492")) == account.address
    assert await ledger.account(account.address) == account
    assert (account.version, account.status, account.opened_at, account.available) == (1, Status.ACTIVE, 5, 0)
    assert await ledger.find(e164("493")) is None
    assert await ledger.address("bob") is None
    with pytest.raises(NoSuchAccount):
        await ledger.account(Address(shard=0, account="bob"))


async def test_an_id_or_identity_that_is_taken_changes_nothing(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann", "491")
    with pytest.raises(Taken):
        await opened(ledger, "ann", "499")
    with pytest.raises(Taken):
        await opened(ledger, "bob", "498", "491")
    assert await ledger.address("bob") is None
    assert [await ledger.find(e164(number)) for number in ("491", "498", "499")] == [ann.address, None, None]


async def test_a_member_lives_in_the_shard_of_its_parent(ledger: Ledger) -> None:
    parent = await opened(ledger, "firm")
    for name in ("m1", "m2", "m3", "m4"):
        member = await opened(ledger, name, parent="firm")
        assert await ledger.address(name) == member.address == Address(shard=parent.address.shard, account=name)
    with pytest.raises(NoSuchAccount):
        await opened(ledger, "orphan", parent="nobody")
    with pytest.raises(Taken):
        await opened(ledger, "m1")


async def test_of_many_who_open_an_account_at_once_one_succeeds(ledger: Ledger) -> None:
    for parent in ("p1", "p2", "p3"):
        await opened(ledger, parent)
    for number in range(20):
        name = f"new{number}"
        parents = (None, "p1", "p2", None, "p3", "p1")
        results = await asyncio.gather(
            *[opened(ledger, name, f"49{number}", parent=parent) for parent in parents], return_exceptions=True
        )
        accounts = [result for result in results if isinstance(result, Account)]
        assert len(accounts) <= 1  # each may have stood in another's way; then a repeat succeeds
        assert all(isinstance(result, Account | Taken) for result in results)
        address = accounts[0].address if accounts else (await opened(ledger, name, f"49{number}")).address
        assert await ledger.address(name) == await ledger.find(e164(f"49{number}")) == address
    assert (await ledger.audit()).accounts == 23


async def test_pages_come_in_the_order_of_ids(ledger: Ledger) -> None:
    names = [f"a{number:02}" for number in range(25)]
    for name in reversed(names):
        await opened(ledger, name)
    found: list[str] = []
    while page := await ledger.accounts(found[-1] if found else "", 10):
        found += [account.address.account for account in page]
    assert found == names


async def test_new_terms_raise_the_version(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann", "491", "492", limit=100)
    await opened(ledger, "bob", "493")
    changed = await ledger.change_account(
        ann.address,
        AccountChange(plan="gold", status=Status.SUSPENDED, identities=(e164("492"), e164("494"))),
        9,
    )
    assert changed == await ledger.account(ann.address)
    assert (changed.version, changed.plan, changed.status, changed.credit_limit) == (2, "gold", "suspended", 100)
    found = [await ledger.find(e164(number)) for number in ("491", "492", "494")]
    assert found == [None, ann.address, ann.address]
    with pytest.raises(Taken):
        await ledger.change_account(ann.address, AccountChange(identities=(e164("495"), e164("493"))), 9)
    assert await ledger.find(e164("495")) is None
    with pytest.raises(NoSuchAccount):
        await ledger.change_account(Address(shard=0, account="zoe"), AccountChange(identities=(e164("496"),)), 9)
    assert await ledger.find(e164("496")) is None


async def test_a_credit_limit_below_what_is_in_use_is_refused(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann", limit=100)
    assert (await ledger.charge(opening(ann, "s", 60))).verdict is Verdict.DONE
    with pytest.raises(InsufficientFunds):
        await ledger.change_account(ann.address, AccountChange(credit_limit=59), 9)
    for limit in (-1, LIMIT):
        with pytest.raises((OutOfRange, InsufficientFunds)):
            await ledger.change_account(ann.address, AccountChange(credit_limit=limit), 9)
    assert (await ledger.change_account(ann.address, AccountChange(credit_limit=60), 9)).available == 0


async def test_a_movement_happens_once_and_other_content_is_a_conflict(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    first = await ledger.move(top_up(ann, "t1", 50))
    await ledger.move(top_up(ann, "t2", 1))
    repeat = await ledger.move(top_up(ann, "t1", 50))
    assert repeat == msgspec.structs.replace(first, repeated=True)
    with pytest.raises(OperationConflict):
        await ledger.move(top_up(ann, "t1", 51))
    with pytest.raises(OperationConflict):
        await ledger.give(Gift(address=ann.address, operation="t1", offer="o", unit=Unit.OCTETS, amount=50, now=7))
    assert (await ledger.account(ann.address)).money.credited == 51


async def test_movements_beyond_funds_or_range_are_refused(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann", limit=10)
    await ledger.move(top_up(ann, "t1", 50))
    with pytest.raises(InsufficientFunds):
        await ledger.move(top_up(ann, "t2", -61))
    for amount in (0, LIMIT, -LIMIT, LIMIT - 55, 10**30):
        with pytest.raises(OutOfRange):
            await ledger.move(top_up(ann, "t3", amount))
    assert (await ledger.move(top_up(ann, "t2", -60))).account.available == 0
    with pytest.raises(NoSuchAccount):
        await ledger.move(Movement(address=Address(shard=1, account="x"), operation="o", amount=1, cause="c", now=1))


async def test_a_gift_happens_once_whatever_its_expiry_would_be_now(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    gift = Gift(address=ann.address, operation="g", offer="gig", unit=Unit.OCTETS, amount=9, expires_at=1000, now=7)
    first = await ledger.give(gift)
    assert (first.bucket, first.account.buckets[0].initial, first.repeated) == ("gig#1", 9, False)
    again = await ledger.give(msgspec.structs.replace(gift, expires_at=2000, now=8))
    assert again == msgspec.structs.replace(first, repeated=True)
    for amount in (0, -1, LIMIT):
        with pytest.raises(OutOfRange):
            await ledger.give(msgspec.structs.replace(gift, operation="h", amount=amount))


async def test_entries_tell_before_and_after_page_by_page(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    receipts = [await ledger.move(top_up(ann, f"t{number}", 10 + number)) for number in range(5)]
    first = await ledger.entries(ann.address, limit=2)
    rest = await ledger.entries(ann.address, after=first[-1].id)
    assert [entry.id for entry in first + rest] == [receipt.entry for receipt in receipts]
    entry = rest[0]
    assert (entry.at, entry.account, entry.operation, entry.cause, entry.reference) == (7, "ann", "t2", "topup", "cash")
    line = entry.lines[0]
    assert (line.bucket, line.asset, line.credited, line.before, line.after) == ("money", "EUR", 12, 21, 33)


async def test_a_charge_may_say_what_its_entry_shall_refer_to(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann", limit=100)
    charge = opening(ann, "s1", 10)
    assert (await ledger.charge(msgspec.structs.replace(charge, reference="carrier=\udcff"))).verdict is Verdict.DONE
    await ledger.charge(msgspec.structs.replace(charge, operation="1", phase=Phase.UPDATE))
    assert [entry.reference for entry in await ledger.entries(ann.address)] == ["carrier=\udcff"]


async def test_sessions_are_listed_located_and_read(ledger: Ledger) -> None:
    ann, bob = await opened(ledger, "ann"), await opened(ledger, "bob")
    for account in (ann, bob):
        await ledger.move(top_up(account, "t", 100))
    for account, session in ((ann, "s1"), (bob, "s2"), (ann, "s3")):
        charge = msgspec.structs.replace(opening(account, session, 10), context=session.encode())
        await ledger.charge(msgspec.structs.replace(charge, deadline=200 - int(session[1])))
    assert [session.id for session in await ledger.sessions()] == ["s3", "s2", "s1"]
    assert [session.id for session in await ledger.sessions(ann.address)] == ["s3", "s1"]
    assert [session.id for session in await ledger.sessions(limit=1)] == ["s3"]
    assert await ledger.locate("s2") == bob.address
    assert await ledger.locate("s4") is None
    assert await ledger.session(ann.address, "s2") is None
    session = await ledger.session(bob.address, "s2")
    assert session is not None
    assert (session.door, session.context, session.deadline, session.opened_at) == ("test", b"s2", 198, 10)
    held = session.holdings[0]
    assert (held.key, held.granted, held.cost, held.used, held.spent) == ("k", 10, 10, 0, 0)


async def test_a_key_that_credit_was_short_for_is_known_until_it_gets_all_it_wants(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    await ledger.move(top_up(ann, "t", 15))

    async def short() -> bool:
        session = await ledger.session(ann.address, "s")
        assert session is not None
        return session.holdings[0].short

    await ledger.charge(opening(ann, "s", 5))
    assert not await short()
    for operation, used, wanted, expected in (("1", 0, 15, True), ("2", 15, 0, True), ("3", 0, 5, True)):
        await ledger.charge(updating(ann, "s", operation, used, wanted))
        assert await short() is expected
    await ledger.move(top_up(ann, "u", 100))
    await ledger.charge(updating(ann, "s", "4", 0, 5))
    assert not await short()


async def test_parallel_openings_never_reserve_more_than_there_is(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    await ledger.move(top_up(ann, "t", 105))
    answers: list[Charged] = await asyncio.gather(
        *[ledger.charge(opening(ann, f"s{number}", 10)) for number in range(200)]
    )
    assert sum(answer.grants[0].granted == 10 for answer in answers) == 10
    assert sum(answer.grants[0].refused == "insufficient-credit" for answer in answers) == 190
    account = await ledger.account(ann.address)
    assert (account.money.reserved, account.available) == (100, 5)
    assert (await ledger.audit()).balanced


async def test_of_parallel_late_reports_after_a_lapse_one_is_settled(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    await ledger.move(top_up(ann, "t", 100))
    charge = opening(ann, "s", 10)
    await ledger.charge(charge)
    lapse = msgspec.structs.replace(charge, phase=Phase.LAPSE, operation="r", uses=())
    assert (await ledger.charge(lapse)).available == 100
    total = (Use(key="k", unit=Unit.OCTETS, total=6, quote=None),)
    stop = msgspec.structs.replace(charge, phase=Phase.CLOSE, uses=total)
    answers: list[Charged] = await asyncio.gather(
        *[ledger.charge(msgspec.structs.replace(stop, operation=f"stop{number}")) for number in range(8)]
    )
    assert sorted(answer.verdict for answer in answers) == ["closed-session"] * 7 + ["lapsed-session"]
    assert (await ledger.account(ann.address)).money.debited == 6


async def test_an_account_nobody_knows(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    stranger = msgspec.structs.replace(ann, address=Address(shard=0, account="nobody"))
    assert await ledger.charge(opening(stranger, "s", 1)) == Charged(verdict=Verdict.NO_ACCOUNT)


async def test_two_accounts_do_not_share_a_session(ledger: Ledger) -> None:
    firm = await opened(ledger, "firm")
    member = await opened(ledger, "member", parent="firm")
    await ledger.charge(opening(firm, "s", 1))
    assert (await ledger.charge(opening(member, "s", 1))).verdict is Verdict.OTHER_ACCOUNT


async def test_an_operation_answered_and_forgotten_is_not_done_again(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    await ledger.move(top_up(ann, "t", 10_000))
    charge = opening(ann, "s", 1)
    await ledger.charge(msgspec.structs.replace(charge, sequence=0))
    used = (Use(key="k", unit=Unit.OCTETS, used=1, wanted=1, quote=DATA),)
    update = msgspec.structs.replace(charge, phase=Phase.UPDATE, uses=used)

    def numbered(number: int) -> Charge:
        return msgspec.structs.replace(update, operation=f"2:{number}", sequence=number)

    for number in range(1, 301):
        assert (await ledger.charge(numbered(number))).spent == number
    before = await ledger.account(ann.address)
    assert (await ledger.charge(numbered(100))).replayed
    assert (await ledger.charge(msgspec.structs.replace(charge, sequence=0))).replayed
    for number in (1, 30):
        assert await ledger.charge(numbered(number)) == Charged(verdict=Verdict.FORGOTTEN, available=before.available)
    assert await ledger.account(ann.address) == before
    assert (await ledger.charge(numbered(301))).spent == 301
    repeat = Refund(
        address=ann.address, session="s", operation="4:1", fingerprint=1, target="t", door="test", now=11, sequence=1
    )
    assert not (await ledger.refund(repeat)).found
    end = msgspec.structs.replace(update, phase=Phase.CLOSE, operation="3:302", sequence=302, uses=())
    assert (await ledger.charge(end)).verdict is Verdict.DONE
    assert (await ledger.charge(numbered(2))).verdict is Verdict.FORGOTTEN


async def test_two_doors_do_not_share_a_session(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    await ledger.move(top_up(ann, "t", 100))
    charge = opening(ann, "s", 10)
    await ledger.charge(charge)
    stranger = msgspec.structs.replace(charge, door="other")
    for phase in (Phase.OPEN, Phase.UPDATE, Phase.CLOSE, Phase.EVENT):
        request = msgspec.structs.replace(stranger, phase=phase, operation=f"x{phase}")
        assert await ledger.charge(request) == Charged(verdict=Verdict.OTHER_ACCOUNT)
    assert (await ledger.charge(stranger)).verdict is Verdict.OTHER_ACCOUNT
    assert [session.id for session in await ledger.sessions()] == ["s"]
    paid = msgspec.structs.replace(charge, phase=Phase.EVENT, session="e", operation="1")
    assert (await ledger.charge(paid)).spent == 10
    refund = Refund(address=ann.address, session="r", operation="1", fingerprint=1, target="e", door="other", now=11)
    assert not (await ledger.refund(refund)).found
    own = msgspec.structs.replace(refund, session="e", operation="2")
    assert not (await ledger.refund(own)).found
    assert (await ledger.refund(msgspec.structs.replace(refund, session="r2", door="test"))).amount == 10


async def test_a_session_has_so_many_keys_and_no_more(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    await ledger.move(top_up(ann, "t", 10_000))
    charge = opening(ann, "s", 1)

    def using(names: range, used: int, denied: str | None = None) -> tuple[Use, ...]:
        return tuple(
            Use(key=f"k{name}", unit=Unit.OCTETS, used=used, wanted=1, quote=DATA, denied=denied) for name in names
        )

    first = await ledger.charge(msgspec.structs.replace(charge, uses=using(range(KEYS - 1), 0)))
    assert all(grant.granted == 1 for grant in first.grants)
    update = msgspec.structs.replace(charge, phase=Phase.UPDATE)
    more = msgspec.structs.replace(update, operation="1", uses=using(range(KEYS - 2, KEYS + 2), 3))
    grants = (await ledger.charge(more)).grants
    assert [(grant.granted, grant.settled, grant.refused) for grant in grants] == [
        (1, 3, None), (1, 3, None), (0, 0, CROWDED), (0, 0, CROWDED),
    ]  # fmt: skip
    end = msgspec.structs.replace(update, phase=Phase.CLOSE, operation="2", uses=using(range(KEYS, KEYS + 1), 3, "no"))
    assert [grant.refused for grant in (await ledger.charge(end)).grants] == [CROWDED]
    event = msgspec.structs.replace(charge, phase=Phase.EVENT, session="e", uses=using(range(KEYS + 1), 0))
    assert (await ledger.charge(event)).verdict is Verdict.REFUSED
    whole = msgspec.structs.replace(event, operation="1", uses=using(range(KEYS), 0))
    assert (await ledger.charge(whole)).spent == KEYS
    again = msgspec.structs.replace(event, operation="2", uses=using(range(2), 0))
    assert (await ledger.charge(again)).spent == KEYS + 2
    assert (await ledger.audit()).balanced


async def test_a_key_named_twice_in_a_request_holds_under_its_first_quote(ledger: Ledger) -> None:
    account = await opened(ledger, "ann")
    await ledger.move(top_up(account, "t", 100))
    metered = replace(DATA, meters=(Metering(meter="month", unit=Unit.OCTETS, ends_at=1000),))
    first = opening(account, "s", 10)
    uses = (replace(first.uses[0], quote=metered), replace(first.uses[0], quote=DATA, wanted=0))
    await ledger.charge(replace(first, uses=uses))
    assert (await ledger.audit()).findings == ()
    await ledger.charge(replace(first, operation="1", phase=Phase.CLOSE, uses=()))
    assert (await ledger.audit()).findings == ()
    assert [meter.reserved for meter in (await ledger.account(account.address)).meters] == [0]


async def test_names_of_any_kind_come_back_as_they_were(ledger: Ledger) -> None:
    odd = "h\u00e4\U0001f600{x}:*\n\udc80\ud800"
    ann = await opened(ledger, odd, odd)
    await ledger.move(top_up(ann, odd, 10))
    await ledger.charge(opening(ann, odd, 10))
    assert (await ledger.accounts())[0].identities[0].value == odd
    assert [session.id for session in await ledger.sessions(ann.address)] == [odd]
    assert [lapsed.session for lapsed in await ledger.expire(100)] == [odd]
    assert (await ledger.audit()).balanced


async def test_the_ledger_answers_its_probe(ledger: Ledger) -> None:
    await ledger.probe()
    assert (await ledger.audit()).accounts == 0


async def test_an_account_that_grows_large_is_charged_as_a_small_one(ledger: Ledger) -> None:
    ann = await opened(ledger, "ann")
    quote = replace(DATA, offers=("an offer with a name of some length",))
    for number in range(70):  # from some hundred octets to several thousand, which the store reads another way
        gift = Gift(
            address=ann.address, operation=f"g{number}", offer=quote.offers[0], unit=Unit.OCTETS, amount=2, now=7
        )
        await ledger.give(gift)
        use = Use(key="k", unit=Unit.OCTETS, used=min(number, 1), wanted=1, least=1, quote=quote)
        charge = replace(
            updating(ann, "s", str(number), 0, 0), phase=Phase.UPDATE if number else Phase.OPEN, uses=(use,)
        )
        charged = await ledger.charge(replace(charge, version=(await ledger.account(ann.address)).version))
        assert (charged.verdict, charged.grants[0].granted, charged.grants[0].cost) == (Verdict.DONE, 1, 0)
    account = await ledger.account(ann.address)
    assert sum(bucket.counters.debited for bucket in account.buckets) == 69
    assert (await ledger.audit()).balanced
