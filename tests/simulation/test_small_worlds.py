"""Every order in which the requests of one session, a copy of each, a top-up and the reaper can come: 5,040 worlds.

Each is lived through to its end. Whatever the order, a copy gets the first one's answer, what was reported is debited
once or was refused, and the books close.
"""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from balances.ledger import Charge, Charged, Movement, NewAccount, Phase, Quote, Unit, Use, Verdict
from balances.memory import MemoryLedger
from balances.price import Price, Step

QUOTE = Quote(price=Price(0, (Step(None, 1, 1),)))
STEPS = "OOUUCCTE"
"""Opening, update and closing, each twice; a top-up; the reaper, long after the deadline."""

USED = {"U": 40, "C": 30}
PHASES = {"O": Phase.OPEN, "U": Phase.UPDATE, "C": Phase.CLOSE}
SETTLES = (Verdict.DONE, Verdict.LAPSED_SESSION)


def orders(left: str) -> Iterator[str]:
    """All different orders of the steps."""
    if not left:
        yield ""
    for step in sorted(set(left)):
        for rest in orders(left.replace(step, "", 1)):
            yield step + rest


async def live(order: str, funds: int) -> None:
    ledger = MemoryLedger(shards=1)
    account = await ledger.open_account(NewAccount(id="ann", plan="p", currency="EUR"), 1)
    await ledger.move(Movement(address=account.address, operation="funds", amount=funds, cause="topup", now=1))
    now, answers = 10, dict[str, Charged]()
    for step in order:
        now += 1
        if step == "T":
            await ledger.move(Movement(address=account.address, operation="t", amount=100, cause="topup", now=now))
        elif step == "E":
            now += 1000
            await ledger.expire(now)
        else:
            use = Use(key="k", unit=Unit.OCTETS, quote=QUOTE, used=USED.get(step, 0), wanted=0 if step == "C" else 50)
            answer = await ledger.charge(
                Charge(
                    address=account.address,
                    version=account.version,
                    session="s",
                    operation=step,
                    fingerprint=0,
                    phase=PHASES[step],
                    door="test",
                    now=now,
                    deadline=now + 100,
                    uses=(use,),
                )
            )
            first = answers.setdefault(step, answer)
            if first.verdict is not Verdict.UNKNOWN_SESSION:  # of which there is nothing to remember
                assert msgspec.structs.replace(answer, replayed=first.replayed) == first
            else:
                answers[step] = answer
        assert (await ledger.audit()).findings == ()
    await ledger.expire(now + 10_000)
    money = (await ledger.account(account.address)).money
    due = sum(USED[step] for step, answer in answers.items() if step in USED and answer.verdict in SETTLES)
    assert (money.debited, money.reserved) == (due, 0)
    assert money.credited == funds + 100
    assert money.overrun >= due - money.credited


@pytest.mark.parametrize(
    ("funds", "steps", "worlds"),
    [(60, STEPS, 5040), (1, STEPS[1:], 1260), (1000, STEPS[1:], 1260)],
    ids=["tight", "poor", "rich"],
)
def test_every_order_keeps_the_promises(funds: int, steps: str, worlds: int) -> None:
    async def all_of_them() -> int:
        count = 0
        for order in orders(steps):
            try:
                await live(order, funds)
            except AssertionError as failure:
                raise AssertionError(f"in the order {order}: {failure}") from failure
            count += 1
        return count

    assert asyncio.run(all_of_them()) == worlds
