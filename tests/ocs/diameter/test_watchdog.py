"""RFC 3539 section 3.4.1, row by row; time is an argument."""

import pytest

from ocs.diameter.watchdog import Watchdog, WatchdogAction, WatchdogState

pytestmark = pytest.mark.rfc("3539", "3.4.1")


@pytest.fixture
def dog() -> Watchdog:
    return Watchdog(30, lambda: 0.5, now=0)


@pytest.mark.parametrize(("draw", "deadline"), [(0.0, 28), (0.5, 30), (0.999999, 32)])
def test_interval_has_jitter_of_two_seconds(draw, deadline):
    assert Watchdog(30, lambda: draw, now=0).deadline == pytest.approx(deadline, abs=1e-4)


def test_silence_sends_then_suspects_then_closes(dog):
    assert dog.expired(30) is WatchdogAction.SEND_REQUEST
    assert (dog.state, dog.pending, dog.deadline) == (WatchdogState.OKAY, True, 60)
    assert dog.expired(60) is WatchdogAction.FAIL_OVER
    assert not dog.usable
    assert dog.expired(90) is WatchdogAction.CLOSE
    assert dog.state is WatchdogState.DOWN


def test_traffic_restarts_the_interval(dog):
    dog.received(25)
    assert dog.deadline == 55


@pytest.mark.parametrize("revive", [Watchdog.received, Watchdog.answered])
def test_traffic_or_answer_ends_suspicion(dog, revive):
    dog.expired(30)
    dog.expired(60)
    assert dog.state is WatchdogState.SUSPECT
    revive(dog, 70)
    assert dog.usable
    assert dog.pending == (revive is Watchdog.received)


def test_answer_lets_the_next_silence_ask_again(dog):
    dog.expired(30)
    dog.answered(31)
    assert dog.expired(61) is WatchdogAction.SEND_REQUEST


def test_reopened_connection_is_trusted_after_three_rounds(dog):
    assert dog.reopen(0) is WatchdogAction.SEND_REQUEST
    for now in (1, 31):
        dog.answered(now)
        assert not dog.usable
        assert dog.expired(now + 29) is WatchdogAction.SEND_REQUEST
    dog.answered(61)
    assert dog.usable


def test_reopened_connection_is_not_trusted_for_mere_traffic(dog):
    dog.reopen(0)
    dog.received(1)
    assert not dog.usable
    assert dog.expired(30) is WatchdogAction.NOTHING
    assert dog.expired(60) is WatchdogAction.CLOSE


def test_probe_asks_once(dog):
    assert dog.probe(1) is WatchdogAction.SEND_REQUEST
    assert dog.probe(2) is WatchdogAction.NOTHING
