"""Golden tables, computed by hand: what a tariff costs after so many units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balances.price import cost, reach
from charging.rating import RatingError, Rounding, Tariff, Tier, price

MB = 10**6
KB = 10**3
BIG = 10**13

DATA = Tariff(tiers=(Tier(amount=10_000, per=MB),), block=100 * KB)
SECOND = Tariff(tiers=(Tier(amount=60_000, per=60),))
MINUTE = Tariff(tiers=(Tier(amount=60_000, per=60),), block=60)
SIXTY_ONE = Tariff(tiers=(Tier(amount=60_000, per=60),), first=60, block=1)
THIRTY_SIX = Tariff(tiers=(Tier(amount=70_000, per=60),), first=30, block=6)
SETUP = Tariff(tiers=(Tier(amount=60_000, per=60),), setup=50_000)
GRACE = Tariff(tiers=(Tier(amount=60_000, per=60),), free=30)
GRACE_SIXTY = Tariff(tiers=(Tier(amount=60_000, per=60),), free=30, first=60, block=1)
TIERED = Tariff(tiers=(Tier(amount=20_000, per=MB, upto=10 * MB), Tier(amount=10_000, per=MB)), block=100 * KB)
TIERED_SIXTY = Tariff(tiers=(Tier(amount=90_000, per=60, upto=600), Tier(amount=30_000, per=60)), first=60, block=1)
ODD = {rounding: Tariff(tiers=(Tier(amount=10_000, per=3),), rounding=rounding) for rounding in Rounding}
SMS = Tariff(tiers=(Tier(amount=90_000, per=1),))
FREE = Tariff()

GOLDEN = [
    (DATA, 0, 0),
    (DATA, 1, 1_000),
    (DATA, 100 * KB, 1_000),
    (DATA, 100 * KB + 1, 2_000),
    (DATA, 8 * MB, 80_000),
    (DATA, 10 * 10**9, 100_000_000),
    (SECOND, 1, 1_000),
    (SECOND, 50, 50_000),
    (SECOND, 72, 72_000),
    (MINUTE, 1, 60_000),
    (MINUTE, 60, 60_000),
    (MINUTE, 61, 120_000),
    (SIXTY_ONE, 1, 60_000),
    (SIXTY_ONE, 60, 60_000),
    (SIXTY_ONE, 61, 61_000),
    (SIXTY_ONE, 72, 72_000),
    (THIRTY_SIX, 1, 35_000),
    (THIRTY_SIX, 30, 35_000),
    (THIRTY_SIX, 31, 42_000),
    (THIRTY_SIX, 36, 42_000),
    (THIRTY_SIX, 37, 49_000),
    (SETUP, 0, 0),
    (SETUP, 1, 51_000),
    (SETUP, 60, 110_000),
    (GRACE, 30, 0),
    (GRACE, 31, 1_000),
    (GRACE, 90, 60_000),
    (GRACE_SIXTY, 30, 0),
    (GRACE_SIXTY, 31, 60_000),
    (GRACE_SIXTY, 90, 60_000),
    (GRACE_SIXTY, 91, 61_000),
    (TIERED, 10 * MB, 200_000),
    (TIERED, 10 * MB + 1, 201_000),
    (TIERED, 20 * MB, 300_000),
    (TIERED_SIXTY, 1, 90_000),
    (TIERED_SIXTY, 600, 900_000),
    (TIERED_SIXTY, 660, 930_000),
    (ODD[Rounding.DOWN], 1, 3_333),
    (ODD[Rounding.HALF_UP], 1, 3_333),
    (ODD[Rounding.UP], 1, 3_334),
    (ODD[Rounding.DOWN], 2, 6_666),
    (ODD[Rounding.HALF_UP], 2, 6_667),
    (ODD[Rounding.UP], 2, 6_667),
    (ODD[Rounding.UP], 3, 10_000),
    (SMS, 1, 90_000),
    (SMS, 3, 270_000),
    (FREE, BIG, 0),
]


@pytest.mark.parametrize(("tariff", "units", "expected"), GOLDEN)
def test_cost_is_as_computed_by_hand(tariff: Tariff, units: int, expected: int) -> None:
    assert cost(price(tariff, 10**11), units) == expected


def test_free_service_may_have_a_setup_fee() -> None:
    flat = price(Tariff(setup=150_000), BIG)
    assert [cost(flat, units) for units in (0, 1, 10**9)] == [0, 150_000, 150_000]


def test_fractions_are_reduced() -> None:
    assert price(DATA, BIG).steps[0].amount == 1_000
    assert price(DATA, BIG).steps[0].per == 1


@pytest.mark.parametrize(
    ("tariff", "reason"),
    [
        (Tariff(tiers=(Tier(amount=9_000_000_000_000, per=1),)), "counted exactly"),
        (Tariff(tiers=(Tier(amount=2**53 - 1, per=10**12 + 39),)), "counted exactly"),
        (Tariff(tiers=(Tier(amount=1, per=1, upto=10),)), "the last does not"),
        (Tariff(tiers=(Tier(amount=1, per=1), Tier(amount=1, per=1))), "the last does not"),
        (Tariff(tiers=(Tier(amount=1, per=1, upto=15), Tier(amount=1, per=1)), block=10), "no multiple"),
        (Tariff(tiers=(Tier(amount=1, per=1, upto=15), Tier(amount=1, per=1)), first=20), "shorter than the first"),
        (Tariff(tiers=(Tier(amount=1, per=1, upto=9), Tier(amount=1, per=1, upto=9), Tier(amount=1, per=1))), "beyond"),
        (Tariff(tiers=(Tier(amount=-1, per=1),)), "at least 0"),
        (Tariff(tiers=(Tier(amount=1, per=0),)), "at least one unit"),
        (Tariff(block=0), "at least one unit"),
        (Tariff(setup=2**53), "set-up fee"),
    ],
)
def test_what_cannot_be_computed_is_refused(tariff: Tariff, reason: str) -> None:
    with pytest.raises(RatingError, match=reason):
        price(tariff, BIG)


def test_refusal_names_the_largest_report_not_the_smallest() -> None:
    """What counts exactly for a small use but not for the largest accepted is refused as well."""
    tariff = Tariff(tiers=(Tier(amount=10**9, per=1),))
    assert cost(price(tariff, 10**6), 10**6) == 10**15
    with pytest.raises(RatingError):
        price(tariff, 10**7)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    block = draw(st.sampled_from([1, 6, 30, 60, 100_000]))
    first = block * draw(st.integers(0, 10))
    tiers = []
    reached = 0
    for _ in range(draw(st.integers(0, 2))):
        reached += max(first, block) + block * draw(st.integers(0, 50))
        tiers.append(Tier(amount=draw(st.integers(0, 10**6)), per=draw(st.integers(1, 10**6)), upto=reached))
    tiers.append(Tier(amount=draw(st.integers(0, 10**6)), per=draw(st.integers(1, 10**6))))
    return Tariff(
        tiers=tuple(tiers),
        block=block,
        first=first,
        setup=draw(st.integers(0, 10**6)),
        free=draw(st.integers(0, 100)),
        rounding=draw(st.sampled_from(Rounding)),
    )


@given(tariffs(), st.integers(0, 10**8), st.integers(0, 10**8))
def test_cost_is_monotonic(tariff: Tariff, one: int, other: int) -> None:
    fixed = price(tariff, 10**9)
    assert cost(fixed, min(one, other)) <= cost(fixed, max(one, other))


@given(tariffs(), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**9))
def test_reach_is_the_most_that_a_budget_pays(tariff: Tariff, before: int, wanted: int, budget: int) -> None:
    fixed = price(tariff, 10**9)
    bought = reach(fixed, before, wanted, budget)
    assert 0 <= bought <= wanted
    assert cost(fixed, before + bought) - cost(fixed, before) <= budget or not bought
    if bought < wanted:
        assert cost(fixed, before + bought + 1) - cost(fixed, before) > budget


@given(tariffs(), st.integers(1, 10**6))
def test_cost_stays_within_one_block_of_the_exact_price(tariff: Tariff, units: int) -> None:
    """With one tier, no free units and no fee: what is charged is the price of the blocks begun, to the micro-unit."""
    tier = tariff.tiers[-1]
    plain = Tariff(tiers=(Tier(amount=tier.amount, per=tier.per),), block=tariff.block, rounding=tariff.rounding)
    blocks = -(-units // plain.block)
    exact = blocks * plain.block * tier.amount
    charged = cost(price(plain, 10**9), units) * tier.per
    slack = {Rounding.UP: (0, tier.per), Rounding.DOWN: (-tier.per, 0), Rounding.HALF_UP: (-tier.per / 2, tier.per / 2)}
    low, high = slack[plain.rounding]
    assert low <= charged - exact <= high
