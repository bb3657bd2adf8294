"""Every way in which a CCR can be wrong gets its own answer, and none of them ends the connection."""

import struct

import pytest

from ocs.diameter import avps
from ocs.diameter.codec import encode_message


def raw_avp(code: int, payload: bytes, flags: int = 0x40, length: int | None = None) -> bytes:
    length = 8 + len(payload) if length is None else length
    return struct.pack(">II", code, flags << 24 | length) + payload + bytes(-len(payload) % 4)


def failed(answer) -> bytes:
    [octets] = answer.raw(avps.FAILED_AVP)
    return octets[8:]


async def refused(door, client, parts, code, **header):
    answer = await client.ask(parts, **header)
    assert answer.get(avps.RESULT_CODE) == code
    assert answer.is_error == (code // 1000 == 3)
    assert answer.is_proxiable
    assert answer.get(avps.SESSION_ID) == "pgw1;1;1"
    assert not door.handled
    return answer


@pytest.mark.rfc("6733", "7.1.3")
async def test_protocol_errors(door, build):
    client = await door.open()
    await refused(door, client, build.ccr(DESTINATION_REALM="elsewhere.net"), 3003)
    await refused(door, client, build.ccr(DESTINATION_HOST="ocs9.example.net"), 3002)
    await refused(door, client, build.ccr(), 3007, application=16777238)
    await refused(door, client, build.ccr(), 3001, command=9999999)
    await refused(door, client, build.ccr(), 3001, command=999, application=0)
    await refused(door, client, build.ccr(), 3008, flags=0xE0)


@pytest.mark.rfc("6733", "6.1.4")
async def test_realm_and_host_compare_without_case_and_further_realms_can_be_served(make_door, build):
    door = await make_door(served_realms=("epc.example.net",))
    client = await door.open()
    for changes in ({"DESTINATION_REALM": "EPC.Example.Net"}, {"DESTINATION_HOST": "OCS.example.net"}):
        assert (await client.ask(build.ccr(session=str(changes), **changes))).get(avps.RESULT_CODE) == 2001


@pytest.mark.rfc("6733", "7.1.5")
@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("SERVICE_CONTEXT_ID", "000001cd40000008"),
        ("CC_REQUEST_TYPE", "000001a04000000c00000000"),
        ("CC_REQUEST_NUMBER", "0000019f4000000c00000000"),
        ("DESTINATION_REALM", "0000011b40000008"),
        ("ORIGIN_HOST", "0000010840000008"),
    ],
)
async def test_missing_avp_shows_an_example(door, build, name, example):
    client = await door.open()
    answer = await refused(door, client, build.ccr(without=getattr(avps, name)), 5005)
    assert failed(answer).hex() == example


@pytest.mark.rfc("8506", "8.41")
async def test_event_needs_its_action(door, build):
    client = await door.open()
    answer = await refused(door, client, build.ccr(CC_REQUEST_TYPE=4), 5005)
    assert failed(answer) == raw_avp(436, bytes(4))
    assert (await client.ask(build.ccr(CC_REQUEST_TYPE=4, REQUESTED_ACTION=0))).get(avps.RESULT_CODE) == 2001


@pytest.mark.rfc("6733", "7.1.5")
async def test_twice_what_may_stand_once(door, build):
    client = await door.open()
    second = avps.CC_REQUEST_TYPE.encode(2)
    answer = await refused(door, client, [*build.ccr(), second], 5009)
    assert failed(answer) == second


@pytest.mark.rfc("8506", "8.3")
@pytest.mark.parametrize("value", [0, 5, 9, -1])
async def test_unknown_request_type(door, build, value):
    client = await door.open()
    answer = await refused(door, client, build.ccr(CC_REQUEST_TYPE=value), 5004)
    assert failed(answer) == avps.CC_REQUEST_TYPE.encode(value)


@pytest.mark.rfc("6733", "4.1")
async def test_vendor_flag_that_leaves_no_room_for_the_value(door, build):
    client = await door.open()
    number = raw_avp(415, bytes(4), flags=0xC0)
    answer = await refused(door, client, [*build.ccr(without=avps.CC_REQUEST_NUMBER), number], 5014)
    assert failed(answer)[:8] == number[:8]
    assert (await client.ask(build.ccr(number=1))).get(avps.RESULT_CODE) == 2001


