"""The rate of data is remembered by all that decides it: whatever differs, what is found is what is looked for."""

from itertools import product

import pytest

from charging import matching
from charging.catalogue import Catalogue, parse
from charging.catalogue.load import SAMPLE
from charging.event import Service, ServiceKind
from charging.matching import Held, Matcher

NOON, NIGHT, LATER = 1_767_610_800_000, 1_767_652_200_000, 1_776_000_000_000
"""2026-01-05, 11:00 and 22:30 UTC, and a day of April."""

CONDITIONS = (
    'rating_group = 30, apn = "ims"',
    "rating_group = 10",
    "service_id = 5",
    'apn = "ims"',
    'rat = "3g"',
    'visited = "abroad"',
    'location = "home"',
    "qos = 9",
    'origin = "gw2"',
    'context = "other"',
    'door = "test"',
    'rating_group = 20, when = "night"',
    'when = "night"',
)
"""Each leads to a rate of its own, and the last line to whatever is left."""

PLAN = 'currency = "EUR"\ntimezone = "UTC"\n'
BASE = (SAMPLE / "catalogue.toml").read_text()


def catalogue() -> Catalogue:
    rest = len(CONDITIONS)
    rates = [
        f'[rates.r{number}]\nservice = "data"\nprice = "0.{number + 1:02} EUR per MB"\nblocks = "100 kB"\n'
        for number in range(rest + 2)
    ]
    lines = [f'{{ {condition}, rate = "r{number}" }}' for number, condition in enumerate(CONDITIONS)]
    words = [
        '[conversions.EUR]\nUSD = "2"\n',
        '[roaming]\nabroad = ["208"]\n[locations]\nhome = ["82"]\n[times.night]\nhours = "22:00-24:00"\n',
        *rates,
        f'[plans.p]\n{PLAN}data = [{", ".join(lines)}, {{ rate = "r{rest}" }}]\n',
        f'[plans.q]\n{PLAN}replaces = "p"\nsince = 2026-04-01\ndata = [{{ rate = "r{rest + 1}" }}]\n',
    ]
    return parse({"c.toml": (BASE + "".join(words)).encode()})


USES = [
    (rating_group, service_id, at, door, fields)
    for rating_group, service_id, at, door in product((None, 10, 20, 30), (None, 5), (NOON, NIGHT, LATER), ("", "test"))
    for fields in (
        {},
        {"apn": "ims"},
        {"rat": "1"},
        {"visited": "20801"},
        {"location": "8262f210"},
        {"qos": "9"},
        {"origin": "gw2"},
        {"context": "other"},
    )
]


def find(known: Catalogue, use: tuple[int | None, int | None, int, str, dict[str, str]], currency: str) -> Held | None:
    rating_group, service_id, at, door, fields = use
    service = Service(kind=ServiceKind.DATA, **fields)  # type: ignore[arg-type]
    return Matcher(known, "p", currency, service, door, at).find(rating_group, service_id)


def found(known: Catalogue, *, afresh: bool) -> list[Held | None]:
    """What holds for each use, in both currencies."""
    all_of_them = []
    for use, currency in product(USES, ("EUR", "USD")):
        if afresh:
            known.remembered.clear()
        all_of_them.append(find(known, use, currency))
    return all_of_them


@pytest.mark.parametrize("most", [4096, 3])
def test_what_is_remembered_is_what_would_be_found(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MOST_REMEMBERED", most)
    known = catalogue()
    expected = found(known, afresh=True)
    rates = {held.match.rate.name for held in expected if held}
    assert rates == {f"r{number}" for number in range(len(CONDITIONS) + 2)}
    for _ in range(2):
        assert found(known, afresh=False) == expected
        assert 0 < len(known.remembered) <= most


def test_another_catalogue_remembers_nothing_of_the_first() -> None:
    found(catalogue(), afresh=False)
    assert not catalogue().remembered
