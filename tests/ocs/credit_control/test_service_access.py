"""Where a subscriber is, in calls and messages over Ro."""

from charging.event import Phase, Service, ServiceKind
from ocs.credit_control.service import describing
from ocs.diameter import avps
from ocs.diameter.codec import encode_message
from ocs.diameter.forms import Form
from ocs.diameter.message import Message
from tests.gateway import SMS, VOICE, ccr


def service(context: str, kind: ServiceKind, *information: bytes) -> Service:
    parts = ccr("s", 1, 0, avps.SERVICE_INFORMATION.encode(information), context=context)
    message = Message(encode_message(0xC0, 272, 4, 1, 1, parts))
    form = Form(message)
    describe = describing(form, message, kind, Phase.OPEN)
    found = describe(form.read(message.buffer))
    assert found is not None
    return found


def test_a_call_abroad() -> None:
    ims = avps.IMS_INFORMATION.encode(
        [
            avps.NODE_FUNCTIONALITY.encode(6),
            avps.CALLED_PARTY_ADDRESS.encode("tel:+4930"),
            avps.ACCESS_NETWORK_INFORMATION.encode(b"3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=2080112345"),
        ]
    )
    found = service(VOICE, ServiceKind.VOICE, ims)
    assert (found.rat, found.visited, found.access) == ("6", "208011", "")


def test_the_visited_network_by_name_counts_first() -> None:
    ims = avps.IMS_INFORMATION.encode(
        [
            avps.NODE_FUNCTIONALITY.encode(6),
            avps.ACCESS_NETWORK_INFORMATION.encode(b"IEEE-802.11;i-wlan-node-id=1"),
            avps.IMS_VISITED_NETWORK_IDENTIFIER.encode("ims.mnc003.mcc232.3gppnetwork.org"),
        ]
    )
    found = service(VOICE, ServiceKind.VOICE, ims)
    assert (found.rat, found.visited, found.access) == ("3", "23203", "wifi")


def test_a_message_beside_which_stands_where_it_was_sent() -> None:
    ps = avps.PS_INFORMATION.encode([avps.TGPP_SGSN_MCC_MNC.encode("20801"), avps.TGPP_RAT_TYPE.encode(b"\x06")])
    address = avps.RECIPIENT_ADDRESS.encode([avps.ADDRESS_DATA.encode("+491701234567")])
    sms = avps.SMS_INFORMATION.encode([avps.RECIPIENT_INFO.encode([address])])
    found = service(SMS, ServiceKind.SMS, ps, sms)
    assert (found.called, found.visited, found.rat) == ("+491701234567", "20801", "6")
