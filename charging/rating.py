"""Rating: from a tariff as people write it to the price the ledgers compute with. Pure integer arithmetic.

A tariff charges an amount of money per so many units, in blocks begun. The result is exact: the amount of one block is
a fraction of micro-units, reduced by its greatest common divisor and rounded only where the tariff says so.
"""

from enum import StrEnum
from fractions import Fraction
from math import gcd

from msgspec.structs import replace

from balances.ledger import Record
from balances.money import LIMIT
from balances.price import Price, Step, cost


class RatingError(ValueError):
    """The tariff cannot be computed exactly, or contradicts itself."""


class Rounding(StrEnum):
    """What becomes of a fraction of a micro-unit, once per tier."""

    UP = "up"
    HALF_UP = "half-up"
    DOWN = "down"


class Tier(Record, frozen=True, kw_only=True):
    """``amount`` micro-units per ``per`` units, up to the cumulative unit ``upto`` (None: without end)."""

    amount: int
    per: int
    upto: int | None = None


class Tariff(Record, frozen=True, kw_only=True):
    """What a service costs. Units are the service's own (octets, seconds, events), money is in micro-units."""

    tiers: tuple[Tier, ...] = ()
    """In order of use; none: free but for the set-up fee. ``upto`` counts from the first unit after ``free``."""
    block: int = 1
    """Units are charged in blocks begun of this size."""
    first: int = 0
    """The first block where it differs, hence the minimum charge: 60/1 is ``first=60, block=1``."""
    setup: int = 0
    """Fee due once, with the first unit."""
    free: int = 0
    """Units at the session's start that cost nothing (the set-up fee is due all the same)."""
    rounding: Rounding = Rounding.HALF_UP
    minimum: int = 0
    """What any use costs at least, set-up fee included."""


def scaled(tariff: Tariff, factor: Fraction) -> Tariff:
    """The tariff times a factor: a surcharge, a discount, another currency. Fees are rounded as the tariff says."""
    tiers = [
        Tier(amount=tier.amount * factor.numerator, per=tier.per * factor.denominator, upto=tier.upto)
        for tier in tariff.tiers
    ]
    return replace(
        tariff,
        tiers=tuple(tiers),
        setup=rounded(tariff.setup * factor, tariff.rounding),
        minimum=rounded(tariff.minimum * factor, tariff.rounding),
    )


def rounded(amount: Fraction, rounding: Rounding) -> int:
    """A whole number of micro-units."""
    bias = {Rounding.DOWN: 0, Rounding.HALF_UP: amount.denominator // 2, Rounding.UP: amount.denominator - 1}[rounding]
    return (amount.numerator + bias) // amount.denominator


def price(tariff: Tariff, largest: int) -> Price:
    """The tariff as a closed-form price that counts exactly up to ``largest`` units; raises RatingError."""
    if tariff.block < 1 or tariff.first < 0 or tariff.setup < 0 or tariff.free < 0:
        raise RatingError("blocks are at least one unit, fees and free units at least 0")
    if tariff.setup >= LIMIT:
        raise RatingError("the set-up fee is more than can be counted")
    steps: list[Step] = []
    start = 0
    if tariff.free and tariff.tiers:
        steps.append(Step(tariff.free, tariff.free, 0))
        start = tariff.free
    offset = start
    for number, tier in enumerate(tariff.tiers, 1):
        end = None if tier.upto is None else tier.upto + offset
        if (end is None) != (number == len(tariff.tiers)):
            raise RatingError("each tier but the last says up to where it reaches, and the last does not")
        if end is not None and end <= start:
            raise RatingError(f"tier {number} ends at {tier.upto}, not beyond its beginning")
        if number == 1 and tariff.first and tariff.first != tariff.block:
            start = _first_block(steps, tariff, tier, start, end)
            if start == end:
                continue
        if end is not None and (end - start) % tariff.block:
            raise RatingError(f"tier {number} is {end - start} units long, no multiple of the block of {tariff.block}")
        steps.append(_step(tier, end, tariff.block, tariff.rounding))
        start = end or start
    if tariff.minimum > tariff.setup:
        steps = _at_least(steps, tariff.minimum - tariff.setup, largest)
    result = Price(tariff.setup, tuple(steps))
    _check_range(result, largest)
    return result


def _at_least(steps: list[Step], least: int, largest: int) -> list[Step]:
    """Steps that cost ``least`` from the first unit on, until the use itself costs more; from there as before.

    One step holds all that ``least`` pays for, the block after it costs what is missing, and the tier goes on afresh.
    """
    start = spent = 0
    for number, step in enumerate(steps):
        length = None if step.upto is None else (step.upto - start) // step.block
        covered = None if not step.amount else max(0, ((least - spent + 1) * step.per - 1 - step.bias) // step.amount)
        if covered is None or (length is not None and covered >= length):
            if length is None:
                break
            spent += (length * step.amount + step.bias) // step.per
            start += length * step.block
            continue
        paid = start + covered * step.block
        due = spent + ((covered + 1) * step.amount + step.bias) // step.per - least
        rest = [Step(paid, paid, least), Step(paid + step.block, step.block, due)] if paid else []
        if not rest:
            return steps
        if step.upto is None or step.upto > paid + step.block:
            rest.append(step)
        return [*rest, *steps[number + 1 :]]
    return [Step(None, largest, least)]


def _first_block(steps: list[Step], tariff: Tariff, tier: Tier, start: int, end: int | None) -> int:
    upto = start + tariff.first
    if end is not None and upto > end:
        raise RatingError(f"the first tier is shorter than the first block of {tariff.first}")
    steps.append(_step(tier, upto, tariff.first, tariff.rounding))
    return upto


def _step(tier: Tier, upto: int | None, block: int, rounding: Rounding) -> Step:
    if tier.amount < 0 or tier.per < 1:
        raise RatingError("a price is at least 0, per at least one unit")
    amount = tier.amount * block
    divisor = gcd(amount, tier.per)
    per = tier.per // divisor
    bias = {Rounding.DOWN: 0, Rounding.HALF_UP: per // 2, Rounding.UP: per - 1}[rounding]
    return Step(upto, block, amount // divisor, per, bias)


def _check_range(result: Price, largest: int) -> None:
    start = 0
    for step in result.steps:
        end = largest if step.upto is None else step.upto
        blocks = max(1, -((start - end) // step.block))
        if end >= LIMIT or blocks * step.amount + step.bias >= LIMIT:
            raise RatingError(
                f"{end} units cannot be counted exactly at this price: use larger blocks or rounder figures"
            )
        start = end
    try:
        cost(result, largest)
    except OverflowError as error:
        raise RatingError(str(error)) from error
