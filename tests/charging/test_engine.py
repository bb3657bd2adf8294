"""The engine's own promises: who is charged, on which terms, in how many calls, and what bad input gets."""

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.keys import SHARDS, shard_of
from balances.ledger import AccountChange, Charge, Charged, Identity, IdentityType, Ledger, Status, Unavailable, Verdict
from balances.memory import MemoryLedger
from charging.catalogue import Catalogue, parse
from charging.catalogue.load import SAMPLE
from charging.event import Action, FinalAction, Phase, Reason, RequestItem, Result, Service, ServiceKind, Unit
from charging.settings import ChargingSettings
from tests.charging.desk import CALL, DATA, MAIN, SMS, Desk

MB = 10**6
OTHER = Identity(type=IdentityType.IMSI, value="262011234567890")


def wants(key: str, group: int | None = None, **more: object) -> RequestItem:
    return RequestItem(key=key, rating_group=group, **({"wanted": 0} | more))  # type: ignore[arg-type]


class Counting:
    """A ledger that counts the calls made to it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.calls: Counter[str] = Counter()

    def __getattr__(self, verb: str) -> object:
        self.calls[verb] += 1
        return getattr(self._ledger, verb)


def counted(desk: Desk) -> Counting:
    """Put a counter between the desk's engine and its ledger."""
    counting = Counting(desk.ledger)
    fresh = Desk(counting, desk.engine.catalogue)  # type: ignore[arg-type]
    desk.engine, desk.notices = fresh.engine, fresh.notices
    return counting


async def test_a_request_costs_one_ledger_call(desk: Desk) -> None:
    await desk.open(balance="5.00")
    ledger = counted(desk)
    await desk.say(Phase.OPEN, wants("10", 10))
    assert ledger.calls == {"find": 1, "account": 1, "charge": 1}
    ledger.calls.clear()
    await desk.say(Phase.UPDATE, wants("10", 10, used=MB))
    await desk.say(Phase.UPDATE, wants("10", 10, used=MB), identities=())
    await desk.say(Phase.CLOSE, wants("10", 10, used=MB, wanted=None), identities=())
    await desk.say(Phase.OPEN, wants("10", 10), session="next")
    await desk.ask(Action.DEBIT, wants("m"), service=SMS, session="sms")
    assert ledger.calls == {"charge": 5}


async def test_first_identity_that_is_found_wins(desk: Desk) -> None:
    await desk.open("alice", "1.00", identities=(MAIN,))
    await desk.open("bob", "2.00", identities=(OTHER,))
    stranger = Identity(type=IdentityType.SIP, value="nobody@example.net")
    outcome = await desk.say(Phase.OPEN, identities=(stranger, OTHER, MAIN))
    assert outcome.account is not None
    assert outcome.account.account == "bob"


async def test_unknown_subscriber_is_asked_for_again_each_time(desk: Desk) -> None:
    assert (await desk.say(Phase.OPEN, wants("10", 10))).result is Result.UNKNOWN_SUBSCRIBER
    assert (await desk.say(Phase.OPEN, wants("10", 10), identities=())).result is Result.UNKNOWN_SUBSCRIBER
    assert (await desk.ask(Action.CHECK_BALANCE, amount=1)).result is Result.UNKNOWN_SUBSCRIBER
    assert (await desk.ask(Action.PRICE_ENQUIRY, wants("m"), service=SMS)).result is Result.UNKNOWN_SUBSCRIBER
    assert (await desk.ask(Action.REFUND, refund_of="m")).result is Result.UNKNOWN_SUBSCRIBER
    await desk.open(balance="1.00")
    assert (await desk.say(Phase.OPEN, wants("10", 10))).result is Result.OK


async def test_reports_of_unknown_sessions(desk: Desk) -> None:
    await desk.open(balance="1.00")
    assert (await desk.say(Phase.UPDATE, wants("10", 10))).result is Result.UNKNOWN_SESSION
    assert (await desk.say(Phase.UPDATE, wants("10", 10), identities=())).result is Result.UNKNOWN_SESSION
    assert (await desk.say(Phase.CLOSE, identities=(OTHER,))).result is Result.UNKNOWN_SESSION


