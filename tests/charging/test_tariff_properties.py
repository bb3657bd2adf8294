"""Whatever the tariff: more use never costs less, splits add up, factors and tax lose no micro-unit, Lua agrees."""

from fractions import Fraction
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.ledger import Charge, Charged, Ledger, Metering, NewAccount, Phase, Quote, Unit, Use
from balances.money import MICRO
from balances.price import Price, cost, reach
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


class Till:
    """An account of its own that uses one thing, and what that should come to: the price of the whole, however split.

    Along a meter the whole is what all its sessions used, otherwise each session is one.
    """

    def __init__(self, ledger: Ledger, made: Price, along: bool, cap: int | None) -> None:
        self.ledger, self.made, self.along, self.cap = ledger, made, along, cap
        meter = Metering(meter="m", unit=Unit.SECONDS, ends_at=10**6, cap=cap, axis=along)
        self.quote = Quote(price=made, meters=(meter,) if along or cap is not None else ())
        self.place = self.owed = self.asked = 0

    async def open(self, name: str) -> None:
        new = NewAccount(id=name, plan="p", currency="EUR", credit_limit=10**14)
        self.name, self.address = name, (await self.ledger.open_account(new, 0)).address

    async def say(self, phase: Phase, session: str, used: int, wanted: int) -> Charged:
        self.asked += 1
        use = Use(key="k", unit=Unit.SECONDS, used=used, wanted=wanted, quote=self.quote)
        charge = Charge(
            address=self.address, version=1, session=self.name + session, operation=f"{self.asked}", fingerprint=0,
            phase=phase, door="test", now=self.asked, deadline=10**6, uses=(use,),
        )  # fmt: skip
        return await self.ledger.charge(charge)

    async def use(self, session: str, parts: list[tuple[int, int]]) -> None:
        """Report these units and want those, one after the other; each report has settled what it should."""
        if not self.along:
            self.place = 0
        await self.say(Phase.OPEN, session, 0, 20)
        for number, (used, wanted) in enumerate(parts, 1):
            due = cost(self.made, self.place + used) - cost(self.made, self.place)
            self.place += used
            self.owed += due
            answer = await self.say(Phase.CLOSE if number == len(parts) else Phase.UPDATE, session, used, wanted)
            (grant,) = answer.grants
            assert grant.settled == due, (self.made, parts)
            held = cost(self.made, self.place + grant.granted) - cost(self.made, self.place)
            assert grant.cost == held, (self.made, parts)
            assert self.cap is None or not held or self.owed + held <= self.cap
            assert number == len(parts) or self.cap is not None or grant.granted == wanted

    async def use_at_once(self, units: int) -> None:
        """As an event, in one piece."""
        place = self.place if self.along else 0
        due = cost(self.made, place + units) - cost(self.made, place)
        answer = await self.say(Phase.EVENT, "event", 0, units)
        if self.cap is not None and due and self.owed + due > self.cap:
            assert answer.grants[0].refused == "spending-limit"
        else:
            assert answer.grants[0].cost == due
            self.owed += due


async def test_both_ledgers_charge_what_random_tariffs_say(ledger: Ledger) -> None:
    """Converted or not, in sessions however split or as an event, along a meter or not, with a cap or without one."""
    chance = Random(8506)
    seen = set()
    for number in range(150):
        along, capped = chance.random() < 0.4, chance.random() < 0.3
        made = price(scaled(_any(chance, along), chance.choice(CONVERSIONS)), LARGEST)
        cap = chance.randint(0, 2 * cost(made, 600)) if capped else None
        till = Till(ledger, made, along, cap)
        await till.open(f"a{number}")
        for session in ("first", "second"):
            parts = [(chance.randint(0, 300), chance.randint(1, 90)) for _ in range(chance.randint(1, 4))]
            await till.use(session, parts)
        await till.use_at_once(chance.randint(1, 300))
        account = await ledger.account(till.address)
        assert (account.money.debited, account.money.reserved) == (till.owed, 0), made
        seen.add((along, capped))
    assert len(seen) == 4
    assert (await ledger.audit()).balanced


CONVERSIONS = (Fraction(1), Fraction(1), Fraction("1.0837"), Fraction(1, 3), Fraction("161.215"))


def _any(chance: Random, along: bool) -> Tariff:
    """A tariff; ``along`` a meter it has nothing that belongs to a session."""
    block = chance.choice([1, 6, 30, 60])
    first = 0 if along else chance.choice([0, 0, 30, 60, 7])
    ends = sorted(chance.sample(range(1, 9), chance.randint(0, 2)))
    tiers = [
        Tier(amount=chance.randint(0, MICRO), per=chance.choice([1, 60, 7]), upto=end)
        for end in [*[max(first, 1) + 10 * block * end for end in ends], None]
    ]
    return Tariff(
        tiers=tuple(_aligned(tiers, block, first)),
        block=block,
        first=first,
        free=chance.choice([0, 0, 30]),
        setup=0 if along else chance.choice([0, 50_000]),
        minimum=0 if along else chance.choice([0, 0, MICRO]),
        rounding=chance.choice(list(Rounding)),
    )
