"""A request read by the form of its layout says what it would say read by itself, whatever octet differs."""

from typing import Any

import pytest

from ocs.credit_control.request import read
from ocs.diameter import avps
from ocs.diameter.codec import encode_message
from ocs.diameter.dictionary import Avp
from ocs.diameter.errors import LocalError, RemoteError
from ocs.diameter.forms import ABSENT, OCTETS, Form
from ocs.diameter.layouts import Layouts
from ocs.diameter.message import Message
from ocs.diameter.validate import check_request
from tests.gateway import DATA, REALM, SMS, VOICE, ccr, subscriber

NOW = 1_900_000_000_000
PARAMETERS = {7: "apn"}

USED = avps.USED_SERVICE_UNIT
VOLUME = avps.CC_TOTAL_OCTETS.encode(4_000_000)
MONEY = avps.CC_MONEY.encode(
    [avps.UNIT_VALUE.encode([avps.VALUE_DIGITS.encode(12), avps.EXPONENT.encode(-2)]), avps.CURRENCY_CODE.encode(978)]
)


def service(*parts: bytes) -> bytes:
    return avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(parts)


def parameter(kind: int, value: bytes) -> bytes:
    parts = [avps.SERVICE_PARAMETER_TYPE.encode(kind), avps.SERVICE_PARAMETER_VALUE.encode(value)]
    return avps.SERVICE_PARAMETER_INFO.encode(parts)


def data() -> tuple[bytes, ...]:
    where = [
        avps.TGPP_CHARGING_ID.encode(7),
        avps.CALLED_STATION_ID.encode("internet"),
        avps.TGPP_SGSN_MCC_MNC.encode("26201"),
        avps.TGPP_RAT_TYPE.encode(b"\x06"),
        avps.TGPP_USER_LOCATION_INFO.encode(b"\x82\x62\xf2\x10\x00\x01"),
        avps.QOS_INFORMATION.encode([avps.QOS_CLASS_IDENTIFIER.encode(9)]),
    ]
    change = avps.TARIFF_CHANGE_USAGE
    return ccr(
        "gw;1;1", 2, 3,
        avps.EVENT_TIMESTAMP.encode(1_760_000_000),
        avps.ORIGIN_STATE_ID.encode(3),
        parameter(7, b"office"),
        service(
            avps.REQUESTED_SERVICE_UNIT.encode([]),
            USED.encode([change.encode(0), VOLUME, avps.CC_TIME.encode(30)]),
            USED.encode([change.encode(1), avps.CC_INPUT_OCTETS.encode(5), avps.CC_OUTPUT_OCTETS.encode(6)]),
            avps.SERVICE_IDENTIFIER.encode(1),
            avps.RATING_GROUP.encode(10),
        ),
        service(USED.encode([VOLUME]), avps.RATING_GROUP.encode(11)),
        avps.SUBSCRIPTION_ID_EXTENSION.encode([avps.SUBSCRIPTION_ID_IMSI.encode("262011234567890")]),
        avps.USER_NAME.encode("anna@example.net"),
        avps.SERVICE_INFORMATION.encode([avps.PS_INFORMATION.encode(where)]),
        context=DATA,
    )  # fmt: skip


def call() -> tuple[bytes, ...]:
    ims = [
        avps.NODE_FUNCTIONALITY.encode(6),
        avps.ROLE_OF_NODE.encode(0),
        avps.CALLING_PARTY_ADDRESS.encode("tel:+491701234567"),
        avps.CALLED_PARTY_ADDRESS.encode("tel:+493012345678"),
        avps.ACCESS_NETWORK_INFORMATION.encode(b"3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=2080112345"),
        avps.TRUNK_GROUP_ID.encode([avps.INCOMING_TRUNK_GROUP_ID.encode("trunk-a")]),
    ]
    return ccr(
        "gw;1;2", 2, 1,
        avps.CC_SUB_SESSION_ID.encode(5),
        service(avps.REQUESTED_SERVICE_UNIT.encode([MONEY]), USED.encode([avps.CC_TIME.encode(30)])),
        avps.AOC_REQUEST_TYPE.encode(1),
        avps.SERVICE_INFORMATION.encode([avps.IMS_INFORMATION.encode(ims)]),
        context=VOICE,
    )  # fmt: skip


def message_sent() -> tuple[bytes, ...]:
    address = avps.RECIPIENT_ADDRESS.encode([avps.ADDRESS_DATA.encode("+491701234567")])
    sms = [avps.RECIPIENT_INFO.encode([address, address]), avps.NUMBER_OF_MESSAGES_SENT.encode(3)]
    return ccr(
        "gw;1;3", 4, 0,
        avps.REQUESTED_ACTION.encode(0),
        avps.REQUESTED_SERVICE_UNIT.encode([]),
        avps.SERVICE_INFORMATION.encode([avps.SMS_INFORMATION.encode(sms)]),
        context=SMS,
    )  # fmt: skip


