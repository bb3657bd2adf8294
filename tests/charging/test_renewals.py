"""From offers to the periods of subscriptions: the first, the next, after missed ones, in other currencies."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from balances.ledger import Account, Address, Counters, Status, Subscription, SubscriptionState
from charging.catalogue import Catalogue
from charging.catalogue.load import parse, read_files
from charging.gifts import WrongCurrency
from charging.renewals import DAY, NotRecurring, renewal, subscription

SAMPLE = read_files("sample")
PLAN = """
[conversions.EUR]
PLN = "4.3"
[plans.p]
currency = "EUR"
timezone = "Europe/Berlin"
data = [{ rate = "data-standard" }]
[offers.o]
pays = ["data-standard"]
amount = "31 GB"
"""


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * 1000


def catalogue(offer: str) -> Catalogue:
    return parse({**SAMPLE, "o.toml": f"{PLAN}{offer}".encode()})


def account(currency: str = "EUR") -> Account:
    return Account(
        address=Address(shard=0, account="ann"), version=1, status=Status.ACTIVE, plan="p", currency=currency,
        credit_limit=0, identities=(), parent=None, opened_at=0, money=Counters(),
    )  # fmt: skip


def last(since: str, end: str, state: SubscriptionState = SubscriptionState.ACTIVE) -> Subscription:
    return Subscription(
        address=account().address, offer="o", state=state, since=at(since), starts_at=at(since), ends_at=at(end),
        due_at=at(end), bucket="o#1",
    )  # fmt: skip


MONTHLY = 'renews = "month"\nprice = "31.00 EUR"'


def test_the_first_period_costs_and_gives_all() -> None:
    found = catalogue(MONTHLY)
    period = subscription(found, found.offers["o"], account(), "k", at("2026-01-31 12:00")).period
    assert (period.starts_at, period.ends_at) == (at("2026-01-31 12:00"), at("2026-02-28 00:00"))
    assert (period.fee, period.amount, period.carry) == (31_000_000, 31 * 10**9, 0)


def test_or_its_share_of_the_calendars() -> None:
    found = catalogue(f'{MONTHLY}\nfirst = "pro-rata"')
    period = subscription(found, found.offers["o"], account(), "k", at("2026-01-31 00:00")).period
    assert (period.since, period.ends_at) == (at("2026-01-01 00:00"), at("2026-02-01 00:00"))
    assert (period.fee, period.amount) == (1_000_000, 10**9)
    following = renewal(found, account(), last("2026-01-01 00:00", "2026-02-01 00:00"), at("2026-02-01 00:00")).period
    assert following
    assert (following.fee, following.ends_at) == (31_000_000, at("2026-03-01 00:00"))


def test_the_next_period_begins_where_the_last_ended() -> None:
    due = last("2026-01-31 12:00", "2026-02-28 00:00")
    found = renewal(catalogue(MONTHLY), account(), due, at("2026-02-28 03:00"))
    assert found.period
    assert (found.due_at, found.operation) == (due.due_at, f"renewal o {at('2026-02-28 00:00')}")
    assert (found.period.since, found.period.starts_at) == (at("2026-01-31 12:00"), at("2026-02-28 00:00"))
    assert found.period.ends_at == at("2026-03-31 00:00")
    assert (found.retry_at, found.paused_until) == (at("2026-02-28 03:00") + DAY, at("2026-02-28 03:00") + DAY)


def test_periods_nobody_renewed_are_passed_over() -> None:
    found = renewal(catalogue(MONTHLY), account(), last("2026-01-31 12:00", "2026-02-28 00:00"), at("2026-05-05 00:00"))
    assert found.period
    assert (found.period.starts_at, found.period.ends_at) == (at("2026-04-30 00:00"), at("2026-05-31 00:00"))


def test_or_charged_one_after_the_other() -> None:
    found = renewal(
        catalogue(f'{MONTHLY}\nmissed = "charge"'),
        account(),
        last("2026-01-31 12:00", "2026-02-28 00:00"),
        at("2026-05-05 00:00"),
    )
    assert found.period
    assert (found.period.starts_at, found.period.ends_at) == (at("2026-02-28 00:00"), at("2026-03-31 00:00"))


def test_what_was_not_paid_for_in_time_begins_when_it_is() -> None:
    due = last("2026-01-31 12:00", "2026-02-28 00:00", SubscriptionState.WAITING)
    found = renewal(catalogue(MONTHLY), account(), due, at("2026-03-05 10:00")).period
    assert found
    assert (found.since, found.starts_at) == (at("2026-03-05 10:00"), at("2026-03-05 10:00"))
    assert found.ends_at == at("2026-04-05 00:00")


def test_who_does_not_pay_may_be_given_up() -> None:
    due = last("2026-01-31 12:00", "2026-02-28 00:00")
    assert renewal(catalogue(f'{MONTHLY}\nunpaid = "stop"'), account(), due, due.due_at).retry_at is None


def test_what_is_not_to_be_had_any_more_has_no_next_period() -> None:
    due = last("2026-01-31 12:00", "2026-02-28 00:00")
    assert renewal(catalogue(""), account(), due, due.due_at).period is None
    assert renewal(parse(SAMPLE), account(), due, due.due_at).period is None
    assert renewal(catalogue(MONTHLY), account("USD"), due, due.due_at).period is None


def test_the_price_is_converted_where_the_plan_says_how_and_else_refused() -> None:
    found = catalogue(MONTHLY)
    offer = found.offers["o"]
    assert subscription(found, offer, account("PLN"), "k", at("2026-01-31 12:00")).period.fee == 133_300_000
    with pytest.raises(WrongCurrency, match="the price is in EUR, the account in USD"):
        subscription(found, offer, account("USD"), "k", 0)
    with pytest.raises(NotRecurring):
        subscription(found, found.offers["data-1gb"], account(), "k", 0)
