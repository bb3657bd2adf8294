"""At how much use an offer wants to be told of, and mistakes in it."""

import pytest

from charging.catalogue import CatalogueError
from charging.catalogue.load import parse, read_files
from charging.catalogue.thresholds import UseThreshold

SAMPLE = read_files("sample")


def offer(warn_at: str, amount: str = "1 GB") -> dict[str, bytes]:
    text = f'[offers.o]\npays = ["data-standard"]\namount = "{amount}"\nwarn_at = {warn_at}\n'
    return {**SAMPLE, "o.toml": text.encode()}


@pytest.mark.parametrize(
    ("warn_at", "amount", "units"),
    [
        ('["50 %", "80%", "100 %"]', "1 GB", [500_000_000, 800_000_000, 1_000_000_000]),
        ('"800 MB"', "1 GB", [800_000_000]),
        ('["4.00", "4.50 EUR"]', "5.00 EUR", [4_000_000, 4_500_000]),
        ('"33 %"', "10 B", [4]),
        ("[]", "1 GB", []),
    ],
)
def test_shares_and_amounts(warn_at: str, amount: str, units: list[int]) -> None:
    found = parse(offer(warn_at, amount)).offers["o"]
    assert [threshold.units(found.amount) for threshold in found.warn_at] == units


def test_a_share_is_of_what_the_bucket_held_at_first() -> None:
    assert UseThreshold(at=80, percent=True).units(10**15) == 8 * 10**14
    assert UseThreshold(at=80, percent=False).units(10**15) == 80


@pytest.mark.parametrize(
    ("warn_at", "amount", "said"),
    [
        ('"0 %"', "1 GB", "a share is from 1 % to 100 %"),
        ('"101 %"', "1 GB", "a share is from 1 % to 100 %"),
        ('"0 MB"', "1 GB", "a threshold is above 0"),
        ('"80 min"', "1 GB", "is not measured in octets"),
        ('"most"', "1 GB", "warn_at: "),
        ('"2 GB"', "1 GB", "the offer gives less than 2 GB"),
        ('"4.00 USD"', "5.00 EUR", "is not in EUR"),
        ('["80 %", "50 %"]', "1 GB", "the thresholds must rise"),
        ('["80 %", "800 MB"]', "1 GB", "the thresholds must rise"),
        ('["60.5 %"]', "1 GB", "warn_at: "),
    ],
)
def test_a_mistake_is_told_with_its_place(warn_at: str, amount: str, said: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        parse(offer(warn_at, amount))
    (problem,) = refused.value.problems
    assert said in str(problem)
    assert (problem.source.file, problem.source.line) == ("o.toml", 4)
