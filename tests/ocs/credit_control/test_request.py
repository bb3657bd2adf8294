"""Reading CCRs: real gateways' bytes and hand-built ones."""

from pathlib import Path

import pytest

from charging.event import Action, Identity, IdentityType, Phase, ServiceKind, Unit
from ocs.credit_control.request import read, session_name
from ocs.diameter import avps
from ocs.diameter.codec import encode_message
from ocs.diameter.codes import ResultCode
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message

NOW = 1_768_471_205_000
KAMAILIO = Path(__file__).parents[2] / "data" / "kamailio-5.6.3"


def captured(name: str) -> Message:
    return Message(bytes.fromhex((KAMAILIO / f"{name}.hex").read_text()))


def ccr(*more: bytes, context: str = "32251@3gpp.org", request_type: int = 1, number: int = 0) -> Message:
    head = [
        avps.SESSION_ID.encode("pgw1.epc.example.net;1;1"),
        avps.ORIGIN_HOST.encode("pgw1.epc.example.net"),
        avps.ORIGIN_REALM.encode("epc.example.net"),
        avps.DESTINATION_REALM.encode("example.net"),
        avps.AUTH_APPLICATION_ID.encode(4),
        avps.SERVICE_CONTEXT_ID.encode(context),
        avps.CC_REQUEST_TYPE.encode(request_type),
        avps.CC_REQUEST_NUMBER.encode(number),
    ]
    return Message(encode_message(0xC0, 272, 4, 1, 2, [*head, *more]))


def mscc(*members: bytes) -> bytes:
    return avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(members)


def money(digits: int, exponent: int, currency: int = 978) -> bytes:
    value = avps.UNIT_VALUE.encode([avps.VALUE_DIGITS.encode(digits), avps.EXPONENT.encode(exponent)])
    return avps.CC_MONEY.encode([value, avps.CURRENCY_CODE.encode(currency)])


@pytest.mark.rfc("32.299", "7.1.12")
def test_a_call_of_kamailio_is_read_through_all_its_peculiarities() -> None:
    first = read(captured("ccr-initial"), NOW)
    assert first.event.phase is Phase.OPEN
    assert first.event.service is not None
    assert first.event.service.kind is ServiceKind.VOICE
    assert Identity(type=IdentityType.E164, value="491700001") in first.event.identities
    [item] = first.event.items
    assert (item.rating_group, item.service_id, item.unit, item.wanted) == (100, 1000, Unit.SECONDS, 10)
    update = read(captured("ccr-update"), NOW)
    assert update.event.items[0].used == 5
    assert update.event.items[0].wanted == 10
    assert update.event.session == first.event.session
    last = read(captured("ccr-terminate"), NOW)
    assert last.event.phase is Phase.CLOSE
    assert last.event.items[0].used == 10
    assert last.event.items[0].wanted is None


@pytest.mark.rfc("8506", "8.16")
def test_an_empty_requested_service_unit_leaves_the_size_to_us_and_none_asks_for_nothing() -> None:
    request = read(
        ccr(
            mscc(avps.REQUESTED_SERVICE_UNIT.encode([]), avps.RATING_GROUP.encode(10)),
            mscc(avps.RATING_GROUP.encode(20)),
        ),
        NOW,
    )
    asked, silent = request.event.items
    assert (asked.key, asked.unit, asked.wanted) == ("10", None, 0)
    assert (silent.key, silent.wanted) == ("20", None)


def test_services_without_any_key_are_read_and_echo_none() -> None:
    request = read(ccr(mscc(avps.REQUESTED_SERVICE_UNIT.encode([avps.CC_TOTAL_OCTETS.encode(1_000_000)]))), NOW)
    [item] = request.event.items
    assert (item.key, item.rating_group, item.wanted) == ("-", None, 1_000_000)
    assert request.style.keys == {"-": b""}


