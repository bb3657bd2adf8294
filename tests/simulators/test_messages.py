from diameter.message import Message
from diameter.message.avp import grouped
from diameter.message.commands.credit_control import CreditControlAnswer

from simulators.credit import (
    FinalAction,
    KeyId,
    KeyReport,
    Meter,
    Profile,
    Reporting,
    Request,
    RequestedAction,
    RequestType,
)
from simulators.gateway import GATEWAY, OPEN5GS, PROFILES
from simulators.ims import VOICE
from simulators.messages import decode_cca, encode_ccr
from simulators.smsc import MESSAGE
from simulators.traffic import make_subscribers

SUBSCRIBER = make_subscribers(1)[0]


def sent(profile: Profile, *keys: KeyReport, kind: RequestType = RequestType.UPDATE, action=None) -> Message:
    request = Request(
        session="s",
        type=kind,
        number=3,
        subscriber=SUBSCRIBER,
        profile=profile,
        keys=keys,
        action=action,
        called="4930123",
    )
    return Message.from_bytes(encode_ccr(request, "example.net", "ocs.example.net", 7).as_bytes())


def test_a_gateway_reports_octets_with_the_reason_at_its_place():
    ccr = sent(GATEWAY, KeyReport(key=KeyId(10), used=5, wanted=0, reason=Reporting.QUOTA_EXHAUSTED))
    mscc = ccr.multiple_services_credit_control[0]
    assert mscc.used_service_unit[0].cc_total_octets == 5
    assert mscc.used_service_unit[0].reporting_reason == 3
    assert mscc.reporting_reason == []
    assert mscc.requested_service_unit is not None
    assert [one.subscription_id_data for one in ccr.subscription_id] == [SUBSCRIBER.imsi, SUBSCRIBER.e164]
    final = sent(GATEWAY, KeyReport(key=KeyId(10), used=5, reason=Reporting.FINAL), kind=RequestType.TERMINATION)
    assert final.multiple_services_credit_control[0].reporting_reason == [2]
    assert final.multiple_services_credit_control[0].requested_service_unit is None
    assert final.termination_cause == 1


def test_the_ways_of_open5gs():
    ccr = sent(OPEN5GS, KeyReport(key=KeyId(), used=11, wanted=1_000_000), kind=RequestType.INITIAL)
    used = ccr.multiple_services_credit_control[0].used_service_unit[0]
    assert (used.cc_input_octets, used.cc_output_octets, used.cc_total_octets) == (2, 9, None)
    assert ccr.multiple_services_credit_control[0].rating_group is None
    assert ccr.multiple_services_indicator == 0


def test_only_open5gs_sends_an_action_in_sessions():
    for name, profile in PROFILES.items():
        ccr = sent(profile, KeyReport(key=KeyId(), wanted=1_000_000), kind=RequestType.UPDATE)
        assert (ccr.requested_action == 0) == (name == "open5gs"), name


def test_a_call_says_who_calls_whom_and_that_it_is_an_invite():
    request = Request(
        session="s",
        type=RequestType.INITIAL,
        number=0,
        subscriber=SUBSCRIBER,
        profile=VOICE,
        keys=(KeyReport(key=KeyId(100, 1000), wanted=60),),
        called="4930123",
    )
    data = encode_ccr(request, "example.net", "", 7).as_bytes()
    plain = Message.from_bytes(data, plain_msg=True)
    method = plain.find_avps((873, 10415), (876, 10415), (823, 10415), (824, 10415))
    assert [avp.value for avp in method] == ["INVITE"]
    ims = Message.from_bytes(data).service_information.ims_information
    assert (ims.calling_party_address, ims.called_party_address) == ([f"tel:+{SUBSCRIBER.e164}"], "tel:+4930123")


def test_a_message_is_debited_and_refunded_by_its_token():
    report = KeyReport(key=KeyId(300, 1), wanted=1, refund=b"token")
    ccr = sent(MESSAGE, report, kind=RequestType.EVENT, action=RequestedAction.REFUND_ACCOUNT)
    assert ccr.requested_action == 1
    assert ccr.multiple_services_credit_control[0].refund_information == b"token"
    assert ccr.multiple_services_credit_control[0].requested_service_unit.cc_service_specific_units == 1


def test_an_answer_is_read_whole():
    cca = CreditControlAnswer()
    cca.session_id, cca.result_code, cca.origin_host, cca.origin_realm = "s", 2001, b"ocs.example.net", b"example.net"
    cca.cc_request_type, cca.cc_request_number = 1, 0
    cca.cost_information = grouped.CostInformation(grouped.UnitValue(72, -3), 978)
    cca.add_multiple_services_credit_control(
        granted_service_unit=grouped.GrantedServiceUnit(cc_time=60),
        rating_group=100,
        service_identifier=1000,
        validity_time=120,
        final_unit_indication=grouped.FinalUnitIndication(final_unit_action=1),
    )
    cca.multiple_services_credit_control[0].time_quota_threshold = 10
    answer = decode_cca(Message.from_bytes(cca.as_bytes()))
    assert (answer.ok, answer.cost, answer.origin_host) == (True, 72_000, "ocs.example.net")
    grant = answer.grant(KeyId(100, 1000))
    assert grant is not None
    assert (grant.granted, grant.validity, grant.threshold, grant.final) == (60, 120, 10, FinalAction.REDIRECT)
    assert answer.grant(KeyId(10)) is None


def test_profiles_differ_in_what_they_count():
    assert {profile.meter for profile in (GATEWAY, VOICE, MESSAGE)} == set(Meter)
