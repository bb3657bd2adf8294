"""Which entries are worth telling."""

from typing import Any

import pytest
from msgspec import json, structs

from balances.ledger import Entry, Line
from ocs.webhooks.alerts import Alerts, AutoTopUp
from ocs.webhooks.notices import occasions

EURO = 1_000_000


def entry(*lines: Line, cause: str = "update") -> Entry:
    return Entry(
        id="5-0", shard=3, at=0, account="alice", operation="1", cause=cause, door="sip", session="s", reference="",
        lines=lines,
    )  # fmt: skip


def money(before: int, after: int, **more: int) -> Line:
    return Line(bucket="money", asset="EUR", before=before, after=after, **more)


def told(*lines: Line, cause: str = "update", thresholds: tuple[int, ...] = (EURO,)) -> list[tuple[str, Any]]:
    return [
        (one.notice.event, one.notice.threshold or one.notice.amount)
        for one in occasions(entry(*lines, cause=cause), Alerts(thresholds=thresholds))
    ]


def test_falling_below_a_threshold_and_to_nothing() -> None:
    assert told(money(EURO, EURO - 1)) == [("balance.low", "1.00")]
    assert told(money(EURO + 1, EURO)) == []
    assert told(money(EURO - 1, 1)) == []
    assert told(money(1, 0)) == [("balance.depleted", "0.00")]
    assert told(money(5 * EURO, -1), thresholds=(2 * EURO, EURO)) == [
        ("balance.low", "2.00"),
        ("balance.low", "1.00"),
        ("balance.depleted", "0.00"),
    ]
    assert told(money(0, 5 * EURO, credited=5 * EURO)) == []


def test_a_top_up_is_asked_for_once_at_each_crossing() -> None:
    alerts = Alerts(thresholds=(), auto_topup=AutoTopUp(below=EURO, amount=20 * EURO))
    (one,) = occasions(entry(money(EURO, EURO - 1)), alerts)
    assert (one.notice.event, one.notice.threshold, one.notice.amount) == ("auto-topup", "1.00", "20.00")
    assert (one.once, one.notice.id) == ("alice:money:auto:1000000", "3-5-0-money-auto-topup-1.00")
    assert list(occasions(entry(money(EURO + 1, EURO)), alerts)) == []
    assert list(occasions(entry(money(EURO - 1, 1)), alerts)) == []


def test_overrun_and_what_of_it() -> None:
    assert told(money(0, -EURO, debited=EURO, overrun=EURO)) == [("balance.overrun", "1.00")]


def test_a_bucket_is_depleted_by_use_and_not_by_a_reservation() -> None:
    def bucket(**counters: int) -> Line:
        return Line(bucket="data-1gb#1", asset="octets", **counters)

    assert told(bucket(before=10, after=0, reserved=10)) == []
    assert told(bucket(before=0, after=0, reserved=-10, debited=10)) == [("bucket.depleted", None)]
    assert told(bucket(before=0, after=6, reserved=-10, debited=4)) == []
    assert told(bucket(before=7, after=0, debited=7), cause="expired") == [("bucket.expired", 7)]


def test_a_notice_has_the_same_name_however_often_it_is_found() -> None:
    line = money(EURO, 0)
    first, again = (list(occasions(entry(line), Alerts(thresholds=(EURO,)))) for _ in range(2))
    assert first == again
    assert len({one.notice.id for one in first}) == 2
    assert [one.once for one in first] == ["alice:money:1000000", "alice:money:0"]


@pytest.mark.parametrize(
    ("cause", "event"), [("renewal-failed", "renewal.failed"), ("subscription-ended", "subscription.ended")]
)
def test_a_subscription_that_is_not_renewed(cause: str, event: str) -> None:
    said = structs.replace(entry(cause=cause), reference="monthly insufficient-funds")
    (one,) = occasions(said, Alerts())
    assert json.decode(json.encode(one.notice)) == {
        "id": f"3-5-0-{event}", "event": event, "at": "1970-01-01T00:00:00.000Z", "account": "alice",
        "threshold": None, "amount": None, "offer": "monthly", "reason": "insufficient-funds",
    }  # fmt: skip


def test_other_notices_are_written_as_they_always_were() -> None:
    """They may lie in the store since an earlier version."""
    (one,) = occasions(entry(money(1, 0)), Alerts())
    assert list(json.decode(json.encode(one.notice))) == [
        "id", "event", "at", "account", "bucket", "asset", "remaining", "threshold", "amount",
    ]  # fmt: skip
