"""A real proxy: Kamailio 5.6 with deploy/kamailio/redirect.cfg asks our SIP door about SIPp's calls."""

import re
import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.interop.daemon import SECOND, SLICE, Daemon
from tests.interop.kamailio import redirect_proxy
from tests.interop.network import SIP, Network
from tests.interop.phones import Phones
from tests.interop.programs import Program, wait_until
from tests.interop.wire import Capture

CALLED = "+493012345678"
TICKS = 2
"""Seconds by which a call may outlive its cap: Kamailio's timer ticks once a second, and a second begun is charged."""

pytestmark = pytest.mark.needs("kamailio", "sipp")


@pytest.fixture(scope="module", autouse=True)
def proxy(network: Network, directory: Path, daemon: Daemon) -> Iterator[Program]:
    proxy = redirect_proxy(network, directory, REPORT_WAIT="1500", REPORT_AGAIN="2")
    yield proxy
    proxy.stop()


def consumed(money: dict[str, Decimal], given: str) -> int:
    """Seconds charged, those beyond the credit included."""
    return int((Decimal(given) - money["balance"]) / SECOND)


def test_a_call_is_charged_by_the_second(daemon: Daemon, phones: Phones) -> None:
    account = daemon.account("4917100101", "1.00")
    callee = phones.callee("callee-answers")
    assert phones.caller("caller-hangs-up", "tel:+4917100101", CALLED, talk=2.3).wait() == 0
    assert callee.wait() == 0
    money = daemon.settled(account)
    assert (money["balance"], money["reserved"], money["overrun"]) == (Decimal("0.997"), 0, 0)
    assert daemon.audit()["balanced"] is True


def test_a_call_is_cut_at_its_cap(daemon: Daemon, phones: Phones) -> None:
    account = daemon.account("4917100102", "0.003")
    callee = phones.callee("callee-answers")
    assert phones.caller("caller-is-cut", "tel:+4917100102", CALLED).wait() == 0
    assert callee.wait() == 0
    money = daemon.settled(account)
    assert money["reserved"] == 0
    assert 3 <= consumed(money, "0.003") <= 3 + TICKS
    assert daemon.audit()["balanced"] is True


def test_a_call_goes_on_from_slice_to_slice(daemon: Daemon, phones: Phones) -> None:
    seconds = SLICE + 3
    account = daemon.account("4917100103", f"0.0{seconds}")
    callee = phones.callee("callee-answers")
    begun = time.monotonic()
    assert phones.caller("caller-is-cut", "tel:+4917100103", CALLED).wait() == 0
    assert time.monotonic() - begun > SLICE + 1
    assert callee.wait() == 0
    assert seconds - 1 <= consumed(daemon.settled(account), f"0.0{seconds}") <= seconds + TICKS


def test_without_credit_there_is_no_call(daemon: Daemon, phones: Phones) -> None:
    account = daemon.account("4917100104", "0")
    assert phones.caller("caller-refused", "tel:+4917100104", CALLED).wait() == 0
    assert daemon.settled(account)["balance"] == 0


def test_a_call_that_would_come_back_to_the_proxy_is_refused_and_holds_nothing(daemon: Daemon, phones: Phones) -> None:
    account = daemon.account("4917100109", "1.00")
    assert phones.caller("caller-goes-round", "tel:+4917100109", CALLED).wait() == 0
    money = daemon.settled(account)
    assert (money["balance"], money["reserved"]) == (Decimal("1.00"), 0)
    assert daemon.audit()["balanced"] is True


def test_a_stranger_gets_no_call(phones: Phones) -> None:
    assert phones.caller("caller-gets-403", "tel:+4917100999", CALLED).wait() == 0


