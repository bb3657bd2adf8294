"""Prices: closed form against counting, splitting, and Lua against Python."""

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.ledger import Quote
from balances.link import Link, Script
from balances.money import LIMIT
from balances.price import FREE, Price, Step, cost, reach
from balances.scripts import assemble
from balances.wire import pack_quote


@st.composite
def prices(draw: st.DrawFn, block: int = 9, blocks: int = 6, amount: int = 30) -> Price:
    """Any price: up to three steps that end, then one that does not."""
    steps = []
    start = 0
    for last in [False] * draw(st.integers(0, 3)) + [True]:
        size = draw(st.integers(1, block))
        start += size * draw(st.integers(1, blocks))
        per = draw(st.integers(1, 7))
        bias = draw(st.sampled_from([0, per // 2, per - 1]))
        steps.append(Step(None if last else start, size, draw(st.integers(0, amount)), per, bias))
    return Price(draw(st.integers(0, amount)), tuple(steps))


def counted(price: Price, units: int) -> int:
    """The cost by opening block after block, as on a meter."""
    if not units:
        return 0
    total, at = price.setup, 0
    for step in price.steps:
        blocks = 0
        while at < units and (step.upto is None or at < step.upto):
            at += step.block
            blocks += 1
        total += (blocks * step.amount + step.bias) // step.per if blocks else 0
        if at >= units:
            break
    return total


@given(prices(), st.integers(0, 120))
def test_cost_is_what_a_meter_counts(price: Price, units: int) -> None:
    assert cost(price, units) == counted(price, units)


@given(prices(), st.lists(st.integers(0, 40), max_size=6))
def test_splitting_never_changes_the_price(price: Price, parts: list[int]) -> None:
    paid = at = 0
    for part in parts:
        paid += cost(price, at + part) - cost(price, at)
        at += part
    assert paid == cost(price, sum(parts))


@given(prices(), st.integers(0, 60), st.integers(0, 80), st.integers(0, 400))
def test_reach_is_the_most_the_budget_buys(price: Price, units: int, wanted: int, budget: int) -> None:
    best = max(
        (more for more in range(wanted + 1) if cost(price, units + more) - cost(price, units) <= budget), default=0
    )
    assert reach(price, units, wanted, budget) == best


def test_free_reaches_everywhere_and_costs_nothing() -> None:
    assert (reach(FREE, 0, LIMIT - 1, 0), cost(FREE, LIMIT - 1)) == (LIMIT - 1, 0)


def test_a_cost_beyond_what_can_be_counted_is_an_error_and_out_of_reach() -> None:
    price = Price(0, (Step(None, 1, 2**30),))
    with pytest.raises(OverflowError):
        cost(price, 2**23)
    assert cost(price, 2**23 - 1) == LIMIT - 2**30
    assert reach(price, 0, LIMIT - 1, LIMIT - 1) == 2**23 - 1


COUNTING = """
local q = read_quote(ARGV[1])
local fine, result = pcall(cost, q, tonumber(ARGV[2]))
local n = reach(q, tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
return cmsgpack.pack({ fine and result or -1, n })
"""

large = st.one_of(st.integers(0, 10**6), st.integers(0, LIMIT - 1), st.integers(LIMIT - 50, LIMIT - 1))


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=20)
@given(st.data())
async def test_lua_counts_as_python_does(link: Link, data: st.DataObject) -> None:
    price = assemble("charge").partition("-- The account, a flat array")[0]
    script = Script("price", f"{price}\nfind_libraries()\n{COUNTING}")
    for _ in range(25):
        prices_drawn = data.draw(st.one_of(prices(), prices(block=10**6, blocks=10**6, amount=10**7)))
        units, wanted, budget = data.draw(large), data.draw(large), data.draw(large)
        try:
            start = units
            due = cost(prices_drawn, units)
        except OverflowError:
            start, due = 0, -1
        packed = pack_quote(Quote(price=prices_drawn))
        reply = await link.script(script, [], [packed, units, start, wanted, budget])
        assert msgpack.unpackb(reply) == [due, reach(prices_drawn, start, wanted, budget)]
