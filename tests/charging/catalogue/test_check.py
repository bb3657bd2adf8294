"""Mistakes in a catalogue are all found at once, each with file, line and a hint."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from balances.ledger import Unit
from balances.price import Step
from charging.catalogue import CatalogueError, load, parse
from charging.catalogue.load import SAMPLE
from charging.catalogue.selectors import Usage
from charging.event import ServiceKind

TEXT = (SAMPLE / "catalogue.toml").read_text()


def problems(text: str) -> list[str]:
    with pytest.raises(CatalogueError) as caught:
        parse({"c.toml": text.encode()})
    return [str(problem) for problem in caught.value.problems]


def at(old: str, new: str, marker: str | None = None) -> tuple[str, int]:
    """The sample with one passage changed, and the line of ``marker`` (or the change) in it."""
    assert TEXT.count(old) >= 1
    text = TEXT.replace(old, new, 1)
    return text, text[: text.index(marker or new)].count("\n") + 1


MISTAKES = [
    ('holding = "5 min"', 'hodling = "5 min"', None, "unknown key 'hodling' (did you mean 'holding'?)"),
    ('holding = "5 min"', 'consumption = "5 min"', None, "consumption is for what is counted in seconds"),
    (
        'holding = "5 min"',
        'periods = { kind = "discrete", length = "1 min" }',
        None,
        "periods is for what is",
    ),
    ('holding = "5 min"', 'report_changes = ["location", "cell"]', None, "location says it all: leave out cell"),
    ('holding = "5 min"', 'report_changes = ["weather"]', None, "Invalid enum value 'weather'"),
    (
        'threshold = "10 s"',
        'consumption = "5 s"\nperiods = { kind = "discrete", length = "1 min" }',
        "periods",
        "exclude each other",
    ),
    ('threshold = "10 s"', 'periods = { kind = "discrete", length = "0 s" }', None, "a period is at least one second"),
    ('action = "terminate"', 'action = "terminate", filter_ids = ["x"]', None, "terminate has no filters"),
    ("[rates.sms]", "[rats.sms]", None, "unknown table 'rats' (did you mean 'rates'?)"),
    ('validity = "1 h"', 'validity = "1 MB"', None, "validity: '1 MB' is not measured in seconds"),
    ('quota = "10 MB"', 'quota = "10 min"', None, "quota: '10 min' is not measured in octets"),
    ('quota = "10 MB"', "quota = 10", None, "Expected `str`, got `int`"),
    ('quota = "10 MB"', 'quota = "10 kB"', None, "1 <= minimum <= quota <= maximum"),
    ('empty = "keep"', 'empty = "hold"', None, "Invalid enum value 'hold'"),
    ('action = "terminate"', 'action = "redirect"', None, "redirect stands with action = 'redirect'"),
    ('action = "terminate"', 'action = "restrict"', None, "restrict needs filters"),
    ('price = "0.01 EUR per MB"', 'price = "0.01 USD per MB"', "{ rating_group = 10", "priced in USD, the plan in EUR"),
    ('price = "0.01 EUR per MB"', 'price = "0.01 EUR"', None, "does not say per how many octets"),
    ('price = "0.01 EUR per MB"', 'price = "0.01 EUR per min"', None, "not measured in octets"),
    ('price = "0.01 EUR per MB"', 'price = "0.0000001 EUR per MB"', None, "at most 6 decimals"),
    ('price = "0.01 EUR per MB"', 'price = "90000 EUR per B"', None, "cannot be counted exactly"),
    ('blocks = "100 kB"', 'blocks = "0 kB"', None, "a block is at least one"),
    ('service = "data"', 'service = "dtaa"', None, "no such entry of services: 'dtaa'"),
    ('    { to = "national", rate', '    { to = "abroad", rate', None, "no such entry of destinations: 'abroad'"),
    ('national = ["49"]', 'national = ["+49"]', None, "'+49' is no prefix"),
    ('national = ["49"]', 'national = ["49"]\nberlin = ["49"]', "berlin", "prefix 49 belongs to 'national' already"),
    ('national = ["49"]', "national = []", None, "has no prefix"),
    ("    { rating_group = 10,", "    { rating_group = -1,", None, "-1 is no rating group"),
    ("    { rating_group = 20,", "    { rating_group = 10,", 'group = 10, rate = "data-premium"', "never reached"),
    ('    { rate = "data-standard" },\n', "", "data = [", "gap: other rating groups have no rate"),
    ('    { rate = "mms" },', '    { rate = "voice-national" },', None, "is a rate for voice, not for mms"),
    ('    { rate = "mms" },', '    { rate = "nms" },', None, "no such entry of rates: 'nms' (known: data-premium"),
    ('currency = "EUR"', 'currency = "euro"', None, "'euro' is no currency"),
    ('country = "germany"', 'country = "italy"', None, "no such entry of countries: 'italy'"),
    ('code = "49"', 'code = "+49"', None, "'+49' is no country code"),
    ('emergency = ["110"', 'emergency = ["sos"', None, "'sos' is no number"),
    ('pays = ["data-standard"]', 'pays = ["data"]', None, "no such entry of rates: 'data'"),
    ('pays = ["data-standard"]', 'pays = ["data-standard", "sms"]', None, "counted in the same unit"),
    ('pays = ["data-standard"]', "pays = []", None, "pays for nothing"),
    ('amount = "1 GB"', 'amount = "0 GB"', None, "at least one unit"),
    ('quota = "5 MB"', 'quota = "5 GB"', None, "within minimum and maximum"),
]


@pytest.mark.parametrize(("old", "new", "marker", "message"), MISTAKES)
def test_mistakes_are_named_with_file_and_line(old: str, new: str, marker: str | None, message: str) -> None:
    text, line = at(old, new, marker)
    found = problems(text)
    assert any(problem.startswith(f"c.toml:{line}: ") and message in problem for problem in found), found


TIERS = """
[rates.tiered]
service = "data"
tiers = [
    {{ price = "0.02 EUR per MB"{first} }},
    {{ price = "0.01 EUR per MB"{last} }},
]
"""


@pytest.mark.parametrize(
    ("first", "last", "line", "message"),
    [
        ("", "", 5, "overlap: this tier has no end"),
        (', upto = "1 GB"', ', upto = "2 GB"', 6, "gap: nothing is said beyond 2000000000"),
        (', upto = "0 GB"', "", 5, "ends before it begins"),
        (', upto = "0.5 B"', "", 5, "no whole number of octets"),
    ],
)
def test_tiers_have_no_gap_and_no_overlap(first: str, last: str, line: int, message: str) -> None:
    text = TIERS.format(first=first, last=last)
    found = problems(TEXT + text)
    where = TEXT.count("\n") + line
    assert any(problem.startswith(f"c.toml:{where}: ") and message in problem for problem in found), found


OFFER = """
[offers.extra]
pays = ["data-standard"]
amount = "1 GB"
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("", 'begins = "first use"', 5, "from the first use on it lasts a time that is given (validity"),
        ("", 'begins = "first use"\nvalidity = "month"', 5, "from the first use on it lasts a time that is given"),
        ("", 'begins = "later"', 5, "Invalid enum value 'later'"),
        ("", 'validity = "a week"', 5, "validity: 'a week' is no quantity"),
        ("", "since = 2026-02-01\nuntil = 2026-01-31", 6, "it ends before it begins"),
        ("", 'overage = "go on"', 5, "Invalid enum value 'go on'"),
        ("", "overage = {}", 5, "overage names a rate, a throttle or both"),
        ("", 'overage = { rate = "none" }', 5, "no such entry of rates: 'none'"),
        ("", 'overage = { rate = "sms" }', 5, "'sms' is a rate per events, the offer is of octets"),
        ("", 'overage = { prise = "x" }', 5, "unknown key 'prise'"),
        ('"1 GB"', '"5 EUR"\noverage = "stop"', 5, "bonus money has no overage: the main balance pays after it"),
        ('"1 GB"', '"0 EUR"', 4, "an offer gives at least one unit"),
        ('"1 GB"', '"1.2345678 EUR"', 4, "amount: "),
        ('"data-standard"]', '"data-standard", "sms"]', 3, "the rates of an offer are all counted in the same unit"),
    ],
)
def test_an_offer_that_makes_no_sense(old: str, new: str, line: int, message: str) -> None:
    text = OFFER.replace(old, new, 1) if old else f"{OFFER}{new}\n"
    where = TEXT.count("\n") + line
    found = problems(TEXT + text)
    assert any(problem.startswith(f"c.toml:{where}: ") and message in problem for problem in found), found


