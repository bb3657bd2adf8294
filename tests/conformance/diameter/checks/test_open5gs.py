"""Open5GS's SMF as a client, point by point: what it sends is taken, what it needs is there."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from ocs.diameter import avps
from ocs.diameter.message import Group, Message
from tests.gateway import granted, result, services
from tests.house import House
from tests.open5gs import FINAL, INITIAL, REALM, TERMINATION, UPDATE, VALIDITY_TIME, VOLUME, open5gs_ccr

Subscribe = Callable[[str], tuple[str, str]]
SERVER = "ocs.example.net"
_subscribers = itertools.count(1)


@pytest.fixture
def subscribe(house: House) -> Subscribe:
    """``subscribe("1.00")`` is the IMSI and the account of a fresh subscriber."""

    def make(money: str) -> tuple[str, str]:
        imsi = f"00101{next(_subscribers):010}"
        identity = {"type": "imsi", "value": imsi}
        account = {"id": f"o{imsi}", "plan": "prepaid-basic", "currency": "EUR", "identities": [identity]}
        house.post("/v1/accounts", account)
        if money != "0":
            house.post(f"/v1/accounts/o{imsi}/topups", {"amount": money, "reference": "test"})
        return imsi, f"o{imsi}"

    return make


def session(imsi: str) -> str:
    return f"smf.epc.example.net;1700000000;{imsi};app_gy"


async def first(wire: Any, imsi: str, **more: Any) -> Message:
    answer: Message = await wire.ask(open5gs_ccr(session(imsi), INITIAL, 0, imsi, **more))
    return answer


async def update(wire: Any, imsi: str, number: int, used: tuple[int, int, int], **more: Any) -> Message:
    parts = open5gs_ccr(session(imsi), UPDATE, number, imsi, used=used, server=SERVER, **more)
    answer: Message = await wire.ask(parts)
    return answer


async def end(wire: Any, imsi: str, number: int, used: tuple[int, int, int]) -> Message:
    parts = open5gs_ccr(session(imsi), TERMINATION, number, imsi, used=used, reason=FINAL, server=SERVER)
    answer: Message = await wire.ask(parts)
    return answer


def only(answer: Message) -> Group:
    [group] = services(answer).values()
    return group


def test_the_octets_of_a_first_request() -> None:
    """The beginning, written down once: a change of the builder is a change of what Open5GS is held to send."""
    parts = open5gs_ccr("smf;1;2;app_gy", INITIAL, 0, "001010000000001")
    assert b"".join(parts[4:8]).hex() == (
        "000001024000000c00000004"  # Auth-Application-Id 4
        "000001cd4000001633323235314033677070 2e6f72670000".replace(" ", "")  # Service-Context-Id
        + "000001a04000000c000000010000019f4000000c00000000"  # CC-Request-Type 1, CC-Request-Number 0
    )
    codes = [int.from_bytes(part[:4], "big") for part in parts]
    assert codes == [263, 264, 296, 283, 258, 461, 416, 415, 55, 443, 436, 2055, 455, 456, 873]
    later = [int.from_bytes(part[:4], "big") for part in open5gs_ccr("s", TERMINATION, 2, "1", "49", server=SERVER)]
    assert later == [263, 264, 296, 283, 258, 461, 416, 415, 293, 55, 443, 443, 295, 436, 2055, 456, 873]


@pytest.mark.rfc("6733", "5.3")
async def test_point_01_capabilities(connect: Any) -> None:
    wire = await connect()
    cea = await wire.introduce()
    assert (cea.get(avps.ORIGIN_HOST), cea.get(avps.ORIGIN_REALM)) == (SERVER, REALM)
    assert cea.all(avps.AUTH_APPLICATION_ID) == [4]


@pytest.mark.rfc("8506", "3.1")
async def test_point_02_indicator_denies_what_is_used(wire: Any, subscribe: Subscribe) -> None:
    imsi, _ = subscribe("1.00")
    assert granted(only(await first(wire, imsi))) == VOLUME


async def test_point_03_no_rating_group(wire: Any, subscribe: Subscribe) -> None:
    imsi, _ = subscribe("1.00")
    group = only(await first(wire, imsi))
    assert (granted(group), avps.RATING_GROUP in group, avps.SERVICE_IDENTIFIER in group) == (VOLUME, False, False)


@pytest.mark.rfc("8506", "8.41")
async def test_point_04_requested_action_in_a_session(wire: Any, house: House, subscribe: Subscribe) -> None:
    imsi, account = subscribe("1.00")
    await first(wire, imsi)
    assert house.money(account) == {"balance": 1_000_000, "reserved": 10_000, "available": 990_000, "overrun": 0}


@pytest.mark.rfc("8506", "8.19")
async def test_point_05_input_and_output_without_total(wire: Any, house: House, subscribe: Subscribe) -> None:
    imsi, account = subscribe("1.00")
    await first(wire, imsi)
    await update(wire, imsi, 1, (5000, 200_000, 700_000), unit_reason=3)
    assert house.money(account)["balance"] == 991_000
    await update(wire, imsi, 2, (7200, 0, 0), reason=VALIDITY_TIME)
    assert house.money(account)["balance"] == 991_000


async def test_point_06_imsi_before_number(wire: Any, subscribe: Subscribe) -> None:
    imsi, _ = subscribe("1.00")
    assert granted(only(await first(wire, imsi, msisdn="491799999999"))) == VOLUME


@pytest.mark.rfc("8506", "3.2")
async def test_point_07_session_id_first(wire: Any, subscribe: Subscribe) -> None:
    imsi, _ = subscribe("1.00")
    order = list((await first(wire, imsi)).index)
    assert order[:4] == [avp.key for avp in (avps.SESSION_ID, avps.RESULT_CODE, avps.ORIGIN_HOST, avps.ORIGIN_REALM)]


@pytest.mark.rfc("8506", "3.2")
async def test_point_08_what_is_echoed(wire: Any, subscribe: Subscribe) -> None:
    imsi, _ = subscribe("1.00")
    await first(wire, imsi)
    answer = await update(wire, imsi, 1, (1, 1, 1))
    echoed = [answer.get(avp) for avp in (avps.CC_REQUEST_TYPE, avps.CC_REQUEST_NUMBER, avps.AUTH_APPLICATION_ID)]
    assert echoed == [2, 1, 4]


@pytest.mark.rfc("8506", "8.33")
@pytest.mark.rfc("32.299", "6.5.1")
async def test_point_09_every_positive_answer(wire: Any, subscribe: Subscribe) -> None:
    imsi, _ = subscribe("1.00")
    for answer in (await first(wire, imsi), await update(wire, imsi, 1, (1, 500_000, 400_000), unit_reason=0)):
        group = only(answer)
        assert group.require(avps.GRANTED_SERVICE_UNIT).get(avps.CC_TOTAL_OCTETS) == VOLUME
        assert group.require(avps.VALIDITY_TIME) > 0
        assert 0 < group.require(avps.VOLUME_QUOTA_THRESHOLD) < VOLUME
        assert group.get(avps.RESULT_CODE) == 2001


@pytest.mark.rfc("8506", "9.1")
async def test_point_10_refusal_and_the_end_that_follows(wire: Any, house: House, subscribe: Subscribe) -> None:
    imsi, account = subscribe("0")
    answer = await first(wire, imsi)
    group = only(answer)
    assert (result(answer), group.get(avps.RESULT_CODE), granted(group)) == (2001, 4012, None)
    assert avps.GRANTED_SERVICE_UNIT not in group
    for number in (1, 1, 2):
        assert result(await end(wire, imsi, number, (0, 0, 0))) == (2001 if number == 1 else 5002)
    assert house.money(account) == {"balance": 0, "reserved": 0, "available": 0, "overrun": 0}
    assert result(await first(wire, "001019999999999")) == 5030


@pytest.mark.rfc("8506", "5.6.1")
async def test_point_11_final_units_then_the_end(wire: Any, house: House, subscribe: Subscribe) -> None:
    imsi, account = subscribe("0.005")
    group = only(await first(wire, imsi))
    assert (granted(group), avps.FINAL_UNIT_INDICATION in group) == (500_000, True)
    assert result(await end(wire, imsi, 1, (60, 100_000, 400_000))) == 2001
    assert house.money(account) == {"balance": 0, "reserved": 0, "available": 0, "overrun": 0}


@pytest.mark.rfc("8506", "8.19")
async def test_point_12_more_used_than_granted(wire: Any, house: House, subscribe: Subscribe) -> None:
    imsi, account = subscribe("1.00")
    await first(wire, imsi)
    assert granted(only(await update(wire, imsi, 1, (9, 2_000_000, 3_000_000), unit_reason=3))) == VOLUME
    assert house.money(account)["balance"] == 950_000


async def test_point_13_nothing_waits_for_three_seconds(wire: Any) -> None:
    """``request_deadline`` is 2 s; that it holds is seen in test_server, with a handler that hangs."""
    from ocs.diameter.settings import DiameterSettings

    assert DiameterSettings().request_deadline < 3


async def test_point_14_destination_host_is_ours(wire: Any, subscribe: Subscribe) -> None:
    imsi, _ = subscribe("1.00")
    learnt = (await first(wire, imsi)).require(avps.ORIGIN_HOST)
    parts = open5gs_ccr(session(imsi), UPDATE, 1, imsi, used=(1, 1, 1), server=learnt)
    assert result(await wire.ask(parts)) == 2001


@pytest.mark.rfc("8506", "7")
async def test_point_15_end_of_an_unknown_session(wire: Any, subscribe: Subscribe) -> None:
    imsi, _ = subscribe("1.00")
    assert result(await end(wire, imsi, 1, (0, 0, 0))) == 5002


async def test_point_16_a_top_up_arrives_without_any_reauthorisation(
    wire: Any, house: House, subscribe: Subscribe
) -> None:
    """It says 2001 to RAR and does nothing: the next update, by threshold or Validity-Time, brings the top-up."""
    imsi, account = subscribe("0.005")
    await first(wire, imsi)
    house.post(f"/v1/accounts/{account}/topups", {"amount": "1.00", "reference": "test"})
    group = only(await update(wire, imsi, 1, (60, 0, 500_000), reason=VALIDITY_TIME))
    assert (granted(group), avps.FINAL_UNIT_INDICATION in group) == (VOLUME, False)


@pytest.mark.rfc("32.299", "6.5.6")
@pytest.mark.parametrize("unit_reason", [None, 0, 3, 5])
@pytest.mark.parametrize("reason", [None, 1, 2, 4, 6, 7, 9])
async def test_point_17_reporting_reasons(
    wire: Any, house: House, subscribe: Subscribe, reason: int | None, unit_reason: int | None
) -> None:
    imsi, account = subscribe("1.00")
    await first(wire, imsi)
    answer = await update(wire, imsi, 1, (1, 50_000, 50_000), reason=reason, unit_reason=unit_reason)
    assert result(answer) == 2001
    assert house.money(account)["balance"] == 999_000


async def test_point_18_mandatory_avps_inside_ps_information(wire: Any, subscribe: Subscribe) -> None:
    imsi, _ = subscribe("1.00")
    unknown = bytes.fromhex("0000ffffc0000010000028af00000001")
    parts = [*open5gs_ccr(session(imsi), INITIAL, 0, imsi)[:-1]]
    parts.append(avps.SERVICE_INFORMATION.encode([avps.PS_INFORMATION.encode([unknown])]))
    assert result(await wire.ask(parts)) == 2001
