"""Calls of SIPp's phones through our hop: Kamailio 5.6 with deploy/kamailio/in-path.cfg before and behind it."""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.interop.daemon import SECOND, SLICE, Daemon
from tests.interop.kamailio import in_path_proxy
from tests.interop.network import SIP, Network
from tests.interop.phones import Phones
from tests.interop.programs import wait_until
from tests.interop.wire import Capture

CALLED = "+493012345678"

pytestmark = pytest.mark.needs("kamailio", "sipp")


@pytest.fixture(scope="module")
def daemon(network: Network, directory: Path, capture: Capture | None) -> Iterator[Daemon]:
    peer = f'{{mode = "in-path", next_hop = "{network.proxy}:{SIP}"}}'
    daemon = Daemon(network, directory, OCS_SIP_CREDIT__PEERS=f"[{peer}]", OCS_SIP_CREDIT__LIVENESS="2")
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module", autouse=True)
def proxy(network: Network, directory: Path, daemon: Daemon) -> Iterator[None]:
    proxy = in_path_proxy(network, directory)
    yield
    proxy.stop()


def test_a_call_is_charged_by_the_second(daemon: Daemon, phones: Phones) -> None:
    account = daemon.account("4917200101", "1.00")
    callee = phones.callee("callee-answers")
    assert phones.caller("caller-hangs-up", "tel:+4917200101", CALLED, talk=2.3).wait() == 0
    assert callee.wait() == 0
    money = daemon.settled(account)
    assert (money["balance"], money["reserved"], money["overrun"]) == (Decimal("0.997"), 0, 0)
    assert daemon.audit()["balanced"] is True


@pytest.mark.parametrize("seconds", [3, SLICE + 3])
def test_a_call_is_cut_at_its_cap_and_nothing_is_overrun(daemon: Daemon, phones: Phones, seconds: int) -> None:
    money = str(seconds * SECOND)
    account = daemon.account(f"49172002{seconds:02}", money)
    callee = phones.callee("callee-answers")
    assert phones.caller("caller-is-cut", f"tel:+49172002{seconds:02}", CALLED).wait() == 0
    assert callee.wait() == 0
    settled = daemon.settled(account)
    assert (settled["balance"], settled["reserved"], settled["overrun"]) == (0, 0, 0)
    assert daemon.audit()["balanced"] is True


def test_without_credit_there_is_no_call(daemon: Daemon, phones: Phones) -> None:
    account = daemon.account("4917200104", "0")
    assert phones.caller("caller-refused", "tel:+4917200104", CALLED).wait() == 0
    assert daemon.settled(account)["balance"] == 0


def test_a_stranger_gets_no_call(phones: Phones) -> None:
    assert phones.caller("caller-gets-403", "tel:+4917200999", CALLED).wait() == 0


@pytest.mark.parametrize(
    ("number", "caller", "callee"),
    [("4917200105", "caller-cancels", "callee-rings-far"), ("4917200106", "caller-finds-busy", "callee-busy")],
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


def test_a_server_killed_in_mid_call(daemon: Daemon, phones: Phones) -> None:
    """The new server has the old one's port, so the phones can end the call, which is charged to its end."""
    account = daemon.account("4917200107", "1.00")
    callee = phones.callee("callee-answers")
    caller = phones.caller("caller-hangs-up", "tel:+4917200107", CALLED, talk=8.3)
    wait_until("the answered call", lambda: "SIP/2.0 200" in phones.messages(caller))
    time.sleep(0.5)  # the vault has to know it, too
    daemon.kill()
    daemon.start()
    assert caller.wait() == 0
    assert callee.wait() == 0
    money = daemon.settled(account)
    assert money["overrun"] == 0
    assert Decimal("1.00") - money["balance"] <= SLICE * SECOND
    assert money["balance"] < 1
    assert daemon.audit()["balanced"] is True


@pytest.mark.needs("tshark")
def test_what_we_sent_reads_well(daemon: Daemon, phones: Phones, capture: Capture | None) -> None:
    if capture is None:
        pytest.skip("this user may not capture on the loopback interface")
    account = daemon.account("4917200199", "1.00")
    callee = phones.callee("callee-answers")
    assert phones.caller("caller-hangs-up", "tel:+4917200199", CALLED, talk=0.3).wait() == 0
    assert callee.wait() == 0
    daemon.settled(account)
    capture.stop()
    sent = capture.fields(f"sip.Method and ip.src == {daemon.address}", "sip.Method")
    assert {method for [method] in sent} >= {"INVITE", "ACK", "BYE"}
    assert capture.remarks() == []
