"""How many requests may be in work: all that may, until even the quickest has to wait."""

from ocs.room import ENOUGH, Room


def run(room: Room, seconds: float, *, of: int, begin: float, last: float = 1.0) -> float:
    """Finish ``of`` requests a second for so long, each after ``seconds``; when it is then."""
    count = int(of * last)
    for number in range(1, count + 1):
        room.finished(seconds, begin + number / of)
    return begin + last


def test_quick_requests_leave_all_the_room():
    room = Room(4096, 0.2)
    run(room, 0.09, of=1_000, begin=5.0)
    assert room.size == 4096


def test_when_all_wait_too_long_as_many_may_as_are_finished_in_the_longest_wait():
    room = Room(4096, 0.2)
    run(room, 0.5, of=1_000, begin=5.0)
    assert 190 <= room.size <= 210


def test_one_that_takes_long_of_itself_says_nothing():
    room = Room(4096, 0.2)
    for number in range(1, 1_001):
        room.finished(0.001 if number % 10 == 0 else 1.0, 5.0 + number / 1_000)
    assert room.size == 4096


def test_it_opens_again_only_when_nobody_waits():
    room = Room(4096, 0.2)
    now = run(room, 0.5, of=1_000, begin=5.0)
    now = run(room, 0.15, of=2_000, begin=now)
    assert 380 <= room.size <= 420, "it follows the rate while there is still a line"
    run(room, 0.05, of=2_000, begin=now)
    assert room.size == 4096


def test_however_slow_they_are_a_few_may_be_in_work():
    room = Room(4096, 0.2)
    run(room, 3.0, of=5, begin=5.0, last=60.0)
    assert room.size == ENOUGH


def test_it_is_never_more_than_the_most():
    room = Room(100, 0.2)
    run(room, 0.5, of=10_000, begin=5.0)
    assert room.size == 100
