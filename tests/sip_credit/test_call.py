"""What is remembered of a call, and how its length is measured."""

import pytest

from sip_credit.call import Call, Calls, Ending, is_session, measure, session_of, unpack

CALL = Call(
    call_id="c",
    peer="proxy",
    caller="491700001",
    called="4930123",
    identities=(("e164", "491700001"),),
    invited_at=1_000_000,
    refreshes=True,
    cap=60,
)
STARTED = Call(**{**{name: getattr(CALL, name) for name in Call.__struct_fields__}, "started_at": 1_010_000})


def test_a_session_is_made_of_the_call_id_alone() -> None:
    assert session_of("1-1107@127.0.10.1") == session_of("1-1107@127.0.10.1") != session_of("1-1108@127.0.10.1")
    assert is_session(session_of("\udcff"))
    for text in ("", "s000001", "A" * 16, "a" * 15, "a" * 17, "a" * 15 + ":", "a" * 15 + "١"):
        assert not is_session(text)


def test_context_there_and_back() -> None:
    assert unpack(STARTED.pack()) == STARTED
    assert unpack(CALL.pack()) == CALL
    for octets in (b"", b"\xc0", b"\x93\x01\x02\x03", b"\xff" * 40, STARTED.pack()[:-3]):
        assert unpack(octets) is None


@pytest.mark.parametrize(
    ("call", "reported", "now", "milliseconds", "difference"),
    [
        pytest.param(None, 1500, 9_999_999, 1500, 0, id="nothing known"),
        pytest.param(None, None, 9_999_999, 0, 0, id="nothing at all"),
        pytest.param(CALL, 1500, 1_020_000, 1500, 0, id="no start heard"),
        pytest.param(CALL, None, 1_020_000, 20_000, 0, id="neither start nor report"),
        pytest.param(STARTED, None, 1_020_000, 10_000, 0, id="own clock only"),
        pytest.param(STARTED, 9_000, 1_020_000, 10_000, 1_000, id="they agree"),
        pytest.param(STARTED, 12_000, 1_020_000, 10_000, 2_000, id="they just agree"),
        pytest.param(STARTED, 7_999, 1_020_000, 7_999, 2_001, id="the report was late"),
        pytest.param(STARTED, 12_001, 1_020_000, 12_001, 2_001, id="the start was late"),
        pytest.param(STARTED, None, 1_000_000, 0, 0, id="a clock set back"),
    ],
)
def test_measure(call: Call | None, reported: int | None, now: int, milliseconds: int, difference: int) -> None:
    found = measure(call, reported, now, tolerance=2_000)
    assert (found.milliseconds, found.difference) == (milliseconds, difference)


@pytest.mark.parametrize(("milliseconds", "seconds"), [(0, 0), (1, 1), (1000, 1), (1001, 2), (2504, 3)])
def test_a_second_begun_is_used(milliseconds: int, seconds: int) -> None:
    assert measure(None, milliseconds, 0, 0).seconds == seconds


def test_the_least_recently_used_are_forgotten() -> None:
    calls = Calls(2)
    calls.put("a", CALL)
    calls.put("b", CALL)
    assert calls.get("a") is CALL
    calls.put("c", STARTED)
    assert (calls.get("a"), calls.get("b"), calls.get("c")) == (CALL, None, STARTED)
    calls.drop("a")
    calls.drop("never")
    assert len(calls) == 1
    assert CALL.ended is Ending.NONE
