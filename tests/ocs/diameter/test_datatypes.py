import pytest

from ocs.diameter import avps
from ocs.diameter.errors import LocalError, RemoteError


@pytest.mark.rfc("6733", "4.2")
@pytest.mark.parametrize(
    ("definition", "value", "octets"),
    [
        (avps.RATING_GROUP, 10, "000001b04000000c0000000a"),
        (avps.EXPONENT, -2, "000001ad4000000cfffffffe"),
        (avps.VALUE_DIGITS, -1, "000001bf40000010ffffffffffffffff"),
        (avps.CC_TOTAL_OCTETS, 2**64 - 1, "000001a540000010ffffffffffffffff"),
        (avps.ORIGIN_HOST, "abcde", "000001084000000d6162636465000000"),
        (avps.LOW_BALANCE_INDICATION, 1, "000007e4c0000010000028af00000001"),
        (avps.PDP_ADDRESS, "10.45.0.7", "000004cbc0000012000028af00010a2d00070000"),
        (avps.PDP_ADDRESS, "2001:db8::1", "000004cbc000001e000028af000220010db80000000000000000000000010000"),
        (avps.SMSC_ADDRESS, "4917", "000007e1c0000012000028af0008343931370000"),
        (avps.PRODUCT_NAME, "ocs", "0000010d0000000b6f637300"),
        (avps.REFUND_INFORMATION, b"\x01", "000007e6c000000d000028af01000000"),
        (avps.REQUESTED_SERVICE_UNIT, (), "000001b540000008"),
    ],
)
def test_encoded(definition, value, octets):
    assert definition.encode(value).hex() == octets
    if value != ():
        assert definition.decode(bytes.fromhex(octets)) == value


@pytest.mark.rfc("6733", "4.3.1")
@pytest.mark.parametrize(
    ("seconds", "ntp"),
    [(1768471200, 3977460000), (2085978495, 0xFFFFFFFF), (2085978496, 0), (2085978497, 1), (-61505152, 0x80000000)],
)
def test_time_knows_the_era_after_2036(seconds, ntp):
    octets = avps.EVENT_TIMESTAMP.encode(seconds)
    assert int.from_bytes(octets[8:], "big") == ntp
    assert avps.EVENT_TIMESTAMP.decode(octets) == seconds


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        (avps.RATING_GROUP, -1),
        (avps.RATING_GROUP, 2**32),
        (avps.CC_TOTAL_OCTETS, 2**64),
        (avps.EVENT_TIMESTAMP, 10**11),
        (avps.PDP_ADDRESS, "10.45.0"),
        (avps.PDP_ADDRESS, "::g"),
        (avps.SESSION_ID, "x" * 2**24),
    ],
)
def test_our_own_mistakes_are_local(definition, value):
    with pytest.raises(LocalError):
        definition.encode(value)


@pytest.mark.parametrize(
    ("definition", "payload", "code"),
    [
        (avps.RATING_GROUP, b"\x00\x0a", 5014),
        (avps.CC_TOTAL_OCTETS, b"\x00\x00\x00\x0a", 5014),
        (avps.EVENT_TIMESTAMP, b"", 5014),
        (avps.PDP_ADDRESS, b"\x00", 5014),
        (avps.PDP_ADDRESS, b"\x00\x01\x0a", 5004),
        (avps.PDP_ADDRESS, b"\x00\x02\x0a", 5004),
        (avps.SMSC_ADDRESS, b"\x00\x08\xff", 5004),
        (avps.SESSION_ID, b"\xc3", 5004),
    ],
)
def test_the_peers_mistakes_are_remote(definition, payload, code):
    header = definition.encode("1" if definition.type.size is None else 0)[: 12 if definition.vendor else 8]
    octets = header[:5] + (len(header) + len(payload)).to_bytes(3, "big") + header[8:] + payload
    octets += bytes(-len(octets) % 4)
    with pytest.raises(RemoteError) as caught:
        definition.decode(octets)
    assert caught.value.result_code == code
    assert caught.value.failed_avp[:4] == octets[:4]


def test_address_of_an_unknown_family_is_shown_as_hex():
    assert avps.SMSC_ADDRESS.decode(bytes.fromhex("000007e1c0000010000028af000f0102")) == "0102"
