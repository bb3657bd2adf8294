"""Two peers joined in memory: what one wants to send the other receives, unless the test loses it."""

import random

import pytest

from ocs.diameter import avps
from ocs.diameter.answer import Answer, Identity, compose
from ocs.diameter.codec import encode_message
from ocs.diameter.codes import DisconnectCause
from ocs.diameter.errors import LocalError, RemoteError
from ocs.diameter.events import (
    AnswerReceived,
    Event,
    PeerAlive,
    PeerClosed,
    PeerLeaving,
    PeerOpened,
    PeerSuspect,
    RequestLost,
    RequestReceived,
)
from ocs.diameter.message import Message
from ocs.diameter.peer import Peer, PeerState, Verdict
from ocs.diameter.settings import DiameterSettings


class Pair:
    """``a`` connected to ``b``."""

    def __init__(self, admit=lambda capabilities: Verdict.ADMIT, **settings) -> None:
        self.settings = DiameterSettings(**settings)
        self.a = self.make("client.example.net", lambda capabilities: Verdict.ADMIT, 1)
        self.b = self.make("ocs.example.net", admit, 2)
        self.events: dict[str, list[Event]] = {"a": [], "b": []}
        self.a.connected(0)
        self.b.accepted(0)

    def make(self, host: str, admit, seed: int) -> Peer:
        return Peer(self.settings, Identity.of(host, "example.net"), "127.0.0.1", admit, random.Random(seed))

    def run(self, now: float = 0, lose: str = "") -> None:
        """Deliver until both are quiet; ``lose`` names whose output is lost."""
        while True:
            from_a, from_b = self.a.data_to_send(), self.b.data_to_send()
            if not from_a and not from_b:
                return
            if from_a and "a" not in lose:
                self.events["b"] += self.b.receive_data(from_a, now)
            if from_b and "b" not in lose:
                self.events["a"] += self.a.receive_data(from_b, now)

    def tick(self, now: float) -> None:
        for name, peer in (("a", self.a), ("b", self.b)):
            due = peer.next_timer()
            if due is not None and due <= now:
                self.events[name] += peer.handle_timer(now)

    def kinds(self, name: str) -> list[type]:
        kinds = [type(event) for event in self.events[name]]
        self.events[name] = []
        return kinds


@pytest.fixture
def pair() -> Pair:
    pair = Pair()
    pair.run()
    assert pair.kinds("a") == pair.kinds("b") == [PeerOpened]
    return pair


@pytest.mark.rfc("6733", "5.6")
def test_capabilities_open_both_sides(pair):
    assert (pair.a.state, pair.b.state) == (PeerState.I_OPEN, PeerState.R_OPEN)
    assert pair.b.capabilities.host == "client.example.net"
    assert 4 in pair.a.capabilities.applications


@pytest.mark.rfc("6733", "5.6")
@pytest.mark.parametrize("side", ["a", "b"])
def test_lost_introduction_times_out_on_both_sides(side):
    pair = Pair(capabilities_timeout=10)
    pair.run(lose=side)
    pair.tick(10)
    assert pair.a.is_closed
    assert pair.kinds("a") == [PeerClosed]
    assert pair.b.is_closed == (side == "a")


@pytest.mark.rfc("6733", "5.3")
def test_refusal_closes_both():
    def admit(capabilities):
        raise RemoteError(3010, "who?")

    pair = Pair(admit)
    pair.run()
    assert [event.reason for event in pair.events["a"] + pair.events["b"]] == ["refused 3010"] * 2


@pytest.mark.rfc("6733", "6.2")
def test_request_and_answer(pair):
    hop_by_hop = pair.a.send_request(258, 4, [avps.SESSION_ID.encode("s;1")], 0)
    pair.run()
    [received] = pair.events["b"]
    assert isinstance(received, RequestReceived)
    assert received.message.flags_octet == 0xC0
    pair.b.send_answer(compose(received.message, Answer(), Identity.of("ocs.example.net", "example.net")))
    pair.run()
    [answer] = pair.events["a"]
    assert isinstance(answer, AnswerReceived)
    assert (answer.hop_by_hop, answer.message.get(avps.RESULT_CODE)) == (hop_by_hop, 2001)
    assert pair.a.next_timer() > 20


def test_late_foreign_and_repeated_answers_are_dropped(pair):
    hop_by_hop = pair.a.send_request(258, 4, [], 0)
    assert pair.a.next_timer() == 5
    pair.tick(5)
    assert pair.events["a"] == [RequestLost(hop_by_hop)]
    pair.events["a"] = []
    for number in (hop_by_hop, 12345):
        pair.events["a"] += pair.a.receive_data(encode_message(0x40, 258, 4, number, 1, []), 6)
    assert pair.events["a"] == []
    assert pair.a.is_open


@pytest.mark.rfc("3539", "3.4.1")
def test_watchdog_keeps_a_quiet_pair_open(pair):
    for now in range(1, 400):
        pair.tick(now)
        pair.run(now)
    assert pair.a.is_open
    assert pair.b.is_open
    assert pair.events == {"a": [], "b": []}


@pytest.mark.rfc("3539", "3.4.1")
def test_silent_peer_is_suspected_then_closed_and_its_requests_are_lost(pair):
    hop_by_hop = pair.b.send_request(258, 4, [], 59)
    for now in range(1, 130):
        pair.tick(now)
        pair.run(now, lose="ab")
    assert pair.kinds("b")[:2] == [PeerSuspect, RequestLost]
    assert pair.b.is_closed
    assert hop_by_hop
    with pytest.raises(LocalError):
        pair.b.send_request(258, 4, [], 130)


