"""The answer to a question for more: what the proxy lets run must be what the vault holds."""

import msgspec
import pytest

from charging.event import FinalUnits, ItemOutcome, Outcome, Reason, Result, Unit
from sip_credit.call import Call
from sip_credit.policy import operation, refresh_after
from sip_credit.report import Kind, Report, answer_interim
from sip_credit.settings import Peer

REPORT = Report(
    kind=Kind.INTERIM,
    announced=True,
    session="a" * 16,
    by_call_id=False,
    call_id="c",
    duration_ms=50_000,
    cause="",
    operation="interim;c;10",
    fingerprint=0,
    identities=(),
    caller="",
    called="",
    number="",
    peer=Peer(),
    at=0,
)
CALL = Call(
    call_id="c", peer="p", caller="a", called="b", identities=(), invited_at=0, refreshes=True, cap=60, exact=True
)


def outcome(granted: int, reason: Reason = Reason.NONE, last: bool = False, result: Result = Result.OK) -> Outcome:
    final = FinalUnits() if last else None
    item = ItemOutcome(key="call", unit=Unit.SECONDS, granted=granted, reason=reason, final=final)
    return Outcome(result=result, items=(item,))


@pytest.mark.parametrize(
    ("total", "got", "status", "seconds", "refresh", "cap"),
    [
        pytest.param(50, outcome(60), 200, "60", "51", 110, id="another slice"),
        pytest.param(50, outcome(25, last=True), 200, "25", "", 75, id="the last of the money"),
        pytest.param(50, outcome(10, last=True), 402, "", "", 60, id="nothing beyond what was granted"),
        pytest.param(60, outcome(0, Reason.NO_CREDIT), 402, "", "", 60, id="nothing at the very end"),
        pytest.param(63, outcome(0, Reason.NO_CREDIT), 402, "", "", 60, id="nothing after the end"),
        pytest.param(50, outcome(4, last=True), 200, "4", "", 54, id="less than was granted"),
        pytest.param(50, outcome(0, Reason.BARRED), 200, "1", "", 51, id="barred: end at once"),
        pytest.param(50, Outcome(result=Result.BARRED), 200, "1", "", 51, id="barred as a whole"),
        pytest.param(63, outcome(60), 200, "60", "51", 123, id="asked late, still granted"),
    ],
)
def test_interim(total: int, got: Outcome, status: int, seconds: str, refresh: str, cap: int) -> None:
    answer, call = answer_interim(REPORT, got, CALL, total)
    headers = dict(answer.headers)
    assert (answer.status, headers.get("X-OCS-Max-Duration", ""), headers.get("X-OCS-Refresh", "")) == (
        status,
        seconds,
        refresh,
    )
    assert call.cap == cap


@pytest.mark.parametrize(
    ("got", "reason"),
    [
        (outcome(10, last=True), "insufficient-credit"),
        (outcome(0, Reason.NO_CREDIT), "insufficient-credit"),
        (outcome(0, Reason.BARRED), "barred"),
        (outcome(0, Reason.UNRATEABLE), "unrateable"),
    ],
)
def test_interim_says_why(got: Outcome, reason: str) -> None:
    answer, _ = answer_interim(REPORT, got, CALL, 50)
    assert dict(answer.headers)["X-OCS-Reason"] == reason


@pytest.mark.parametrize(
    ("granted", "refresh"), [(1, 0), (2, 1), (4, 2), (5, 3), (9, 5), (10, 5), (30, 25), (60, 51), (3600, 3060)]
)
def test_refresh_leaves_time_to_ask(granted: int, refresh: int) -> None:
    assert refresh_after(granted) == refresh


def test_operations_have_names_that_can_be_stored() -> None:
    assert operation("stop", "a@b", "10") == "stop;a@b;10"
    assert operation("stop", "\udcff") == "stop;\ufffd"
    long = operation("stop", "x" * 5000)
    assert len(long) < 64
    assert long != operation("stop", "x" * 5001)


@pytest.mark.parametrize(
    ("granted", "status", "seconds", "cap"), [(10, 200, "10", 60), (4, 200, "4", 54), (0, 200, "1", 51)]
)
def test_a_cap_that_may_have_been_granted_in_part_is_told_anew(
    granted: int, status: int, seconds: str, cap: int
) -> None:
    """After a restart only what was asked for is known: what the vault grants now is what the proxy may let run."""
    recalled = msgspec.structs.replace(CALL, exact=False)
    answer, call = answer_interim(REPORT, outcome(granted), recalled, 50)
    assert (answer.status, dict(answer.headers)["X-OCS-Max-Duration"]) == (status, seconds)
    assert (call.cap, call.exact) == (cap, True)
