"""Policy counters: statuses by hand from buckets and money."""

import re
from pathlib import Path
from typing import Any

import pytest

from balances.ledger import Account, Address, Bucket, Counters, Status, Unit
from charging.catalogue import Catalogue, CatalogueError, load, parse
from charging.catalogue.load import SAMPLE
from charging.counters import statuses

PAGE = (Path(__file__).parents[2] / "docs" / "sy.md").read_text()
NOW = 1_700_000_000_000
GB = 1_000_000_000
EURO = 1_000_000
TEXT = (SAMPLE / "catalogue.toml").read_text()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load("sample")


def bucket(used: int, initial: int = GB, **changes: Any) -> Bucket:
    fields: dict[str, Any] = {
        "id": f"b{used}",
        "offer": "data-1gb",
        "unit": Unit.OCTETS,
        "initial": initial,
        "counters": Counters(credited=initial, debited=used),
    }
    return Bucket(**{**fields, **changes})


def account(money: Counters, *buckets: Bucket, currency: str = "EUR", credit_limit: int = 0) -> Account:
    return Account(
        address=Address(shard=0, account="a"),
        version=1,
        status=Status.ACTIVE,
        plan="prepaid-basic",
        currency=currency,
        credit_limit=credit_limit,
        identities=(),
        parent=None,
        opened_at=NOW,
        money=money,
        buckets=buckets,
    )


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ((), "none"),
        ((bucket(0),), "below"),
        ((bucket(800_000_000 - 1),), "below"),
        ((bucket(800_000_000),), "reached"),
        ((bucket(GB - 1),), "reached"),
        ((bucket(GB),), "used-up"),
        # Two bundles are one of 2 GB: 1.6 GB of it is the threshold.
        ((bucket(GB), bucket(599_999_999)), "below"),
        ((bucket(GB), bucket(600_000_000)), "reached"),
        # What is reserved is not used.
        ((bucket(0, counters=Counters(credited=GB, debited=1, reserved=GB - 1)),), "below"),
        # An expired bundle is none; one that ends later still counts.
        ((bucket(GB, expires_at=NOW),), "none"),
        ((bucket(GB, expires_at=NOW), bucket(1, expires_at=NOW + 1)), "below"),
        ((bucket(GB, offer="another"),), "none"),
        # So is one that has not begun; one whose clock has not is there.
        ((bucket(0, starts_at=NOW + 1),), "none"),
        ((bucket(0, starts_at=NOW, lasts=1),), "below"),
    ],
)
def test_a_bundle_by_its_used_share(catalogue: Catalogue, buckets: tuple[Bucket, ...], expected: str) -> None:
    found = statuses(catalogue.counters, account(Counters(credited=5 * EURO), *buckets), NOW)
    assert found["data-80-percent"] == expected


@pytest.mark.parametrize(
    ("money", "credit_limit", "expected"),
    [
        (Counters(credited=5 * EURO), 0, "enough"),
        (Counters(credited=2 * EURO), 0, "enough"),
        (Counters(credited=2 * EURO, debited=1), 0, "low"),
        (Counters(credited=2 * EURO, reserved=EURO), 0, "enough"),
        (Counters(credited=100_000), 0, "low"),
        (Counters(credited=100_000, debited=1), 0, "empty"),
        (Counters(credited=0, debited=EURO, overrun=EURO), 0, "empty"),
        (Counters(credited=0), 2 * EURO, "enough"),
        (Counters(credited=0, debited=1), 2 * EURO, "low"),
    ],
)
def test_money_by_what_is_left(catalogue: Catalogue, money: Counters, credit_limit: int, expected: str) -> None:
    assert statuses(catalogue.counters, account(money, credit_limit=credit_limit), NOW)["money-low"] == expected


def test_money_of_another_currency_has_no_such_counter(catalogue: Catalogue) -> None:
    found = statuses(catalogue.counters, account(Counters(), currency="GBP"), NOW)
    assert found == {"data-80-percent": "none"}


def test_who_has_no_bundle_has_no_counter_of_it_unless_it_says_so() -> None:
    catalogue = parse({"c.toml": TEXT.replace('without = "none"', "").encode()})
    assert statuses(catalogue.counters, account(Counters()), NOW) == {"money-low": "empty"}