def test_overage_in_a_foreign_currency_is_a_mistake() -> None:
    text = f'{TEXT}{OFFER}overage = {{ rate = "far" }}\n[rates.far]\nservice = "data"\nprice = "1 USD per GB"\n'
    where = TEXT.count("\n") + 5
    assert problems(text) == [
        f"c.toml:{where}: 'far' is priced in USD, plans that sell it in EUR (wrong currency)",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('share = "lots"', "share: 'lots' is no share (from 1 % to 99 %)"),
        ('share = "0 %"', "share: '0 %' is no share"),
        ('floor = "1 MB"', "floor stands with share, and only there"),
        ('share = "10 %"\nfloor = "11 MB"', "the floor is larger than the quota"),
        ('share = "10 %"\nfloor = "11 s"', "floor: '11 s' is not measured in octets"),
    ],
)
def test_a_share_that_makes_no_sense(line: str, message: str) -> None:
    found = problems(f'{TEXT}\n[rates.shared]\nservice = "data"\nprice = "free"\n{line}\n')
    at = TEXT.count("\n") + 4 + line.count("\n") + 1
    assert any(problem.startswith(f"c.toml:{at}: ") and message in problem for problem in found), found


def test_all_problems_are_said_at_once() -> None:
    text = (
        TEXT.replace('"49"]', '"x"]').replace('rate = "mms"', 'rate = "no"').replace('amount = "1 GB"', 'amount = "x"')
    )
    assert len(problems(text)) == 3


