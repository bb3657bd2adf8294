"""Which entries are worth telling."""

from typing import Any

import pytest
from msgspec import json, structs

from balances.ledger import Entry, Line
from charging.catalogue.thresholds import UseThreshold
from ocs.webhooks.alerts import Alerts, AutoTopUp, Standing, Watched
from ocs.webhooks.notices import ended, occasions

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
        for one in occasions(entry(*lines, cause=cause), Standing(alerts=Alerts(thresholds=thresholds)))
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
    alerts = Standing(alerts=Alerts(thresholds=(), auto_topup=AutoTopUp(below=EURO, amount=20 * EURO)))
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


HALF, MOST, WHOLE = (UseThreshold(at=at, percent=True) for at in (50, 80, 100))


def low(before: int, after: int, used: int, *thresholds: UseThreshold, **counters: int) -> list[tuple[str, Any]]:
    """What is told of 10 octets of which ``used`` are used by now."""
    line = Line(bucket="data#1", asset="octets", before=before, after=after, **counters)
    watched = Watched(
        bucket="data#1", initial=10, used=used, ends_at=None, thresholds=thresholds or (HALF, MOST, WHOLE)
    )
    return [(one.notice.event, one.notice.threshold) for one in occasions(entry(line), Standing(watched=(watched,)))]


def test_a_bucket_is_told_of_when_so_much_of_it_is_used() -> None:
    assert low(10, 6, 4, debited=4) == []
    assert low(10, 5, 5, debited=5) == [("bucket.low", "50%")]
    assert low(5, 2, 8, debited=3) == [("bucket.low", "50%"), ("bucket.low", "80%")]
    assert low(10, 0, 0, reserved=10) == [], "what is reserved is not used"
    assert low(0, 0, 10, reserved=-10, debited=10) == [
        ("bucket.low", "50%"), ("bucket.low", "80%"), ("bucket.depleted", None),
    ]  # fmt: skip
    assert low(10, 4, 6, UseThreshold(at=6, percent=False), debited=6) == [("bucket.low", "6")]


def test_a_notice_tells_of_no_use_that_is_still_to_come_at_its_entry() -> None:
    assert low(10, 6, 9, debited=4) == [], "the rest was used by an entry after it"
    assert low(6, 1, 9, debited=5) == [("bucket.low", "50%"), ("bucket.low", "80%")]


def test_what_is_written_off_at_a_renewal_was_not_used() -> None:
    line = Line(bucket="data#1", asset="octets", before=6, after=0, debited=6)
    watched = Watched(bucket="data#1", initial=10, used=10, ends_at=None, thresholds=(HALF,))
    renewal = structs.replace(entry(line, cause="renewal"), session="")
    assert list(occasions(renewal, Standing(watched=(watched,)))) == []
    assert list(ended(renewal)) == ["data#1"]
    late = Line(bucket="data#1", asset="octets", before=0, after=2, debited=2, reserved=-4)
    over = structs.replace(watched, ends_at=0)
    assert list(occasions(entry(late), Standing(watched=(over,)))) == []
    assert list(ended(entry(late))) == []


def test_each_threshold_of_each_bucket_is_told_once() -> None:
    line = Line(bucket="data#1", asset="octets", before=10, after=1, debited=9)
    watched = Watched(bucket="data#1", initial=10, used=9, ends_at=None, thresholds=(HALF, MOST))
    found = list(occasions(entry(line), Standing(watched=(watched,))))
    assert [(one.bucket, one.once) for one in found] == [("data#1", "50%"), ("data#1", "80%")]
    assert [one.notice.id for one in found] == ["3-5-0-data#1-bucket.low-50%", "3-5-0-data#1-bucket.low-80%"]
    assert [one.notice.remaining for one in found] == [1, 1]


def test_a_notice_has_the_same_name_however_often_it_is_found() -> None:
    line = money(EURO, 0)
    first, again = (list(occasions(entry(line), Standing(alerts=Alerts(thresholds=(EURO,))))) for _ in range(2))
    assert first == again
    assert len({one.notice.id for one in first}) == 2
    assert [one.once for one in first] == ["alice:money:1000000", "alice:money:0"]


@pytest.mark.parametrize(
    ("cause", "event"), [("renewal-failed", "renewal.failed"), ("subscription-ended", "subscription.ended")]
)
def test_a_subscription_that_is_not_renewed(cause: str, event: str) -> None:
    said = structs.replace(entry(cause=cause), reference="monthly insufficient-funds")
    (one,) = occasions(said, Standing())
    assert json.decode(json.encode(one.notice)) == {
        "id": f"3-5-0-{event}", "event": event, "at": "1970-01-01T00:00:00.000Z", "account": "alice",
        "threshold": None, "amount": None, "offer": "monthly", "reason": "insufficient-funds",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "reference", "event", "more"),
    [
        ("activation", "until 2026-05-31T00:00:00Z", "account.state",
         {"state": "active", "valid_until": "2026-05-31T00:00:00Z"}),
        ("activation", "without end", "account.state", {"state": "active", "valid_until": None}),
        ("expiry", "", "account.state", {"state": "grace"}),
        ("closing", "", "account.state", {"state": "closed"}),
        ("status", "suspended", "account.state", {"state": "suspended"}),
        ("extension", "until 2026-05-31T00:00:00Z", "account.extended", {"valid_until": "2026-05-31T00:00:00Z"}),
        ("extension", "without end", "account.extended", {"valid_until": None}),
    ],
)  # fmt: skip
def test_an_account_that_lives_on(cause: str, reference: str, event: str, more: dict[str, str | None]) -> None:
    said = structs.replace(entry(cause=cause), reference=reference)
    (one,) = occasions(said, Standing())
    assert json.decode(json.encode(one.notice)) == {
        "id": f"3-5-0-{event}", "event": event, "at": "1970-01-01T00:00:00.000Z", "account": "alice",
        "threshold": None, "amount": None, **more,
    }  # fmt: skip


def test_other_notices_are_written_as_they_always_were() -> None:
    """They may lie in the store since an earlier version."""
    (one,) = occasions(entry(money(1, 0)), Standing())
    assert list(json.decode(json.encode(one.notice))) == [
        "id", "event", "at", "account", "bucket", "asset", "remaining", "threshold", "amount",
    ]  # fmt: skip
