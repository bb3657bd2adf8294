"""Whole exchanges, with the money at each step: data, voice and messages against the sample catalogue."""

import pytest

from balances.ledger import KEYS
from charging.event import Action, FinalAction, Phase, Reason, RequestItem, Result, Unit
from tests.charging.desk import CALL, SMS, Desk

MB = 10**6


def wants(key: str, group: int | None = None, **more: object) -> RequestItem:
    return RequestItem(key=key, rating_group=group, **({"wanted": 0} | more))  # type: ignore[arg-type]


@pytest.mark.rfc("8506", "5.3")
async def test_data_session_with_two_rating_groups(desk: Desk) -> None:
    alice = await desk.open(balance="5.00")
    opened = await desk.say(Phase.OPEN, wants("10", 10), wants("20", 20))
    assert opened.result is Result.OK
    ten, twenty = opened.items
    assert (ten.granted, ten.validity, ten.threshold, ten.holding, ten.cost) == (10 * MB, 3600, 2 * MB, 300, 100_000)
    assert (twenty.granted, twenty.threshold, twenty.cost) == (5 * MB, MB, 500_000)
    assert ten.unit is Unit.OCTETS
    assert ten.final is None
    assert await desk.money(alice) == (5_000_000, 600_000)
    assert opened.available == 4_400_000

    updated = await desk.say(Phase.UPDATE, wants("10", 10, used=8 * MB))
    assert [item.granted for item in updated.items] == [10 * MB]
    assert updated.items[0].settled == 80_000
    assert await desk.money(alice) == (4_920_000, 600_000)

    closed = await desk.say(
        Phase.CLOSE, wants("10", 10, used=MB, wanted=None), wants("20", 20, used=4 * MB, wanted=None)
    )
    assert closed.result is Result.OK
    assert [item.granted for item in closed.items] == [None, None]
    assert [item.settled for item in closed.items] == [10_000, 400_000]
    assert closed.spent == 490_000
    assert await desk.money(alice) == (4_510_000, 0)


@pytest.mark.rfc("8506", "5.6")
async def test_last_grant_is_partial_and_final(desk: Desk) -> None:
    alice = await desk.open(balance="0.03")
    opened = await desk.say(Phase.OPEN, wants("10", 10))
    assert opened.items[0].granted == 3 * MB
    assert opened.items[0].final is not None
    assert opened.items[0].final.action is FinalAction.TERMINATE
    assert opened.items[0].threshold == 0
    assert await desk.money(alice) == (30_000, 30_000)
    final = await desk.say(Phase.UPDATE, wants("10", 10, used=3 * MB, wanted=None))
    assert final.result is Result.OK
    assert final.items[0].granted is None
    closed = await desk.say(Phase.CLOSE)
    assert closed.result is Result.OK
    assert await desk.money(alice) == (0, 0)


async def test_out_of_credit_keeps_the_data_session_and_zero_rated_groups_run(desk: Desk) -> None:
    alice = await desk.open()
    opened = await desk.say(Phase.OPEN, wants("10", 10), wants("99", 99))
    assert opened.result is Result.OK
    assert (opened.items[0].granted, opened.items[0].reason, opened.items[0].final) == (0, Reason.NO_CREDIT, None)
    assert (opened.items[1].granted, opened.items[1].reason, opened.items[1].cost) == (5 * MB, Reason.NONE, 0)
    await desk.top_up(alice, "1.00")
    again = await desk.say(Phase.UPDATE, wants("10", 10))
    assert again.items[0].granted == 10 * MB


async def test_out_of_credit_refuses_a_call_and_keeps_nothing(desk: Desk) -> None:
    await desk.open()
    refused = await desk.say(Phase.OPEN, wants("v", wanted=60), service=CALL)
    assert refused.result is Result.NO_CREDIT
    assert refused.reason == "not enough credit"
    report = await desk.say(Phase.UPDATE, wants("v", used=5), service=CALL)
    assert report.result is Result.SESSION_CLOSED
    assert not await desk.ledger.sessions()


