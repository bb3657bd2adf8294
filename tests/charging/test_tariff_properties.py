"""Whatever the tariff: more use never costs less, splits add up, factors and tax lose no micro-unit, Lua agrees."""

from fractions import Fraction
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.ledger import Charge, Ledger, NewAccount, Phase, Quote, Unit, Use
from balances.money import MICRO
from balances.price import cost, reach
from charging.catalogue import parse
from charging.catalogue.load import SAMPLE
from charging.rating import Rounding, Tariff, Tier, price, rounded, scaled

LARGEST = 10_000
FACTORS = st.fractions(min_value=Fraction(1, 50), max_value=50, max_denominator=10_000)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    block = draw(st.integers(1, 12))
    first = draw(st.sampled_from([0, block, block * 3, 7]))
    ends = sorted(draw(st.sets(st.integers(1, 8), max_size=2)))
    tiers = [
        Tier(amount=draw(st.integers(0, 5 * MICRO)), per=draw(st.integers(1, 70)), upto=end)
        for end in [*[max(first, 1) + 40 * block * end for end in ends], None]
    ]
    return Tariff(
        tiers=tuple(_aligned(tiers, block, first)),
        block=block,
        first=first,
        setup=draw(st.integers(0, MICRO)),
        free=draw(st.sampled_from([0, 0, 30])),
        rounding=draw(st.sampled_from(Rounding)),
        minimum=draw(st.sampled_from([0, 0, MICRO, 100 * MICRO])),
    )


def _aligned(tiers: list[Tier], block: int, first: int) -> list[Tier]:
    """Tiers that end with a block, after a first block of another size."""
    lead = first if first not in (0, block) else 0
    return [
        tier
        if tier.upto is None
        else Tier(amount=tier.amount, per=tier.per, upto=lead + (tier.upto - lead) // block * block)
        for tier in tiers
    ]


@given(tariffs(), st.integers(0, 2_000), st.integers(0, 2_000))
def test_more_use_never_costs_less(tariff: Tariff, one: int, other: int) -> None:
    made = price(tariff, LARGEST)
    assert cost(made, min(one, other)) <= cost(made, max(one, other))


@given(tariffs(), st.lists(st.integers(0, 400), max_size=8))
def test_splits_add_up(tariff: Tariff, parts: list[int]) -> None:
    made = price(tariff, LARGEST)
    reached = spent = 0
    for part in parts:
        spent += cost(made, reached + part) - cost(made, reached)
        reached += part
    assert spent == cost(made, sum(parts))


@given(tariffs(), st.integers(1, 2_000))
def test_a_minimum_is_the_least_and_changes_nothing_above_but_a_rounding(tariff: Tariff, units: int) -> None:
    plain = Tariff(**{name: getattr(tariff, name) for name in tariff.__struct_fields__} | {"minimum": 0})
    without, due = cost(price(plain, LARGEST), units), cost(price(tariff, LARGEST), units)
    assert due >= tariff.minimum
    assert abs(due - max(without, tariff.minimum)) <= 1


@given(tariffs(), FACTORS, st.integers(1, 2_000))
def test_a_factor_is_exact_but_for_one_rounding_a_tier(tariff: Tariff, factor: Fraction, units: int) -> None:
    """Each tier, the first block and the fees are rounded once; nothing else may be lost or invented."""
    exact = cost(price(tariff, LARGEST), units) * factor
    roundings = len(tariff.tiers) + 4
    assert abs(cost(price(scaled(tariff, factor), LARGEST), units) - exact) <= roundings * (1 + factor)


@given(tariffs(), FACTORS, st.integers(0, 500), st.integers(0, 500), st.integers(0, 10**8))
def test_a_budget_buys_what_it_pays_for_and_no_more(
    tariff: Tariff, factor: Fraction, units: int, wanted: int, budget: int
) -> None:
    made = price(scaled(tariff, factor), LARGEST)
    bought = reach(made, units, wanted, budget)
    assert cost(made, units + bought) - cost(made, units) <= budget or not bought
    if bought < wanted:
        assert cost(made, units + bought + 1) - cost(made, units) > budget


@given(st.fractions(min_value=0, max_value=10**9, max_denominator=10**6))
def test_roundings_stay_within_a_micro_unit(amount: Fraction) -> None:
    down, half, up = (rounded(amount, each) for each in (Rounding.DOWN, Rounding.HALF_UP, Rounding.UP))
    assert down <= amount <= up <= down + 1
    assert abs(half - amount) <= Fraction(1, 2)


TAXED = (
    parse({"c.toml": (SAMPLE / "catalogue.toml").read_bytes() + b'\n[plans.t]\ncurrency = "EUR"\ntax = "19 %"\n'})
).find("t")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 10**12), max_size=10))
def test_tax_lines_add_up_to_the_tax_of_the_whole(payments: list[int]) -> None:
    """A line is the difference of two totals' tax, so no split loses or invents any."""
    assert TAXED
    reached = lines = 0
    for payment in payments:
        lines += TAXED.tax_in(reached + payment) - TAXED.tax_in(reached)
        reached += payment
    assert lines == TAXED.tax_in(sum(payments))
    assert abs(Fraction(lines) - Fraction(19 * sum(payments), 119)) <= Fraction(1, 2)


async def test_both_ledgers_charge_what_random_tariffs_say(ledger: Ledger) -> None:
    """In one piece as an event, and split over a session."""
    chance = Random(8506)
    new = NewAccount(id="a", plan="p", currency="EUR", credit_limit=10**14)
    address = (await ledger.open_account(new, 0)).address
    for number in range(150):
        made = price(_any(chance), LARGEST)
        parts = [chance.randint(0, 300) for _ in range(3)]
        quote = Quote(price=made)
        spent = 0
        for step, part in enumerate(parts):
            use = Use(key="k", unit=Unit.SECONDS, used=part, wanted=chance.randint(0, 90), quote=quote)
            phase = Phase.OPEN if not step else Phase.CLOSE if step == 2 else Phase.UPDATE
            charge = Charge(
                address=address, version=1, session=f"s{number}", operation=f"{step}", fingerprint=0, phase=phase,
                door="test", now=step, deadline=10**6, uses=(use,),
            )  # fmt: skip
            spent = (await ledger.charge(charge)).spent
        assert spent == cost(made, sum(parts)), (made, parts)


def _any(chance: Random) -> Tariff:
    block = chance.choice([1, 6, 30, 60])
    return Tariff(
        tiers=(
            Tier(amount=chance.randint(0, MICRO), per=chance.choice([1, 60, 7]), upto=block * 10),
            Tier(amount=chance.randint(0, MICRO), per=60),
        ),
        block=block,
        setup=chance.choice([0, 50_000]),
        minimum=chance.choice([0, 0, MICRO]),
        rounding=chance.choice(list(Rounding)),
    )
