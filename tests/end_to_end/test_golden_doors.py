"""Every hand-computed case through the doors: Diameter over TCP, and SIP over UDP where a proxy can say all of it.

The doors are real servers over a real store, with a clock that says the time of the case.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from balances.ledger import Account, Identity, IdentityType
from balances.store import StoreLedger
from charging.catalogue import Catalogue, load
from charging.engine import Engine
from charging.event import ServiceKind
from charging.settings import ChargingSettings
from ocs.credit_control.handler import CreditControl
from ocs.credit_control.settings import CreditControlSettings
from ocs.diameter import avps
from ocs.diameter.message import Message
from ocs.diameter.settings import DiameterSettings
from ocs.metrics import Metrics
from ocs.observers import DiameterDoor
from ocs.server import DiameterServer
from sip_credit.server import SipServer
from sip_credit.settings import Peer, Settings
from tests.charging.golden_cases import CASES, FOLDER, Case
from tests.gateway import CLOSE, DATA, OPEN, SMS, VOICE, Gateway, ccr, granted, result, subscriber
from tests.ledgers import empty_store, store_url
from tests.sip_caller import Caller

__all__ = ["store_url"]

NUMBER = "491700000001"
CONTEXTS = {ServiceKind.DATA: DATA, ServiceKind.VOICE: VOICE, ServiceKind.SMS: SMS, ServiceKind.MMS: "32270@3gpp.org"}
CODES = {"unrateable": 5031, "barred": 4010, "no-credit": 4012, "spending-limit": 4012}
STATUSES = {"unrateable": 404, "barred": 403, "no-credit": 402, "spending-limit": 403}

OVER_DIAMETER = [case for case in CASES if case.door in ("", "diameter") and case.facts.get("access") != "app"]
SAID_BY_SIP = {"to", "from", "door", "origin", "access"}
"""What a proxy's credit check tells; cases that depend on more are no cases of the SIP door."""
OVER_SIP = [
    case
    for case in CASES
    if case.kind is ServiceKind.VOICE and case.door in ("", "sip") and set(case.facts) <= SAID_BY_SIP
]


class Doors:
    """Both doors of one house, and the account of the case."""

    def __init__(self, ledger: StoreLedger, catalogue: Catalogue) -> None:
        self.ledger = ledger
        self.catalogue = catalogue
        self.now = 0
        self.engine = Engine(ledger, catalogue, ChargingSettings())

    async def begin(self, case: Case) -> Account:
        self.now = case.at
        who = Identity(type=IdentityType.E164, value=NUMBER), Identity(type=IdentityType.PRIVATE, value="golden")
        return await case.account(self.ledger, self.catalogue, *who)

    async def diameter(self) -> DiameterServer:
        observer = DiameterDoor(Metrics("test"))
        door = CreditControl(self.engine, CreditControlSettings(), observer, clock=lambda: self.now / 1000)
        server = DiameterServer(DiameterSettings(port=0), door, observer)
        await server.start()
        return server

    async def sip(self, case: Case) -> SipServer:
        peer = Peer(name=case.facts.get("origin", "proxy"), access=case.facts.get("access", ""), account="golden")  # type: ignore[arg-type]
        settings = Settings(port=0, peers=(peer,), slice=case.units, whole_grant=case.units, answer_within_ms=10_000)
        server = SipServer(settings, self.engine, clock=lambda: self.now)
        await server.start()
        return server


@pytest.fixture(scope="module")
def golden() -> Catalogue:
    return load(FOLDER / "catalogue")


@pytest.fixture
async def doors(store_url: str, golden: Catalogue) -> AsyncIterator[Doors]:
    async with empty_store(store_url) as link:
        ledger = StoreLedger(link)
        await ledger.prepare()
        yield Doors(ledger, golden)


@pytest.fixture(autouse=True)
def books_close() -> None:
    """Each case audits its own books, which are not those of the house next door."""


# ---------------------------------------------------------------- Diameter


def information(case: Case) -> bytes:
    """The Service-Information of a use."""
    facts = case.facts
    if case.kind is ServiceKind.DATA:
        parts = [
            avp.encode(facts[name])
            for name, avp in (("apn", avps.CALLED_STATION_ID), ("visited", avps.TGPP_SGSN_MCC_MNC))
            if name in facts
        ]
        if "rat" in facts:
            parts.append(avps.TGPP_RAT_TYPE.encode(bytes([int(facts["rat"])])))
        if "location" in facts:
            parts.append(avps.TGPP_USER_LOCATION_INFO.encode(bytes.fromhex(facts["location"])))
        if "qos" in facts:
            parts.append(avps.QOS_INFORMATION.encode([avps.QOS_CLASS_IDENTIFIER.encode(int(facts["qos"]))]))
        found = avps.PS_INFORMATION.encode(parts)
    elif case.kind is ServiceKind.VOICE:
        found = avps.IMS_INFORMATION.encode(call(facts))
    else:
        address = avps.RECIPIENT_ADDRESS.encode([avps.ADDRESS_DATA.encode(facts.get("to", ""))])
        found = avps.SMS_INFORMATION.encode([avps.RECIPIENT_INFO.encode([address])])
    return avps.SERVICE_INFORMATION.encode([found])


