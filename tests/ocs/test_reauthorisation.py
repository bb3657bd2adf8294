"""What is asked of clients, and what their answers mean."""

import pytest

from balances.ledger import Address, Holding, Session, SessionState, Unit
from ocs.credit_control.request import Client, read_context
from ocs.diameter import avps
from ocs.diameter.answer import Identity
from ocs.diameter.codec import encode_message
from ocs.diameter.codes import Command
from ocs.diameter.message import Message
from ocs.diameter.validate import check_request
from ocs.reauthorisation import Scope, Verdicts, concerned, judge, label, re_auth, request_parts, result_of

OURS = Identity.of("ocs.example.net", "example.net")
CLIENT = Client(host="gw.example.net", realm="example.net", service_context="32251@3gpp.org", session="gw;1;1")


def message(command: int, parts: tuple[bytes, ...], flags: int = 0xC0) -> Message:
    return Message(encode_message(flags, command, 4, 1, 1, parts))


@pytest.mark.rfc("8506", "5.5")
def test_request_of_a_session_and_of_a_sub_session():
    whole = message(Command.RE_AUTH, re_auth(OURS, CLIENT))
    check_request(whole)
    assert (whole.get(avps.RATING_GROUP), whole.get(avps.CC_SUB_SESSION_ID)) == (None, None)
    part = Client(host="h", realm="r", service_context="c", session="gw;1;1", sub_session=7)
    found = message(Command.RE_AUTH, re_auth(OURS, part))
    assert (found.get(avps.SESSION_ID), found.get(avps.CC_SUB_SESSION_ID)) == ("gw;1;1", 7)


@pytest.mark.rfc("8506", "5.5")
@pytest.mark.parametrize(
    ("key", "named"),
    [("10", (None, 10)), ("100.1000", (1000, 100)), ("-.7", (7, None)), ("-", (None, None)), ("10.1.2", (None, 10))],
)
def test_request_of_one_service_names_it_as_the_client_does(key: str, named: tuple[int | None, int | None]):
    rar = message(Command.RE_AUTH, re_auth(OURS, CLIENT, key))
    check_request(rar)
    assert (rar.get(avps.SERVICE_IDENTIFIER), rar.get(avps.RATING_GROUP)) == named


def holding(key: str, short: bool) -> Holding:
    return Holding(key=key, unit=Unit.OCTETS, granted=0, cost=0, used=0, spent=0, short=short)


@pytest.mark.parametrize(
    ("short", "scope", "key"),
    [
        ({"10"}, Scope.SHORT, "10"),
        ({"10"}, Scope.ALL, None),
        ({"10", "20"}, Scope.SHORT, None),
        (set(), Scope.SHORT, None),
    ],
)
def test_one_service_is_meant_where_only_one_was_short_of_credit(short: set[str], scope: Scope, key: str | None):
    session = Session(
        id="s", address=Address(shard=0, account="ann"), door="diameter", state=SessionState.OPEN, opened_at=0,
        updated_at=0, deadline=0, context=b"", spent=0,
        holdings=tuple(holding(each, each in short) for each in ("10", "20")),
    )  # fmt: skip
    assert concerned(session, scope) == key


@pytest.mark.rfc("6733", "8.5.1")
def test_abort_has_no_request_type():
    asr = message(Command.ABORT_SESSION, request_parts(OURS, CLIENT))
    check_request(asr)
    assert avps.RE_AUTH_REQUEST_TYPE not in asr


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (2001, Verdicts.FINE),
        (2002, Verdicts.FINE),
        (5002, Verdicts.GONE),
        (5012, Verdicts.AGAIN),
        (3002, Verdicts.AGAIN),
        (3004, Verdicts.AGAIN),
        (4999, Verdicts.AGAIN),
    ],
)
def test_answers(code: int, verdict: Verdicts):
    assert judge(code) is verdict


def test_answer_without_a_result_is_a_failure():
    assert result_of(message(Command.RE_AUTH, (), 0x40)) == 5012
    assert result_of(message(Command.RE_AUTH, (avps.RESULT_CODE.encode(2002),), 0x40)) == 2002


def test_labels_are_few():
    assert [label(code) for code in (2001, 5002, 123456)] == ["2001", "5002", "other"]


@pytest.mark.parametrize("context", [b"", b"\xff", b"\x93\xa1a", b"SIP"])
def test_context_of_another_door_is_none(context: bytes):
    assert read_context(context) is None
