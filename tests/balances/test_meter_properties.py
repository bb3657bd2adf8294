"""Meters held against sums by hand: prices along one add up over any splitting, and no grant passes a cap."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from balances.ledger import Charge, Charged, Metering, Movement, NewAccount, Phase, Quote, Unit, Use
from balances.memory import MemoryLedger
from balances.price import Price, Step, cost

NEVER_ENDS = 10**12


@st.composite
def prices(draw: st.DrawFn) -> Price:
    """Tiers of whole blocks, in any order of dearness."""
    steps, start = [], 0
    for _ in range(draw(st.integers(0, 3))):
        block = draw(st.integers(1, 7))
        start += block * draw(st.integers(1, 6))
        steps.append(Step(start, block, draw(st.integers(0, 9)), draw(st.integers(1, 3))))
    return Price(0, (*steps, Step(None, draw(st.integers(1, 7)), draw(st.integers(0, 9)))))


class Desk:
    """An account with money, and the sessions that use it."""

    def __init__(self, quote: Quote) -> None:
        self.quote = quote
        self.ledger = MemoryLedger(1)
        self.number = 0

    async def open(self) -> None:
        account = await self.ledger.open_account(NewAccount(id="ann", plan="p", currency="EUR"), 0)
        self.address = account.address
        await self.ledger.move(Movement(address=self.address, operation="m", amount=10**9, cause="c", now=0))

    async def say(self, phase: Phase, session: str, used: int, wanted: int) -> Charged:
        self.number += 1
        return await self.ledger.charge(
            Charge(
                address=self.address,
                version=1,
                session=session,
                operation=str(self.number),
                fingerprint=0,
                phase=phase,
                door="test",
                now=self.number,
                deadline=NEVER_ENDS,
                uses=(Use(key="k", unit=Unit.OCTETS, used=used, wanted=wanted, quote=self.quote),),
            )
        )


@settings(max_examples=50, deadline=None)
@given(price=prices(), sessions=st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=5), min_size=1, max_size=5))
def test_one_session_after_the_other_pays_the_price_of_all_of_it(price: Price, sessions: list[list[int]]) -> None:
    async def run() -> None:
        meter = Metering(meter="month", unit=Unit.OCTETS, ends_at=NEVER_ENDS, axis=True)
        desk = Desk(Quote(price=price, meters=(meter,)))
        await desk.open()
        total = 0
        for number, reports in enumerate(sessions):
            await desk.say(Phase.OPEN, f"s{number}", 0, 30)
            for used in reports:
                total += used
                await desk.say(Phase.UPDATE, f"s{number}", used, 30)
                assert (await desk.ledger.account(desk.address)).money.debited == cost(price, total)
            await desk.say(Phase.CLOSE, f"s{number}", 0, 0)
        (found,) = (await desk.ledger.account(desk.address)).meters
        assert (found.used, found.spent, found.reserved) == (total, cost(price, total), 0)

    asyncio.run(run())


moves = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 100), st.integers(0, 60)), max_size=25)


@settings(max_examples=50, deadline=None)
@given(price=prices(), moves=moves)
def test_sessions_side_by_side_pay_the_price_of_all_of_it_together(
    price: Price, moves: list[tuple[str, int, int]]
) -> None:
    """In whatever order they report, and however much of it was not granted."""

    async def run() -> None:
        meter = Metering(meter="month", unit=Unit.OCTETS, ends_at=NEVER_ENDS, axis=True)
        desk = Desk(Quote(price=price, meters=(meter,)))
        await desk.open()
        total = 0
        for session in "abcd":
            await desk.say(Phase.OPEN, session, 0, 20)
        for session, used, wanted in moves:
            total += used
            await desk.say(Phase.UPDATE, session, used, wanted)
            assert (await desk.ledger.account(desk.address)).money.debited == cost(price, total)

    asyncio.run(run())


@settings(max_examples=50, deadline=None)
@given(amount=st.integers(0, 9), block=st.integers(1, 7), cap=st.integers(0, 300), moves=moves)
def test_no_grant_passes_a_cap(amount: int, block: int, cap: int, moves: list[tuple[str, int, int]]) -> None:
    """Sessions that use no more than they were granted spend no more than the cap, together."""

    async def run() -> None:
        meter = Metering(meter="day", ends_at=NEVER_ENDS, cap=cap)
        desk = Desk(Quote(price=Price(0, (Step(None, block, amount),)), meters=(meter,)))
        await desk.open()
        granted = dict.fromkeys("abcd", 0)
        for session, share, wanted in moves:
            phase = Phase.UPDATE if await desk.ledger.session(desk.address, session) else Phase.OPEN
            answer = await desk.say(phase, session, granted[session] * share // 100, wanted)
            granted[session] = answer.grants[0].granted
            (found,) = (await desk.ledger.account(desk.address)).meters
            assert found.spent + found.reserved_money <= cap
            assert (await desk.ledger.audit()).balanced

    asyncio.run(run())
