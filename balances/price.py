"""Closed-form prices: what any number of units costs, and how far a budget reaches, without counting unit by unit.

A price is a set-up fee and steps along the cumulative units of a key that money has paid for. Because both questions
are answered on the cumulative axis, splitting a session into updates never changes what it costs. The
same arithmetic stands in ``lua/`` for the store; tests hold the two against each other.
"""

import msgspec


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of units, charged by whole blocks begun.

    ``n`` blocks begun in this step cost ``floor((n * amount + bias) / per)`` micro-units: ``bias`` is 0 to round down,
    ``per // 2`` to round half up, ``per - 1`` to round up. ``upto`` is the cumulative unit at which the step ends; only
    the last step has None. A step's length is a multiple of its block.
    """

    upto: int | None
    block: int
    amount: int
    per: int = 1
    bias: int = 0


class Price(msgspec.Struct, frozen=True, array_like=True):
    """``setup`` is due once, with the first unit. No steps: everything beyond the set-up fee is free."""

    setup: int = 0
    steps: tuple[Step, ...] = ()


FREE = Price()


def cost(price: Price, units: int) -> int:
    """Micro-units due for the first ``units`` cumulative units."""
    if units <= 0:
        return 0
    total = price.setup
    start = 0
    for step in price.steps:
        end = units if step.upto is None or units < step.upto else step.upto
        blocks = -((start - end) // step.block)
        total += (blocks * step.amount + step.bias) // step.per if blocks else 0
        if end == units:
            break
        start = end
    return total


def reach(price: Price, units: int, wanted: int, budget: int) -> int:
    """How many more units, at most ``wanted``, ``budget`` micro-units buy after the first ``units``."""
    if wanted <= 0:
        return 0
    goal = units + wanted
    if cost(price, goal) - cost(price, units) <= budget:
        return wanted
    left = cost(price, units) + budget - price.setup
    start = end = 0
    for step in price.steps:
        if left < 0:
            break
        end = goal if step.upto is None or goal < step.upto else step.upto
        blocks = -((start - end) // step.block)
        due = (blocks * step.amount + step.bias) // step.per if blocks else 0
        if due > left:
            affordable = ((left + 1) * step.per - 1 - step.bias) // step.amount
            end = start + max(0, affordable) * step.block
            break
        left -= due
        start = end
    return max(0, min(end, goal) - units)
