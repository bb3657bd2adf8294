"""Kamailio and SIPp by the dozen and under failures: each call is charged once, and nobody spends beyond one slice.

Takes minutes, so ``scripts/soak-sip`` runs it and ``scripts/test`` does not.
"""

import signal
import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sip_credit.message import RemoteError, Request, parse, respond
from tests.interop.accounts import books_close, sessions, used
from tests.interop.crowd import PAUSE_BEFORE_OK, REINVITE, REINVITED, Crowd
from tests.interop.daemon import SECOND, SLICE, Daemon
from tests.interop.kamailio import redirect_proxy
from tests.interop.network import SIP, Network
from tests.interop.phones import Phones
from tests.interop.programs import Program, wait_until

CALLED = "+493012345678"
TICKS = 2
"""Seconds by which a call may outlive its cap: Kamailio's timer ticks once a second, and a second begun is charged."""
LIVENESS = 10

pytestmark = [pytest.mark.long, pytest.mark.needs("kamailio", "sipp")]


@pytest.fixture
def proxy(network: Network, directory: Path, daemon: Daemon) -> Iterator[Program]:
    proxy = redirect_proxy(network, directory, REPORT_WAIT="1500", REPORT_AGAIN="2")
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("pause", ["", '<pause milliseconds="5"/>'], ids=["instant BYE", "5 ms"])
def test_forty_calls_are_cut_at_the_cap(daemon: Daemon, proxy: Program, crowd: Crowd, pause: str) -> None:
    accounts = [daemon.account(crowd.number(call), "0.003") for call in range(1, 41)]
    crowd.callees("callee-answers", 40, {PAUSE_BEFORE_OK: pause})
    callers = crowd.callers("caller-is-cut", 40, {PAUSE_BEFORE_OK: pause}, called=CALLED)
    wait_until("the calls", lambda: all(daemon.entries(a)[-1].get("session") for a in accounts), 60)
    seconds = [used(daemon, account, "0.003") for account in accounts]
    assert all(3 <= second <= 3 + TICKS for second in seconds), seconds
    assert {sessions(daemon, account) for account in accounts} == {1}
    books_close(daemon)
    if pause:
        assert callers.wait() == 0


def test_five_hundred_calls_at_fifty_a_second(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 501)]
    crowd.callees("callee-answers", 500, {})
    callers = crowd.callers("caller-hangs-up", 500, {}, rate=50, talk=1.5, called=CALLED)
    status = callers.wait(90)
    seconds = [used(daemon, account, "1.00") for account in accounts]
    refused = proxy.said.count("no credit answer for call")  # a busy machine: such calls are refused, not free
    assert set(seconds) <= {0, 2, 3}, seconds
    assert seconds.count(0) == refused < 100
    assert status == (1 if refused else 0)
    assert {sessions(daemon, account) for account, second in zip(accounts, seconds, strict=True) if second} == {1}
    books_close(daemon)


def test_the_proxy_is_killed_in_mid_call(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    """Nobody reports the end: the server's own clock ends the calls, charged as granted."""
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 6)]
    crowd.callees("callee-answers", 5, {})
    crowd.callers("caller-is-cut", 5, {}, called=CALLED)
    time.sleep(2)
    assert all(Decimal(daemon.money(account)["reserved"]) == SLICE * SECOND for account in accounts)
    proxy.stop(signal.SIGKILL)
    wait_until(
        "the clock", lambda: all(not daemon.show(account)["sessions"] for account in accounts), SLICE + LIVENESS + 15
    )
    assert [used(daemon, account, "1.00") for account in accounts] == [SLICE] * 5
    books_close(daemon)


def test_the_server_is_killed_in_mid_call(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 11)]
    callees = crowd.callees("callee-answers", 10, {})
    callers = crowd.callers("caller-hangs-up", 10, {}, talk=4.3, called=CALLED)
    time.sleep(2)
    daemon.kill()
    assert callers.wait() == 0  # the calls do not need us
    assert callees.wait() == 0
    proxy.wait_for(r"report \S+-stop not confirmed")
    daemon.start()
    seconds = [used(daemon, account, "1.00") for account in accounts]
    assert set(seconds) <= {5}, seconds
    books_close(daemon)