def test_mistakes_of_shape_and_meaning_are_said_at_once_and_none_for_another_s_sake() -> None:
    text = (
        TEXT.replace('holding = "5 min"', 'hodling = "5 min"\nvalidity = 5', 1)
        .replace('validity = "1 h"\n', "", 1)
        .replace('price = "0.09 EUR each"', 'prize = "0.09 EUR each"\nblocks = 1')
        .replace(
            '    { rate = "mms" },', '    { rate = "nms" },\n    { rate = "mms", too = "germany", rating_group = "x" },'
        )
        .replace('code = "49"', 'code = "+49"')
    )
    found = [problem.partition(": ")[2] for problem in problems(text)]
    assert sorted(found) == sorted(
        [
            "unknown key 'hodling' (did you mean 'holding'?)",
            "Expected `str`, got `int`",
            "'+49' is no country code (1 to 3 digits, without + or 00)",
            "unknown key 'prize' (did you mean 'price'?)",
            "Expected `str`, got `int`",
            "unknown key 'too' (did you mean 'to'?)",
            "Expected `int | array`, got `str`",
        ]
    )


YEARS = """
[plans.a]
currency = "EUR"
sms = [{ rate = "sms" }]
[plans.b]
currency = "EUR"
replaces = "a"
since = 2027-01-01
sms = [{ rate = "sms" }]
[plans.c]
currency = "EUR"
replaces = "b"
since = 2028-01-01
sms = [{ rate = "sms" }]
"""


def test_those_of_a_plan_follow_its_successor_s_successor_too() -> None:
    plan = parse({"c.toml": (TEXT + YEARS).encode()}).find("a")
    assert plan is not None
    new_years = [1_798_761_600_000, 1_830_297_600_000]
    names = [plan.at(at + step).name for at in new_years for step in (-1, 0)]
    assert names == ["a", "b", "b", "c"]
    assert plan.replaced_after(new_years[0]) == new_years[1]


def test_no_plan_replaces_itself_in_the_end() -> None:
    round_ = YEARS.replace(
        '[plans.a]\ncurrency = "EUR"', '[plans.a]\ncurrency = "EUR"\nreplaces = "c"\nsince = 2029-01-01'
    )
    assert any("would replace itself in the end" in problem for problem in problems(TEXT + round_))


def test_broken_toml_is_a_problem_with_its_line() -> None:
    assert problems("[plans.x]\ncurrency =\n") == ["c.toml:2: Invalid value (at line 2, column 11)"]
    assert "c.toml:1" in problems("\ufeff[")[0]


def test_an_empty_catalogue_is_refused() -> None:
    assert problems("") == ["c.toml:1: the catalogue is empty (write at least one plan)"]