async def test_voice_by_the_second(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    opened = await desk.say(Phase.OPEN, wants("v", 100, service_id=1000, wanted=60, unit=Unit.SECONDS), service=CALL)
    item = opened.items[0]
    assert (item.granted, item.validity, item.threshold, item.holding, item.cost) == (60, 120, 10, 0, 60_000)
    assert await desk.money(alice) == (1_000_000, 60_000)
    updated = await desk.say(Phase.UPDATE, wants("v", 100, service_id=1000, wanted=60, used=50), service=CALL)
    assert updated.items[0].granted == 60
    assert await desk.money(alice) == (950_000, 60_000)
    closed = await desk.say(Phase.CLOSE, wants("v", 100, service_id=1000, wanted=None, used=22), service=None)
    assert closed.spent == 72_000
    assert await desk.money(alice) == (928_000, 0)


async def test_message_is_debited_and_given_back_once(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    sent = await desk.ask(Action.DEBIT, wants("m", 300, wanted=1), service=SMS, session="m1")
    assert (sent.result, sent.spent, sent.items[0].granted) == (Result.OK, 90_000, 1)
    assert await desk.money(alice) == (910_000, 0)
    back = await desk.ask(Action.REFUND, wants("m", 300, wanted=1), service=SMS, session="r1", refund_of="m1")
    assert (back.result, back.spent, back.items[0].granted) == (Result.OK, 90_000, 1)
    assert await desk.money(alice) == (1_000_000, 0)
    twice = await desk.ask(Action.REFUND, wants("m", 300, wanted=1), service=SMS, session="r2", refund_of="m1")
    assert (twice.result, twice.spent) == (Result.OK, 0)
    assert await desk.money(alice) == (1_000_000, 0)
    never = await desk.ask(Action.REFUND, service=SMS, session="r3", refund_of="m9")
    assert never.result is Result.NOTHING_TO_REFUND
    nameless = await desk.ask(Action.REFUND, service=SMS, session="r4")
    assert nameless.result is Result.NOTHING_TO_REFUND


@pytest.mark.rfc("8506", "6.3")
async def test_messages_are_given_back_one_by_one_and_never_more_than_were_debited(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.ask(Action.DEBIT, wants("m", 300, wanted=3), service=SMS, session="m1")
    part = await desk.ask(Action.REFUND, wants("m", 300, wanted=1), service=SMS, session="r1", refund_of="m1")
    assert (part.result, part.spent, part.items[0].granted) == (Result.OK, 90_000, 1)
    assert await desk.money(alice) == (820_000, 0)
    much = await desk.ask(Action.REFUND, wants("m", 300, wanted=3), service=SMS, session="r1b", refund_of="m1")
    assert (much.result, much.spent) == (Result.NOTHING_TO_REFUND, 0)
    whole = await desk.ask(Action.REFUND, wants("m", 300), service=SMS, session="r2", refund_of="m1")
    assert (whole.result, whole.spent, whole.items[0].granted) == (Result.OK, 180_000, 2)
    again = await desk.ask(Action.REFUND, wants("m", 300, wanted=3), service=SMS, session="r3", refund_of="m1")
    assert (again.result, again.spent, again.items[0].granted) == (Result.OK, 0, 0)
    assert await desk.money(alice) == (1_000_000, 0)


async def test_a_request_answered_and_forgotten_is_refused(desk: Desk) -> None:
    alice = await desk.open(balance="5.00")
    await desk.say(Phase.OPEN, wants("10", 10), operation="1:0", sequence=0)
    for number in range(1, 301):
        await desk.say(Phase.UPDATE, wants("10", 10, used=1000), operation=f"2:{number}", sequence=number)
    before = await desk.money(alice)
    old = await desk.say(Phase.UPDATE, wants("10", 10, used=1000), operation="2:1", sequence=1)
    assert (old.result, old.replayed) == (Result.FORGOTTEN, False)
    assert await desk.money(alice) == before


async def test_usage_of_more_keys_than_a_session_has_room_for_is_told(desk: Desk) -> None:
    await desk.open(balance="5.00")
    items = [wants(f"10:{number}", 10) for number in range(KEYS)]
    await desk.say(Phase.OPEN, *items)
    more = await desk.say(Phase.UPDATE, wants("10:x", 10, used=1000))
    assert (more.items[0].granted, more.items[0].reason, more.items[0].settled) == (0, Reason.UNRATEABLE, 0)
    last = await desk.say(Phase.CLOSE, wants("10:y", 10, used=1000, wanted=None))
    assert last.items[0].reason is Reason.UNRATEABLE
    assert desk.notices.seen == [("unquoted", "10:x"), ("unquoted", "10:y")]


async def test_a_late_report_after_a_lapse_is_charged_once(desk: Desk) -> None:
    """What a door does that releases a call and hears of its length afterwards."""
    alice = await desk.open(balance="5.00")
    await desk.say(Phase.OPEN, wants("call", wanted=60), service=CALL)
    released = await desk.say(Phase.LAPSE, service=None)
    assert (released.result, await desk.money(alice)) == (Result.OK, (5_000_000, 0))
    reports = [
        await desk.say(Phase.CLOSE, RequestItem(key="call", unit=Unit.SECONDS, total=30), service=None)
        for _ in range(8)
    ]
    assert [report.result for report in reports] == [Result.OK, *[Result.SESSION_CLOSED] * 7]
    assert reports[0].spent > 0
    assert await desk.money(alice) == (5_000_000 - reports[0].spent, 0)


async def test_messages_are_debited_all_or_none(desk: Desk) -> None:
    alice = await desk.open(balance="0.20")
    refused = await desk.ask(Action.DEBIT, wants("m", wanted=3), service=SMS, session="m1")
    assert refused.result is Result.NO_CREDIT
    assert await desk.money(alice) == (200_000, 0)
    sent = await desk.ask(Action.DEBIT, wants("m", wanted=None), service=SMS, session="m2")
    assert (sent.result, sent.spent) == (Result.OK, 90_000)


async def test_balance_check_and_price_enquiry_change_nothing(desk: Desk) -> None:
    alice = await desk.open(balance="4.51")
    checks = {
        amount: await desk.ask(Action.CHECK_BALANCE, amount=amount) for amount in (4_510_000, 4_510_001, 12_000_000)
    }
    assert [check.enough for check in checks.values()] == [True, False, False]
    assert checks[12_000_000].result is Result.OK
    dollars = await desk.ask(Action.CHECK_BALANCE, amount=1, currency="USD")
    assert dollars.result is Result.UNRATEABLE
    dear = await desk.ask(Action.CHECK_BALANCE, wants("m", wanted=51), service=SMS)
    assert dear.enough is False
    cheap = await desk.ask(Action.CHECK_BALANCE, wants("m", wanted=50), service=SMS)
    assert cheap.enough is True
    price = await desk.ask(Action.PRICE_ENQUIRY, wants("m"), service=SMS)
    assert (price.result, price.spent, price.currency) == (Result.OK, 90_000, "EUR")
    assert await desk.money(alice) == (4_510_000, 0)
    assert not await desk.ledger.sessions()


async def test_bundle_pays_before_money_and_a_grant_may_be_paid_by_both(desk: Desk) -> None:
    alice = await desk.open(balance="1.00")
    await desk.give(alice, "data-1gb")
    opened = await desk.say(Phase.OPEN, wants("10", 10, wanted=995 * MB), wants("20", 20))
    assert [(item.granted, item.cost) for item in opened.items] == [(995 * MB, 0), (5 * MB, 500_000)]
    updated = await desk.say(Phase.UPDATE, wants("10", 10, used=995 * MB))
    assert (updated.items[0].granted, updated.items[0].cost) == (10 * MB, 50_000)
    closed = await desk.say(Phase.CLOSE, wants("10", 10, used=10 * MB, wanted=None))
    assert closed.spent == 50_000
    account = await desk.ledger.account(alice)
    assert (account.buckets[0].counters.balance, account.money.balance) == (0, 950_000)
    assert account.money.reserved == 0


async def test_other_door_is_granted_only_what_is_left(desk: Desk) -> None:
    alice = await desk.open(balance="0.15")
    await desk.say(Phase.OPEN, wants("10", 10), session="data")
    call = await desk.say(Phase.OPEN, wants("v", wanted=60), service=CALL, session="call")
    assert call.items[0].granted == 50
    assert call.items[0].final is not None
    await desk.say(Phase.CLOSE, wants("v", wanted=None, used=10), service=CALL, session="call")
    more = await desk.say(Phase.UPDATE, wants("10", 10, used=10 * MB), session="data")
    assert more.items[0].granted == 4 * MB
    assert await desk.money(alice) == (40_000, 40_000)