def call(facts: dict[str, str]) -> list[bytes]:
    """What an IMS core says of a call."""
    called = facts.get("to", "")
    parts = [avps.ROLE_OF_NODE.encode(1 if "incoming" in facts else 0), avps.NODE_FUNCTIONALITY.encode(6)]
    if called:
        parts.append(avps.CALLED_PARTY_ADDRESS.encode(called if ":" in called else f"tel:{called}"))
    if "from" in facts:
        parts.append(avps.CALLING_PARTY_ADDRESS.encode(f"tel:{facts['from']}"))
    if facts.get("access") == "wifi" or facts.get("rat") == "3":
        parts.append(avps.ACCESS_NETWORK_INFORMATION.encode(b"IEEE-802.11;i-wlan-node-id=00026fbeef01"))
    if "visited" in facts:
        mcc, mnc = facts["visited"][:3], facts["visited"][3:]
        name = f"ims.mnc{mnc.zfill(3)}.mcc{mcc}.3gppnetwork.org"
        parts.append(avps.IMS_VISITED_NETWORK_IDENTIFIER.encode(name))
    if "origin" in facts:
        trunk = avps.INCOMING_TRUNK_GROUP_ID.encode(facts["origin"])
        parts.append(avps.TRUNK_GROUP_ID.encode([trunk]))
    return parts


def units(case: Case) -> bytes:
    if case.kind is ServiceKind.DATA:
        return avps.CC_TOTAL_OCTETS.encode(case.units)
    if case.kind is ServiceKind.VOICE:
        return avps.CC_TIME.encode(case.units)
    return avps.CC_SERVICE_SPECIFIC_UNITS.encode(case.units)


def request(case: Case, kind: int, number: int, amount: Any) -> tuple[bytes, ...]:
    """A CCR that wants, or has used, the units of the case."""
    service = [amount.encode([units(case)])]
    if case.service_id is not None:
        service.append(avps.SERVICE_IDENTIFIER.encode(case.service_id))
    if case.rating_group is not None:
        service.append(avps.RATING_GROUP.encode(case.rating_group))
    mscc = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(service)
    stamp = avps.EVENT_TIMESTAMP.encode(case.at // 1000)
    context = case.facts.get("context", CONTEXTS[case.kind])
    return ccr("golden;1", kind, number, subscriber(NUMBER), mscc, information(case), stamp, context=context)


def code(answer: Message) -> int:
    """The code of the whole answer, or of the service in it."""
    whole = result(answer)
    services = answer.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    return services[0].get(avps.RESULT_CODE) or whole if whole == 2001 and services else whole


@pytest.mark.parametrize("case", OVER_DIAMETER, ids=lambda case: case.id)
async def test_over_diameter(case: Case, doors: Doors) -> None:
    before = await doors.begin(case)
    server = await doors.diameter()
    try:
        async with Gateway("127.0.0.1", server.port) as gateway:
            opened = await gateway.ask(request(case, OPEN, 0, avps.REQUESTED_SERVICE_UNIT))
            assert code(opened) == CODES.get(case.refused, 2001)
            if not case.refused:
                (service,) = opened.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
                assert granted(service) == case.granted
                if case.validity:
                    assert service.get(avps.VALIDITY_TIME) == case.validity
                if case.throttle:
                    assert service.get(avps.FILTER_ID) == (None if case.throttle == "none" else case.throttle)
                closed = await gateway.ask(request(case, CLOSE, 1, avps.USED_SERVICE_UNIT))
                assert result(closed) == 2001
    finally:
        await server.close()
    await case.is_charged(doors.ledger, before)


# ---------------------------------------------------------------- SIP


@pytest.mark.parametrize("case", OVER_SIP, ids=lambda case: case.id)
async def test_over_sip(case: Case, doors: Doors) -> None:
    before = await doors.begin(case)
    server = await doors.sip(case)
    caller = f"{case.facts.get('from', 'anonymous')}@example.net"
    try:
        async with Caller(server.port) as proxy:
            answer = await proxy.invite(caller, case.facts["to"], "golden-1")
            assert answer.status == STATUSES.get(case.refused, 302)
            if not case.refused:
                assert answer.headers.get("X-OCS-Max-Duration") == str(case.granted)
                session = answer.headers.get("X-OCS-Session")
                assert (await proxy.report("start", session, "golden-1", 0)).status == 200
                doors.now += case.units * 1000
                assert (await proxy.report("stop", session, "golden-1", case.units * 1000)).status == 200
    finally:
        await server.drain()
    await case.is_charged(doors.ledger, before)


def test_most_cases_go_through_a_door() -> None:
    assert len(OVER_DIAMETER) >= 150
    assert len(OVER_SIP) >= 80
    assert {case.kind for case in OVER_DIAMETER} >= {ServiceKind.DATA, ServiceKind.VOICE, ServiceKind.SMS}
