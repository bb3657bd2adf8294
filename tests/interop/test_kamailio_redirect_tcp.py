"""The same proxy, asking and reporting over TCP."""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.interop.daemon import SLICE, Daemon
from tests.interop.kamailio import redirect_proxy
from tests.interop.network import SIP, Network
from tests.interop.phones import Phones
from tests.interop.programs import Program, wait_until
from tests.interop.wire import Capture

CALLED = "+493012345678"
CREDIT_WAIT = 20
"""Seconds for a credit check: long, so that who gets an answer before has not waited for the timer."""

pytestmark = pytest.mark.needs("kamailio", "sipp")


@pytest.fixture(scope="module", autouse=True)
def proxy(network: Network, directory: Path, daemon: Daemon) -> Iterator[Program]:
    server = f"sip:{network.server}:{SIP};transport=tcp"
    values = {"CREDIT_URI": server, "CREDIT_TRANSPORT": "tcp", "REPORT_WAIT": "1500", "REPORT_AGAIN": "2"}
    values["CREDIT_WAIT"] = str(CREDIT_WAIT * 1000)
    proxy = redirect_proxy(network, directory, **values)
    yield proxy
    proxy.stop()


def test_a_call_goes_on_from_slice_to_slice(daemon: Daemon, phones: Phones, capture: Capture | None) -> None:
    account = daemon.account("4917200101", "1.00")
    callee = phones.callee("callee-answers")
    assert phones.caller("caller-hangs-up", "tel:+4917200101", CALLED, talk=SLICE + 1.3).wait() == 0
    assert callee.wait() == 0
    money = daemon.settled(account)
    assert (money["balance"], money["reserved"], money["overrun"]) == (Decimal("0.988"), 0, 0)


def test_a_restart_in_mid_call_loses_nothing(daemon: Daemon, phones: Phones, proxy: Program) -> None:
    account = daemon.account("4917200102", "1.00")
    callee = phones.callee("callee-answers")
    caller = phones.caller("caller-hangs-up", "tel:+4917200102", CALLED, talk=4.3)
    wait_until("the answered call", lambda: "SIP/2.0 200" in phones.messages(caller))
    time.sleep(0.5)
    assert daemon.stop() == 0
    assert caller.wait() == 0
    assert callee.wait() == 0
    proxy.wait_for(r"report \S+-stop not confirmed")
    daemon.start()
    assert daemon.settled(account)["balance"] == Decimal("0.995")


def test_a_server_that_is_away_is_noticed_at_once(daemon: Daemon, phones: Phones) -> None:
    daemon.account("4917200103", "1.00")
    assert daemon.stop() == 0
    try:
        caller = phones.caller("caller-gets-503", "tel:+4917200103", CALLED)
        assert caller.wait(CREDIT_WAIT / 2) == 0
    finally:
        daemon.start()


@pytest.mark.needs("tshark")
def test_what_we_sent_reads_well(daemon: Daemon, phones: Phones, capture: Capture | None) -> None:
    if capture is None:
        pytest.skip("this user may not capture on the loopback interface")
    account = daemon.account("4917200199", "0")
    assert phones.caller("caller-refused", "tel:+4917200199", CALLED).wait() == 0
    assert daemon.settled(account)["balance"] == 0
    capture.stop()
    statuses = capture.fields(f"sip.Status-Code and tcp and ip.src == {daemon.address}", "sip.Status-Code")
    assert "402" in {status for [status] in statuses}
    assert capture.remarks() == []
