"""Closed-form prices: what any number of units costs, and how far a budget reaches, without counting unit by unit.

A price is a set-up fee and steps along the cumulative units of a key that money has paid for. Because both questions
are answered on the cumulative axis, splitting a session into updates never changes what it costs. The
same arithmetic stands in ``lua/`` for the store; tests hold the two against each other.
"""

import msgspec

from balances.money import LIMIT


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


def _due(step: Step, blocks: int) -> int:
    """What ``blocks`` of a step cost; LIMIT where the product leaves the range in which the store counts exactly."""
    if not blocks:
        return 0
    numerator = blocks * step.amount + step.bias
    return LIMIT if numerator >= LIMIT else numerator // step.per


def cost(price: Price, units: int) -> int:
    """Micro-units due for the first ``units`` cumulative units; raises OverflowError at LIMIT."""
    if units <= 0:
        return 0
    total = price.setup
    start = 0
    for step in price.steps:
        end = units if step.upto is None or units < step.upto else step.upto
        total += _due(step, -((start - end) // step.block))
        if total >= LIMIT:
            raise OverflowError(f"{units} units cost more than can be counted")
        if end == units:
            break
        start = end
    return total


def reach(price: Price, units: int, wanted: int, budget: int) -> int:
    """How many more units, at most ``wanted``, ``budget`` micro-units (>= 0) buy after the first ``units``."""
    if wanted <= 0:
        return 0
    goal = min(units + wanted, LIMIT - 1)
    left = min(cost(price, units) - price.setup + budget, LIMIT - 1 - price.setup)
    if left < 0:
        return 0
    start = end = 0
    for step in price.steps:
        end = goal if step.upto is None or goal < step.upto else step.upto
        blocks = -((start - end) // step.block)
        due = _due(step, blocks)
        if due > left:
            affordable = (min((left + 1) * step.per, LIMIT) - 1 - step.bias) // step.amount
            end = start + max(0, affordable) * step.block
            break
        if end == goal:
            break
        left -= due
        start = end
    else:
        end = goal
    return max(0, min(end, goal) - units)
