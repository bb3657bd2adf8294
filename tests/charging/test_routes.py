"""Least-cost routing: which carriers come into question, in which order, and that no call is sold below its cost."""

from collections import Counter

import pytest

from balances.price import Price
from charging.catalogue import Catalogue, CatalogueError, parse
from charging.catalogue.load import SAMPLE
from charging.routes import NO_MARGIN, NO_ROUTE, Routes, choose

SAMPLE_TEXT = (SAMPLE / "catalogue.toml").read_text()
CARRIERS = """
[decks.cheap]
service = "voice"
currency = "EUR"
per = "min"

[decks.good]
service = "voice"
currency = "EUR"
per = "min"
blocks = "60/60"

[decks.dollars]
service = "voice"
currency = "USD"
per = "min"

[carriers.cheap]
deck = "cheap"
contact = "sip:{b}@cheap.example.net"
quality = 60

[carriers.good]
deck = "good"
contact = "sip:{b}@good.example.net"
quality = 95

[carriers.night]
deck = "good"
contact = "sip:{b}@night.example.net"
quality = 80
when = "night"
timezone = "Europe/Berlin"

[carriers.overseas]
deck = "dollars"
contact = "sip:{b}@overseas.example.net"
weight = 3

[carriers.twin]
deck = "dollars"
contact = "sip:{b}@twin.example.net"

[times.night]
hours = "22:00-06:00"

[conversions.USD]
EUR = "1/2"
"""
DECKS = {
    "decks/cheap.csv": b"prefix,price\n49,0.02\n",
    "decks/good.csv": b"prefix,price,from\n49,0.03,\n4917,0.05,\n4917,0.01,2027-01-01\n",
    "decks/dollars.csv": b"prefix,price\n49,0.08\n1,0.01\n",
}
BERLIN, MOBILE, NEW_YORK = "493012345", "491701234567", "12125551234"
NOON, MIDNIGHT = 1_768_471_200_000, 1_768_431_600_000  # 10:00 and 23:00 UTC, a day before


def catalogue(routing: str = "", **changes: str) -> Catalogue:
    text = CARRIERS
    for old, new in changes.items():
        text = text.replace(f"[carriers.{old}]", new)
    files = {name: content for name, content in DECKS.items() if name.removeprefix("decks/")[:-4] in text}
    return parse({"c.toml": f"{SAMPLE_TEXT}{text}\n[routings.r]\n{routing}\n".encode(), **files})


def chosen(routing: str, number: str = BERLIN, at: int = NOON, seed: str = "call") -> Routes:
    """The routes at the sample's price of 0.06 EUR a minute."""
    made = catalogue(routing)
    sale = made.plans["prepaid-basic"].rules["voice"][0].rates["EUR"][0].quote.price  # type: ignore[index]
    return choose(made.routings["r"], number, at, sale, "EUR", seed)


def names(routes: Routes) -> list[str]:
    return [route.carrier for route in routes.routes]


def test_the_cheapest_comes_first_and_dearer_ones_after_it() -> None:
    found = chosen('carriers = ["good", "overseas", "cheap"]')
    assert names(found) == ["cheap", "good", "overseas"]
    assert [route.cost for route in found.routes] == [20_000, 30_000, 40_000]  # 0.08 USD are 0.04 EUR
    assert found.routes[0].contact == "sip:{b}@cheap.example.net"


def test_the_longest_prefix_of_a_deck_decides_and_its_date() -> None:
    assert names(chosen('carriers = ["good", "cheap"]', MOBILE)) == ["cheap", "good"]
    assert chosen('carriers = ["good"]', MOBILE).routes[0].cost == 50_000
    in_2027 = 1_800_000_000_000
    assert names(chosen('carriers = ["good", "cheap"]', MOBILE, in_2027)) == ["good", "cheap"]


def test_first_blocks_count_in_a_call_of_the_length_compared() -> None:
    assert chosen('carriers = ["good"]\nlength = "61 s"').routes[0].cost == 60_000
    assert chosen('carriers = ["cheap"]\nlength = "61 s"').routes[0].cost == 20_334  # costs are rounded up


def test_quality_may_come_first_or_be_asked_for() -> None:
    assert names(chosen('carriers = ["cheap", "good"]\norder = "quality"')) == ["good", "cheap"]
    assert names(chosen('carriers = ["cheap", "good"]\nleast_quality = 90')) == ["good"]


