"""Writing CCAs: octets held against a worked exchange, and what may never stand together."""

import pytest

from charging.event import Change, FinalAction, FinalUnits, ItemOutcome, Outcome, Reason, Result, TimePeriods, Unit
from ocs.credit_control.answer import TRIGGERS, write
from ocs.credit_control.manner import Manner
from ocs.credit_control.request import read
from ocs.diameter import avps
from ocs.diameter.answer import Answer, Identity, compose
from ocs.diameter.codec import encode_message
from ocs.diameter.codes import ResultCode
from ocs.diameter.message import Group, Message

OURS = Identity.of("ocs1.ocs.example.net", "ocs.example.net")
VECTOR = """
010000f840000110000000040000100cabc0000c000001074000002e736d7363312e6d73672e6578616d706c652e6e65743b313736383437313230303b35303031310000
0000010c4000000c000007d1000001084000001c6f6373312e6f63732e6578616d706c652e6e657400000128400000176f63732e6578616d706c652e6e65740000000102
4000000c00000004000001a04000000c000000040000019f4000000c00000000000001af40000018000001a1400000100000000000000001000001a740000038000001bd
40000024000001bf400000100000000000000009000001ad4000000cfffffffe000001a94000000c000003d2
"""


def ccr(
    *more: bytes,
    session: str = "pgw1;1;1",
    context: str = "32251@3gpp.org",
    request_type: int = 1,
    ids: tuple[int, int] = (1, 2),
) -> Message:
    head = [
        avps.SESSION_ID.encode(session),
        avps.ORIGIN_HOST.encode("pgw1.epc.example.net"),
        avps.ORIGIN_REALM.encode("epc.example.net"),
        avps.DESTINATION_REALM.encode("ocs.example.net"),
        avps.AUTH_APPLICATION_ID.encode(4),
        avps.SERVICE_CONTEXT_ID.encode(context),
        avps.CC_REQUEST_TYPE.encode(request_type),
        avps.CC_REQUEST_NUMBER.encode(0),
    ]
    return Message(encode_message(0xC0, 272, 4, *ids, [*head, *more]))


def answer(request: Message, outcome: Outcome) -> tuple[Answer, Message]:
    written = write(read(request, 1_768_471_200_000), outcome, Manner())
    return written, Message(compose(request, written, OURS))


def data_request() -> Message:
    return ccr(
        avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(
            [avps.REQUESTED_SERVICE_UNIT.encode([]), avps.RATING_GROUP.encode(10)]
        )
    )


def data_answer(item: ItemOutcome) -> Group:
    written, message = answer(data_request(), Outcome(result=Result.OK, items=(item,), currency="EUR"))
    assert written.result_code == ResultCode.SUCCESS
    return message.require(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)


@pytest.mark.rfc("8506", "3.2")
def test_a_direct_debit_at_command_level_is_answered_octet_by_octet_like_the_worked_exchange() -> None:
    request = ccr(
        avps.REQUESTED_ACTION.encode(0),
        avps.SERVICE_IDENTIFIER.encode(1),
        avps.REQUESTED_SERVICE_UNIT.encode([avps.CC_SERVICE_SPECIFIC_UNITS.encode(1)]),
        session="smsc1.msg.example.net;1768471200;50011",
        context="32274@3gpp.org",
        request_type=4,
        ids=(0x100C, 0xABC0000C),
    )
    item = ItemOutcome(key="-.1", unit=Unit.EVENTS, granted=1, cost=90_000)
    _, message = answer(request, Outcome(result=Result.OK, items=(item,), currency="EUR", spent=90_000))
    assert bytes(message).hex() == VECTOR.replace("\n", "")


def test_a_grant_carries_units_keys_validity_result_threshold_and_holding_time() -> None:
    item = ItemOutcome(
        key="10", unit=Unit.OCTETS, granted=10_000_000, validity=3600, threshold=2_000_000, holding=300, cost=100_000
    )
    service = data_answer(item)
    assert service.require(avps.GRANTED_SERVICE_UNIT).get(avps.CC_TOTAL_OCTETS) == 10_000_000
    assert service.get(avps.RATING_GROUP) == 10
    assert service.get(avps.VALIDITY_TIME) == 3600
    assert service.get(avps.RESULT_CODE) == ResultCode.SUCCESS
    assert service.get(avps.VOLUME_QUOTA_THRESHOLD) == 2_000_000
    assert service.get(avps.QUOTA_HOLDING_TIME) == 300


@pytest.mark.rfc("32.299", "6.5.4")
def test_a_time_quota_says_how_idle_time_is_used() -> None:
    talk = ItemOutcome(key="10", unit=Unit.SECONDS, granted=60, validity=120, consumption=30)
    assert data_answer(talk).get(avps.QUOTA_CONSUMPTION_TIME) == 30
    volume = ItemOutcome(key="10", unit=Unit.OCTETS, granted=60, validity=120, consumption=30)
    assert avps.QUOTA_CONSUMPTION_TIME not in data_answer(volume)


