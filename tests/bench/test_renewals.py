"""The renewal bench in small: two servers, live traffic, each account renewed once by the ledger's count."""

from pathlib import Path

import pytest

from bench import renewals
from bench.machine import BenchFailed


def test_a_thousand_accounts_are_renewed_once_by_two_servers_under_traffic(tmp_path: Path) -> None:
    found = renewals.run(tmp_path, accounts=1000, rate=50.0, renewals=500.0)
    assert sum(found.shares) == 1000
    assert all(steps and not sum(step["refused"] for step in steps) for steps in found.steps.values())


def test_a_run_in_which_one_was_renewed_twice_or_not_at_all_does_not_count() -> None:
    for wrong in ({"a": 2, "b": 1}, {"a": 1}):
        with pytest.raises(BenchFailed, match="renewed how often"):
            renewals.check(2, wrong)
    renewals.check(2, {"a": 1, "b": 1})