@pytest.mark.rfc("8506", "8.3")
@pytest.mark.parametrize("code", [416, 436])
async def test_unknown_decision_without_the_mandatory_flag(door, build, code):
    client = await door.open()
    odd = raw_avp(code, b"\0\0\0\x63", flags=0)
    parts = [*build.ccr(without=avps.CC_REQUEST_TYPE if code == 416 else None), odd]
    answer = await refused(door, client, parts, 5004)
    assert failed(answer) == odd


@pytest.mark.rfc("6733", "7.1.5")
async def test_impossible_lengths(door, build):
    client = await door.open()
    answer = await refused(door, client, [*build.ccr(), raw_avp(415, b"", length=4)], 5014)
    assert failed(answer) == struct.pack(">III", 415, 0x40000004, 0)
    answer = await refused(door, client, [*build.ccr(), raw_avp(461, b"abcd", length=400)], 5014)
    assert failed(answer) == struct.pack(">II", 461, 0x40000000 | 400)
    parts = [*build.ccr(without=avps.CC_REQUEST_NUMBER), raw_avp(415, b"\x00\x01")]
    answer = await refused(door, client, parts, 5014)
    assert failed(answer) == struct.pack(">III", 415, 0x4000000A, 0)


@pytest.mark.rfc("6733", "7.5")
async def test_nested_error_is_shown_with_its_group(door, build):
    client = await door.open()
    group = avps.SUBSCRIPTION_ID.encode([avps.SUBSCRIPTION_ID_DATA.encode("491701234567")])
    answer = await refused(door, client, [*build.ccr(), group], 5005)
    assert failed(answer) == avps.SUBSCRIPTION_ID.encode([avps.SUBSCRIPTION_ID_TYPE.example()])
    hollow = raw_avp(456, raw_avp(446, struct.pack(">II", 420, 0x40000000)))
    answer = await refused(door, client, [*build.ccr(), hollow], 5014)
    assert failed(answer) == raw_avp(456, raw_avp(446, struct.pack(">III", 420, 0x40000000, 0)))


@pytest.mark.rfc("6733", "4.1")
async def test_unknown_avps(door, build):
    client = await door.open()
    unknown = raw_avp(9999, b"what")
    answer = await refused(door, client, [*build.ccr(), unknown], 5001)
    assert failed(answer) == unknown
    parts = [*build.ccr(), raw_avp(9999, b"what", flags=0), raw_avp(9998, raw_avp(9997, b"inside"), flags=0)]
    assert (await client.ask(parts)).get(avps.RESULT_CODE) == 2001


async def test_unknown_mandatory_avps_of_lenient_peers_and_inside_service_information(make_door, build):
    door = await make_door(lenient_peers=("smf*.example.net",))
    strict, lenient = await door.open(), await door.open("smf1.example.net")
    assert (await lenient.ask([*build.ccr(), raw_avp(9999, b"what")])).get(avps.RESULT_CODE) == 2001
    information = avps.SERVICE_INFORMATION.encode([avps.PS_INFORMATION.encode([raw_avp(9999, b"what")])])
    assert (await strict.ask([*build.ccr(number=1), information])).get(avps.RESULT_CODE) == 2001


@pytest.mark.rfc("6733", "7.1.5")
async def test_session_id_must_be_utf8(door, build):
    client = await door.open()
    answer = await client.ask([raw_avp(263, b"\xff\xfe\xfd!"), *build.ccr(without=avps.SESSION_ID)])
    assert answer.get(avps.RESULT_CODE) == 5004
    assert failed(answer) == raw_avp(263, b"\xff\xfe\xfd!")
    assert not door.handled


@pytest.mark.rfc("6733", "7.1.5")
async def test_answers_own_avp_in_a_request(door, build):
    client = await door.open()
    await refused(door, client, [*build.ccr(), avps.GRANTED_SERVICE_UNIT.encode([])], 5008)


@pytest.mark.rfc("6733", "6.2")
async def test_proxy_info_is_echoed_in_order_and_routing_is_not(door, build):
    client = await door.open()
    proxies = [avps.PROXY_INFO.encode([avps.PROXY_HOST.encode(h), avps.PROXY_STATE.encode(h.encode())]) for h in "ab"]
    routes = [avps.ROUTE_RECORD.encode("dra1"), avps.ROUTE_RECORD.encode("dra2")]
    extra = [*proxies, *routes, avps.DESTINATION_HOST.encode("ocs.example.net")]
    for parts, code in ((build.ccr(), 2001), (build.ccr(number=1, CC_REQUEST_TYPE=7), 5004)):
        answer = await client.ask([*parts, *extra])
        assert answer.get(avps.RESULT_CODE) == code
        assert answer.raw(avps.PROXY_INFO) == proxies
        for avp in (avps.DESTINATION_HOST, avps.DESTINATION_REALM, avps.ROUTE_RECORD):
            assert avp not in answer