@pytest.mark.rfc("32.299", "6.5.4")
@pytest.mark.parametrize(("continuous", "number"), [(False, 0), (True, 1)])
def test_a_time_quota_says_that_time_is_used_in_periods(continuous: bool, number: int) -> None:
    periods = TimePeriods(seconds=60, continuous=continuous)
    told = data_answer(ItemOutcome(key="10", unit=Unit.SECONDS, granted=600, validity=120, periods=periods))
    mechanism = told.require(avps.TIME_QUOTA_MECHANISM)
    assert (mechanism.get(avps.TIME_QUOTA_TYPE), mechanism.get(avps.BASE_TIME_INTERVAL)) == (number, 60)


@pytest.mark.rfc("32.299", "6.5.7")
@pytest.mark.parametrize(
    ("changes", "types"), [(None, None), ((), []), ((Change.RAT, Change.QOS), [2, 4]), (tuple(Change), None)]
)
def test_a_grant_arms_what_the_client_shall_report(changes: tuple[Change, ...] | None, types: list[int] | None) -> None:
    told = data_answer(ItemOutcome(key="10", unit=Unit.OCTETS, granted=1000, validity=120, changes=changes))
    trigger = told.get(avps.TRIGGER)
    if changes is None:
        assert trigger is None
        return
    assert trigger is not None
    found = trigger.all(avps.TRIGGER_TYPE)
    assert found == (sorted(TRIGGERS.values()) if types is None else types)
    assert set(found) <= set(avps.TRIGGER_TYPE.values)


@pytest.mark.rfc("8506", "8.34")
def test_the_last_grant_says_so_and_has_no_threshold() -> None:
    item = ItemOutcome(
        key="10", unit=Unit.OCTETS, granted=3_000_000, validity=3600, threshold=600_000, final=FinalUnits()
    )
    service = data_answer(item)
    final = service.require(avps.FINAL_UNIT_INDICATION)
    assert list(final.index) == [avps.FINAL_UNIT_ACTION.key]
    assert avps.VOLUME_QUOTA_THRESHOLD not in service


def test_a_refusal_has_its_code_and_neither_grant_nor_validity_nor_final_units() -> None:
    item = ItemOutcome(key="10", unit=Unit.OCTETS, granted=0, reason=Reason.NO_CREDIT, final=FinalUnits())
    service = data_answer(item)
    assert service.get(avps.RESULT_CODE) == ResultCode.CREDIT_LIMIT_REACHED
    for absent in (avps.GRANTED_SERVICE_UNIT, avps.VALIDITY_TIME, avps.FINAL_UNIT_INDICATION):
        assert absent not in service


@pytest.mark.rfc("8506", "5.6.2")
def test_a_redirect_without_units_is_a_success_with_a_validity_time() -> None:
    final = FinalUnits(action=FinalAction.REDIRECT, redirect="http://topup.example.net/")
    item = ItemOutcome(key="10", unit=Unit.OCTETS, granted=0, reason=Reason.NO_CREDIT, final=final, validity=600)
    service = data_answer(item)
    assert service.get(avps.RESULT_CODE) == ResultCode.SUCCESS
    assert service.get(avps.VALIDITY_TIME) == 600
    server = service.require(avps.FINAL_UNIT_INDICATION).require(avps.REDIRECT_SERVER)
    assert server.get(avps.REDIRECT_ADDRESS_TYPE) == 2
    assert server.get(avps.REDIRECT_SERVER_ADDRESS) == "http://topup.example.net/"
    assert avps.GRANTED_SERVICE_UNIT not in service


@pytest.mark.rfc("8506", "9.2")
def test_what_cannot_be_rated_shows_its_service_context_as_failed_avp() -> None:
    written, message = answer(data_request(), Outcome(result=Result.UNRATEABLE))
    assert written.result_code == ResultCode.RATING_FAILED
    assert message.require(avps.FAILED_AVP).get(avps.SERVICE_CONTEXT_ID) == "32251@3gpp.org"


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (Result.NO_CREDIT, 4012),
        (Result.BARRED, 4010),
        (Result.UNKNOWN_SUBSCRIBER, 5030),
        (Result.UNKNOWN_SESSION, 5002),
        (Result.SESSION_CLOSED, 5002),
        (Result.UNAVAILABLE, 5012),
    ],
)
def test_each_refusal_of_the_whole_has_its_result_code(result: Result, code: int) -> None:
    written, message = answer(data_request(), Outcome(result=result))
    assert written.result_code == code
    assert avps.MULTIPLE_SERVICES_CREDIT_CONTROL not in message
