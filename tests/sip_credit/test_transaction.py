"""The server transactions against time: every row of the two tables, on UDP and on a stream."""

import msgspec
import pytest

from sip_credit.message import Request, acknowledge, cancel, respond
from sip_credit.transaction import INVITE, OTHER, Event, State, Transaction, TransactionLayer


class Hop(msgspec.Struct):
    reliable: bool
    octets: int = 0


UDP, TCP = Hop(False), Hop(True)


def request(method: str = "INVITE", branch: str = "z9hG4bKa", host: str = "p", call_id: str = "c") -> Request:
    return Request(
        method,
        "sip:b@h",
        [
            ("Via", f"SIP/2.0/UDP {host}" + (f";branch={branch}" if branch else "")),
            ("From", "<sip:a@h>;tag=1"),
            ("To", "<sip:b@h>"),
            ("Call-ID", call_id),
            ("CSeq", f"1 {method}"),
        ],
    )


class Lab:
    """A transaction layer, what it sent and when."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[tuple[float, int]] = []
        self.lost: list[Transaction[Hop]] = []
        self.layer: TransactionLayer[Hop] = TransactionLayer(self._send, b"secret", unacknowledged=self.lost.append)

    def _send(self, data: bytes, hop: Hop) -> None:
        self.sent.append((round(self.now - 100.0, 3), int(data.split(b" ")[1])))

    def receive(self, message: Request, hop: Hop = UDP) -> Transaction[Hop] | None:
        return self.layer.receive(message, hop, self.now)

    def begin(self, message: Request, hop: Hop = UDP) -> Transaction[Hop]:
        transaction = self.receive(message, hop)
        assert transaction is not None
        return transaction

    def answer(self, transaction: Transaction[Hop], status: int) -> bool:
        response = respond(transaction.request, status, tag=transaction.tag)
        return self.layer.answer(transaction, response, self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.layer.next_timer()) is not None and due <= end:
            self.now = due
            self.layer.handle_timer(due)
        self.now = end


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.mark.rfc("3261", "17.2.1")
def test_trying_after_200_ms_and_not_before(lab: Lab) -> None:
    lab.begin(request())
    lab.run(0.199)
    assert lab.sent == []
    lab.run(1)
    assert lab.sent == [(0.2, 100)]


@pytest.mark.rfc("3261", "17.2.1")
def test_no_trying_once_answered(lab: Lab) -> None:
    lab.answer(lab.begin(request()), 302)
    lab.receive(acknowledge(request(), respond(request(), 302)))
    lab.run(40)
    assert lab.sent == [(0.0, 302)]


@pytest.mark.rfc("3261", "17.2.1")
def test_timer_g_repeats_until_timer_h(lab: Lab) -> None:
    lab.answer(lab.begin(request()), 402)
    lab.run(100)
    times = [time for time, status in lab.sent if status == 402]
    assert times == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert len(lab.lost) == 1
    assert len(lab.layer) == 0


@pytest.mark.rfc("3261", "17.2.1")
def test_no_repeats_on_a_stream(lab: Lab) -> None:
    lab.answer(lab.begin(request(), TCP), 402)
    lab.run(100)
    assert lab.sent == [(0.0, 402)]
    assert len(lab.lost) == 1


@pytest.mark.rfc("3261", "17.2.1")
def test_ack_stops_the_repeats_and_timer_i_absorbs_more_of_them(lab: Lab) -> None:
    transaction = lab.begin(request())
    lab.answer(transaction, 302)
    lab.run(0.6)
    ack = acknowledge(request(), respond(request(), 302, tag="x"))
    for _ in range(3):
        assert lab.receive(ack) is None
    assert transaction.state is State.CONFIRMED
    lab.run(4.9)
    assert len(lab.layer) == 1
    lab.run(0.2)
    assert len(lab.layer) == 0
    assert [status for _, status in lab.sent] == [302, 302]
    assert lab.lost == []


@pytest.mark.rfc("3261", "17.2.1")
def test_timer_i_is_zero_on_a_stream(lab: Lab) -> None:
    lab.answer(lab.begin(request(), TCP), 302)
    lab.receive(acknowledge(request(), respond(request(), 302)), TCP)
    lab.run(0)
    assert len(lab.layer) == 0


@pytest.mark.rfc("3261", "17.2.2")
@pytest.mark.parametrize(("hop", "seconds"), [(UDP, 32.0), (TCP, 0.0)])
def test_timer_j(lab: Lab, hop: Hop, seconds: float) -> None:
    lab.answer(lab.begin(request("BYE"), hop), 200)
    if seconds:
        lab.run(seconds - 0.1)
        assert lab.receive(request("BYE"), hop) is None
        assert lab.sent == [(0.0, 200), (31.9, 200)]
    lab.run(0.2)
    assert len(lab.layer) == 0


@pytest.mark.rfc("3261", "17.2.2")
@pytest.mark.parametrize("method", ["INVITE", "BYE", "OPTIONS"])
@pytest.mark.parametrize("repeats", [0, 1, 5])
def test_repeats_are_absorbed_before_the_answer_and_answered_after(lab: Lab, method: str, repeats: int) -> None:
    transaction = lab.begin(request(method))
    for _ in range(repeats):
        assert lab.receive(request(method)) is None
    assert lab.sent == []
    assert lab.answer(transaction, 302 if method == "INVITE" else 200)
    for _ in range(repeats):
        assert lab.receive(request(method)) is None
    assert len(lab.sent) == 1 + repeats
    assert lab.layer.absorbed == 2 * repeats


@pytest.mark.rfc("3261", "17.2.1")
def test_a_repeat_after_trying_gets_trying(lab: Lab) -> None:
    lab.begin(request())
    lab.run(0.3)
    lab.receive(request())
    assert lab.sent == [(0.2, 100), (0.3, 100)]


def test_only_the_first_final_answer_counts(lab: Lab) -> None:
    transaction = lab.begin(request())
    assert lab.layer.pending == 1
    assert lab.answer(transaction, 487)
    assert not lab.answer(transaction, 302)
    assert [status for _, status in lab.sent] == [487]
    assert lab.layer.pending == 0


@pytest.mark.rfc("3261", "17.2.3")
def test_what_makes_a_transaction() -> None:
    lab = Lab()
    lab.begin(request())
    assert lab.receive(request(host="P:5060")) is None  # the same sent-by, spelled otherwise
    lab.begin(request(host="p:5061"))
    lab.begin(request(branch="z9hG4bKb"))
    lab.begin(request("BYE"))
    assert len(lab.layer) == 4


@pytest.mark.rfc("3261", "17.2.3")
def test_clients_of_rfc_2543_are_told_apart_without_a_branch() -> None:
    lab = Lab()
    first = lab.begin(request(branch=""))
    assert lab.receive(request(branch="")) is None
    lab.begin(request(branch="", call_id="other"))
    lab.answer(first, 302)
    lab.receive(acknowledge(first.request, respond(first.request, 302, tag=first.tag)))
    assert first.state is State.CONFIRMED
    assert lab.layer.invite_of(cancel(first.request)) is first


@pytest.mark.rfc("3261", "9.2")
def test_cancel_finds_its_invite_and_is_a_transaction_of_its_own() -> None:
    lab = Lab()
    invite = lab.begin(request())
    own = lab.begin(cancel(request()))
    assert own is not invite
    assert lab.layer.invite_of(own.request) is invite
    assert lab.layer.invite_of(cancel(request(branch="z9hG4bKother"))) is None


@pytest.mark.rfc("3261", "17.1.1.3")
def test_a_stray_ack_is_dropped(lab: Lab) -> None:
    assert lab.receive(acknowledge(request(), respond(request(), 302))) is None
    assert (len(lab.layer), lab.sent) == (0, [])


@pytest.mark.rfc("3261", "19.3")
def test_tags_differ_by_transaction_and_by_secret() -> None:
    lab, other = Lab(), TransactionLayer[Hop](lambda data, hop: None, b"another")
    first, second = lab.begin(request()), lab.begin(request(branch="z9hG4bKb"))
    assert first.tag != second.tag
    assert first.tag == lab.layer.tag(first.key)
    assert first.tag != other.tag(first.key)


@pytest.mark.parametrize("table", [INVITE, OTHER])
def test_every_state_is_left_again_and_none_follows_the_end(table: dict[tuple[State, Event], object]) -> None:
    assert not any(state is State.TERMINATED for state, _ in table)
    reached = {State.PROCEEDING} | {step.state for step in table.values()}  # type: ignore[attr-defined]
    for state in reached - {State.TERMINATED}:
        assert any(start is state and step.state is not state for (start, _), step in table.items())  # type: ignore[attr-defined]


def test_timers_of_finished_transactions_do_not_pile_up(lab: Lab) -> None:
    for number in range(500):
        invite = request(branch=f"z9hG4bK{number}")
        lab.answer(lab.begin(invite), 302)
        lab.receive(acknowledge(invite, respond(invite, 302)))
        lab.run(1)
    lab.run(40)
    assert len(lab.layer) == 0
    assert lab.layer.next_timer() is None
    assert not lab.layer._heap


def relay(lab: Lab, transaction: Transaction[Hop], status: int) -> None:
    response = respond(transaction.request, status, tag="callee")
    lab.layer.relay(transaction, response, lab.now)


@pytest.mark.rfc("6026", "7.1")
def test_what_the_next_hop_says_is_passed_on_and_every_2xx(lab: Lab) -> None:
    transaction = lab.begin(request())
    relay(lab, transaction, 180)
    lab.run(1)  # no 100 any more
    lab.receive(request())  # repeated: the last answer again
    relay(lab, transaction, 200)
    lab.receive(request())
    relay(lab, transaction, 200)
    relay(lab, transaction, 486)  # another branch was too late
    assert [status for _, status in lab.sent] == [180, 180, 200, 200]
    assert not lab.layer.awaits_ack(request("ACK"))
    assert lab.layer.pending == 0
    lab.run(32)
    assert len(lab.layer) == 0


def test_a_refusal_by_the_next_hop_is_repeated_until_its_ack(lab: Lab) -> None:
    transaction = lab.begin(request())
    relay(lab, transaction, 486)
    relay(lab, transaction, 200)  # a late fork
    lab.run(0.6)
    assert lab.layer.awaits_ack(request("ACK"))
    lab.receive(request("ACK"))
    lab.run(10)
    assert [status for _, status in lab.sent] == [486, 486]
    assert len(lab.layer) == 0


def test_other_requests_may_be_told_something_provisional(lab: Lab) -> None:
    transaction = lab.begin(request("INFO"))
    relay(lab, transaction, 183)
    lab.receive(request("INFO"))
    relay(lab, transaction, 200)
    relay(lab, transaction, 200)
    assert [status for _, status in lab.sent] == [183, 183, 200]


def test_octets_are_counted_as_long_as_the_transaction_is_remembered() -> None:
    lab, one, other = Lab(), Hop(True), Hop(True)
    invite = request()
    invite.size = 700
    transaction = lab.begin(invite, one)
    assert (lab.layer.octets, one.octets) == (700, 700)
    lab.receive(invite, other)
    assert (lab.layer.octets, one.octets, other.octets) == (700, 0, 700), "it is answered on the other connection"
    lab.answer(transaction, 486)
    lab.run(31.9)
    assert other.octets == 700, "an ACK may come yet"
    lab.run(0.2)
    assert (lab.layer.octets, other.octets) == (0, 0)
