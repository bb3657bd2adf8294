import asyncio

import pytest

from ocs.diameter import avps


@pytest.mark.rfc("6733", "5.3")
async def test_cea_names_exactly_one_application_and_has_no_session(door, build):
    client = await door.connect()
    cea = await client.introduce(build.cer())
    assert cea.flags_octet == 0x00
    assert cea.get(avps.RESULT_CODE) == 2001
    assert cea.all(avps.AUTH_APPLICATION_ID) == [4]
    assert cea.all(avps.SUPPORTED_VENDOR_ID) == [10415]
    assert avps.SESSION_ID not in cea
    [application] = cea.all(avps.VENDOR_SPECIFIC_APPLICATION_ID)
    assert (application.get(avps.VENDOR_ID), application.get(avps.AUTH_APPLICATION_ID)) == (10415, 4)
    assert (cea.get(avps.ORIGIN_HOST), cea.get(avps.ORIGIN_REALM)) == ("ocs.example.net", "example.net")
    assert cea.get(avps.HOST_IP_ADDRESS) == "127.0.0.1"


@pytest.mark.rfc("6733", "5.3")
async def test_application_inside_vendor_specific_counts_whatever_the_vendor(door, build):
    client = await door.connect()
    inside = avps.VENDOR_SPECIFIC_APPLICATION_ID.encode(
        (avps.VENDOR_ID.encode(999), avps.AUTH_APPLICATION_ID.encode(4))
    )
    assert (await client.introduce(build.cer(applications=[inside]))).get(avps.RESULT_CODE) == 2001


async def test_cer_without_an_address_is_taken(door, build):
    client = await door.connect()
    cer = [avp for avp in build.cer() if avp != avps.HOST_IP_ADDRESS.encode("127.0.0.1")]
    assert len(cer) == len(build.cer()) - 1
    assert (await client.introduce(cer)).get(avps.RESULT_CODE) == 2001


@pytest.mark.rfc("6733", "5.3")
async def test_no_common_application_is_5010_and_the_end(door, build):
    client = await door.connect()
    cea = await client.introduce(build.cer(applications=[avps.AUTH_APPLICATION_ID.encode(16777238)]))
    assert cea.get(avps.RESULT_CODE) == 5010
    assert await client.closed()


@pytest.mark.rfc("6733", "2.4")
async def test_relay_is_welcome(door, build):
    client = await door.connect()
    cea = await client.introduce(build.cer(applications=[avps.AUTH_APPLICATION_ID.encode(0xFFFFFFFF)]))
    assert cea.get(avps.RESULT_CODE) == 2001


@pytest.mark.rfc("6733", "5.3")
async def test_stranger_is_3010_and_the_end(make_door, build):
    door = await make_door(allowed_peers=("*.core.example.net",))
    client = await door.connect()
    cea = await client.introduce(build.cer())
    assert (cea.get(avps.RESULT_CODE), cea.is_error) == (3010, True)
    assert await client.closed()


async def test_connection_from_elsewhere_is_closed_at_once(make_door):
    door = await make_door(allowed_addresses=("192.0.2.0/24",))
    assert await (await door.connect()).closed()


@pytest.mark.rfc("6733", "5.3.1")
async def test_cer_without_identity_is_5005(door, build):
    client = await door.connect()
    cea = await client.introduce(build.cer()[1:])
    assert cea.get(avps.RESULT_CODE) == 5005
    [failed] = cea.all(avps.FAILED_AVP)
    assert failed.get(avps.ORIGIN_HOST) == ""
    assert await client.closed()


@pytest.mark.rfc("6733", "5.3")
async def test_only_tls_in_band_is_5017(door, build):
    client = await door.connect()
    cea = await client.introduce([*build.cer(), avps.INBAND_SECURITY_ID.encode(1)])
    assert cea.get(avps.RESULT_CODE) == 5017
    assert await client.closed()


@pytest.mark.rfc("6733", "5.6.1")
async def test_first_message_must_be_a_cer(door, build):
    client = await door.connect()
    client.send(build.ccr())
    assert await client.closed()
    assert door.handled == []


@pytest.mark.rfc("6733", "5.6")
async def test_second_connection_of_an_open_peer_is_refused_and_the_first_stays(door, build):
    first = await door.open()
    second = await door.connect()
    second.send(build.cer("PGW1.epc.example.net"), flags=0x80, command=257, application=0)
    probe = await first.read()
    assert (probe.command, probe.is_request) == (280, True)
    first.answer(probe)
    assert (await second.read()).get(avps.RESULT_CODE) == 5012
    assert await second.closed()
    assert (await first.ask(build.ccr())).get(avps.RESULT_CODE) == 2001


async def test_peer_that_left_without_a_word_is_let_in_again_at_once(make_door, build):
    door = await make_door(probe_timeout=0.05)
    first, second, third = await door.open(), await door.connect(), await door.connect()
    number = second.send(build.cer(), flags=0x80, command=257, application=0)
    assert (await first.read()).command == 280
    assert (await third.introduce(build.cer())).get(avps.RESULT_CODE) == 5012
    cea = await second.read()
    assert (cea.get(avps.RESULT_CODE), cea.hop_by_hop) == (2001, number)
    assert await first.closed()
    assert (await second.ask(build.ccr())).get(avps.RESULT_CODE) == 2001
    assert [peer.state for peer in door.server.peers()] == ["r-open"]


async def test_suitor_that_gives_up_leaves_the_place_to_the_next(make_door, build):
    door = await make_door(probe_timeout=0.2)
    await door.open()
    second = await door.connect()
    second.send(build.cer(), flags=0x80, command=257, application=0)
    await asyncio.sleep(0.02)
    second.writer.transport.abort()
    await asyncio.sleep(0.02)
    third = await door.connect()
    assert (await third.introduce(build.cer())).get(avps.RESULT_CODE) == 2001


async def test_silent_newcomer_is_closed(make_door):
    door = await make_door(capabilities_timeout=0.05)
    assert await (await door.connect()).closed()


@pytest.mark.rfc("6733", "5.5")
async def test_watchdog_is_answered_while_charging_is_stuck(door, build):
    stuck = asyncio.Event()

    async def handle(request, peer):
        await stuck.wait()
        raise AssertionError

    door.handle = handle
    client = await door.open()
    for number in range(50):
        client.send(build.ccr(session=f"s;{number}"))
    dwa = await client.ask(build.head(), flags=0x80, command=280, application=0)
    assert (dwa.get(avps.RESULT_CODE), dwa.flags_octet) == (2001, 0)


@pytest.mark.rfc("6733", "5.4")
async def test_disconnect_is_agreed_to(door, build):
    client = await door.open()
    parts = [*build.head(), avps.DISCONNECT_CAUSE.encode(0)]
    dpa = await client.ask(parts, flags=0x80, command=282, application=0)
    assert (dpa.get(avps.RESULT_CODE), dpa.flags_octet) == (2001, 0)
    client.writer.close()
    await client.writer.wait_closed()
    again = await door.open()
    assert (await again.ask(build.ccr())).get(avps.RESULT_CODE) == 2001
