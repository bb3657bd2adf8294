"""Policy counters: how much of a bundle or of the money is spent, as words that a policy server's rules know.

Pure: an account as read and the time go in, statuses come out (TS 29.219 clause 4.3, TS 23.203 clause 6.2.4).
"""

from collections.abc import Mapping

from balances.ledger import Account
from charging.catalogue.model import Counter


def statuses(counters: Mapping[str, Counter], account: Account, now: int) -> dict[str, str]:
    """The status of every counter this account has. ``now`` in milliseconds: expired buckets do not count."""
    found = {name: status(counter, account, now) for name, counter in counters.items()}
    return {name: each for name, each in found.items() if each is not None}


def status(counter: Counter, account: Account, now: int) -> str | None:
    """The status of one counter: that of the last threshold reached; None if the account has no such counter."""
    if counter.offer:
        return _of_offer(counter, account, now)
    if account.currency != counter.currency:
        return None
    # What is reserved comes and goes with every quota; counting it would make the status flutter.
    left = account.money.balance + account.credit_limit
    return _last(counter, [left < threshold.at for threshold in counter.thresholds])


def _of_offer(counter: Counter, account: Account, now: int) -> str | None:
    """Several buckets of an offer count as one large one."""
    buckets = [bucket for bucket in account.buckets if bucket.offer == counter.offer and bucket.runs(now)]
    if not buckets:
        return counter.without or None
    used = sum(bucket.counters.debited for bucket in buckets)
    initial = sum(bucket.initial for bucket in buckets)
    if counter.percent:
        return _last(counter, [used * 100 >= threshold.at * initial for threshold in counter.thresholds])
    return _last(counter, [used >= threshold.at for threshold in counter.thresholds])


def _last(counter: Counter, reached: list[bool]) -> str:
    """Thresholds are in order: as many as are reached are the first ones."""
    number = sum(reached)
    return counter.thresholds[number - 1].status if number else counter.status
