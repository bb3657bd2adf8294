"""The same by the dozen and under failures where we are in the path of the calls: we end them, and nobody reports.

Takes minutes, so ``scripts/soak-sip`` runs it and ``scripts/test`` does not.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.accounts import all_used, books_close, sessions, used
from tests.interop.crowd import PAUSE_BEFORE_OK, REINVITE, REINVITED, Crowd
from tests.interop.daemon import SLICE, Daemon
from tests.interop.kamailio import in_path_proxy
from tests.interop.network import SIP, Network
from tests.interop.phones import Phones
from tests.interop.programs import Program, wait_until

CALLED = "+493012345678"
UNACKNOWLEDGED = 32
"""Seconds after which a call is ended whose answer nobody acknowledges (64*T1)."""

pytestmark = [pytest.mark.long, pytest.mark.needs("kamailio", "sipp")]


@pytest.fixture(scope="module")
def daemon(network: Network, directory: Path) -> Iterator[Daemon]:
    peer = f'{{mode = "in-path", next_hop = "{network.proxy}:{SIP}"}}'
    daemon = Daemon(network, directory, OCS_SIP_CREDIT__PEERS=f"[{peer}]", OCS_SIP_CREDIT__LIVENESS="2")
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
def proxy(network: Network, directory: Path, daemon: Daemon) -> Iterator[Program]:
    proxy = in_path_proxy(network, directory)
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("pause", ["", '<pause milliseconds="5"/>'], ids=["instant BYE", "5 ms"])
def test_forty_calls_are_cut_at_the_cap(daemon: Daemon, proxy: Program, crowd: Crowd, pause: str) -> None:
    """To the second: no call outlives its cap, however fast the phones are."""
    accounts = [daemon.account(crowd.number(call), "0.003") for call in range(1, 41)]
    crowd.callees("callee-answers", 40, {PAUSE_BEFORE_OK: pause})
    callers = crowd.callers("caller-is-cut", 40, {PAUSE_BEFORE_OK: pause}, called=CALLED)
    assert callers.wait() == 0
    assert all_used(daemon, accounts, "0.003") == [3] * 40
    assert {sessions(daemon, account) for account in accounts} == {1}


def test_five_hundred_calls_at_fifty_a_second(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 501)]
    before = daemon.turned_away()
    crowd.callees("callee-answers", 500, {})
    callers = crowd.callers("caller-hangs-up", 500, {}, rate=50, talk=1.5, called=CALLED)
    status = callers.wait(90)
    seconds = all_used(daemon, accounts, "1.00")
    assert set(seconds) <= {0, 2, 3}, seconds
    refused = daemon.turned_away() - before  # a busy machine: such calls are refused, not free
    assert seconds.count(0) == refused < 100
    assert status == (1 if 0 in seconds else 0)
    assert {sessions(daemon, account) for account, second in zip(accounts, seconds, strict=True) if second} == {1}


def test_the_server_is_killed_in_mid_call(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    """The new server has the old one's port: the phones end their calls through it, charged at most as granted."""
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 11)]
    callees = crowd.callees("callee-answers", 10, {})
    callers = crowd.callers("caller-hangs-up", 10, {}, talk=8.3, called=CALLED)
    time.sleep(2)
    daemon.kill()
    daemon.start()
    assert callers.wait(60) == 0
    assert callees.wait(60) == 0
    seconds = all_used(daemon, accounts, "1.00")
    assert all(0 < second <= SLICE for second in seconds), seconds


