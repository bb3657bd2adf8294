"""Mistakes in times, places, percentages and versions of plans; each named with file, line and a hint."""

import pytest

from charging.catalogue import Catalogue, CatalogueError, parse
from charging.catalogue.load import SAMPLE
from charging.event import Service, ServiceKind
from charging.matching import Matcher

TEXT = (SAMPLE / "catalogue.toml").read_text()
LINES = TEXT.count("\n")
HEAD = '[plans.p]\ncurrency = "EUR"\n'

MISTAKES = [
    ('[times.t]\nhours = "8-18"\n', 2, "'8-18' are no hours"),
    ('[times.t]\nhours = "25:00-26:00"\n', 2, "are no hours"),
    ('[times.t]\ndays = "funday"\n', 2, "'funday' is no day"),
    ("[times.t]\n", 1, "time 't' is always"),
    ("[times.t]\nsince = 2026-02-01\nuntil = 2026-01-01\n", 3, "ends before it begins"),
    ('[holidays]\nx = ["2026-02-30"]\n', 2, "Invalid"),
    ('[roaming]\neu = ["208"]\nfr = ["208"]\n', 3, "prefix 208 belongs to 'eu' already"),
    ('[locations]\nx = ["82G"]\n', 2, "'82G' is no prefix"),
    ('[conversions.EUR]\nUSD = "much"\n', 2, "'much' is no factor"),
    ('[conversions.EUR]\nUSD = "0"\n', 2, "'0' is no factor"),
    ('[conversions.EUR]\nEUR = "1"\n', 2, "is no conversion"),
    (HEAD + 'timezone = "Mars/Olympus"\n', 3, "is no time zone"),
    (HEAD + 'tax = "nineteen"\n', 3, "is no percentage"),
    (HEAD + 'holidays = "mars"\n', 3, "no such entry of holidays"),
    (HEAD + "since = 2026-01-01\n", 1, "replaces stands with since"),
    (HEAD + 'replaces = "p"\nsince = 2026-01-01\n', 3, "cannot replace itself"),
    (HEAD + 'sms = [{ rate = "sms", when = "never" }]\n', 3, "no such entry of times"),
    (HEAD + 'sms = [{ rate = "sms", when = "t" }]\n[times.t]\ndays = "mon"\n', 3, "gap: at other times"),
    (HEAD + 'sms = [{ rate = "sms", visited = "eu" }]\n', 3, "no such entry of roaming"),
    (HEAD + 'sms = [{ rate = "sms", call = "on-net" }]\n', 3, "no network is ours"),
    (HEAD + 'sms = [{ rate = "sms", call = "loud" }]\n', 3, "Invalid enum value 'loud'"),
    (HEAD + 'sms = [{ rate = "sms", deck = "d" }]\n', 3, "a rate, or a deck"),
    (HEAD + 'sms = [{ deck = "d" }]\n', 3, "no such entry of decks"),
    (HEAD + 'sms = [{ rate = "sms", surcharge = "a lot" }]\n', 3, "is no percentage"),
    (HEAD + 'sms = [{ rate = "sms", discount = "101 %" }]\n', 3, "at most 100 %"),
    (HEAD + 'sms = [{ rate = "sms", surcharge = "1 %", discount = "1 %" }]\n', 3, "not both"),
    (HEAD + 'sms = [{ rate = "sms" }, { rate = "sms", rat = "4g" }]\n', 3, "never reached"),
]


@pytest.mark.parametrize(("text", "line", "message"), MISTAKES)
def test_mistakes(text: str, line: int, message: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse({"c.toml": (TEXT + text).encode()})
    found = [str(problem) for problem in caught.value.problems]
    assert any(problem.startswith(f"c.toml:{LINES + line}: ") and message in problem for problem in found), found


VERSIONS = """
[plans.v]
currency = "EUR"
sms = [{ rate = "sms" }]
[plans.v2]
currency = "EUR"
replaces = "v"
since = 2026-01-02
sms = [{ rate = "sms" }]
[plans.v3]
currency = "EUR"
replaces = "v"
since = 2026-01-03
sms = [{ rate = "sms", surcharge = "10 %" }]
"""
DAY = 86_400_000
FIRST = 1_767_225_600_000  # 2026-01-01T00:00Z


@pytest.fixture(scope="module")
def versions() -> Catalogue:
    return parse({"c.toml": (TEXT + VERSIONS).encode()})


@pytest.mark.parametrize(
    ("at", "days", "change"), [(FIRST, 5, FIRST + 2 * DAY), (FIRST, 2, None), (FIRST + 2 * DAY, 30, None)]
)
def test_a_version_that_changes_nothing_is_no_change(
    versions: Catalogue, at: int, days: int, change: int | None
) -> None:
    matcher = Matcher(versions, "v", "EUR", Service(kind=ServiceKind.SMS, called="49301"), "test", at)
    held = matcher.find(None, None)
    assert held
    assert matcher.changes_at(held, None, None, at + days * DAY) == change