@pytest.mark.rfc("6733", "5.4")
@pytest.mark.parametrize("side", ["a", "b"])
def test_goodbye(pair, side):
    leaving, staying = (pair.a, pair.b) if side == "a" else (pair.b, pair.a)
    leaving.close(DisconnectCause.REBOOTING, 1)
    pair.run(1)
    assert leaving.is_closed
    assert staying.state is PeerState.CLOSING
    assert pair.kinds("b" if side == "a" else "a") == [PeerLeaving]
    assert [type(event) for event in staying.connection_lost()] == [PeerClosed]


def test_goodbye_without_an_answer_ends_all_the_same(pair):
    pair.b.close(DisconnectCause.REBOOTING, 1)
    pair.run(1, lose="b")
    assert pair.b.next_timer() == 6
    pair.tick(6)
    assert pair.b.is_closed


def test_both_say_goodbye_at_once(pair):
    pair.a.close(DisconnectCause.REBOOTING, 1)
    pair.b.close(DisconnectCause.BUSY, 1)
    pair.run(1)
    assert pair.a.is_closed
    assert pair.b.is_closed


@pytest.mark.rfc("6733", "5.6")
@pytest.mark.parametrize("message", [(257, 0x00, 0), (282, 0x00, 0)])
def test_unexpected_base_message_ends_the_connection(pair, message):
    command, flags, application = message
    events = pair.b.receive_data(encode_message(flags, command, application, 1, 1, []), 1)
    assert events == [PeerClosed("unexpected-message")]


def test_repeated_introduction_is_answered(pair):
    repeated = pair.make("client.example.net", lambda capabilities: Verdict.ADMIT, 3)
    repeated.connected(0)
    assert pair.b.receive_data(repeated.data_to_send(), 1) == []
    assert Message(pair.b.data_to_send()).get(avps.RESULT_CODE) == 2001


def test_watchdog_request_without_identity_is_answered_with_its_error(pair):
    pair.b.receive_data(encode_message(0x80, 280, 0, 1, 1, []), 1)
    assert Message(pair.b.data_to_send()).get(avps.RESULT_CODE) == 5005
    assert pair.b.is_open


def test_nothing_is_read_after_the_end(pair):
    bad = bytes.fromhex("02000014") + bytes(16)
    request = encode_message(0xC0, 272, 4, 1, 1, [])
    events = pair.b.receive_data(request + bad + request, 1)
    assert [type(event) for event in events] == [RequestReceived, PeerClosed]
    assert pair.b.receive_data(request, 2) == []
    pair.b.data_to_send()
    pair.b.send_answer(b"late")
    assert pair.b.data_to_send() == b""


@pytest.fixture
def suitor() -> Pair:
    """A pair whose CER waits for its verdict."""
    pair = Pair(lambda capabilities: Verdict.WAIT)
    pair.run()
    assert (pair.a.state, pair.b.state) == (PeerState.WAIT_CEA, PeerState.WAIT_RETURNS)
    assert pair.kinds("a") == pair.kinds("b") == []
    return pair


@pytest.mark.rfc("6733", "5.6")
def test_admitted_suitor_gets_its_answer_and_opens(suitor):
    assert [type(event) for event in suitor.b.admit(1)] == [PeerOpened]
    suitor.run(1)
    assert (suitor.a.state, suitor.b.state) == (PeerState.I_OPEN, PeerState.R_OPEN)
    assert suitor.b.admit(2) == suitor.b.refuse(RemoteError(5012, "late")) == []


@pytest.mark.rfc("6733", "5.6")
def test_refused_suitor_is_told_why(suitor):
    assert suitor.b.refuse(RemoteError(4003, "lost")) == [PeerClosed("refused 4003")]
    suitor.run(1)
    assert suitor.events["a"] == [PeerClosed("refused 4003")]


def test_suitor_without_a_verdict_is_given_up(suitor):
    suitor.tick(10)
    assert suitor.b.is_closed
    assert suitor.b.admit(11) == []


def test_impatient_suitor_is_closed(suitor):
    [event] = suitor.b.receive_data(encode_message(0xC0, 272, 4, 1, 1, []), 1)
    assert event == PeerClosed("unexpected-message")


def test_doubted_peer_that_answers_stays(pair):
    pair.b.probe(1)
    pair.b.probe(2)
    assert pair.b.next_timer() == 3
    pair.run(2)
    assert pair.events == {"a": [], "b": [PeerAlive()]}
    assert pair.b.is_open
    assert pair.b.next_timer() > 20


def test_doubted_peer_that_stays_silent_goes_without_ceremony(pair):
    hop_by_hop = pair.b.send_request(258, 4, [], 1)
    pair.b.probe(1)
    pair.run(1, lose="b")
    pair.tick(3)
    assert pair.events["b"] == [RequestLost(hop_by_hop), PeerClosed("half-open", reset=True)]


@pytest.mark.rfc("6733", "2.1")
@pytest.mark.parametrize(("flags", "reset"), [(0xC0, False), (0x40, True)])
def test_unframable_octets_end_with_a_reset_unless_they_can_be_answered(pair, flags, reset):
    octets = bytes((1, 0, 0, 8, flags, 0, 1, 16)) + bytes(12)
    assert pair.b.receive_data(octets, 1) == [PeerClosed("framing 5015", reset)]
    assert (pair.b.data_to_send() == b"") == reset


@pytest.mark.rfc("6733", "5.4.3")
@pytest.mark.parametrize("cause", list(DisconnectCause))
def test_goodbye_tells_its_cause(pair, cause):
    pair.a.close(cause, 1)
    pair.run(1)
    assert pair.events["b"] == [PeerLeaving(cause)]