@pytest.mark.parametrize("silence", [0.6, 2.0], ids=["slow", "silent"])
def test_the_server_is_slow_or_silent(daemon: Daemon, proxy: Program, phones: Phones, silence: float) -> None:
    """The equipment gives up after 0.9 s without any answer. Nobody acknowledges a call that we begin after that."""
    number = f"49173{round(silence * 10)}"
    account = daemon.account(number, "1.00")
    callee = phones.callee("callee-answers")
    daemon.freeze()
    name, talk = ("caller-gets-503", 0.0) if silence > 1 else ("caller-hangs-up", 1.3)
    caller = phones.caller(name, f"tel:+{number}", CALLED, talk=talk)
    time.sleep(silence)
    daemon.thaw()
    assert caller.wait() == 0
    if silence < 1:
        assert callee.wait() == 0
    wait_until("the check", lambda: sessions(daemon, account) == 1)
    wait_until("the end", lambda: not daemon.show(account)["sessions"], UNACKNOWLEDGED + 15)
    assert used(daemon, account, "1.00") in ((0, UNACKNOWLEDGED, UNACKNOWLEDGED + 1) if silence > 1 else (2,))
    books_close(daemon)


def test_the_server_is_away(daemon: Daemon, proxy: Program, phones: Phones) -> None:
    account = daemon.account("491738", "1.00")
    assert daemon.stop() == 0
    try:
        assert phones.caller("caller-gets-503", "tel:+491738", CALLED).wait() == 0
    finally:
        daemon.start()
    assert used(daemon, account, "1.00") == 0


def test_cancel_crosses_the_grant(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    """Twenty callers give up while the server thinks or has just sent them on: nothing is held."""
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 21)]
    crowd.callees("callee-rings-far", 20, {})
    daemon.freeze()
    no_ringing = {'<recv response="180"/>': "", '<recv response="200"/>\n  <recv response="487"/>': EITHER_ORDER}
    callers = crowd.callers("caller-cancels", 20, no_ringing, rate=40, talk=0.3, called=CALLED)
    time.sleep(0.55)  # some CANCELs are out, some INVITEs have just come
    daemon.thaw()
    callers.wait(60)
    for account in accounts:
        wait_until("the release", lambda account=account: not daemon.show(account)["sessions"])
    assert all_used(daemon, accounts, "1.00") == [0] * 20


EITHER_ORDER = """<recv response="180" optional="true"/>
  <recv response="200"/>
  <recv response="180" optional="true"/>
  <recv response="487"/>"""


def test_the_caller_gives_up_before_the_grant(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    """The store stands still: the calls are refused (the proxy makes 500 of our 503), and nothing stays reserved."""
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 11)]
    with daemon.frozen_store():
        assert crowd.callers("caller-gets-503", 10, {"503": "500"}, rate=50, called=CALLED).wait() == 0
    for account in accounts:
        wait_until("the release", lambda account=account: not daemon.show(account)["sessions"])
    assert all_used(daemon, accounts, "1.00") == [0] * 10


def test_a_reinvite_in_the_call_changes_nothing(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 6)]
    before_bye = "  <pause/>\n  <send"
    callees = crowd.callees("callee-answers", 5, {'  <recv request="ACK"/>\n': REINVITED})
    callers = crowd.callers(
        "caller-hangs-up", 5, {before_bye: f"{REINVITE}  <send", "CSeq: 2 BYE": "CSeq: 3 BYE"}, talk=1.2, called=CALLED
    )
    assert callers.wait() == 0
    assert callees.wait() == 0
    assert all_used(daemon, accounts, "1.00") == [3] * 5
    assert {sessions(daemon, account) for account in accounts} == {1}


def test_the_proxy_is_killed_in_mid_call(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    """No BYE finds its way any more: the calls end with their credit. The last test: our BYEs disturb what follows."""
    money, seconds = f"0.0{SLICE + 2}", SLICE + 2
    accounts = [daemon.account(crowd.number(call), money) for call in range(1, 6)]
    crowd.callees("callee-answers", 5, {})
    crowd.callers("caller-is-cut", 5, {}, called=CALLED)
    time.sleep(2)
    assert all(len(daemon.show(account)["sessions"]) == 1 for account in accounts)
    proxy.stop(signal.SIGKILL)
    wait_until("the cap", lambda: all(not daemon.show(account)["sessions"] for account in accounts), seconds + 15)
    assert all_used(daemon, accounts, money) == [seconds] * 5
