"""Checks 11 to 27: each way in which a request can be wrong, and what every answer repeats."""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from ocs.diameter import avps
from ocs.diameter.codec import encode_message
from ocs.diameter.message import Message
from tests.gateway import EVENT, OPEN, ccr, granted, result, service, services, subscriber
from tests.house import House

Make = Callable[[str], tuple[str, str]]
SESSION = "wire;1;1"
SUBJECT = subscriber("491701234567"), service(99, wanted=())


def good(*more: bytes, session: str = SESSION, **kwargs: Any) -> tuple[bytes, ...]:
    return ccr(session, OPEN, 0, *SUBJECT, *more, **kwargs)


def without(avp: Any) -> list[bytes]:
    start = avp.code.to_bytes(4, "big")
    return [part for part in good() if not part.startswith(start)]


def raw(code: int, payload: bytes, flags: int = 0x40, length: int | None = None) -> bytes:
    length = 8 + len(payload) if length is None else length
    return struct.pack(">II", code, flags << 24 | length) + payload + bytes(-len(payload) % 4)


def failed(answer: Message) -> bytes:
    [octets] = answer.raw(avps.FAILED_AVP)
    return octets[8:]


def is_refusal(answer: Message, code: int) -> bool:
    """The code, its E flag, P copied, Session-Id echoed."""
    flags = 0x60 if code // 1000 == 3 else 0x40
    return (result(answer), answer.flags_octet, answer.get(avps.SESSION_ID)) == (code, flags, SESSION)


@pytest.mark.rfc("6733", "6.1")
@pytest.mark.rfc("6733", "7.1.3")
async def test_check_11_a_realm_not_served(wire: Any) -> None:
    assert is_refusal(await wire.ask(good(realm="elsewhere.example.com")), 3003)


@pytest.mark.rfc("6733", "6.1")
async def test_check_12_a_host_not_known(wire: Any) -> None:
    assert is_refusal(await wire.ask(good(avps.DESTINATION_HOST.encode("ocs9.example.net"))), 3002)


@pytest.mark.rfc("6733", "7.1.3")
async def test_check_13_an_application_not_served(wire: Any) -> None:
    assert is_refusal(await wire.ask(good(), application=16777238), 3007)


@pytest.mark.rfc("6733", "7.1.3")
async def test_check_14_a_command_not_known(wire: Any) -> None:
    assert is_refusal(await wire.ask(good(), command=9999999), 3001)


@pytest.mark.rfc("6733", "7.1.3")
async def test_check_15_a_request_with_the_error_flag(wire: Any) -> None:
    assert is_refusal(await wire.ask(good(), flags=0xE0), 3008)


@pytest.mark.rfc("6733", "7.1.5")
async def test_check_16_another_version(wire: Any, connect: Any) -> None:
    wire.write(b"\x02" + encode_message(0xC0, 272, 4, 1, 2, good())[1:])
    assert result(await wire.read()) == 5011
    assert await wire.ended()


@pytest.mark.rfc("6733", "2.1")
@pytest.mark.rfc("6733", "7.1.5")
@pytest.mark.parametrize("length", [19, 22, 0xFFFFFF])
async def test_check_17_a_length_that_cannot_be(wire: Any, connect: Any, length: int) -> None:
    other = await connect()
    await other.introduce()
    wire.write(b"\x01" + length.to_bytes(3, "big") + encode_message(0xC0, 272, 4, 1, 2, good())[4:])
    assert result(await wire.read()) == 5015
    assert await wire.ended()
    assert result(await other.ask(good(session=f"other;{length}"))) == 2001


@pytest.mark.rfc("6733", "7.1.5")
@pytest.mark.rfc("6733", "7.5")
@pytest.mark.parametrize("length", [4, 2000])
async def test_check_18_an_avp_longer_or_shorter_than_can_be(wire: Any, length: int) -> None:
    answer = await wire.ask([*good(), raw(443, bytes(8), length=length)])
    assert is_refusal(answer, 5014)
    assert failed(answer)[:8] == struct.pack(">II", 443, 0x40000000 | length)
    assert not any(failed(answer)[8:])


@pytest.mark.rfc("6733", "7.1.5")
async def test_check_19_a_number_of_two_octets(wire: Any) -> None:
    answer = await wire.ask([*without(avps.CC_REQUEST_NUMBER), raw(415, b"\0\1")])
    assert is_refusal(answer, 5014)
    assert failed(answer) == struct.pack(">III", 415, 0x4000000A, 0)


