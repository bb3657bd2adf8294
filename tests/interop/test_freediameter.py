"""A strict peer: freeDiameter 1.2.1 with its credit-control dictionaries connects to our Diameter door."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.daemon import ORIGIN_HOST, ORIGIN_REALM, Daemon
from tests.interop.network import DIAMETER, Network
from tests.interop.programs import Program, wait_until
from tests.interop.wire import Capture, decode

GATEWAY = "gateway.example.net"
EXTENSIONS = "/usr/lib/freeDiameter"
COMPLAINT = re.compile(r"^\S+\s+(?:ERROR|FATAL)|unknown|invalid|malformed|mismatch|unexpected|discard", re.I)
OWN_END = "Initiating freeDiameter shutdown sequence"
"""It calls its own end fatal."""

pytestmark = pytest.mark.needs("freeDiameterd", f"{EXTENSIONS}/dict_dcca_3gpp.fdx")


@pytest.fixture
def gateway(network: Network, directory: Path, daemon: Daemon) -> Iterator[Program]:
    values = {"origin_host": GATEWAY, "realm": ORIGIN_REALM, "server_host": ORIGIN_HOST, "server": network.server}
    config = directory / "freediameter.conf"
    template = (Path(__file__).parent / "freediameter.conf").read_text()
    config.write_text(template.format(extensions=EXTENSIONS, port=DIAMETER, **values))
    gateway = Program("freediameter", ["freeDiameterd", "-c", str(config)], directory)
    gateway.wait_until("an open connection", lambda: GATEWAY in daemon.open_peers())
    yield gateway
    gateway.stop()


def complaints(gateway: Program) -> list[str]:
    return [line for line in gateway.said.splitlines() if COMPLAINT.search(line) and OWN_END not in line]


def test_a_strict_peer_has_nothing_to_complain_about(daemon: Daemon, gateway: Program, capture: Capture | None) -> None:
    gateway.wait_for(r"'STATE_WAITCEA'\s+-> 'STATE_OPEN'\s+'ocs\.example\.net'")
    gateway.wait_for(r"RCV from 'ocs\.example\.net':\s+\S+\s+NOTI\s+'Device-Watchdog-Answer'")  # after Tw, 4 to 8 s
    assert GATEWAY in daemon.open_peers()
    gateway.stop()  # says DPR, and goes when we have answered
    assert "'Disconnect-Peer-Answer'" in gateway.said
    assert complaints(gateway) == []
    wait_until("its absence", lambda: GATEWAY not in daemon.open_peers())

    if capture is not None:
        capture.stop()
        assert capture.remarks() == []
        messages = [decode(message) for message in capture.diameter_messages()]
        assert {message["code"] for message in messages} == {257, 280, 282}
        assert all(("Result-Code", 2001) in message["avps"] for message in messages if not message["request"])


def test_a_stopping_server_says_goodbye(daemon: Daemon, gateway: Program) -> None:
    try:
        assert daemon.stop() == 0
        gateway.wait_for(r"RCV from 'ocs\.example\.net':\s+\S+\s+NOTI\s+'Disconnect-Peer-Request'")
        gateway.wait_for(r"SND to 'ocs\.example\.net':\s+\S+\s+NOTI\s+'Disconnect-Peer-Answer'")
        assert complaints(gateway) == []
    finally:
        daemon.start()
