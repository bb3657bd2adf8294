"""What plans say about loans, transfers and warnings, and their mistakes."""

import pytest

from charging.catalogue import CatalogueError
from charging.catalogue.load import parse, read_files

SAMPLE = read_files("sample")


def plan(more: str) -> dict[str, bytes]:
    text = f'[plans.p]\ncurrency = "EUR"\n{more}\ndata = [{{ rate = "data-standard" }}]\n'
    return {**SAMPLE, "p.toml": text.encode()}


def test_a_plan_lends_lets_send_and_warns() -> None:
    text = 'loan = { amount = "2.00" }\ntransfer = { maximum = "9.00 EUR" }\nwarn_below = ["5.00 EUR", "1.00"]'
    found = parse(plan(text)).plans["p"]
    assert found.wallet.loan
    assert (found.wallet.loan.amount, found.wallet.loan.fee, found.wallet.loan.when_below) == (2_000_000, 0, None)
    assert found.wallet.transfer
    assert (found.wallet.transfer.maximum, found.wallet.transfer.daily) == (9_000_000, None)
    assert found.warn_below("EUR") == (5_000_000, 1_000_000)
    nothing = parse(plan("")).plans["p"]
    assert (nothing.wallet.loan, nothing.wallet.transfer, nothing.warn_below("EUR")) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('loan = { amount = "0" }', "a loan of nothing"),
        ('loan = { amount = "2.00 USD" }', "amount is in USD, the plan in EUR"),
        ('transfer = { minimum = "2.00", maximum = "1.00" }', "the maximum is below the minimum"),
        ("transfer = { daily = 0 }", "none a day is no transfer"),
        ('transfer = { fee = "a lot" }', "fee: "),
        ('warn_below = "0"', "0 is told anyway"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        parse(plan(text))
    (problem,) = refused.value.problems
    assert said in str(problem)
    assert (problem.source.file, problem.source.line) == ("p.toml", 3)
