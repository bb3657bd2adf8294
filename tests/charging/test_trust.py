"""What is granted on trust: never beyond its bounds, whatever the price; and how it is settled."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balances.ledger import (
    INSUFFICIENT,
    UNQUOTED,
    Address,
    Billing,
    Charge,
    Level,
    Overage,
    Phase,
    Quote,
    SessionState,
    Unit,
    Use,
    Verdict,
)
from balances.price import FREE, Price, Step, cost
from charging import trust
from charging.event import ChargingEvent, RequestItem
from charging.trust import OnTrust, Payer, Promise

HERE = Address(shard=0, account="alice")
PENNY = Quote(price=Price(0, (Step(None, 1, 1),)), terms=b"t")
ALICE = Payer(account="alice", currency="EUR")


def charge(phase: Phase, *uses: Use, levels: tuple[Level, ...] = ()) -> Charge:
    return Charge(
        address=HERE, version=0, session="s", operation="o", fingerprint=0, phase=phase, door="d", now=0, deadline=0,
        uses=uses, levels=levels,
    )  # fmt: skip


def use(wanted: int = 0, quote: Quote | None = PENNY, key: str = "k", **more: object) -> Use:
    return Use(key=key, unit=Unit.OCTETS, wanted=wanted, quote=quote, **more)  # type: ignore[arg-type]


def grants(phase: Phase, room: int, *uses: Use, levels: tuple[Level, ...] = ()) -> list[tuple[int, int, str | None]]:
    found = trust.answer(charge(phase, *uses, levels=levels), room)
    assert found is not None
    answer, amount = found
    assert amount == sum(grant.cost for grant in answer.grants) <= room
    return [(grant.granted, grant.cost, grant.refused) for grant in answer.grants]


def test_all_is_granted_that_there_is_room_for() -> None:
    assert grants(Phase.OPEN, 100, use(60), use(60, key="l")) == [(60, 60, None), (40, 40, None)]


def test_nothing_begins_without_anything_granted() -> None:
    assert trust.answer(charge(Phase.OPEN, use(60)), 0) is None
    assert trust.answer(charge(Phase.OPEN, use(60, least=20)), 10) is None
    assert trust.answer(charge(Phase.OPEN, use(60, denied="barred")), 100) is None


def test_an_event_gets_all_it_wants_or_nothing() -> None:
    assert grants(Phase.EVENT, 100, use(60, least=60)) == [(60, 60, None)]
    assert trust.answer(charge(Phase.EVENT, use(60, least=60), use(60, least=60, key="l")), 100) is None


def test_a_report_is_taken_though_nothing_is_granted() -> None:
    assert grants(Phase.UPDATE, 0, use(60, used=10)) == [(0, 0, INSUFFICIENT)]
    assert grants(Phase.CLOSE, 0, use(used=10)) == [(0, 0, None)]


def test_what_has_no_price_is_not_granted() -> None:
    assert grants(Phase.UPDATE, 100, use(60, None)) == [(0, 0, UNQUOTED)]


def test_what_is_free_needs_no_room() -> None:
    assert grants(Phase.OPEN, 0, use(60, Quote(price=FREE))) == [(60, 0, None)]


def test_who_pays_is_bounded_and_anybody_up_the_chain_may_refuse() -> None:
    owner = Level(address=HERE, version=0, billing=Billing.SHARED, quotes=(PENNY,), denied=(None,))
    member = use(60, Quote(price=FREE))
    assert grants(Phase.OPEN, 40, member, levels=(owner,)) == [(40, 40, None)]
    barred = msgspec.structs.replace(owner, denied=("barred",))
    assert grants(Phase.UPDATE, 40, member, levels=(barred,)) == [(0, 0, "barred")]


steps = st.builds(Step, st.none(), st.integers(1, 50), st.integers(1, 500), st.integers(1, 20))


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    """A price of some steps, each as long as some of its blocks, and perhaps what holds when a bucket is used up."""
    drawn = draw(st.lists(steps, min_size=1, max_size=4))
    found, end = [], 0
    for step in drawn[:-1]:
        end += step.block * draw(st.integers(1, 20))
        found.append(msgspec.structs.replace(step, upto=end))
    price = Price(draw(st.integers(0, 100)), (*found, drawn[-1]))
    beyond = draw(st.none() | st.builds(lambda step: Overage(offer="o", price=Price(0, (step,))), steps))
    return Quote(price=price, overage=(beyond,) if beyond else ())


@given(quotes(), st.integers(0, 2000), st.integers(1, 1000))
def test_the_dearest_price_is_never_below_what_is_due(quote: Quote, before: int, units: int) -> None:
    bound = cost(trust.dearest(quote), units)
    for price in [quote.price, *[overage.price for overage in quote.overage if overage.price]]:
        rounding = 1  # each of two sums is rounded by itself
        assert cost(price, before + units) - cost(price, before) <= bound + rounding


def test_room_is_bounded_by_account_and_in_all_for_each_currency() -> None:
    exposure = trust.Exposure(50, 80)
    assert exposure.room(ALICE) == 50
    exposure.add(ALICE, 50)
    assert exposure.room(ALICE) == 0
    bob = Payer(account="bob", currency="EUR")
    assert exposure.room(bob) == 30
    assert exposure.room(Payer(account="carol", currency="USD")) == 50
    exposure.release(ALICE, 50)
    assert exposure.room(bob) == 50


# Settlement


def event(phase: Phase, **more: object) -> ChargingEvent:
    return ChargingEvent(
        session="s", operation="o", fingerprint=1, phase=phase, door="d", at=5, now=5, identities=(), service=None,
        items=(RequestItem(key="k", used=3, wanted=None),), **more,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("phase", "state", "steps"),
    [
        (Phase.OPEN, None, ["open o"]),
        (Phase.OPEN, SessionState.OPEN, ["open o"]),
        (Phase.OPEN, SessionState.CLOSED, []),
        (Phase.OPEN, SessionState.LAPSED, []),
        (Phase.UPDATE, None, ["open o"]),
        (Phase.UPDATE, SessionState.OPEN, ["update o"]),
        (Phase.UPDATE, SessionState.LAPSED, ["update o"]),
        (Phase.CLOSE, None, ["open o", "close o/end"]),
        (Phase.CLOSE, SessionState.OPEN, ["close o"]),
        (Phase.CLOSE, SessionState.LAPSED, ["close o"]),
        (Phase.LAPSE, None, []),
        (Phase.LAPSE, SessionState.OPEN, ["lapse o"]),
        (Phase.EVENT, None, ["event o"]),
        (Phase.EVENT, SessionState.CLOSED, ["event o"]),
    ],
)
def test_what_is_brought_before_the_ledger(phase: Phase, state: SessionState | None, steps: list[str]) -> None:
    found = trust.settlement(event(phase), state)
    assert [f"{step.phase.value} {step.operation}" for step in found] == steps


def test_an_event_that_is_refused_is_debited_as_use() -> None:
    found = trust.answer(charge(Phase.EVENT, use(2, least=2)), 100)
    assert found is not None
    promise = Promise(event=event(Phase.EVENT), address=HERE, payer="alice", currency="EUR", amount=2, answer=found[0])
    used, end = trust.debit(promise)
    assert (used.phase, used.operation, used.items[0].used, used.items[0].wanted) == (Phase.OPEN, "o/debit", 2, None)
    assert (end.phase, end.operation, end.items) == (Phase.CLOSE, "o/end", ())


def test_a_report_that_finds_its_session_closed_is_debited_in_a_session_of_its_own() -> None:
    found = trust.answer(charge(Phase.UPDATE, use(2)), 100)
    assert found is not None
    promise = Promise(event=event(Phase.UPDATE), address=HERE, payer="alice", currency="EUR", amount=2, answer=found[0])
    used, end = trust.debit(promise)
    assert (used.session, used.phase, used.operation, used.items[0].used) == ("s/o", Phase.OPEN, "o/debit", 3)
    assert (end.session, end.phase, end.operation) == ("s/o", Phase.CLOSE, "o/end")


@pytest.mark.parametrize(
    ("phase", "verdict", "item", "lost"),
    [
        (Phase.EVENT, Verdict.REFUSED, RequestItem(key="k", wanted=1), True),
        (Phase.EVENT, Verdict.DONE, RequestItem(key="k", wanted=1), False),
        (Phase.UPDATE, Verdict.CLOSED_SESSION, RequestItem(key="k", used=1), True),
        (Phase.CLOSE, Verdict.CLOSED_SESSION, RequestItem(key="k", reported=((Unit.OCTETS, 1),)), True),
        (Phase.CLOSE, Verdict.CLOSED_SESSION, RequestItem(key="k", total=9), False),
        (Phase.CLOSE, Verdict.CLOSED_SESSION, RequestItem(key="k"), False),
        (Phase.CLOSE, Verdict.LAPSED_SESSION, RequestItem(key="k", used=1), False),
        (Phase.LAPSE, Verdict.CLOSED_SESSION, RequestItem(key="k"), False),
    ],
)
def test_what_the_ledger_has_not_settled(phase: Phase, verdict: Verdict, item: RequestItem, lost: bool) -> None:
    assert trust.lost(msgspec.structs.replace(event(phase), items=(item,)), verdict) is lost


def test_a_promise_is_the_same_after_it_was_written_and_read() -> None:
    found = trust.answer(charge(Phase.OPEN, use(2)), 100)
    assert found is not None
    context = event(Phase.OPEN, context=b"\x00\xff")
    promise = Promise(event=context, address=HERE, payer="alice", currency="EUR", amount=2, answer=found[0])
    again = msgspec.json.decode(msgspec.json.encode(promise), type=Promise)
    assert again == promise
    assert isinstance(again.answer, OnTrust)
