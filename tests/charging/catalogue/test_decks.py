"""Rate decks and the portability table: the longest prefix, dates, and mistakes with file and line."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging.catalogue import CatalogueError, parse
from charging.catalogue.load import SAMPLE
from charging.catalogue.prefixes import Prefixes

TEXT = (SAMPLE / "catalogue.toml").read_text()
DECK = '\n[decks.w]\nservice = "voice"\ncurrency = "EUR"\nper = "min"\n'
PLAN = '\n[plans.p]\ncurrency = "EUR"\nvoice = [{ deck = "w" }]\n'
NETWORKS = '\n[networks.ours]\nown = true\nprefixes = ["49152"]\n'
GOOD = "prefix,price\n49,0.01\n"


def problems(files: dict[str, str], text: str = TEXT + DECK + PLAN) -> list[str]:
    with pytest.raises(CatalogueError) as caught:
        parse({"c.toml": text.encode()} | {name: content.encode() for name, content in files.items()})
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("deck", "message"),
    [
        ("", "decks/w.csv:1: the first line names the columns"),
        ("prefix,prize\n", "decks/w.csv:1: the first line names the columns"),
        ("prefix,price\n", "decks/w.csv:1: the deck is empty"),
        ("prefix,price\n49,0.01\n49,0.02\n", "decks/w.csv:3: prefix 49 stands in line 2 already"),
        ("prefix,price\n+49,0.01\n", "decks/w.csv:2: '+49' is no prefix"),
        ("prefix,price\n49,0.01,x\n", "decks/w.csv:2: 3 cells where the header has 2"),
        ("prefix,price\n49,cheap\n", "decks/w.csv:2: "),
        ("prefix,price\n49,-0.01\n", "decks/w.csv:2: "),
        ("prefix,price\n49,0.01 USD\n", "decks/w.csv:2: priced in USD, the deck in EUR"),
        ("prefix,price,setup\n49,0.01,0.1 USD\n", "decks/w.csv:2: priced in USD, the deck in EUR"),
        ("prefix,price\n49,0.0000001\n", "decks/w.csv:2: "),
        ("prefix,price\n43,0.01\n49,9000000000\n", "decks/w.csv:3: w"),
        ("prefix,price,blocks\n49,0.01,0\n", "decks/w.csv:2: '0': a block is at least one"),
        ("prefix,price,from\n49,0.01,soon\n", "decks/w.csv:2: from: 'soon' is no date"),
        ("prefix,price,from\n49,0.01,2026-01-01\n49,0.02,2026-01-01\n", "decks/w.csv:3: prefix 49 stands in line 2"),
    ],
)
def test_mistakes_of_a_deck(deck: str, message: str) -> None:
    found = problems({"decks/w.csv": deck})
    assert any(problem.startswith(message) for problem in found), found


def test_decks_and_tables_belong_together() -> None:
    assert problems({})[0].endswith("deck 'w' has no file (write decks/w.csv)")
    assert problems({"decks/w.csv": GOOD, "decks/v.csv": GOOD}) == [
        "decks/v.csv:1: no table says what this is ([decks.v])"
    ]
    assert (
        "priced in EUR, the plan in USD" in problems({"decks/w.csv": GOOD}, TEXT + DECK + PLAN.replace("EUR", "USD"))[0]
    )


def test_mistakes_of_the_portability_table() -> None:
    lines = "number,network\n491711,ours\n+49,ours\n4917,theirs\n"
    found = problems({"decks/w.csv": GOOD, "portability.csv": lines}, TEXT + DECK + PLAN + NETWORKS)
    assert found == [
        "portability.csv:3: '+49' is no number",
        "portability.csv:4: no such entry of networks: 'theirs' (known: ours)",
    ]


def test_a_prefix_that_is_not_in_effect_yet_is_as_if_it_were_not_there() -> None:
    lines = "prefix,price,from\n1,0.01,\n1808,0.50,2026-07-01\n1808,0.40,2027-01-01\n"
    catalogue = parse({"c.toml": (TEXT + DECK + PLAN).encode(), "decks/w.csv": lines.encode()})
    plan = catalogue.find("p")
    assert plan
    deck = next(iter(rule.deck for lines in plan.rules.values() for rule in lines))
    assert deck
    found = [deck.find("18085551234", day) for day in (date(2026, 6, 30), date(2026, 7, 1), date(2027, 1, 1))]
    assert [(each.line, each.prefix) for each in found if each] == [(2, "1"), (3, "1808"), (4, "1808")]


@settings(max_examples=200, deadline=None)
@given(st.sets(st.text("0123456789", min_size=1, max_size=6), max_size=30), st.text("0123456789", max_size=8))
def test_the_longest_prefix_wins(prefixes: set[str], number: str) -> None:
    table = Prefixes({prefix: prefix for prefix in prefixes})
    fitting = sorted((prefix for prefix in prefixes if number.startswith(prefix)), key=len, reverse=True)
    assert table.zone(number) == (fitting[0] if fitting else None)
    assert [prefix for prefix, _ in table.all(number)] == fitting
