"""A request of a known layout is what a walk and the checks would have found it to be, whatever octet differs."""

from typing import Any

import pytest

from ocs.diameter import avps
from ocs.diameter.codec import encode_message
from ocs.diameter.dictionary import AVPS, GROUPED
from ocs.diameter.errors import RemoteError
from ocs.diameter.layouts import LONGEST, MOST_ALIKE, Layouts
from ocs.diameter.message import Group, Message
from ocs.diameter.routing import Destinations
from ocs.diameter.settings import DiameterSettings
from ocs.diameter.validate import Unknown, check_request

DESTINATIONS = Destinations(DiameterSettings(origin_host="ocs.example.net", origin_realm="example.net"))
STRANGE = (99_999).to_bytes(4, "big") + (12).to_bytes(4, "big") + b"what"
"""An AVP that no dictionary knows, without the M flag."""


def ccr(*more: bytes, session: str = "gw;1;1", number: int = 1, kind: int = 2, name: str = "491701234567") -> bytes:
    used = avps.USED_SERVICE_UNIT.encode([avps.CC_TOTAL_OCTETS.encode(4_000_000)])
    packet_data = (avps.TGPP_CHARGING_ID.encode(7), avps.CALLED_STATION_ID.encode("internet"))
    return encode_message(
        0xC0,
        272,
        4,
        number,
        number,
        (
            avps.SESSION_ID.encode(session),
            avps.ORIGIN_HOST.encode("gw.example.net"),
            avps.ORIGIN_REALM.encode("example.net"),
            avps.DESTINATION_REALM.encode("example.net"),
            avps.AUTH_APPLICATION_ID.encode(4),
            avps.SERVICE_CONTEXT_ID.encode("32251@3gpp.org"),
            avps.CC_REQUEST_TYPE.encode(kind),
            avps.CC_REQUEST_NUMBER.encode(number),
            avps.SUBSCRIPTION_ID.encode([avps.SUBSCRIPTION_ID_TYPE.encode(0), avps.SUBSCRIPTION_ID_DATA.encode(name)]),
            *(
                avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([used, avps.RATING_GROUP.encode(group)])
                for group in (10, 20)
            ),
            avps.SERVICE_INFORMATION.encode([avps.PS_INFORMATION.encode(packet_data)]),
            *more,
        ),
    )


def passed(octets: bytes) -> Message:
    """A message that has passed all checks; raises RemoteError otherwise."""
    message = Message(octets)
    DESTINATIONS.check(message)
    check_request(message, Unknown.REFUSE)
    return message


def contents(group: Group) -> Any:
    """All that can be read of a group, errors included."""
    found = {}
    for key in group.index:
        avp = AVPS.get(key)
        if avp is None:
            found[key] = [group.octets(position) for position in group.positions(key)]
            continue
        try:
            values = group.all(avp)
            found[key] = [contents(value) for value in values] if avp.type is GROUPED else [group.get(avp), *values]
        except RemoteError as error:
            found[key] = [error.result_code, error.failed_avp]
    return found


def header(message: Message) -> tuple[int, ...]:
    return (
        message.flags_octet,
        message.command,
        message.application,
        message.hop_by_hop,
        message.end_to_end,
    )


@pytest.mark.parametrize(
    "base",
    [
        ccr(),
        ccr(STRANGE, avps.ROUTE_RECORD.encode("agent.example.net"), avps.ORIGIN_HOST.encode("gw.example.net")),
        ccr(avps.PROXY_INFO.encode([avps.PROXY_HOST.encode("agent"), avps.PROXY_STATE.encode(b"s")])),
        ccr(avps.DESTINATION_HOST.encode("ocs.example.net"), avps.REQUESTED_ACTION.encode(0), kind=4),
    ],
    ids=["update", "by an agent", "by a proxy", "event"],
)
def test_whatever_octet_differs_the_layout_says_what_a_check_would(base: bytes) -> None:
    layouts = Layouts()
    layouts.learn(passed(base))
    recognised = 0
    for place in range(4, len(base)):  # version and length have been looked at by the framer
        for flip in (0x01, 0x02, 0x20, 0x40, 0x80, 0xFF):
            octets = base[:place] + bytes((base[place] ^ flip,)) + base[place + 1 :]
            message = layouts.read(octets)
            if message.layout is not None:
                recognised += 1
                try:
                    message.get(avps.SESSION_ID)  # the server asks for it too: the one value that is always read
                except RemoteError as error:
                    with pytest.raises(RemoteError, match=str(error)):
                        passed(octets)
                    continue
                assert contents(message) == contents(passed(octets))
                assert header(message) == header(Message(octets))
    assert recognised > 6 * 60  # identifiers, numbers and names of the same length


def test_requests_of_a_layout_share_nothing_but_that() -> None:
    layouts = Layouts()
    layouts.learn(passed(ccr()))
    one, other = layouts.read(ccr(number=2)), layouts.read(ccr(number=3, name="491709999999"))
    assert one.layout is other.layout is not None
    for message, number, name in ((one, 2, "491701234567"), (other, 3, "491709999999")):
        assert message.get(avps.CC_REQUEST_NUMBER) == number
        subscription = message.require(avps.SUBSCRIPTION_ID)
        assert subscription.get(avps.SUBSCRIPTION_ID_DATA) == name
        assert len(message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)) == 2


def test_a_broken_group_that_nobody_looked_into_is_found_broken_by_who_does() -> None:
    broken = avps.SERVICE_INFORMATION.encode([avps.PS_INFORMATION.encode([b"\x00\x00\x00\x01\x40\x00\x00\x03"])])
    octets = ccr()
    at = Message(octets).positions(avps.SERVICE_INFORMATION.key)[0]
    octets = encode_message(0xC0, 272, 4, 1, 1, (octets[20:at], broken))
    layouts = Layouts()
    layouts.learn(passed(octets))
    message = layouts.read(octets)
    assert message.layout is not None
    with pytest.raises(RemoteError) as failure:
        message.require(avps.SERVICE_INFORMATION).get(avps.PS_INFORMATION)
    assert failure.value.result_code == 5014


def test_layouts_are_bounded() -> None:
    layouts = Layouts(most=20)
    for length in range(1, 200):
        layouts.learn(passed(ccr(session="s" * length)))
        assert len(layouts) <= 20
    assert layouts.read(ccr(session="s")).layout is not None


def test_new_layouts_are_learnt_in_the_end_when_the_old_ones_are_many() -> None:
    layouts, new = Layouts(most=2), ccr(session="a new client's;1")
    for length in (1, 2):
        layouts.learn(passed(ccr(session="s" * length)))
    layouts.learn(passed(new))
    assert layouts.read(new).layout is None
    for _ in range(100):
        layouts.learn(passed(new))
        if layouts.read(new).layout is not None:
            break
    assert layouts.read(new).layout is not None
    assert layouts.read(ccr(session="s")).layout is None
    assert len(layouts) == 1


def test_layouts_that_look_alike_are_bounded() -> None:
    layouts = Layouts()
    for variety in range(2 * MOST_ALIKE):
        layouts.learn(passed(ccr(avps.ORIGIN_HOST.encode(f"gw{variety:02}.example.net"))))
    assert len(layouts) == MOST_ALIKE


def test_the_layout_of_a_very_long_request_is_not_kept() -> None:
    layouts = Layouts()
    for padding, kept in ((LONGEST - len(ccr()) - 8, True), (LONGEST, False)):
        octets = ccr((99_999).to_bytes(4, "big") + (8 + padding).to_bytes(4, "big") + bytes(padding))
        layouts.learn(passed(octets))
        assert (layouts.read(octets).layout is not None) is kept