@pytest.mark.parametrize(
    ("number", "caller", "callee"),
    [("4917100105", "caller-cancels", "callee-rings"), ("4917100106", "caller-finds-busy", "callee-busy")],
)
def test_an_unanswered_call_costs_nothing(
    daemon: Daemon, phones: Phones, number: str, caller: str, callee: str
) -> None:
    account = daemon.account(number, "1.00")
    called = phones.callee(callee)
    assert phones.caller(caller, f"tel:+{number}", CALLED, talk=0.3).wait() == 0
    assert called.wait() == 0
    money = daemon.settled(account)
    assert (money["balance"], money["available"], money["overrun"]) == (1, 1, 0)


def test_a_restart_in_mid_call_loses_nothing(daemon: Daemon, phones: Phones, proxy: Program, network: Network) -> None:
    account = daemon.account("4917100107", "1.00")
    callee = phones.callee("callee-answers")
    caller = phones.caller("caller-hangs-up", "tel:+4917100107", CALLED, talk=4.3)
    wait_until("the answered call", lambda: "SIP/2.0 200" in phones.messages(caller))
    time.sleep(0.5)
    assert daemon.stop() == 0
    assert caller.wait() == 0  # the call does not need us
    assert callee.wait() == 0
    proxy.wait_for(r"report \S+-stop not confirmed")
    daemon.start()
    money = daemon.settled(account)
    assert (money["balance"], money["overrun"]) == (Decimal("0.995"), 0)

    # The same report once more: confirmed again, charged no second time.
    [call_id] = re.findall(r"^Call-ID: (\S+)\r?$", phones.messages(caller), re.M)[:1]
    assert report(network, call_id, "stop", 4300).startswith("SIP/2.0 200 ")
    assert Decimal(daemon.money(account)["balance"]) == Decimal("0.995")
    assert daemon.audit()["balanced"] is True


def test_without_a_charging_server_there_is_no_call(daemon: Daemon, phones: Phones) -> None:
    assert daemon.stop() == 0
    try:
        assert phones.caller("caller-gets-503", "tel:+4917100108", CALLED).wait() == 0
    finally:
        daemon.start()


@pytest.mark.needs("tshark")
def test_what_we_sent_reads_well(daemon: Daemon, phones: Phones, capture: Capture | None) -> None:
    if capture is None:
        pytest.skip("this user may not capture on the loopback interface")
    account = daemon.account("4917100199", "1.00")
    callee = phones.callee("callee-answers")
    assert phones.caller("caller-hangs-up", "tel:+4917100199", CALLED, talk=0.3).wait() == 0
    assert callee.wait() == 0
    assert phones.caller("caller-gets-403", "tel:+4917100998", CALLED).wait() == 0
    daemon.settled(account)
    capture.stop()
    statuses = capture.fields(f"sip.Status-Code and ip.src == {daemon.address}", "sip.Status-Code")
    assert {status for [status] in statuses} >= {"302", "403", "200"}
    assert capture.remarks() == []
    # The phones say X-OCS-Account; a caller must not choose who pays, so the proxy lets none through.
    asked = f'sip.Method == "INVITE" and ip.dst == {daemon.address}'
    assert capture.fields(asked, "frame.number")
    assert capture.fields(f'{asked} and sip contains "X-OCS-Account"', "frame.number") == []


def report(network: Network, call_id: str, event: str, milliseconds: int) -> str:
    """Send a report as the proxy would; the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as proxy:
        proxy.settimeout(5)
        proxy.bind((network.proxy, 0))
        here = f"{network.proxy}:{proxy.getsockname()[1]}"
        lines = (
            f"NOTIFY sip:{network.server} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};branch=z9hG4bK-{event}-again",
            f"From: <sip:proxy@{here}>;tag=1",
            f"To: <sip:{network.server}>",
            f"Call-ID: {call_id}-{event}",
            "CSeq: 10 NOTIFY",
            "Event: ocs-credit",
            f"X-OCS-Event: {event}",
            f"X-OCS-Call-ID: {call_id}",
            f"X-OCS-Duration-Ms: {milliseconds}",
            "Content-Length: 0",
            "",
            "",
        )
        proxy.sendto("\r\n".join(lines).encode(), (network.server, SIP))
        return proxy.recv(65535).decode()