@pytest.mark.parametrize(
    ("members", "octets"),
    [
        ([avps.CC_INPUT_OCTETS.encode(3), avps.CC_OUTPUT_OCTETS.encode(4), avps.CC_TIME.encode(60)], 7),
        ([avps.CC_TOTAL_OCTETS.encode(9), avps.CC_INPUT_OCTETS.encode(3), avps.CC_OUTPUT_OCTETS.encode(4)], 9),
        ([avps.CC_TOTAL_OCTETS.encode(2**64 - 1)], 2**64 - 1),
        ([], 0),
    ],
)
def test_volume_is_the_total_or_else_both_ways_and_never_all_three(members: list[bytes], octets: int) -> None:
    request = read(
        ccr(mscc(avps.USED_SERVICE_UNIT.encode(members), avps.RATING_GROUP.encode(10)), request_type=2, number=1), NOW
    )
    assert request.event.items[0].used == octets


def test_several_used_units_and_repeated_keys_add_up() -> None:
    used = avps.USED_SERVICE_UNIT.encode([avps.CC_TOTAL_OCTETS.encode(5)])
    key = avps.RATING_GROUP.encode(10)
    request = read(ccr(mscc(used, used, key), mscc(used, key), request_type=2, number=1), NOW)
    assert [(item.key, item.used) for item in request.event.items] == [("10", 15)]


def test_requested_action_counts_in_events_only() -> None:
    action = avps.REQUESTED_ACTION.encode(2)
    assert read(ccr(action), NOW).event.action is Action.DEBIT
    assert read(ccr(action, request_type=4), NOW).event.action is Action.CHECK_BALANCE
    with pytest.raises(RemoteError) as error:
        read(ccr(request_type=4), NOW)
    assert error.value.result_code == ResultCode.MISSING_AVP
    assert error.value.failed_avp == avps.REQUESTED_ACTION.example()


def test_what_the_event_is_about_comes_from_the_end_of_the_service_context() -> None:
    service = read(ccr(context="ext.01.001.8.32274@3gpp.org"), NOW).event.service
    assert service is not None
    assert service.kind is ServiceKind.SMS
    with pytest.raises(RemoteError) as error:
        read(ccr(context="232251@3gpp.org"), NOW)
    assert error.value.result_code == ResultCode.RATING_FAILED
    assert error.value.failed_avp == avps.SERVICE_CONTEXT_ID.encode("232251@3gpp.org")


@pytest.mark.parametrize(("digits", "exponent", "micro"), [(1200, -2, 12_000_000), (5, 0, 5_000_000), (1, -6, 1)])
def test_money_is_read_exactly(digits: int, exponent: int, micro: int) -> None:
    event = read(ccr(avps.REQUESTED_SERVICE_UNIT.encode([money(digits, exponent)])), NOW).event
    assert (event.items[0].unit, event.items[0].wanted, event.currency) == (Unit.MONEY, micro, "EUR")


@pytest.mark.parametrize(
    ("digits", "exponent", "currency"), [(-5, 0, 978), (1, -7, 978), (1, 2**31 - 1, 978), (2**62, 0, 978), (1, 0, 4)]
)
def test_money_that_cannot_be_charged_is_an_invalid_value(digits: int, exponent: int, currency: int) -> None:
    with pytest.raises(RemoteError) as error:
        read(ccr(avps.REQUESTED_SERVICE_UNIT.encode([money(digits, exponent, currency)])), NOW)
    assert error.value.result_code == ResultCode.INVALID_AVP_VALUE
    assert error.value.failed_avp


def test_identities_are_normalised_and_kept_in_their_order() -> None:
    def subscription(kind: int, data: str) -> bytes:
        return avps.SUBSCRIPTION_ID.encode(
            [avps.SUBSCRIPTION_ID_TYPE.encode(kind), avps.SUBSCRIPTION_ID_DATA.encode(data)]
        )

    event = read(
        ccr(subscription(1, "262011234567890"), subscription(0, "+491701234567"), subscription(2, "sip:Al@Ex.NET;x=1")),
        NOW,
    ).event
    assert event.identities == (
        Identity(type=IdentityType.IMSI, value="262011234567890"),
        Identity(type=IdentityType.E164, value="491701234567"),
        Identity(type=IdentityType.SIP, value="Al@ex.net"),
    )


