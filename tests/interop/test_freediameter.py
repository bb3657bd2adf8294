"""A strict peer: freeDiameter 1.2.1 with its credit-control dictionaries connects to our Diameter door."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.daemon import ORIGIN_HOST, ORIGIN_REALM, SECOND, Daemon
from tests.interop.network import DIAMETER, Network
from tests.interop.programs import Program, wait_until
from tests.interop.wire import Capture, decode

GATEWAY = "gateway.example.net"
CLIENT = "ims.example.net"
"""Who sends the messages in tests/data/kamailio-5.6.3."""
DATA = Path(__file__).parents[1] / "data/kamailio-5.6.3"
EXTENSIONS = "/usr/lib/freeDiameter"
COMPLAINT = re.compile(r"^\S+\s+(?:ERROR|FATAL)|unknown|invalid|malformed|mismatch|unexpected|discard", re.I)
NO_COMPLAINT = re.compile("Initiating freeDiameter shutdown sequence|from '<unknown peer>'")
"""It calls its own end fatal, and a client unknown until its CER is read."""

pytestmark = pytest.mark.needs("freeDiameterd", f"{EXTENSIONS}/dict_dcca_3gpp.fdx")


@pytest.fixture
def own_port() -> int:
    """A free port for freeDiameter to listen on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def gateway(network: Network, directory: Path, daemon: Daemon, own_port: int) -> Iterator[Program]:
    values = {"origin_host": GATEWAY, "realm": ORIGIN_REALM, "server_host": ORIGIN_HOST, "server": network.server}
    whitelist = directory / "peers"
    whitelist.write_text(f"ALLOW_IPSEC {CLIENT}\n")  # its word for "without TLS"
    values |= {"whitelist": str(whitelist), "extensions": EXTENSIONS, "port": str(DIAMETER), "own_port": str(own_port)}
    config = directory / "freediameter.conf"
    config.write_text((Path(__file__).parent / "freediameter.conf").read_text().format(**values))
    gateway = Program(f"freediameter-{own_port}", ["freeDiameterd", "-c", str(config)], directory)
    gateway.wait_until("an open connection", lambda: GATEWAY in daemon.open_peers())
    yield gateway
    gateway.stop()


def complaints(gateway: Program) -> list[str]:
    return [line for line in gateway.said.splitlines() if COMPLAINT.search(line) and not NO_COMPLAINT.search(line)]


def test_a_client_behind_a_relay_is_charged(daemon: Daemon, gateway: Program, own_port: int) -> None:
    account = daemon.account("491700001", "1.00")
    with socket.create_connection(("127.0.0.1", own_port), timeout=10) as client:
        for name in ("cer", "ccr-initial", "ccr-update", "ccr-terminate"):
            request = bytes.fromhex((DATA / f"{name}.hex").read_text())
            client.sendall(request)
            answer = receive(client)
            assert answer[12:20] == request[12:20], "other identifiers than the request's"
            assert ("Result-Code", 2001) in decode(answer)["avps"], name
    assert daemon.settled(account)["balance"] == 1 - (5 + 10) * SECOND
    assert complaints(gateway) == []


def test_a_stopping_server_says_goodbye(daemon: Daemon, gateway: Program) -> None:
    try:
        assert daemon.stop() == 0
        gateway.wait_for(r"RCV from 'ocs\.example\.net':\s+\S+\s+NOTI\s+'Disconnect-Peer-Request'")
        gateway.wait_for(r"SND to 'ocs\.example\.net':\s+\S+\s+NOTI\s+'Disconnect-Peer-Answer'")
        assert complaints(gateway) == []
    finally:
        daemon.start()


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
        assert {message["code"] for message in messages} >= {257, 280, 282}
        assert all(("Result-Code", 2001) in message["avps"] for message in messages if not message["request"])


def receive(client: socket.socket) -> bytes:
    """The next message."""
    head = client.recv(20, socket.MSG_WAITALL)
    return head + client.recv(int.from_bytes(head[1:4], "big") - 20, socket.MSG_WAITALL)
