"""Client transactions without sockets and clock."""

import pytest

from sip_credit.address import Place
from sip_credit.inpath.client import ClientLayer, ClientTransaction
from sip_credit.message import Message, Request, Response, parse, respond
from sip_credit.transaction import Timers

THERE = ("192.0.2.9", 5060)


class Lab:
    """A layer, what it sent and what it told; T1 is a second."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.heard: list[int] = []
        self.layer = ClientLayer(self._send, ringing=180, timers=Timers(t1=1, t2=4, t4=5))
        self.request: Request

    def _send(self, data: bytes, place: Place) -> None:
        assert place == THERE
        self.sent.append(parse(data))

    def start(self, method: str) -> ClientTransaction:
        headers = [
            ("Via", "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKb"),
            ("From", "<sip:a@h>;tag=1"),
            ("To", "<sip:b@h>"),
            ("Call-ID", "c"),
            ("CSeq", f"7 {method}"),
            ("Route", "<sip:r;lr>"),
        ]
        self.request = Request(method, "sip:b@h", headers)
        return self.layer.start(self.request, THERE, lambda response: self.heard.append(response.status), 0)

    def answer(self, status: int, now: float) -> bool:
        return self.layer.receive(respond(self.request, status, tag="2"), now)

    def run(self, until: float) -> list[float]:
        """Run all timers until then; when something was sent."""
        times = []
        while (due := self.layer.next_timer()) is not None and due <= until:
            before = len(self.sent)
            self.layer.handle_timer(due)
            times += [due] * (len(self.sent) - before)
        return times

    def methods(self) -> list[str]:
        return [message.method for message in self.sent if isinstance(message, Request)]


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.mark.rfc("3261", "17.1.1.2")
def test_an_invite_is_repeated_with_doubled_intervals_and_given_up_after_64_t1(lab: Lab) -> None:
    lab.start("INVITE")
    assert lab.run(100) == [1, 3, 7, 15, 31, 63]
    assert lab.heard == [408]
    assert len(lab.layer) == 0


@pytest.mark.rfc("3261", "17.1.2.2")
def test_other_requests_are_repeated_up_to_every_t2(lab: Lab) -> None:
    lab.start("BYE")
    assert lab.run(20) == [1, 3, 7, 11, 15, 19]
    lab.run(100)
    assert lab.heard == [408]
    assert len(lab.layer) == 0


@pytest.mark.rfc("3261", "17.1.2.2")
def test_a_provisional_answer_makes_it_repeat_every_t2(lab: Lab) -> None:
    lab.start("BYE")
    lab.answer(100, 0.5)
    assert lab.run(10) == [4.5, 8.5]
    lab.answer(200, 10)
    lab.answer(200, 10.5)
    assert lab.heard == [100, 200]
    assert lab.run(15) == []
    assert len(lab.layer) == 0


@pytest.mark.rfc("3261", "17.1.1.2")
def test_a_provisional_answer_ends_the_repeats_of_an_invite(lab: Lab) -> None:
    lab.start("INVITE")
    lab.answer(180, 0.5)
    assert lab.run(170) == []
    assert lab.heard == [180]


@pytest.mark.rfc("3261", "16.8")
def test_what_rings_for_too_long_is_cancelled_and_then_given_up(lab: Lab) -> None:
    lab.start("INVITE")
    lab.answer(180, 0)
    lab.run(181)
    assert lab.methods() == ["INVITE", "CANCEL", "CANCEL"]
    lab.answer(487, 182)
    assert lab.heard == [180, 487]


def test_a_cancelled_invite_that_stays_silent_is_given_up(lab: Lab) -> None:
    transaction = lab.start("INVITE")
    lab.answer(180, 0)
    lab.layer.cancel(transaction, 1)
    lab.run(65)
    assert lab.heard == [180, 408]


@pytest.mark.rfc("3261", "17.1.1.3")
def test_a_refusal_is_acknowledged_in_the_same_transaction_each_time_it_comes(lab: Lab) -> None:
    lab.start("INVITE")
    lab.answer(486, 0.5)
    lab.answer(486, 1)
    ack = lab.sent[-1]
    assert lab.methods() == ["INVITE", "ACK", "ACK"]
    assert isinstance(ack, Request)
    assert ack.via.branch == "z9hG4bKb"
    assert ack.to.tag == "2"
    assert ack.headers.all("Route") == ["<sip:r;lr>"]
    assert lab.heard == [486]


@pytest.mark.rfc("6026", "7.2")
def test_every_2xx_is_told_and_none_acknowledged(lab: Lab) -> None:
    lab.start("INVITE")
    for now in (0.5, 1, 2):
        assert lab.answer(200, now)
    assert lab.methods() == ["INVITE"]
    assert lab.heard == [200, 200, 200]
    lab.run(70)
    assert not lab.answer(200, 70)


@pytest.mark.rfc("3261", "9.1")
def test_cancel_waits_for_a_first_answer_and_is_sent_once(lab: Lab) -> None:
    transaction = lab.start("INVITE")
    lab.layer.cancel(transaction, 0.1)
    lab.layer.cancel(transaction, 0.2)
    assert lab.methods() == ["INVITE"]
    lab.answer(100, 0.3)
    cancel = lab.sent[-1]
    assert lab.methods() == ["INVITE", "CANCEL"]
    assert isinstance(cancel, Request)
    assert cancel.via == lab.request.via
    assert cancel.cseq == (7, "CANCEL")


def test_what_nobody_asked_for_is_not_taken(lab: Lab) -> None:
    lab.start("BYE")
    other = respond(lab.request, 200)
    headers = [pair if pair[0] != "CSeq" else ("CSeq", "7 INFO") for pair in other.headers]
    assert not lab.layer.receive(Response(200, "OK", headers), 0)
