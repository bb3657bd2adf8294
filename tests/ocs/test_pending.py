"""Serialisation, duplicates, deadlines: with a plain inbox instead of a connection."""

import asyncio

import pytest

from ocs.diameter import avps
from ocs.diameter.answer import Answer
from ocs.diameter.codec import encode_message
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message
from ocs.diameter.observer import NullObserver
from ocs.pending import Inbox, PeerInfo, PendingRequests
from ocs.room import Room


class Box(Inbox):
    def __init__(self) -> None:
        self.info = PeerInfo(host="pgw1", realm="epc", address="127.0.0.1:1")
        self.in_flight = 0
        self.answers: list[tuple[int, int]] = []

    def answer(self, request: Message, answer: Answer) -> None:
        self.answers.append((request.hop_by_hop, answer.result_code))


class Counting(NullObserver):
    def __init__(self) -> None:
        self.answered: list[tuple[str, int]] = []
        self.duplicates = 0

    def duplicate(self) -> None:
        self.duplicates += 1

    def request_answered(self, request_type: str, result_code: int, seconds: float) -> None:
        assert seconds >= 0
        self.answered.append((request_type, result_code))


class Desk:
    """A handler that waits until the test lets each request go."""

    def __init__(self, deadline: float = 5.0) -> None:
        self.box = Box()
        self.observer = Counting()
        self.begun: list[int] = []
        self.gates: dict[int, asyncio.Future[Answer]] = {}
        self.pending = PendingRequests(self.handle, self.observer, deadline, Room(4096, 0.2))

    async def handle(self, request: Message, peer: PeerInfo) -> Answer:
        self.begun.append(request.hop_by_hop)
        self.gates[request.hop_by_hop] = gate = asyncio.get_running_loop().create_future()
        return await gate

    def submit(self, hop_by_hop: int, session: str = "s;1", kind: int = 2, number: int = 1) -> None:
        parts = [
            avps.SESSION_ID.encode(session),
            avps.CC_REQUEST_TYPE.encode(kind),
            avps.CC_REQUEST_NUMBER.encode(number),
        ]
        self.pending.submit(self.box, Message(encode_message(0xC0, 272, 4, hop_by_hop, 1, parts)))

    async def finish(self, hop_by_hop: int, result_code: int = 2001) -> None:
        self.gates[hop_by_hop].set_result(Answer(result_code=result_code))
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_requests_of_one_session_run_one_after_another_termination_before_initial_is_answered_too(desk):
    desk.submit(1, kind=1, number=0)
    desk.submit(2, kind=3, number=1)
    desk.submit(3, session="s;2")
    await desk.settle()
    assert desk.begun == [1, 3]
    await desk.finish(1)
    assert desk.begun == [1, 3, 2]
    await desk.finish(2)
    await desk.finish(3)
    assert desk.box.answers == [(1, 2001), (2, 2001), (3, 2001)]
    assert len(desk.pending) == desk.box.in_flight == 0
    await asyncio.wait_for(desk.pending.idle(), 1)


@pytest.mark.rfc("8506", "8.2")
async def test_copies_of_a_request_in_work_get_its_answer(desk):
    desk.submit(1)
    await desk.settle()
    desk.submit(2)
    desk.submit(3)
    await desk.settle()
    assert desk.begun == [1]
    assert desk.observer.duplicates == 2
    assert len(desk.pending) == desk.box.in_flight == 1
    await desk.finish(1, 4012)
    assert desk.box.answers == [(1, 4012), (2, 4012), (3, 4012)]
    desk.submit(4)
    await desk.settle()
    assert desk.begun == [1, 4]
    await desk.finish(4)


async def test_copy_of_a_request_still_in_line_is_not_queued_twice(desk):
    desk.submit(1)
    desk.submit(2, number=2)
    desk.submit(3, number=2)
    await desk.settle()
    await desk.finish(1)
    await desk.finish(2)
    assert desk.begun == [1, 2]
    assert desk.box.answers == [(1, 2001), (2, 2001), (3, 2001)]


async def test_late_request_is_answered_in_time_and_what_stood_behind_it_did_not_happen():
    desk = Desk(deadline=0.02)
    desk.submit(1)
    desk.submit(2, number=2)
    await asyncio.sleep(0.06)
    assert desk.box.answers == [(1, 3004), (2, 3004)]
    desk.submit(3)
    await desk.settle()
    await desk.finish(1)
    assert desk.box.answers[2:] == [(3, 2001)]
    assert desk.begun == [1]
    assert len(desk.pending) == 0
    desk.submit(4, number=2)
    await desk.settle()
    await desk.finish(4)
    assert desk.box.answers[3:] == [(4, 2001)]


async def test_failures_of_the_handler_are_answered_and_the_session_goes_on(desk):
    for number, (error, code) in enumerate(((RemoteError(5031, "no price"), 5031), (RuntimeError("bug"), 5012))):
        desk.submit(number, number=number)
        await desk.settle()
        desk.gates[number].set_exception(error)
        await desk.settle()
        assert desk.box.answers[-1] == (number, code)
    assert desk.observer.answered == [("update", 5031), ("update", 5012)]
    assert len(desk.pending) == 0


async def test_closing_answers_what_is_in_work_and_begins_nothing(desk):
    desk.submit(1)
    desk.submit(2, number=2)
    desk.submit(3, session="s;2")
    await desk.settle()
    desk.submit(4, number=4)
    desk.pending.close()
    await desk.settle()
    assert sorted(desk.box.answers) == [(1, 3004), (2, 3004), (3, 3004), (4, 3004)]
    assert desk.begun == [1, 3]
    assert len(desk.pending) == desk.box.in_flight == 0


@pytest.mark.filterwarnings("error")
async def test_closing_between_two_requests_of_a_session_does_not_begin_the_second(desk):
    desk.submit(1)
    desk.submit(2, number=2)
    desk.gates[1].set_result(Answer())
    await asyncio.sleep(0)
    assert desk.box.answers == [(1, 2001)]
    desk.pending.close()
    await desk.settle()
    assert desk.begun == [1]
    assert desk.box.answers == [(1, 2001), (2, 3004)]


async def test_a_handler_may_let_others_go_first():
    async def handle(request: Message, peer: PeerInfo) -> Answer:
        await asyncio.sleep(0)
        await asyncio.create_task(asyncio.sleep(0))
        return Answer()

    desk = Desk()
    desk.pending = PendingRequests(handle, desk.observer, 5.0, Room(4096, 0.2))
    desk.submit(1)
    assert desk.box.answers == []
    await desk.pending.idle()
    assert desk.box.answers == [(1, 2001)]


async def test_endless_copies_are_not_kept(desk):
    for copy in range(20):
        desk.submit(copy)
    await asyncio.sleep(0)
    assert desk.box.answers == [(copy, 3004) for copy in range(8, 20)]
    desk.gates[0].set_result(Answer())
    await desk.pending.idle()
    assert desk.begun == [0]
    assert desk.box.answers[12:] == [(copy, 2001) for copy in range(8)]


async def test_octets_are_counted_as_long_as_they_are_held():
    desk = Desk(deadline=0.05)
    desk.submit(1)
    one = desk.box.octets
    desk.submit(2)
    assert desk.box.octets == 2 * one > 0
    for copy in range(3, 20):
        desk.submit(copy)
    assert desk.box.octets == 8 * one
    await asyncio.sleep(0.1)
    assert desk.box.octets == one, "all are answered, the first is still in work"
    await desk.finish(1)
    assert desk.box.octets == 0
    desk.submit(20)
    desk.submit(21)
    desk.pending.close()
    assert desk.box.octets == 0
