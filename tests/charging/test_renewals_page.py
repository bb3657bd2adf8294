"""docs/renewals.md says only what is so: its example is a catalogue, and its table is what subscribers pay and get."""

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from balances.ledger import Account, Address, Counters, Status, Subscription, SubscriptionState
from balances.money import format_amount
from charging.catalogue import parse
from charging.renewals import renewal, subscription

PAGE = (Path(__file__).parents[2] / "docs" / "renewals.md").read_text()
EXAMPLE = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
BASE = """
[countries.de]
code = "49"
[services.data]
quota = "10 MB"
validity = "1 h"
empty = "keep"
lapse = "release"
[rates.data]
service = "data"
price = "0.01 EUR per MB"
[plans.p]
currency = "EUR"
timezone = "Europe/Berlin"
data = [{ rate = "data" }]
"""
CATALOGUE = parse({"base.toml": BASE.encode(), "page.toml": EXAMPLE.encode()})
ROWS = re.findall(r"^\| (monthly|calendar|pass) \| (.+?) \| (.+?) \| (\d+) \| (.+?) \|$", PAGE, re.MULTILINE)
BERLIN = ZoneInfo("Europe/Berlin")
ACCOUNT = Account(
    address=Address(shard=0, account="alice"), version=1, status=Status.ACTIVE, plan="p", currency="EUR",
    credit_limit=0, identities=(), parent=None, opened_at=0, money=Counters(),
)  # fmt: skip


def test_the_page_has_an_example_of_each() -> None:
    assert {name for name, *_ in ROWS} == set(CATALOGUE.offers)


@pytest.mark.parametrize(("name", "begun", "pays", "gets", "renews"), ROWS)
def test_who_subscribes_pays_gets_and_is_renewed_as_the_page_says(
    name: str, begun: str, pays: str, gets: str, renews: str
) -> None:
    now = int(datetime.fromisoformat(begun).replace(tzinfo=BERLIN).timestamp()) * 1000
    period = subscription(CATALOGUE, CATALOGUE.offers[name], ACCOUNT, "k", now).period
    assert (format_amount(period.fee), str(period.amount)) == (pays, gets)
    found = []
    for _ in renews.split(", "):
        found.append(f"{datetime.fromtimestamp(period.ends_at // 1000, BERLIN):%Y-%m-%d %H:%M}")
        last = Subscription(
            address=ACCOUNT.address, offer=name, state=SubscriptionState.ACTIVE, since=period.since,
            starts_at=period.starts_at, ends_at=period.ends_at, due_at=period.ends_at, bucket="b",
        )  # fmt: skip
        following = renewal(CATALOGUE, ACCOUNT, last, period.ends_at).period
        assert following
        period = following
    assert found == renews.split(", ")
