"""Bytes in: a message or a RemoteError, nothing else, whole or byte by byte, and always an answer that can be read."""

import contextlib
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ocs.diameter import avps
from ocs.diameter.answer import Answer, Identity, compose, refusal
from ocs.diameter.codec import encode_message
from ocs.diameter.dictionary import AVPS, GROUPED, Avp
from ocs.diameter.errors import RemoteError
from ocs.diameter.events import RequestReceived
from ocs.diameter.framing import Framer, FramingError
from ocs.diameter.message import Group, Message
from ocs.diameter.peer import Peer
from ocs.diameter.settings import DiameterSettings
from ocs.diameter.validate import check_request

IDENTITY = Identity.of("ocs.example.net", "example.net")
DEFINITIONS = sorted(AVPS.values(), key=lambda definition: definition.key)


def good_request() -> list[bytes]:
    def mscc(group: int) -> bytes:
        used = (avps.REPORTING_REASON.encode(0), avps.CC_TOTAL_OCTETS.encode(2**64 - 1), avps.CC_TIME.encode(1))
        return avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(
            (
                avps.REQUESTED_SERVICE_UNIT.encode(()),
                avps.USED_SERVICE_UNIT.encode(used),
                avps.RATING_GROUP.encode(group),
            )
        )

    ps = avps.PS_INFORMATION.encode((avps.PDP_ADDRESS.encode("10.45.0.7"), avps.CALLED_STATION_ID.encode("internet")))
    return [
        avps.SESSION_ID.encode("pgw1;1;2"),
        avps.ORIGIN_HOST.encode("pgw1.example.net"),
        avps.ORIGIN_REALM.encode("example.net"),
        avps.DESTINATION_REALM.encode("example.net"),
        avps.AUTH_APPLICATION_ID.encode(4),
        avps.SERVICE_CONTEXT_ID.encode("32251@3gpp.org"),
        avps.CC_REQUEST_TYPE.encode(2),
        avps.CC_REQUEST_NUMBER.encode(1),
        avps.SUBSCRIPTION_ID.encode((avps.SUBSCRIPTION_ID_TYPE.encode(0), avps.SUBSCRIPTION_ID_DATA.encode("4917"))),
        mscc(10),
        mscc(20),
        avps.SERVICE_INFORMATION.encode((ps,)),
    ]


GOOD = encode_message(0xC0, 272, 4, 1, 2, good_request())


def read_all(group: Group) -> None:
    """Decode everything that any dictionary knows."""
    for definition in DEFINITIONS:
        if definition not in group:
            continue
        for value in group.all(definition):
            if definition.type is GROUPED:
                read_all(value)


def examine(data: bytes) -> None:
    """What the server does with it, and more."""
    try:
        octets = list(Framer(65536).feed(data))
    except FramingError:
        return
    for one in octets:
        message = Message(one)
        try:
            check_request(message)
            answer = Answer()
        except RemoteError as error:
            answer = refusal(error)
        reply = Message(compose(message, answer, IDENTITY))
        assert reply.malformed is None
        assert reply.get(avps.RESULT_CODE) == answer.result_code
        with contextlib.suppress(RemoteError):
            read_all(message)


def test_good_request_is_good():
    check_request(Message(GOOD))
    read_all(Message(GOOD))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_requests(data: st.DataObject):
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    examine(bytes(damaged))


def test_each_octet_damaged():
    chance = random.Random(1)
    for position in range(4, len(GOOD)):
        for value in (0, 0xFF, chance.randrange(256)):
            damaged = bytearray(GOOD)
            damaged[position] = value
            examine(bytes(damaged))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_noise_as_avps(noise: bytes):
    body = noise + bytes(-len(noise) % 4)
    examine((0x01000000 | 20 + len(body)).to_bytes(4, "big") + GOOD[4:20] + body)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(DEFINITIONS), st.binary(max_size=40))
def test_any_payload_in_any_avp(definition: Avp[Any], payload: bytes):
    header = definition.code.to_bytes(4, "big")
    header += ((0xC0 if definition.vendor else 0x40) << 24 | (12 if definition.vendor else 8) + len(payload)).to_bytes(
        4, "big"
    )
    if definition.vendor:
        header += definition.vendor.to_bytes(4, "big")
    examine(encode_message(0xC0, 272, 4, 1, 2, [*good_request(), header + payload + bytes(-len(payload) % 4)]))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 3))
def test_truncated_and_byte_by_byte_give_the_same(noise: bytes, copies: int):
    stream = GOOD * copies + noise

    def run(pieces: list[bytes]) -> tuple[list[str], bytes]:
        peer = Peer(DiameterSettings(), IDENTITY, "127.0.0.1", lambda capabilities: None, random.Random(1))
        peer.accepted(0)
        hello = [
            *(avps.ORIGIN_HOST.encode("a"), avps.ORIGIN_REALM.encode("b"), avps.HOST_IP_ADDRESS.encode("127.0.0.1")),
            *(avps.VENDOR_ID.encode(0), avps.PRODUCT_NAME.encode(""), avps.AUTH_APPLICATION_ID.encode(4)),
        ]
        peer.receive_data(encode_message(0x80, 257, 0, 1, 1, hello), 0)
        events = [event for piece in pieces for event in peer.receive_data(piece, 0)]
        return [repr(event) for event in events], peer.data_to_send()

    whole = run([stream])
    assert whole == run([stream[i : i + 1] for i in range(len(stream))])
    assert sum(RequestReceived.__name__ in event for event in whole[0]) >= copies


@given(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(-61505152, 4233462143),
    st.text(max_size=50),
)
def test_what_is_written_is_read(digits: int, octets: int, time: int, text: str):
    values = ((avps.VALUE_DIGITS, digits), (avps.CC_TOTAL_OCTETS, octets), (avps.EVENT_TIMESTAMP, time))
    message = Message(encode_message(0, 272, 4, 1, 2, [*(d.encode(v) for d, v in values), avps.USER_NAME.encode(text)]))
    assert [message.get(d) for d, _ in values] == [digits, octets, time]
    assert message.get(avps.USER_NAME) == text