def test_several_files_are_one_catalogue() -> None:
    head, tail = TEXT[: TEXT.index("[plans.")], TEXT[TEXT.index("[plans.") :]
    catalogue = parse({"a.toml": head.encode(), "b.toml": tail.encode()})
    plan = catalogue.find("prepaid-basic")
    assert plan is not None
    assert str(plan.source) == "b.toml:1"
    rule = plan.match(Usage(kind=ServiceKind.DATA, rating_group=10))
    assert rule is not None
    assert rule.rate.source.file == "a.toml"
    with pytest.raises(CatalogueError, match=r"b.toml:1: 'prepaid-basic' stands at a.toml:\d+ already"):
        parse({"a.toml": TEXT.encode(), "b.toml": tail.encode()})


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    head, tail = TEXT[: TEXT.index("[plans.")], TEXT[TEXT.index("[plans.") :]
    (tmp_path / "rates.toml").write_text(head)
    (tmp_path / "plans.toml").write_text(tail)
    (tmp_path / "notes.txt").write_text("not a catalogue")
    assert load(tmp_path).plans.keys() == load(SAMPLE / "catalogue.toml").plans.keys() == {"prepaid-basic"}
    with pytest.raises(OSError, match="nowhere"):
        load(tmp_path / "nowhere.toml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogueError, match="empty"):
        load(tmp_path / "empty")


def test_version_follows_the_content() -> None:
    one, same, other = (parse({"c.toml": text.encode()}) for text in (TEXT, TEXT, TEXT + "\n# more"))
    assert one.version == same.version != other.version


def test_the_sample_says_what_was_promised() -> None:
    catalogue = load("sample")
    plan = catalogue.find("prepaid-basic")
    assert plan is not None
    assert (plan.currency, plan.country) == ("EUR", "49")
    groups = {group: plan.match(Usage(kind=ServiceKind.DATA, rating_group=group)) for group in (10, 20, 99, 7, None)}
    prices = {group: rule.rate.quote.price for group, rule in groups.items() if rule}
    assert prices[10] == prices[7] == prices[None]
    assert prices[10].steps == (Step(None, 100_000, 1_000),)
    assert prices[20].steps == (Step(None, 100_000, 10_000),)
    assert prices[99].steps == ()
    assert catalogue.find("postpaid") is None
    offer = catalogue.offer("data-1gb")
    assert offer is not None
    assert (offer.unit, offer.amount, offer.span(1_000, ZoneInfo("UTC")).expires_at) == (
        Unit.OCTETS,
        10**9,
        30 * 86_400_000 + 1_000,
    )
    paid = {group for group, rule in groups.items() if rule and "data-1gb" in rule.rate.quote.offers}
    assert paid == {10, 7, None}


def test_longest_prefix_decides() -> None:
    text = TEXT.replace('national = ["49"]', 'national = ["49"]\nmobile = ["4917", "49151"]\nworld = ["1"]')
    zone = parse({"c.toml": text.encode()}).destinations.zone
    assert [zone(number) for number in ("4930", "491701", "491510", "49150", "12", "4", "")] == [
        "national", "mobile", "mobile", "national", "world", None, None,
    ]  # fmt: skip


def test_sixty_one_blocks_and_fees_are_written_as_people_say_them() -> None:
    rate = '\n[rates.x]\nservice = "voice"\nprice = "0.06 EUR per min"\nblocks = "60/1"\n'
    rate += 'setup = "0.05 EUR"\nfree = "30 s"\n'
    plan = '\n[plans.p]\ncurrency = "EUR"\nvoice = [{ rate = "x" }]\n'
    found = parse({"c.toml": (TEXT + rate + plan).encode()}).find("p")
    assert found is not None
    rule = found.match(Usage(kind=ServiceKind.VOICE))
    assert rule is not None
    price = rule.rate.quote.price
    assert (price.setup, [(step.upto, step.block, step.amount) for step in price.steps]) == (
        50_000,
        [(30, 30, 0), (90, 60, 60_000), (None, 1, 1_000)],
    )


METERS = """
[meters.month]
period = "month from 31"
cap = "5 EUR"
warn = "120 %"
limit = "1 GB"

[meters.roaming]
period = "day"
service = "dta"
warn = "80 %"
throttle = "slow"

[meters.dollars]
period = "week"
cap = "5 USD"

[rates.along]
service = "data"
price = "0.01 per MB"
blocks = "1 MB/100 kB"
setup = "1.00"
along = "dollars"

[rates.lost]
service = "data"
price = "0.01 per MB"
along = "mnth"

[plans.metered]
currency = "EUR"
data = [{ rating_group = 7, rate = "along", meters = "moth" }, { rate = "data-standard", meters = "dollars" }]
"""


def test_mistakes_in_meters() -> None:
    start = TEXT.count("\n")
    found = [problem.removeprefix("c.toml:") for problem in problems(TEXT + METERS)]
    said = {int(line) - start: rest for line, _, rest in (problem.partition(": ") for problem in found)}
    expected = {
        3: "'month from 31' is no period (day, week, month, or month from 1 to 28)",
        5: "a warning is at most at 100 %",
        6: "a limit is in units of a service",
        10: "no such entry of services: 'dta'",
        11: "a warning is a share of the cap",
        12: 'use is slowed down beyond a limit, there is none (write limit = "50 GB")',
        21: "a first block belongs to a session",
        22: "setup belongs to a session",
        23: "meter dollars does not count octets",
        28: "no such entry of meters: 'mnth'",
    }
    for line, message in expected.items():
        assert said[line].startswith(message), said
    assert any("no such entry of meters: 'moth'" in problem for problem in found)
    assert any("meter dollars is capped in USD, the plan in EUR" in problem for problem in found)


def test_a_catalogue_has_not_too_many_meters() -> None:
    tables = "".join(f'\n[meters.m{number}]\nperiod = "day"\n' for number in range(17))
    (said,) = problems(TEXT + tables)
    assert "more than 16 meters" in said