@pytest.mark.rfc("8506", "3.2")
async def test_answer_begins_in_the_order_clients_rely_on(door, build):
    client = await door.open()
    answer = await client.ask(build.ccr(number=7), flags=0xD0)
    assert answer.flags_octet == 0x40
    order = [avps.SESSION_ID, avps.RESULT_CODE, avps.ORIGIN_HOST, avps.ORIGIN_REALM, avps.AUTH_APPLICATION_ID]
    order += [avps.CC_REQUEST_TYPE, avps.CC_REQUEST_NUMBER]
    assert list(answer.index) == [avp.key for avp in order]
    assert (answer.get(avps.CC_REQUEST_TYPE), answer.get(avps.CC_REQUEST_NUMBER)) == (1, 7)


async def test_kamailios_ccr_is_accepted(door, build):
    """Origin and destination twice, accounting AVPs, the application only inside Vendor-Specific-Application-Id."""
    client = await door.open()
    parts = [
        *build.ccr(without=avps.AUTH_APPLICATION_ID, SERVICE_CONTEXT_ID="ext.01.001.8.32260@3gpp.org"),
        *build.head(),
        avps.DESTINATION_REALM.encode("example.net"),
        avps.ACCOUNTING_RECORD_TYPE.encode(2),
        avps.ACCOUNTING_RECORD_NUMBER.encode(0),
        avps.VENDOR_SPECIFIC_APPLICATION_ID.encode([avps.VENDOR_ID.encode(10415), avps.AUTH_APPLICATION_ID.encode(4)]),
    ]
    assert (await client.ask(parts)).get(avps.RESULT_CODE) == 2001


async def test_open5gs_ccr_is_accepted(door, build):
    """Requested-Action in a session, Multiple-Services-Indicator 0 with MSCC, an MSCC without any key."""
    client = await door.open()
    used = avps.USED_SERVICE_UNIT.encode([avps.CC_INPUT_OCTETS.encode(1), avps.CC_OUTPUT_OCTETS.encode(2)])
    wanted = avps.REQUESTED_SERVICE_UNIT.encode([avps.CC_TOTAL_OCTETS.encode(1_000_000)])
    qos = avps.QOS_INFORMATION.encode([avps.QOS_CLASS_IDENTIFIER.encode(9), raw_avp(9999, b"what")])
    parts = build.ccr(
        CC_REQUEST_TYPE=2,
        REQUESTED_ACTION=0,
        AOC_REQUEST_TYPE=1,
        MULTIPLE_SERVICES_INDICATOR=0,
        MULTIPLE_SERVICES_CREDIT_CONTROL=[wanted, used, avps.REPORTING_REASON.encode(4), qos],
    )
    assert (await client.ask(parts)).get(avps.RESULT_CODE) == 2001


@pytest.mark.rfc("6733", "7.1.5")
@pytest.mark.parametrize(
    ("start", "code"), [("02000014", 5011), ("01000013", 5015), ("01000016", 5015), ("01ffffff", 5015)]
)
async def test_lost_stream_costs_its_own_connection_only(door, build, start, code):
    bad, good = await door.open(), await door.open("pgw2.epc.example.net")
    bad.write(bytes.fromhex(start) + encode_message(0xC0, 272, 4, 1, 2, build.ccr())[4:])
    answer = await bad.read()
    assert answer.get(avps.RESULT_CODE) == code
    assert await bad.closed()
    assert (await good.ask(build.ccr())).get(avps.RESULT_CODE) == 2001


async def test_thousands_of_groups_are_refused_not_worked_through(door, build):
    client = await door.open()
    many = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([]) * 5000
    answer = await refused(door, client, [*build.ccr(), many], 5006)
    assert answer.get(avps.CC_REQUEST_NUMBER) == 0
    fewer = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([]) * 1001
    await refused(door, client, [*build.ccr(), fewer], 5009)


async def test_byte_by_byte(door, build):
    client = await door.open()
    for octet in encode_message(0xC0, 272, 4, 1, 2, build.ccr()):
        client.write(bytes((octet,)))
        await client.writer.drain()
    assert (await client.read()).get(avps.RESULT_CODE) == 2001
