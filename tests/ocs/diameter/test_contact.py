"""RFC 6733 section 5.6, row by row, and the election between two connections."""

import pytest

from ocs.diameter.codes import DisconnectCause
from ocs.diameter.contact import Contact, ContactAction, ContactInput, ContactState

pytestmark = pytest.mark.rfc("6733", "5.6")

A, B = "aaa.example.net", "bbb.example.net"


def contact(host: str = B, own: str = A) -> Contact:
    return Contact(host, own, 30, lambda: 0.0, now=0)


def feed(contact: Contact, *inputs: str, now: float = 0) -> list[str]:
    return [action.value for one in inputs for action in contact.feed(ContactInput(one), now)]


@pytest.mark.parametrize(
    ("inputs", "actions", "state"),
    [
        ("start", "i-snd-conn-req", "wait-conn-ack"),
        ("r-conn-cer", "r-snd-cea", "r-open"),
        ("start i-rcv-conn-nack", "i-snd-conn-req", "closed"),
        ("start i-rcv-conn-ack", "i-snd-conn-req i-snd-cer", "wait-i-cea"),
        ("start i-rcv-conn-ack i-rcv-cea", "i-snd-conn-req i-snd-cer", "i-open"),
        ("start i-rcv-conn-ack i-peer-disc", "i-snd-conn-req i-snd-cer i-disc", "closed"),
        ("start r-conn-cer", "i-snd-conn-req", "wait-conn-ack/elect"),
        ("start r-conn-cer r-conn-cer", "i-snd-conn-req r-reject", "wait-conn-ack/elect"),
        ("start r-conn-cer r-peer-disc", "i-snd-conn-req", "wait-conn-ack"),
        ("start r-conn-cer i-rcv-conn-nack", "i-snd-conn-req r-snd-cea", "r-open"),
        ("start r-conn-cer i-rcv-conn-ack", "i-snd-conn-req i-snd-cer", "wait-returns"),
        ("start i-rcv-conn-ack r-conn-cer", "i-snd-conn-req i-snd-cer", "wait-returns"),
        ("start i-rcv-conn-ack r-conn-cer r-conn-cer", "i-snd-conn-req i-snd-cer r-reject", "wait-returns"),
        ("start i-rcv-conn-ack r-conn-cer i-rcv-cea", "i-snd-conn-req i-snd-cer r-disc", "i-open"),
        ("start i-rcv-conn-ack r-conn-cer r-peer-disc", "i-snd-conn-req i-snd-cer r-disc", "wait-i-cea"),
        ("start i-rcv-conn-ack r-conn-cer i-peer-disc", "i-snd-conn-req i-snd-cer i-disc r-snd-cea", "r-open"),
        ("r-conn-cer r-conn-cer", "r-snd-cea r-reject", "r-open"),
        ("r-conn-cer r-peer-disc", "r-snd-cea", "closed"),
        ("start i-rcv-conn-ack i-rcv-cea r-conn-cer", "i-snd-conn-req i-snd-cer r-reject", "i-open"),
        ("start i-rcv-conn-ack i-rcv-cea i-peer-disc", "i-snd-conn-req i-snd-cer i-disc", "closed"),
        ("i-rcv-cea", "", "closed"),
        ("r-conn-cer i-peer-disc", "r-snd-cea", "r-open"),
    ],
)
def test_rows_of_one_who_loses_elections(inputs, actions, state):
    one = contact(B, own=A)
    assert feed(one, *inputs.split()) == actions.split()
    assert one.state.value == state


@pytest.mark.rfc("6733", "5.6.4")
@pytest.mark.parametrize("own", [B, B.upper()])
@pytest.mark.parametrize("inputs", ["start i-rcv-conn-ack r-conn-cer", "start r-conn-cer i-rcv-conn-ack"])
def test_higher_identity_keeps_what_it_accepted(inputs, own):
    one = contact(A, own=own)
    assert feed(one, *inputs.split()) == ["i-snd-conn-req", "i-snd-cer", "i-disc", "r-snd-cea"]
    assert one.state is ContactState.R_OPEN


@pytest.mark.rfc("6733", "5.6.4")
def test_both_sides_of_an_election_keep_the_same_connection():
    lower, higher = contact(B, own=A), contact(A, own=B)
    for side in (lower, higher):
        feed(side, "start", "i-rcv-conn-ack")
    assert feed(higher, "r-conn-cer") == ["i-disc", "r-snd-cea"]
    assert feed(lower, "r-conn-cer", "r-peer-disc", "i-rcv-cea") == ["r-disc"]
    assert (lower.state, higher.state) == (ContactState.I_OPEN, ContactState.R_OPEN)


@pytest.mark.rfc("6733", "2.1")
def test_pause_doubles_up_to_a_limit_and_is_short_again_after_success():
    one = contact()
    pauses, now = [], one.due
    for _ in range(6):
        feed(one, "start", "i-rcv-conn-nack", now=now)
        pauses.append(one.due - now)
        now = one.due
    assert pauses == [30, 60, 120, 240, 240, 240]
    feed(one, "start", "i-rcv-conn-ack", "i-rcv-cea", now=now)
    assert one.due is None
    feed(one, "i-peer-disc", now=now)
    assert one.due - now == 30


def test_pause_has_jitter():
    one = Contact(B, A, 30, lambda: 1.0, now=0)
    feed(one, "start", "i-rcv-conn-nack")
    assert one.due == 37.5


@pytest.mark.rfc("6733", "5.4")
@pytest.mark.parametrize(
    ("cause", "due"),
    [
        (DisconnectCause.REBOOTING, 40),
        (DisconnectCause.BUSY, None),
        (DisconnectCause.DO_NOT_WANT_TO_TALK_TO_YOU, None),
    ],
)
def test_peer_that_does_not_want_us_is_left_alone(cause, due):
    one = contact()
    feed(one, "start", "i-rcv-conn-ack", "i-rcv-cea")
    one.leaving(cause)
    feed(one, "i-peer-disc", now=10)
    assert one.due == due


@pytest.mark.parametrize("by", ["peer", "operator"])
def test_peer_that_did_not_want_us_may_come_itself_or_be_allowed(by):
    one = contact()
    feed(one, "start", "i-rcv-conn-ack", "i-rcv-cea")
    one.leaving(DisconnectCause.BUSY)
    feed(one, "i-peer-disc", now=10)
    if by == "peer":
        assert feed(one, "r-conn-cer", "r-peer-disc", now=20) == [ContactAction.R_SND_CEA.value]
    else:
        one.allow(50)
    assert one.due == 50