async def test_another_engine_finds_a_session_without_identity(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("v", wanted=60), service=CALL, context=b"door")
    colleague = desk.colleague()
    memory = await colleague.engine.recall("s")
    assert memory is not None
    assert (memory.open, memory.context) == (True, b"door")
    closed = await colleague.say(Phase.CLOSE, wants("v", wanted=None, used=30), identities=(), service=None)
    assert (closed.result, closed.spent) == (Result.OK, 30_000)
    assert await desk.money(alice) == (970_000, 0)
    ended = await desk.engine.recall("s")
    assert ended is not None
    assert not ended.open
    assert await desk.engine.recall("never") is None


async def test_another_engine_grants_a_service_that_the_request_does_not_name(desk: Desk) -> None:
    """After a restart a report may say no more than which session it is of, and ask for whatever we grant."""
    alice = await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("v", wanted=60), service=CALL)
    colleague = desk.colleague()
    ledger = counted(colleague)
    updated = await colleague.say(Phase.UPDATE, wants("v", used=50), service=None)
    item = updated.items[0]
    assert (item.granted, item.unit, item.validity, item.settled) == (60, Unit.SECONDS, 120, 50_000)
    memory = await desk.engine.recall("s")
    assert memory is not None
    assert memory.deadline == desk.now + 240_000
    ledger.calls.clear()
    await colleague.say(Phase.UPDATE, wants("v", used=60), service=None)
    assert ledger.calls == {"charge": 1}
    assert await desk.money(alice) == (890_000, 60_000)


async def test_changed_terms_are_noticed_at_the_next_charge(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("10", 10))
    await desk.ledger.change_account(alice, AccountChange(status=Status.SUSPENDED), desk.now)
    update = await desk.say(Phase.UPDATE, wants("10", 10, used=2 * MB))
    assert (update.result, update.items[0].reason, update.items[0].settled) == (Result.OK, Reason.BARRED, 20_000)
    assert ("reread", "stale") in desk.notices.seen
    opened = await desk.say(Phase.OPEN, wants("10", 10), session="new")
    assert opened.result is Result.BARRED
    assert opened.reason == "the account is suspended"
    assert (await desk.ask(Action.DEBIT, wants("m"), service=SMS, session="sms")).result is Result.BARRED
    assert (await desk.ask(Action.CHECK_BALANCE, amount=1)).enough is False
    assert await desk.money(alice) == (980_000, 0)


async def test_identity_that_moved_is_charged_to_its_new_account(desk: Desk) -> None:
    alice = await desk.open("alice", "1.00", identities=(MAIN, OTHER))
    bob = await desk.open("bob", "2.00", identities=())
    await desk.say(Phase.OPEN, wants("10", 10), session="old")
    await desk.ledger.change_account(alice, AccountChange(identities=(OTHER,)), desk.now)
    await desk.ledger.change_account(bob, AccountChange(identities=(MAIN,)), desk.now)
    outcome = await desk.say(Phase.OPEN, wants("10", 10), session="new")
    assert outcome.account == bob
    check = await desk.ask(Action.CHECK_BALANCE, amount=1_900_000)
    assert (check.account, check.enough) == (bob, True)
    report = await desk.colleague().say(Phase.CLOSE, wants("10", 10, used=MB, wanted=None), session="old")
    assert report.result is Result.OK
    assert await desk.money(alice) == (990_000, 0)
    assert await desk.money(bob) == (2_000_000, 100_000)


