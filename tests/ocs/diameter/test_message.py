import pytest

from ocs.diameter import avps
from ocs.diameter.answer import Answer, Identity, compose
from ocs.diameter.codec import encode_message
from ocs.diameter.errors import LocalError, RemoteError
from ocs.diameter.message import MAX_DEPTH, Message

CCA_EVENT = bytes.fromhex(
    "010000f840000110000000040000100cabc0000c000001074000002e736d7363312e6d73672e6578616d706c652e6e65743b31373638"
    "3437313230303b353030313100000000010c4000000c000007d1000001084000001c6f6373312e6f63732e6578616d706c652e6e6574"
    "00000128400000176f63732e6578616d706c652e6e657400000001024000000c00000004000001a04000000c000000040000019f4000"
    "000c00000000000001af40000018000001a1400000100000000000000001000001a740000038000001bd40000024000001bf40000010"
    "0000000000000009000001ad4000000cfffffffe000001a94000000c000003d2"
)
"""The answer to a direct debit of 0.09 EUR for one SMS, units at command level."""

SESSION = "smsc1.msg.example.net;1768471200;50011"


def amount() -> bytes:
    value = avps.UNIT_VALUE.encode((avps.VALUE_DIGITS.encode(9), avps.EXPONENT.encode(-2)))
    return avps.COST_INFORMATION.encode((value, avps.CURRENCY_CODE.encode(978)))


@pytest.mark.rfc("8506", "3.2")
def test_vector_is_read():
    message = Message(CCA_EVENT)
    assert (message.command, message.application, message.flags_octet) == (272, 4, 0x40)
    assert (message.hop_by_hop, message.end_to_end) == (0x100C, 0xABC0000C)
    assert message.get(avps.SESSION_ID) == SESSION
    assert message.get(avps.RESULT_CODE) == 2001
    granted = message.require(avps.GRANTED_SERVICE_UNIT)
    assert granted.get(avps.CC_SERVICE_SPECIFIC_UNITS) == 1
    value = message.require(avps.COST_INFORMATION).require(avps.UNIT_VALUE)
    assert (value.get(avps.VALUE_DIGITS), value.get(avps.EXPONENT)) == (9, -2)
    assert message.get(avps.RATING_GROUP) is None
    assert message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL) == []


@pytest.mark.rfc("8506", "3.2")
def test_vector_is_written():
    head = [avps.SESSION_ID.encode(SESSION), avps.CC_REQUEST_TYPE.encode(4), avps.CC_REQUEST_NUMBER.encode(0)]
    request = Message(encode_message(0xC0, 272, 4, 0x100C, 0xABC0000C, head))
    granted = avps.GRANTED_SERVICE_UNIT.encode((avps.CC_SERVICE_SPECIFIC_UNITS.encode(1),))
    identity = Identity.of("ocs1.ocs.example.net", "ocs.example.net")
    assert compose(request, Answer(avps=(granted, amount())), identity) == CCA_EVENT


def test_groups_are_indexed_once_and_repeated_avps_keep_their_order():
    groups = [avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode((avps.RATING_GROUP.encode(n),)) for n in (20, 10, 30)]
    message = Message(encode_message(0xC0, 272, 4, 1, 2, groups))
    views = message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    assert [view.get(avps.RATING_GROUP) for view in views] == [20, 10, 30]
    assert message.get(avps.MULTIPLE_SERVICES_CREDIT_CONTROL) is views[0]
    assert message.raw(avps.MULTIPLE_SERVICES_CREDIT_CONTROL) == groups


def test_vendor_is_part_of_an_avps_name():
    # Rating-Group's code in the space of 3GPP is something else.
    foreign = bytes.fromhex("000001b0c0000010000028af0000000a")
    assert Message(encode_message(0xC0, 272, 4, 1, 2, [foreign])).get(avps.RATING_GROUP) is None


def test_require_says_what_is_missing():
    message = Message(encode_message(0xC0, 272, 4, 1, 2, []))
    with pytest.raises(RemoteError) as caught:
        message.require(avps.CC_REQUEST_NUMBER)
    assert (caught.value.result_code, caught.value.failed_avp) == (5005, avps.CC_REQUEST_NUMBER.encode(0))


def test_depth_is_limited():
    nested = avps.COST_INFORMATION.encode(())
    for _ in range(50):
        nested = avps.COST_INFORMATION.encode((nested,))
    group = Message(encode_message(0xC0, 272, 4, 1, 2, [nested]))
    for _ in range(MAX_DEPTH):
        group = group.require(avps.COST_INFORMATION)
    with pytest.raises(RemoteError, match="nested too deep"):
        group.get(avps.COST_INFORMATION)


@pytest.mark.parametrize("length", [0, 1, 7, 13, 0xFFFFFF])
def test_impossible_nested_length(length):
    bad = (420).to_bytes(4, "big") + (0x40000000 | length).to_bytes(4, "big") + bytes(4)
    message = Message(encode_message(0xC0, 272, 4, 1, 2, [avps.USED_SERVICE_UNIT.encode((bad,))]))
    with pytest.raises(RemoteError) as caught:
        message.get(avps.USED_SERVICE_UNIT)
    assert caught.value.result_code == 5014
    assert caught.value.failed_avp == avps.USED_SERVICE_UNIT.encode((bad[:8] + bytes(4),))


def test_what_came_before_a_broken_avp_can_be_read():
    message = Message(encode_message(0xC0, 272, 4, 1, 2, [avps.SESSION_ID.encode("s;1"), bytes(8)]))
    assert message.malformed is not None
    assert message.malformed.result_code == 5014
    assert message.get(avps.SESSION_ID) == "s;1"


def test_message_too_long_to_send():
    with pytest.raises(LocalError):
        encode_message(0, 272, 4, 1, 2, [bytes(2**24)])
    with pytest.raises(LocalError):
        encode_message(0, 272, 4, 1, 2, [b"x"])