def refund() -> tuple[bytes, ...]:
    return ccr(
        "gw;1;4", 4, 0,
        avps.REQUESTED_ACTION.encode(1),
        service(avps.REFUND_INFORMATION.encode(b"gw;1;3"), avps.REQUESTED_SERVICE_UNIT.encode([MONEY])),
        context=SMS,
    )  # fmt: skip


def passed(octets: bytes) -> Message:
    message = Message(octets)
    check_request(message)
    return message


def told(message: Message) -> Any:
    """What is read of it, or the error that is answered."""
    try:
        return read(message, NOW, PARAMETERS)
    except RemoteError as error:
        return error.result_code, error.failed_avp, error.message


@pytest.mark.parametrize("parts", [data(), call(), message_sent(), refund()], ids=["data", "call", "sms", "refund"])
def test_a_form_says_of_each_request_what_it_says_by_itself(parts: tuple[bytes, ...]) -> None:
    base = encode_message(0xC0, 272, 4, 1, 1, parts)
    layouts = Layouts()
    layouts.learn(passed(base))
    known = layouts.read(base)
    assert told(known) == told(passed(base))
    assert known.layout is not None
    assert known.layout.form is not None
    other = 0
    for place in range(20, len(base)):
        for flip in (0x01, 0x04, 0x80, 0xFF):
            octets = base[:place] + bytes((base[place] ^ flip,)) + base[place + 1 :]
            message = layouts.read(octets)
            if message.layout is not None:
                answer = told(message)
                assert answer == told(Message(octets))
                other += answer != told(known)
    assert other > 100  # numbers, names and what is no text any more


def test_a_group_that_could_not_be_read_when_the_layout_was_learnt_is_read_each_time() -> None:
    apn = avps.CALLED_STATION_ID.encode("internet")
    parts = ccr("gw;1;1", 2, 1, context=DATA)
    right, broken = (
        encode_message(0xC0, 272, 4, 1, 1, [*parts, avps.SERVICE_INFORMATION.encode([group])])
        for group in (
            avps.PS_INFORMATION.encode([apn]),
            avps.PS_INFORMATION.encode([apn[:4] + b"\x40\x00\x00\x03" + apn[8:]]),
        )
    )
    layouts = Layouts()
    layouts.learn(passed(broken))
    for _ in range(2):
        for octets, apn_told in ((broken, None), (right, "internet")):
            message = layouts.read(octets)
            assert message.layout is not None
            found = told(message)
            assert (found.event.service.apn if apn_told else found[0]) == (apn_told or 5014)


def test_what_is_another_in_each_message_cannot_be_fixed() -> None:
    message = passed(encode_message(0xC0, 272, 4, 1, 1, ccr("gw;1;1", 2, 1, subscriber("491701234567"))))
    form = Form(message)
    with pytest.raises(LocalError, match="CC-Request-Number is another"):
        form.fixed(message, avps.CC_REQUEST_NUMBER)
    with pytest.raises(LocalError, match="is a group"):
        form.field(message, avps.SUBSCRIPTION_ID)


def test_fields() -> None:
    message = passed(encode_message(0xC0, 272, 4, 1, 1, ccr("gw;1;1", 2, 1, context=DATA)))
    form = Form(message)
    number, session = form.field(message, avps.CC_REQUEST_NUMBER), form.field(message, avps.SESSION_ID)
    assert form.field(message, avps.CC_REQUEST_NUMBER) == number
    assert form.field(message, avps.USER_NAME) == ABSENT
    values = form.read(message.buffer)
    assert (values[number], values[session], values[ABSENT], values[OCTETS]) == (1, "gw;1;1", None, message.buffer)


def spoilt(parts: tuple[bytes, ...], avp: Avp[str], value: str) -> Message:
    """A message in which a text is no UTF-8 any more."""
    octets, right = encode_message(0xC0, 272, 4, 1, 1, parts), avp.encode(value)
    assert octets.count(right) == 1
    return passed(octets.replace(right, right.replace(value.encode(), b"\xff" + value[1:].encode())))


def test_what_nobody_needs_may_be_no_text() -> None:
    """An end tells no client to keep; of several recipients the first one that has an address is the one called."""
    closing = ccr("gw;1;1", 3, 1, service(USED.encode([VOLUME])), context=DATA)
    assert told(spoilt(closing, avps.ORIGIN_REALM, REALM)).event.context is None
    addresses = [
        avps.RECIPIENT_ADDRESS.encode([avps.ADDRESS_DATA.encode(number)]) for number in ("", "+491701", "+491702")
    ]
    sms = avps.SMS_INFORMATION.encode([avps.RECIPIENT_INFO.encode(addresses)])
    parts = ccr("gw;1;3", 4, 0, avps.REQUESTED_ACTION.encode(0), avps.SERVICE_INFORMATION.encode([sms]), context=SMS)
    assert told(spoilt(parts, avps.ADDRESS_DATA, "+491702")).event.service.called == "+491701"
    assert told(spoilt(parts, avps.ADDRESS_DATA, "+491701"))[0] == 5004