async def test_session_id_of_another_account_is_refused(desk: Desk) -> None:
    """Seen where both accounts live in one shard; elsewhere each account has a session of that id of its own."""
    await desk.open("alice", "1.00")
    neighbour = next(name for name in map(str, range(1000)) if shard_of(name, SHARDS) == shard_of("alice", SHARDS))
    address = await desk.open(neighbour, "1.00", identities=(OTHER,))
    await desk.say(Phase.OPEN, wants("v"), service=CALL)
    outcome = await desk.say(Phase.OPEN, wants("v"), service=CALL, identities=(OTHER,))
    assert (outcome.result, outcome.reason) == (Result.BARRED, "the session belongs to another account")
    assert await desk.money(address) == (1_000_000, 0)


async def test_a_repeat_gets_the_first_answer_though_the_catalogue_changed(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    event = desk.event(Phase.OPEN, wants("10", 10))
    first = await desk.engine.handle(event)
    text = (SAMPLE / "catalogue.toml").read_text()
    changed = text.replace('validity = "1 h"', 'validity = "2 h"').replace("0.01 EUR", "0.02 EUR")
    desk.engine.publish(parse({"catalogue.toml": changed.encode()}))
    again = await desk.engine.handle(event)
    assert again.replayed
    assert not again.conflict
    assert again.items == first.items
    assert await desk.money(alice) == (1_000_000, 100_000)
    renewed = await desk.say(Phase.UPDATE, wants("10", 10, used=10 * MB))
    assert (renewed.items[0].settled, renewed.items[0].cost, renewed.items[0].validity) == (100_000, 200_000, 7200)


async def test_a_refusal_is_repeated_though_money_arrived(desk: Desk) -> None:
    alice = await desk.open()
    event = desk.event(Phase.EVENT, wants("m"), service=SMS)
    assert (await desk.engine.handle(event)).result is Result.NO_CREDIT
    await desk.top_up(alice, "1.00")
    again = await desk.engine.handle(event)
    assert (again.result, again.replayed) == (Result.NO_CREDIT, True)
    assert await desk.money(alice) == (1_000_000, 0)


async def test_two_hundred_at_once_share_ten_quotas(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    outcomes = await asyncio.gather(*(desk.say(Phase.OPEN, wants("10", 10), session=f"s{n}") for n in range(200)))
    granted = Counter((outcome.items[0].granted, outcome.items[0].reason) for outcome in outcomes)
    assert granted == {(10 * MB, Reason.NONE): 10, (0, Reason.NO_CREDIT): 190}
    assert await desk.money(alice) == (1_000_000, 1_000_000)


@pytest.mark.parametrize(
    ("service", "result"),
    [
        (Service(kind=ServiceKind.VOICE, called="8123456"), Result.UNRATEABLE),
        (Service(kind=ServiceKind.VOICE), Result.UNRATEABLE),
        (None, Result.UNRATEABLE),
        (Service(kind=ServiceKind.OTHER), Result.UNRATEABLE),
        (Service(kind=ServiceKind.VOICE, called="tel:+49-30-123456"), Result.OK),
        (Service(kind=ServiceKind.VOICE, called="030123456"), Result.OK),
        (Service(kind=ServiceKind.VOICE, called="491701234567", calling="8123", incoming=True), Result.OK),
    ],
)
async def test_what_has_no_price_is_refused(desk: Desk, service: Service | None, result: Result) -> None:
    await desk.open(balance="1.00")
    outcome = await desk.say(Phase.OPEN, wants("v", wanted=60), service=service)
    assert outcome.result is result
    assert bool(outcome.reason) == (result is not Result.OK)


async def test_plan_without_the_service_bars_it(desk: Desk) -> None:
    text = (SAMPLE / "catalogue.toml").read_text()
    start = text.index("mms = [")
    without = text[:start] + text[text.index("other = [") :]
    desk.engine.publish(parse({"c.toml": without.encode()}))
    await desk.open(balance="1.00")
    mms = Service(kind=ServiceKind.MMS)
    outcome = await desk.ask(Action.DEBIT, wants("m"), service=mms)
    assert (outcome.result, outcome.reason) == (Result.BARRED, "plan prepaid-basic does not include mms")
    enquiry = await desk.ask(Action.PRICE_ENQUIRY, wants("m"), service=mms)
    assert enquiry.result is Result.BARRED


async def test_plan_that_is_not_in_the_catalogue(desk: Desk) -> None:
    await desk.open(balance="1.00", plan="gone")
    outcome = await desk.say(Phase.OPEN, wants("10", 10))
    assert (outcome.result, outcome.items[0].reason) == (Result.UNRATEABLE, Reason.UNRATEABLE)
    assert "gone" in outcome.reason


async def test_unknown_rating_group_is_charged_at_the_default_rate(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("x", 4711), wants("none"))
    await desk.say(Phase.CLOSE, wants("x", 4711, used=MB, wanted=None), wants("none", used=MB, wanted=None))
    assert await desk.money(alice) == (980_000, 0)


async def test_units_of_another_kind_are_information_only(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("10", 10))
    update = await desk.say(Phase.UPDATE, wants("10", 10, used=140, unit=Unit.SECONDS, wanted=None))
    assert update.items[0].settled == 0
    assert ("mismatch", Unit.SECONDS, Unit.OCTETS) in desk.notices.seen
    asked = await desk.say(Phase.UPDATE, wants("10", 10, wanted=60, unit=Unit.SECONDS))
    assert (asked.result, asked.items[0].reason, asked.items[0].granted) == (Result.OK, Reason.UNRATEABLE, 0)
    assert await desk.money(alice) == (1_000_000, 0)


async def test_impossible_reports_are_capped_and_counted(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("10", 10))
    update = await desk.say(Phase.UPDATE, wants("10", 10, used=2**64 - 1))
    assert update.result is Result.OK
    assert ("capped", Unit.OCTETS, 2**64 - 1) in desk.notices.seen
    assert (await desk.money(alice))[0] == 1_000_000 - 10**13 // 100
    account = await desk.ledger.account(alice)
    assert account.money.overrun == 10**11 - 1_000_000
    await desk.top_up(alice, "200000")
    await desk.say(Phase.OPEN, wants("v", wanted=60), service=CALL, session="v")
    await desk.say(Phase.CLOSE, wants("v", wanted=None, total=71_582_788), service=CALL, session="v")
    assert ("capped", Unit.SECONDS, 71_582_788) in desk.notices.seen


async def test_usage_of_a_service_nobody_agreed_on_is_noticed(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("10", 10))
    outcome = await desk.say(Phase.UPDATE, wants("10", 10), wants("20", 20, used=MB), service=None)
    assert [item.reason for item in outcome.items] == [Reason.NONE, Reason.UNRATEABLE]
    assert ("unquoted", "20") in desk.notices.seen
    assert await desk.money(alice) == (1_000_000, 100_000)


async def test_money_items_are_reserved_at_par(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    item = wants("m", unit=Unit.MONEY, wanted=250_000)
    opened = await desk.say(Phase.OPEN, item, currency="EUR")
    assert (opened.items[0].granted, opened.items[0].cost, opened.items[0].unit) == (250_000, 250_000, Unit.MONEY)
    assert opened.items[0].threshold == 0
    closed = await desk.say(Phase.CLOSE, wants("m", unit=Unit.MONEY, used=200_000, wanted=None))
    assert closed.spent == 200_000
    assert await desk.money(alice) == (800_000, 0)
    dollars = await desk.say(Phase.OPEN, item, session="usd", currency="USD")
    assert dollars.items[0].reason is Reason.UNRATEABLE
    assert await desk.money(alice) == (800_000, 0)


async def test_grants_are_capped_at_the_services_maximum(desk: Desk) -> None:
    await desk.open(balance="100.00")
    opened = await desk.say(Phase.OPEN, wants("10", 10, wanted=10**15), wants("v", 10, wanted=-5))
    assert [item.granted for item in opened.items] == [10**9, 10 * MB]


async def test_lapsed_session_is_charged_what_it_reports_late(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("v", wanted=60), service=CALL)
    desk.now += 240_000 - 1
    assert not await desk.ledger.expire(desk.now)
    desk.now += 1
    assert [lapsed.session for lapsed in await desk.ledger.expire(desk.now)] == ["s"]
    assert await desk.money(alice) == (1_000_000, 0)
    update = await desk.say(Phase.UPDATE, wants("v", used=20, wanted=60), service=CALL)
    assert update.result is Result.UNKNOWN_SESSION
    closed = await desk.say(Phase.CLOSE, wants("v", used=10, wanted=None), service=CALL)
    assert closed.result is Result.OK
    assert await desk.money(alice) == (970_000, 0)


async def test_door_sets_lifetime_and_lapse(desk: Desk) -> None:
    await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("v", wanted=60), service=CALL, lifetime=5_000)
    memory = await desk.engine.recall("s")
    assert memory is not None
    assert memory.deadline == desk.now + 5_000


async def test_empty_account_is_redirected_until_it_can_pay(desk: Desk) -> None:
    text = (SAMPLE / "catalogue.toml").read_text()
    redirect = text.replace('"terminate" }', '"redirect", redirect = "http://topup.example.net/" }', 1)
    desk.engine.publish(parse({"c.toml": redirect.encode()}))
    alice = await desk.open()
    item = (await desk.say(Phase.OPEN, wants("10", 10))).items[0]
    assert (item.granted, item.reason, item.validity) == (0, Reason.NO_CREDIT, 600)
    assert item.final is not None
    assert (item.final.action, item.final.redirect) == (FinalAction.REDIRECT, "http://topup.example.net/")
    await desk.top_up(alice, "1.00")
    item = (await desk.say(Phase.UPDATE, wants("10", 10))).items[0]
    assert (item.granted, item.final, item.validity) == (10 * MB, None, 3600)


@pytest.mark.parametrize("called", ["112", "tel:110", "+49112", "urn:service:sos.police", "49110"])
async def test_emergency_calls_are_free_for_everybody(desk: Desk, called: str) -> None:
    service = Service(kind=ServiceKind.VOICE, called=called)
    for identities in ((MAIN,), ()):
        opened = await desk.say(Phase.OPEN, wants("v", wanted=60), service=service, identities=identities)
        assert (opened.result, opened.items[0].granted, opened.items[0].cost) == (Result.OK, 60, 0)
    updated = await desk.say(Phase.UPDATE, wants("v", used=60), service=None)
    assert (updated.result, updated.items[0].granted) == (Result.OK, 3600)
    repeated = await desk.colleague().say(Phase.CLOSE, wants("v", used=60, wanted=None), service=service)
    assert repeated.result is Result.OK
    suspended = await desk.open("broke")
    await desk.ledger.change_account(suspended, AccountChange(status=Status.SUSPENDED), desk.now)
    opened = await desk.say(Phase.OPEN, wants("v", wanted=60), service=service, session="t")
    assert opened.items[0].granted == 60
    assert await desk.money(suspended) == (0, 0)


async def test_emergency_session_does_not_make_other_calls_free(desk: Desk) -> None:
    alice = await desk.open(balance="0.06")
    await desk.say(Phase.OPEN, wants("v"), service=Service(kind=ServiceKind.VOICE, called="112"))
    await desk.say(Phase.OPEN, wants("v", wanted=60), service=CALL)
    assert await desk.money(alice) == (60_000, 60_000)
    await desk.say(Phase.CLOSE, wants("v", used=60, wanted=None), service=CALL)
    assert await desk.money(alice) == (0, 0)
    sms = Service(kind=ServiceKind.SMS, called="112")
    assert (await desk.ask(Action.DEBIT, wants("m"), service=sms, session="m")).result is Result.NO_CREDIT


async def test_emergency_call_under_the_id_of_a_running_session_leaves_that_alone(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("v", wanted=60), service=CALL)
    assert (
        await desk.say(Phase.OPEN, wants("v"), service=Service(kind=ServiceKind.VOICE, called="112"))
    ).result is Result.OK
    closed = await desk.say(Phase.CLOSE, wants("v", used=60, wanted=None), service=None)
    assert closed.spent == 60_000
    assert await desk.money(alice) == (940_000, 0)


async def test_running_call_cannot_turn_into_an_emergency_call(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.say(Phase.OPEN, wants("v", wanted=60), service=CALL)
    sos = Service(kind=ServiceKind.VOICE, called="112")
    closed = await desk.say(Phase.CLOSE, wants("v", used=60, wanted=None), service=sos)
    assert closed.spent == 60_000
    assert await desk.money(alice) == (940_000, 0)


async def test_validity_is_spread_but_the_same_for_a_session(desk: Desk) -> None:
    await desk.open(balance="100.00")
    spread = desk.colleague(ChargingSettings(validity_jitter=10))
    opened = [await spread.say(Phase.OPEN, wants("10", 10), session=f"s{n}") for n in range(50)]
    validities = {outcome.items[0].validity for outcome in opened}
    assert len(validities) > 5
    assert all(3240 <= validity <= 3960 for validity in validities)
    again = await spread.say(Phase.UPDATE, wants("10", 10), session="s0")
    assert again.items[0].validity == opened[0].items[0].validity


class Away:
    """A store that does not answer."""

    async def find(self, identity: Identity) -> None:
        raise Unavailable("no answer in time")


class Restless(MemoryLedger):
    """Its accounts change at every moment."""

    async def charge(self, charge: Charge) -> Charged:
        return Charged(verdict=Verdict.STALE)


async def test_unavailable_store_is_a_result(catalogue: Catalogue) -> None:
    desk = Desk(Away(), catalogue)  # type: ignore[arg-type]
    for outcome in (await desk.say(Phase.OPEN, wants("10", 10)), await desk.ask(Action.CHECK_BALANCE, amount=1)):
        assert (outcome.result, outcome.reason) == (Result.UNAVAILABLE, "no answer in time")
    sos = Service(kind=ServiceKind.VOICE, called="112")
    assert (await desk.say(Phase.OPEN, wants("v"), service=sos)).result is Result.OK


async def test_endless_change_ends_as_unavailable(catalogue: Catalogue) -> None:
    desk = Desk(Restless(), catalogue)
    await desk.open()
    assert (await desk.say(Phase.OPEN, wants("10", 10))).result is Result.UNAVAILABLE


async def test_forgetting_is_bounded(catalogue: Catalogue) -> None:
    desk = Desk(MemoryLedger(), catalogue, ChargingSettings(subscribers=2, sessions=3))
    for number in range(10):
        identity = Identity(type=IdentityType.IMSI, value=str(number))
        await desk.open(f"a{number}", "1.00", identities=(identity,))
        await desk.say(Phase.OPEN, wants("10", 10), session=f"s{number}", identities=(identity,))
    assert 3 <= len(desk.engine._sessions) <= 2 * 3
    closed = await desk.say(Phase.CLOSE, wants("10", 10, used=MB, wanted=None), session="s0", identities=())
    assert (closed.result, closed.spent) == (Result.OK, 10_000)


splits = st.lists(st.integers(0, 3 * MB), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(splits, st.sampled_from([10, 20]))
async def test_splitting_a_session_never_changes_its_price(catalogue: Catalogue, parts: list[int], group: int) -> None:
    """The cost of a session is that of its total, however it is reported."""
    desk = Desk(MemoryLedger(), catalogue)
    alice = await desk.open(balance="100.00")
    for session, reports in (("one", [sum(parts)]), ("many", parts)):
        await desk.say(Phase.OPEN, wants("k", group), session=session)
        for used in reports:
            await desk.say(Phase.UPDATE, wants("k", group, used=used), session=session)
        closed = await desk.say(Phase.CLOSE, session=session)
        blocks = -(-sum(parts) // 100_000)
        assert closed.spent == blocks * {10: 1_000, 20: 10_000}[group]
    assert (await desk.money(alice))[1] == 0


async def test_explanation_names_the_lines_and_the_buckets(desk: Desk) -> None:
    alice = await desk.open(balance="0.60")
    await desk.give(alice, "data-1gb")
    told = await desk.engine.explain(
        desk.event(Phase.OPEN, wants("10", 10, wanted=10**9), wants("20", 20, wanted=10 * MB))
    )
    assert (told.result, told.plan, told.currency, told.account) == (Result.OK, "prepaid-basic", "EUR", "alice")
    ten, twenty = told.items
    assert (ten.rate, ten.price, ten.cost, ten.granted) == ("data-standard", 10_000_000, 0, 10**9)
    assert [(payment.offer, payment.units, payment.left) for payment in ten.payments] == [("data-1gb", 10**9, 0)]
    assert ten.rule.startswith("catalogue.toml:")
    lines = (SAMPLE / "catalogue.toml").read_text().splitlines()
    assert lines[int(ten.rate_source.split(":")[1]) - 1] == "[rates.data-standard]"
    assert "rating_group = 20" in lines[int(twenty.rule.split(":")[1]) - 1]
    assert (twenty.price, twenty.cost, twenty.granted, twenty.available) == (1_000_000, 600_000, 6 * MB, 0)
    assert await desk.money(alice) == (600_000, 0)


async def test_explanation_without_an_account(desk: Desk) -> None:
    call = desk.event(Phase.EVENT, wants("v", wanted=90), service=CALL, identities=())
    told = await desk.engine.explain(call, plan="prepaid-basic")
    assert (told.price, told.currency, told.items[0].zone) == (90_000, "EUR", "national")
    assert (await desk.engine.explain(call)).result is Result.UNKNOWN_SUBSCRIBER
    assert (await desk.engine.explain(call, plan="gone")).result is Result.UNRATEABLE
    assert (await desk.engine.explain(desk.event(Phase.OPEN, wants("10", 10), service=DATA))).account == ""


numbers = st.sampled_from([-1, 0, 1, 60, 10**7, 2**31, 2**53 - 1, 2**53, 2**63, 2**64 - 1])
texts = st.sampled_from(["", "k", "\x00", "112", "49", "tel:", "ü" * 300, "+", "sip:@", "\udcff"])
items = st.builds(
    RequestItem,
    key=texts,
    rating_group=st.none() | numbers,
    service_id=st.none() | numbers,
    unit=st.none() | st.sampled_from(Unit),
    used=numbers,
    total=st.none() | numbers,
    wanted=st.none() | numbers,
)
services = st.none() | st.builds(
    Service, kind=st.sampled_from(ServiceKind), called=texts, calling=texts, incoming=st.booleans()
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "phase": st.sampled_from(Phase),
                "items": st.lists(items, max_size=3),
                "service": services,
                "action": st.sampled_from(Action),
                "amount": st.none() | numbers,
                "lifetime": st.none() | numbers,
                "currency": st.sampled_from(["", "EUR", "XXX", "\x00"]),
                "identities": st.sampled_from([(), (MAIN,), (OTHER, MAIN)]),
                "refund_of": texts,
                "session": st.sampled_from(["a", "b"]),
            }
        ),
        max_size=8,
    )
)
async def test_no_input_raises_or_unbalances_the_books(ledger: Ledger, catalogue: Catalogue, said: list[dict]) -> None:
    desk = Desk(ledger, catalogue)
    if await desk.ledger.address("alice") is None:
        await desk.open(balance="10.00")
    desk.number = len(await desk.ledger.sessions()) + id(said)
    for event in said:
        event = dict(event)
        outcome = await desk.say(event.pop("phase"), *event.pop("items"), **event)
        assert isinstance(outcome.result, Result)
        assert outcome.result is not Result.UNAVAILABLE
    assert (await desk.ledger.audit()).findings == ()