@pytest.mark.rfc("6733", "4.1")
@pytest.mark.rfc("6733", "7.1.5")
async def test_check_20_an_unknown_avp(wire: Any) -> None:
    unknown = raw(9999, b"what")
    answer = await wire.ask([*good(), unknown])
    assert is_refusal(answer, 5001)
    assert failed(answer) == unknown
    assert result(await wire.ask(good(raw(9999, b"what", flags=0)))) == 2001


@pytest.mark.rfc("6733", "4.4")
async def test_check_21_an_unknown_group_with_a_mandatory_member(wire: Any) -> None:
    assert result(await wire.ask(good(raw(9998, raw(9997, b"what"), flags=0)))) == 2001


@pytest.mark.rfc("6733", "7.1.5")
@pytest.mark.parametrize(
    ("missing", "example"),
    [(avps.SERVICE_CONTEXT_ID, "000001cd40000008"), (avps.CC_REQUEST_TYPE, "000001a04000000c00000000")],
    ids=["Service-Context-Id", "CC-Request-Type"],
)
async def test_check_22_what_is_missing(wire: Any, missing: Any, example: str) -> None:
    answer = await wire.ask(without(missing))
    assert is_refusal(answer, 5005)
    assert failed(answer).hex() == example


@pytest.mark.rfc("6733", "7.1.5")
async def test_check_23_twice_what_stands_once(wire: Any) -> None:
    second = avps.CC_REQUEST_TYPE.encode(2)
    answer = await wire.ask(good(second))
    assert is_refusal(answer, 5009)
    assert failed(answer) == second


@pytest.mark.rfc("8506", "8.3")
@pytest.mark.parametrize("value", [0, 9])
async def test_check_24_a_request_type_that_is_none(wire: Any, value: int) -> None:
    answer = await wire.ask([*without(avps.CC_REQUEST_TYPE), avps.CC_REQUEST_TYPE.encode(value)])
    assert is_refusal(answer, 5004)
    assert failed(answer) == avps.CC_REQUEST_TYPE.encode(value)


@pytest.mark.rfc("8506", "8.41")
async def test_check_25_an_event_without_action(wire: Any) -> None:
    answer = await wire.ask(ccr(SESSION, EVENT, 0, *SUBJECT))
    assert is_refusal(answer, 5005)
    assert failed(answer) == raw(436, bytes(4))


@pytest.mark.rfc("6733", "6.2")
@pytest.mark.parametrize("right", [True, False])
async def test_check_26_proxies_are_repeated_and_routes_are_not(wire: Any, right: bool) -> None:
    proxies = [avps.PROXY_INFO.encode([avps.PROXY_HOST.encode(h), avps.PROXY_STATE.encode(h.encode())]) for h in "ab"]
    routes = [avps.ROUTE_RECORD.encode("dra1"), avps.ROUTE_RECORD.encode("dra2")]
    parts = [*proxies, *routes, avps.DESTINATION_HOST.encode("ocs.example.net")]
    answer = await wire.ask([*(good() if right else without(avps.SERVICE_CONTEXT_ID)), *parts])
    assert result(answer) == (2001 if right else 5005)
    assert answer.raw(avps.PROXY_INFO) == proxies
    assert not any(avp in answer for avp in (avps.DESTINATION_HOST, avps.DESTINATION_REALM, avps.ROUTE_RECORD))


@pytest.mark.rfc("8506", "8.46")
@pytest.mark.rfc("8506", "9.2")
async def test_check_27_whose_identity_whichever_comes_first(wire: Any, house: House) -> None:
    house.post(
        "/v1/accounts",
        {
            "id": "check27",
            "plan": "prepaid-basic",
            "currency": "EUR",
            "identities": [{"type": "imsi", "value": "262027000000027"}, {"type": "e164", "value": "491727000027"}],
        },
    )
    house.post("/v1/accounts/check27/topups", {"amount": "1.00", "reference": "test"})
    imsi = avps.SUBSCRIPTION_ID.encode(
        [avps.SUBSCRIPTION_ID_TYPE.encode(1), avps.SUBSCRIPTION_ID_DATA.encode("262027000000027")]
    )
    both = [(imsi, subscriber("491727000027")), (subscriber("491727000027"), imsi)]
    for turn, who in enumerate(both):
        answer = await wire.ask(ccr(f"who;{turn}", OPEN, 0, *who, service(10, wanted=())))
        assert granted(services(answer)[10]) == 10_000_000
    assert house.money("check27")["reserved"] == 200_000
    assert result(await wire.ask(ccr("who;9", OPEN, 0, subscriber("4999"), service(10, wanted=())))) == 5030