def test_a_carrier_is_used_at_its_times() -> None:
    assert names(chosen('carriers = ["cheap", "night"]', at=NOON)) == ["cheap"]
    assert names(chosen('carriers = ["cheap", "night"]', at=MIDNIGHT)) == ["cheap", "night"]


def test_no_more_are_offered_than_asked_for() -> None:
    assert names(chosen('carriers = ["good", "overseas", "cheap"]\nmost = 2')) == ["cheap", "good"]


def test_equals_share_calls_by_weight_and_one_call_always_gets_the_same() -> None:
    routing = 'carriers = ["overseas", "twin"]'
    made = catalogue(routing).routings["r"]
    free = Price(10**6, ())
    first = Counter(choose(made, BERLIN, NOON, free, "EUR", str(n)).routes[0].carrier for n in range(4000))
    assert first["overseas"] == pytest.approx(3000, abs=150)
    assert choose(made, BERLIN, NOON, free, "EUR", "7") == choose(made, BERLIN, NOON, free, "EUR", "7")


def test_nobody_goes_there() -> None:
    assert chosen('carriers = ["cheap"]', NEW_YORK) == Routes(why=NO_ROUTE)


def test_a_currency_that_cannot_be_compared_is_no_route() -> None:
    made = catalogue('carriers = ["cheap"]').routings["r"]
    assert choose(made, BERLIN, NOON, Price(), "CHF", "call") == Routes(why=NO_ROUTE)


def test_no_call_is_offered_below_its_cost_unless_that_is_allowed() -> None:
    dear = 'carriers = ["overseas"]\nlength = "1 min"'
    made = catalogue(dear).routings["r"]
    just, less = Price(40_000, ()), Price(39_999, ())
    assert names(choose(made, BERLIN, NOON, just, "EUR", "call")) == ["overseas"]
    assert choose(made, BERLIN, NOON, less, "EUR", "call") == Routes(why=NO_MARGIN)
    allowed = catalogue(dear + "\nat_a_loss = true").routings["r"]
    assert names(choose(allowed, BERLIN, NOON, less, "EUR", "call")) == ["overseas"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('deck = "cheap"\ncontact', 'deck = "cheep"\ncontact', "no such entry of decks: 'cheep'"),
        ("quality = 60", "quality = 101", "101 is no percentage"),
        ("weight = 3", "weight = 0", "0 is no weight"),
        ("sip:{b}@cheap", "http://cheap", "is no SIP URI"),
        ("sip:{b}@cheap", "sip:{b}, @cheap", "is no SIP URI"),
        ('when = "night"', 'when = "tea"', "no such entry of times: 'tea'"),
        ("Europe/Berlin", "Europe/Berlim", "is no time zone"),
        ('carriers = ["cheap"]', 'carriers = ["none"]', "no such entry of carriers: 'none'"),
        ('carriers = ["cheap"]', "carriers = []", "a routing has carriers"),
        ('carriers = ["cheap"]', 'carriers = ["cheap", "cheap"]', "stands here twice"),
        ('carriers = ["cheap"]', 'carriers = ["cheap"]\nmost = 11', "11 routes cannot be offered"),
        ('carriers = ["cheap"]', 'carriers = ["cheap"]\nlength = "0 s"', "is no length of a call"),
        ('carriers = ["cheap"]', 'carriers = ["cheap"]\nleast_quality = -1', "-1 is no percentage"),
        ('carriers = ["cheap"]', 'carriers = ["cheap"]\norder = "luck"', "luck"),
    ],
)
def test_mistakes_are_told_with_their_line(old: str, new: str, message: str) -> None:
    text = f'{SAMPLE_TEXT}{CARRIERS}\n[routings.r]\ncarriers = ["cheap"]\n'
    assert text.count(old) >= 1
    text = text.replace(old, new, 1)
    with pytest.raises(CatalogueError) as caught:
        parse({"c.toml": text.encode(), **DECKS})
    [problem] = caught.value.problems
    assert message in problem.message
    key = new.splitlines()[0].split(" = ")[0] if "cheep" in new else new.splitlines()[-1].split(" = ")[0].strip()
    assert problem.source.line in [
        n for n, line in enumerate(text.splitlines(), 1) if key in line or line == "[routings.r]"
    ]