def test_thresholds_in_units() -> None:
    text = TEXT.replace('used = "80 %"', 'used = "300 MB"').replace('used = "100 %"', 'used = "1.2 GB"')
    counters = parse({"c.toml": text.encode()}).counters

    def found(*buckets: Bucket) -> str:
        return statuses(counters, account(Counters(), *buckets), NOW)["data-80-percent"]

    assert found(bucket(299_999_999)) == "below"
    assert found(bucket(300_000_000)) == "reached"
    assert found(bucket(GB)) == "reached"
    assert found(bucket(GB), bucket(200_000_000)) == "used-up"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('offer = "data-1gb"', 'offer = "data-2gb"', "no such entry of offers: 'data-2gb' (known: data-1gb)"),
        ('{ used = "80 %"', '{ below = "80 %"', 'threshold 1: of an offer an amount or a share is "used"'),
        ('{ used = "80 %"', '{ used = "80 min"', "threshold 1: '80 min' is not measured in octets"),
        ('{ used = "80 %"', '{ used = "0 %"', "threshold 1: a share is from 1 % to 100 %"),
        ('{ used = "100 %"', '{ used = "101 %"', "threshold 2: a share is from 1 % to 100 %"),
        ('{ used = "80 %"', '{ used = "0 MB"', "threshold 1: a threshold is above 0"),
        ('{ used = "80 %"', '{ used = "800 MB"', "thresholds in octets and per cent (use one of them)"),
        ('{ used = "100 %"', '{ used = "80 %"', "the thresholds must rise"),
        ('{ below = "0.10 EUR"', '{ below = "3 EUR"', "the thresholds must fall"),
        ('{ below = "0.10 EUR"', '{ below = "0.10 GBP"', "thresholds in EUR and GBP"),
        ('{ below = "0.10 EUR"', '{ below = "0.10"', "threshold 2: '0.10' names no currency"),
        ('{ below = "0.10 EUR"', '{ used = "0.10 EUR"', 'threshold 2: money is "below" an amount'),
        ('status = "enough"', 'status = ""', "a status needs a name"),
        ('status = "enough"', 'status = "enough"\nwithout = "none"', "without stands beside offer"),
        ('status = "enough"\nthresholds = [', 'status = "enough"\nthresholds = []\nunused = [', "unknown key 'unused'"),
    ],
)
def test_mistakes_say_file_and_line(old: str, new: str, message: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(CatalogueError) as caught:
        parse({"c.toml": TEXT.replace(old, new).encode()})
    [problem] = caught.value.problems
    assert message in str(problem)
    first = TEXT[: TEXT.index("[counters")].count("\n") + 1
    assert first <= problem.source.line <= TEXT.count("\n") + 1


def test_a_counter_without_thresholds_is_a_mistake() -> None:
    start = TEXT.index("[counters.money-low]")
    text = TEXT[:start] + '[counters.money-low]\nstatus = "enough"\nthresholds = []\n'
    with pytest.raises(CatalogueError, match="has nothing to tell"):
        parse({"c.toml": text.encode()})


def test_the_counters_of_the_page() -> None:
    [text] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    counters = parse({"c.toml": TEXT.encode(), "page.toml": text.encode()}).counters
    assert statuses(counters, account(Counters(credited=EURO)), NOW) == {
        "data-80-percent": "none",
        "money-low": "low",
        "data-volume": "no-bundle",
        "credit": "low",
    }
    assert statuses(counters, account(Counters(), bucket(900_000_000)), NOW)["data-volume"] == "nearly-used-up"


BONUS = """
[offers.bonus]
pays = ["data-standard"]
amount = "5.00 EUR"

[counters.bonus]
offer = "bonus"
status = "plenty"
thresholds = [{ used = "4.00 EUR", status = "little" }, { used = "5.00", status = "gone" }]
"""


@pytest.mark.parametrize(
    ("used", "status"), [(0, "plenty"), (4 * EURO - 1, "plenty"), (4 * EURO, "little"), (5 * EURO, "gone")]
)
def test_bonus_money_is_counted_as_money(used: int, status: str) -> None:
    catalogue = parse({"c.toml": (TEXT + BONUS).encode()})
    holder = account(Counters(), bucket(used, 5 * EURO, offer="bonus", unit=Unit.MONEY))
    assert statuses(catalogue.counters, holder, NOW)["bonus"] == status


def test_a_threshold_of_bonus_money_in_another_currency_is_a_mistake() -> None:
    with pytest.raises(CatalogueError, match=r"threshold 1: '4\.00 USD' is not in EUR, as the offer is"):
        parse({"c.toml": (TEXT + BONUS.replace("4.00 EUR", "4.00 USD")).encode()})
