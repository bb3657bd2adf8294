"""What answers of ours may hold, and a request of ours, through freeDiameter: it reads all and minds nothing."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocs.diameter import avps
from ocs.diameter.codec import encode_message
from ocs.diameter.message import Message
from tests.conformance.diameter.checks.test_rating_conditions import CATALOGUE, LTE, radio
from tests.gateway import CLOSE, EVENT, OPEN, SMS, UPDATE, VOICE, call_data, ccr, octets, service, services, subscriber
from tests.interop.daemon import ORIGIN_REALM, Daemon
from tests.interop.network import Network
from tests.interop.programs import Program
from tests.interop.test_freediameter import (  # noqa: F401 - the fixtures
    CLIENT,
    DATA,
    EXTENSIONS,
    complaints,
    gateway,
    own_port,
    receive,
)
from tests.interop.wire import Capture

MB = 1_000_000
MORE = """
[services.sms]
quota = "1"
validity = "1 h"
empty = "refuse"
lapse = "release"

[rates.sms]
service = "sms"
price = "0.09 EUR"
"""
NOT_KNOWN = "669", "Data is empty"
"""tshark 4.0 does not know QoS-Final-Unit-Indication, and remarks on empty groups: a Trigger that arms nothing."""

pytestmark = pytest.mark.needs("freeDiameterd", f"{EXTENSIONS}/dict_dcca_3gpp.fdx")


@pytest.fixture(scope="module")
def daemon(network: Network, directory: Path, capture: Capture | None) -> Iterator[Daemon]:
    """With a catalogue and a profile that have answers say as much as they can."""
    catalogue = directory / "catalogue.toml"
    catalogue.write_text(CATALOGUE.replace("[plans.", MORE + "\n[plans.") + 'sms = [{ rate = "sms" }]\n')
    daemon = Daemon(
        network,
        directory,
        OCS_CHARGING__CATALOGUE=str(catalogue),
        OCS_CREDIT_CONTROL__PROFILES='[{peers = ["*"], qos_final_units = true, remaining_balance = true}]',
        OCS_CREDIT_CONTROL__DEBIT_FAILURE_HANDLING="continue",
        OCS_CREDIT_CONTROL__SESSION_FAILOVER="true",
    )
    daemon.start()
    yield daemon
    daemon.close()


class Client:
    """A client of the relay, in a loop of its own: everything here waits."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._sent = 0
        link.sendall(bytes.fromhex((DATA / "cer.hex").read_text()))
        assert Message(receive(link)).get(avps.RESULT_CODE) == 2001

    def ask(self, parts: tuple[bytes, ...]) -> Message:
        self._sent += 1
        head = [part for part in parts if not part.startswith((b"\0\0\x01\x08", b"\0\0\x01\x28"))]
        origin = avps.ORIGIN_HOST.encode(CLIENT), avps.ORIGIN_REALM.encode(ORIGIN_REALM)
        self._link.sendall(encode_message(0xC0, 272, 4, self._sent, self._sent, [head[0], *origin, *head[1:]]))
        return self.read()

    def read(self) -> Message:
        return Message(receive(self._link))

    def agree(self, request: Message) -> None:
        parts = [
            *request.raw(avps.SESSION_ID),
            avps.RESULT_CODE.encode(2002),
            avps.ORIGIN_HOST.encode(CLIENT),
            avps.ORIGIN_REALM.encode(ORIGIN_REALM),
        ]
        ids = request.hop_by_hop, request.end_to_end
        self._link.sendall(encode_message(0x40, request.command, 4, *ids, parts))


def talk(daemon: Daemon, client: Client) -> None:
    """A data session that is restricted and topped up, a call, a message."""
    number, account = "491750000001", daemon.account("491750000001", "0")
    who = subscriber(number)
    refused = services(client.ask(ccr("s;1", OPEN, 0, who, service(10, wanted=()), radio(LTE))))[10]
    assert avps.FINAL_UNIT_INDICATION in refused
    assert avps.QOS_FINAL_UNIT_INDICATION in refused
    daemon.top_up(account, "5.00")
    rar = client.read()
    assert (rar.command, rar.get(avps.SESSION_ID), rar.get(avps.RATING_GROUP)) == (258, "s;1", 10)
    client.agree(rar)
    granted = client.ask(ccr("s;1", UPDATE, 1, who, service(10, wanted=()), radio(LTE)))
    assert avps.TRIGGER in services(granted)[10]
    assert avps.REMAINING_BALANCE in granted
    assert avps.COST_INFORMATION in client.ask(ccr("s;1", CLOSE, 2, who, service(10, used=[octets(MB)]), radio(LTE)))
    call = client.ask(ccr("s;2", OPEN, 0, who, service(100, wanted=()), call_data("493012345678"), context=VOICE))
    assert avps.QUOTA_CONSUMPTION_TIME in services(call)[100]
    action = avps.REQUESTED_ACTION.encode(0)
    sent = client.ask(ccr("s;3", EVENT, 0, who, action, service(300, wanted=()), context=SMS))
    assert avps.DIRECT_DEBITING_FAILURE_HANDLING in sent
    assert avps.REFUND_INFORMATION in services(sent)[300]


async def test_a_strict_peer_reads_all_that_is_said(
    daemon: Daemon,
    gateway: Program,  # noqa: F811
    own_port: int,  # noqa: F811
    capture: Capture | None,
) -> None:
    def run() -> None:
        with socket.create_connection(("127.0.0.1", own_port), timeout=20) as link:
            talk(daemon, Client(link))

    await asyncio.to_thread(run)
    assert complaints(gateway) == []
    if capture is not None:
        capture.stop()
        assert [remark for remark in capture.remarks() if not any(word in remark for word in NOT_KNOWN)] == []