@pytest.mark.parametrize("silence", [0.6, 2.0], ids=["slow", "silent"])
def test_the_server_is_slow_or_silent(daemon: Daemon, proxy: Program, phones: Phones, silence: float) -> None:
    """The proxy gives up after 0.9 s; what the server then does with a check that nobody waits for holds nothing."""
    number = f"49171{round(silence * 10)}"
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
    expected = 0 if silence > 1 else 2
    wait_until("the release", lambda: not daemon.show(account)["sessions"])
    assert used(daemon, account, "1.00") == expected
    books_close(daemon)


def test_the_server_refuses(daemon: Daemon, proxy: Program, phones: Phones, network: Network) -> None:
    """Whoever answers 503 in its place gets the caller a 503 at once, and nothing is charged."""
    account = daemon.account("491718", "1.00")
    assert daemon.stop() == 0
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as refusing:
            refusing.bind((network.server, SIP))
            refusing.settimeout(10)
            caller = phones.caller("caller-gets-503", "tel:+491718", CALLED)
            while True:
                data, source = refusing.recvfrom(65535)
                try:
                    request = parse(data)
                except RemoteError:
                    continue
                if isinstance(request, Request) and request.method == "INVITE":
                    break
            answer = respond(request, 503, tag="refusing", headers=(("Retry-After", "5"),))
            refusing.sendto(answer.encode(), source)
            assert caller.wait() == 0
    finally:
        daemon.start()
    assert used(daemon, account, "1.00") == 0


def test_cancel_crosses_the_302(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    """Twenty callers give up while the server thinks or has just answered: whichever comes first, nothing is held."""
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 21)]
    crowd.callees("callee-rings", 20, {})
    daemon.freeze()
    no_ringing = {'<recv response="180"/>': "", '<recv response="200"/>\n  <recv response="487"/>': EITHER_ORDER}
    callers = crowd.callers("caller-cancels", 20, no_ringing, rate=40, talk=0.3, called=CALLED)
    time.sleep(0.55)  # some CANCELs are out, some INVITEs have just come
    daemon.thaw()
    callers.wait(60)
    for account in accounts:
        wait_until("the release", lambda account=account: not daemon.show(account)["sessions"])
    assert [used(daemon, account, "1.00") for account in accounts] == [0] * 20
    books_close(daemon)


EITHER_ORDER = """<recv response="180" optional="true"/>
  <recv response="200"/>
  <recv response="180" optional="true"/>
  <recv response="487"/>"""


def test_a_release_comes_before_the_grant(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    """The store stands still: the proxy gives the calls up and releases what the server is yet to reserve."""
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 11)]
    with daemon.frozen_store():
        callers = crowd.callers("caller-gets-503", 10, {}, rate=50, called=CALLED)
        assert callers.wait() == 0
        time.sleep(0.3)  # the releases are out
    for account in accounts:
        wait_until("the release", lambda account=account: not daemon.show(account)["sessions"])
    assert [used(daemon, account, "1.00") for account in accounts] == [0] * 10
    books_close(daemon)


def test_a_reinvite_in_the_call_changes_nothing(daemon: Daemon, proxy: Program, crowd: Crowd) -> None:
    accounts = [daemon.account(crowd.number(call), "1.00") for call in range(1, 6)]
    before_bye = "  <pause/>\n  <send"
    callees = crowd.callees("callee-answers", 5, {'  <recv request="ACK"/>\n': REINVITED})
    callers = crowd.callers(
        "caller-hangs-up", 5, {before_bye: f"{REINVITE}  <send", "CSeq: 2 BYE": "CSeq: 3 BYE"}, talk=1.2, called=CALLED
    )
    assert callers.wait() == 0
    assert callees.wait() == 0
    assert [used(daemon, account, "1.00") for account in accounts] == [3] * 5
    assert {sessions(daemon, account) for account in accounts} == {1}
    books_close(daemon)