@pytest.mark.rfc("8506", "8.58")
def test_extended_identities_are_read_beside_the_old_ones() -> None:
    old = avps.SUBSCRIPTION_ID.encode(
        [avps.SUBSCRIPTION_ID_TYPE.encode(1), avps.SUBSCRIPTION_ID_DATA.encode("262011234567890")]
    )
    extended = [
        avps.SUBSCRIPTION_ID_EXTENSION.encode([avp.encode(value)])
        for avp, value in (
            (avps.SUBSCRIPTION_ID_E164, "+491701234567"),
            (avps.SUBSCRIPTION_ID_SIP_URI, "sip:al@Ex.net"),
            (avps.SUBSCRIPTION_ID_NAI, "al@home.example"),
            (avps.SUBSCRIPTION_ID_PRIVATE, "7"),
            (avps.SUBSCRIPTION_ID_IMSI, "262011234567890"),
        )
    ]
    assert [f"{one.type}:{one.value}" for one in read(ccr(*extended, old), NOW).event.identities] == [
        "imsi:262011234567890",
        "e164:491701234567",
        "sip:al@ex.net",
        "nai:al@home.example",
        "private:7",
    ]


def parameter(kind: int, value: bytes, flags: int = 0) -> bytes:
    """A Service-Parameter-Info; flags 0x40: it must be understood."""
    octets = avps.SERVICE_PARAMETER_INFO.encode(
        [avps.SERVICE_PARAMETER_TYPE.encode(kind), avps.SERVICE_PARAMETER_VALUE.encode(value)]
    )
    return octets[:4] + bytes([octets[4] | flags]) + octets[5:]


@pytest.mark.rfc("8506", "8.42")
def test_service_parameters_tell_rating_what_configuration_says_they_are() -> None:
    known = {101: "qos", 102: "access"}
    parts = parameter(101, b"5"), parameter(102, b"wifi", 0x40), parameter(999, b"?")
    service = read(ccr(*parts), NOW, known).event.service
    assert service is not None
    assert (service.qos, service.access) == ("5", "wifi")


@pytest.mark.rfc("8506", "8.42")
@pytest.mark.rfc("8506", "9.2")
def test_a_service_parameter_that_must_be_understood_and_is_not_cannot_be_rated() -> None:
    strange = parameter(999, b"?", 0x40)
    with pytest.raises(RemoteError) as error:
        read(ccr(parameter(101, b"5"), strange), NOW, {101: "qos"})
    assert (error.value.result_code, error.value.failed_avp) == (ResultCode.RATING_FAILED, strange)


def test_a_repeat_has_the_same_fingerprint_whatever_way_it_took_and_other_content_another() -> None:
    plain = read(ccr(mscc(avps.RATING_GROUP.encode(10))), NOW)
    rerouted = read(ccr(mscc(avps.RATING_GROUP.encode(10)), avps.ROUTE_RECORD.encode("dra.example.net")), NOW + 5000)
    other = read(ccr(mscc(avps.RATING_GROUP.encode(11))), NOW)
    assert plain.event.fingerprint == rerouted.event.fingerprint != other.event.fingerprint


def test_usage_is_rated_when_it_happened_but_never_in_the_future() -> None:
    def at(stamp: int) -> int:
        return read(ccr(avps.EVENT_TIMESTAMP.encode(stamp)), NOW).event.at

    assert at(NOW // 1000 - 60) == NOW - 60_000
    assert at(NOW // 1000 + 3600) == NOW


def test_more_services_than_anybody_has_are_refused() -> None:
    with pytest.raises(RemoteError) as error:
        read(ccr(*(mscc(avps.RATING_GROUP.encode(group)) for group in range(101))), NOW)
    assert error.value.result_code == ResultCode.RESOURCES_EXCEEDED


def test_an_update_of_a_call_without_call_data_keeps_the_conditions_of_the_session() -> None:
    assert read(ccr(context="32260@3gpp.org", request_type=2, number=1), NOW).event.service is None
    assert read(ccr(context="32251@3gpp.org", request_type=2, number=1), NOW).event.service is not None


def test_no_session_can_be_taken_for_a_sub_session_of_another() -> None:
    ids = ["gw;1", "gw;1;sub=1", "gw;1;sub=", "gw;1;sub=1;sub=", "gw;sub=x", "gw;1;sub=1;sub=2"]
    names = [session_name(session, sub) for session in ids for sub in (None, 0, 1, 2)]
    assert len(set(names)) == len(names)
    assert (session_name("gw;1", None), session_name("gw;1", 1)) == ("gw;1", "gw;1;sub=1")
