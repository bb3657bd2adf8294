"""A real client: Kamailio 5.6's cdp and ims_charging charge SIPp's calls through our Ro door."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.interop.daemon import SECOND, Daemon
from tests.interop.kamailio import ims_core
from tests.interop.network import Network
from tests.interop.phones import Phones
from tests.interop.programs import Program
from tests.interop.wire import Capture, decode

CREDITS = 10
"""Seconds Kamailio asks for at once."""
BUFFER = 5
"""Seconds before the end of a grant at which it asks for more."""
CALLED = "+493012345678"

IMS_CHARGING = "/usr/lib/x86_64-linux-gnu/kamailio/modules/ims_charging.so"

pytestmark = pytest.mark.needs("kamailio", IMS_CHARGING, "sipp")


@pytest.fixture(scope="module", autouse=True)
def core(network: Network, directory: Path, daemon: Daemon) -> Iterator[Program]:
    core = ims_core(network, directory, daemon, CREDITS, BUFFER)
    yield core
    core.stop()


def test_a_call_is_cut_when_its_credit_ends(daemon: Daemon, phones: Phones, capture: Capture | None) -> None:
    account = daemon.account("4917000101", "0.014")
    callee = phones.callee("callee-answers")
    caller = phones.caller("caller-is-cut", "tel:+4917000101", CALLED)
    assert caller.wait() == 0
    assert callee.wait() == 0
    money = daemon.settled(account)
    # Kamailio counts full seconds, begun ones included, and cuts within one: 14 s paid, 14 to 16 s consumed.
    consumed = Decimal("0.014") - money["balance"]
    assert consumed / SECOND in (14, 15, 16)
    assert money["reserved"] == 0
    assert money["overrun"] == consumed - Decimal("0.014")
    assert daemon.audit()["balanced"] is True


def test_a_call_is_charged_by_the_second(daemon: Daemon, phones: Phones) -> None:
    account = daemon.account("4917000102", "1.00")
    callee = phones.callee("callee-answers")
    assert phones.caller("caller-hangs-up", "tel:+4917000102", CALLED, talk=2.3).wait() == 0
    assert callee.wait() == 0
    money = daemon.settled(account)
    assert (money["balance"], money["reserved"]) == (Decimal("0.997"), 0)


def test_a_sip_identity_finds_its_account(daemon: Daemon, phones: Phones) -> None:
    account = daemon.account("4917000103", "1.00", sip="carol@example.net")
    callee = phones.callee("callee-answers")
    assert phones.caller("caller-hangs-up", "sip:carol@example.net", CALLED, talk=0.3).wait() == 0
    assert callee.wait() == 0
    assert daemon.settled(account)["balance"] == Decimal("0.999")


def test_without_credit_there_is_no_call(daemon: Daemon, phones: Phones) -> None:
    account = daemon.account("4917000104", "0")
    assert phones.caller("caller-refused", "tel:+4917000104", CALLED).wait() == 0
    assert daemon.settled(account)["reserved"] == 0


@pytest.mark.parametrize(
    ("caller", "callee"), [("caller-finds-busy", "callee-busy"), ("caller-cancels", "callee-rings")]
)
def test_an_unanswered_call_costs_nothing(daemon: Daemon, phones: Phones, caller: str, callee: str) -> None:
    number = f"49170002{len(caller)}"
    account = daemon.account(number, "1.00")
    called = phones.callee(callee)
    assert phones.caller(caller, f"tel:+{number}", CALLED, talk=0.3).wait() == 0
    assert called.wait() == 0
    money = daemon.settled(account)
    assert (money["balance"], money["available"], money["overrun"]) == (1, 1, 0)
    assert sum(bool(entry["session"]) for entry in daemon.entries(account)) >= 2  # reserved, and given back


@pytest.mark.needs("tshark")
def test_what_we_sent_reads_well(daemon: Daemon, phones: Phones, capture: Capture | None) -> None:
    if capture is None:
        pytest.skip("this user may not capture on the loopback interface")
    account = daemon.account("4917000199", "0.014")
    callee = phones.callee("callee-answers")
    talk = CREDITS - BUFFER + 1.5  # beyond the update, which is answered with a Final-Unit-Indication
    assert phones.caller("caller-hangs-up", "tel:+4917000199", CALLED, talk=talk).wait() == 0
    assert callee.wait() == 0
    daemon.settled(account)
    capture.stop()

    ours = "diameter and ip.src == " + daemon.address
    answers = capture.fields(f"{ours} and diameter.cmd.code == 272", "diameter.CC-Request-Type", "diameter.Result-Code")
    last_call = [(kind, result.split(",")[0]) for kind, result in answers][-3:]
    assert last_call == [("1", "2001"), ("2", "2001"), ("3", "2001")]
    assert capture.remarks() == []

    messages = [decode(message) for message in capture.diameter_messages()]
    assert len(messages) >= 4
    assert {message["code"] for message in messages} >= {257, 272}
    for message in messages:
        assert ("Origin-Host", b"ocs.example.net") in message["avps"]
