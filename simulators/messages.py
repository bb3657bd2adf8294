"""Credit-control records to Diameter messages and back, by python-diameter: an implementation that is not the server's.

Known faults of its version 0.9 are worked around where they matter: it clears the M flag of Origin-Host, Origin-Realm
and Destination-Host, which RFC 6733 requires, and writes SIP-Method under a wrong code.
"""

import datetime
from typing import Any
from zlib import crc32

from diameter.message import Message
from diameter.message.avp import grouped
from diameter.message.avp.generator import AvpGenDef
from diameter.message.commands.capabilities_exchange import CapabilitiesExchangeRequest
from diameter.message.commands.credit_control import CreditControlAnswer, CreditControlRequest
from diameter.message.constants import VENDOR_TGPP

from simulators.credit import (
    Answer,
    FailureHandling,
    FinalAction,
    KeyGrant,
    KeyId,
    KeyReport,
    Meter,
    Profile,
    Request,
    RequestType,
)

CREDIT_CONTROL = 4
"""Auth-Application-Id of RFC 8506."""
E164, IMSI = 0, 1
_ALWAYS_MANDATORY = (264, 296, 293)
_SIP_METHOD = 824


def encode_ccr(request: Request, realm: str, server: str, state: int) -> Message:
    """A CCR ready for its Hop-by-Hop and End-to-End identifiers; ``server`` is the Destination-Host learnt, if any."""
    ccr = CreditControlRequest()
    ccr.session_id = request.session
    ccr.origin_host = request.profile.host.encode()
    ccr.origin_realm = request.profile.host.partition(".")[2].encode()
    ccr.destination_realm = realm.encode()
    if server and request.type in (RequestType.UPDATE, RequestType.TERMINATION):
        ccr.destination_host = server.encode()
    ccr.service_context_id = request.profile.context
    ccr.cc_request_type = int(request.type)
    ccr.cc_request_number = request.number
    ccr.origin_state_id = state
    ccr.event_timestamp = datetime.datetime.now(datetime.UTC)
    ccr.add_subscription_id(IMSI, request.subscriber.imsi)
    ccr.add_subscription_id(E164, request.subscriber.e164)
    if request.type is RequestType.TERMINATION:
        ccr.termination_cause = 1
    if request.type is RequestType.EVENT:
        ccr.requested_action = request.action
    elif request.profile.action_always:
        ccr.requested_action = 0
    if request.type is RequestType.INITIAL:
        ccr.multiple_services_indicator = 0 if request.profile.split_octets else 1
    ccr.multiple_services_credit_control = [_mscc(report, request.profile) for report in request.keys]
    ccr.service_information = _service_information(request)
    ccr.header.application_id = CREDIT_CONTROL
    return seal(ccr)


def seal(message: Any) -> Message:
    """Fix the AVPs of a message as they will be sent, with the M flags that RFC 6733 section 4.5 asks for."""
    avps = message.avps
    for avp in avps:
        if avp.code in _ALWAYS_MANDATORY:
            avp.is_mandatory = True
    return Message(message.header, avps)


def decode_cca(message: CreditControlAnswer) -> Answer:
    """What a CCA says; a Result-Code that is absent counts as DIAMETER_UNABLE_TO_COMPLY."""
    return Answer(
        result=message.result_code or 5012,
        keys=tuple(_key_grant(mscc) for mscc in message.multiple_services_credit_control),
        failure_handling=FailureHandling(message.credit_control_failure_handling or 0),
        cost=_micro(message.cost_information),
        origin_host=(message.origin_host or b"").decode(),
    )


def capabilities(host: str, address: str, state: int) -> Message:
    """A CER that offers credit control and the 3GPP vendor's AVPs."""
    cer = CapabilitiesExchangeRequest()
    cer.origin_host = host.encode()
    cer.origin_realm = host.partition(".")[2].encode()
    cer.host_ip_address = [address]
    cer.vendor_id = VENDOR_TGPP
    cer.product_name = "simulated network element"
    cer.origin_state_id = state
    cer.supported_vendor_id = [VENDOR_TGPP]
    cer.auth_application_id = [CREDIT_CONTROL]
    return seal(cer)


def _mscc(report: KeyReport, profile: Profile) -> grouped.MultipleServicesCreditControl:
    mscc = grouped.MultipleServicesCreditControl(rating_group=report.key.rating_group)
    if report.key.service_id is not None:
        mscc.service_identifier = [report.key.service_id]
    if report.wanted is not None:
        mscc.requested_service_unit = grouped.RequestedServiceUnit()
        if report.wanted:
            _set_units(mscc.requested_service_unit, profile.meter, report.wanted)
    if report.used is not None:
        used = grouped.UsedServiceUnit()
        if profile.split_octets:
            used.cc_input_octets, used.cc_output_octets = report.used // 5, report.used - report.used // 5
        else:
            _set_units(used, profile.meter, report.used)
        mscc.used_service_unit = [used]
    if report.reason is not None:
        if report.used is not None and int(report.reason) in (0, 3, 5):  # these belong to the used units (TS 32.299)
            mscc.used_service_unit[0].reporting_reason = int(report.reason)
        else:
            mscc.reporting_reason = [int(report.reason)]
    if report.refund:
        mscc.refund_information = report.refund
    return mscc


def _set_units(units: Any, meter: Meter, amount: int) -> None:
    if meter is Meter.OCTETS:
        units.cc_total_octets = amount
    elif meter is Meter.SECONDS:
        units.cc_time = amount
    else:
        units.cc_service_specific_units = amount


def _service_information(request: Request) -> grouped.ServiceInformation:
    meter = request.profile.meter
    if meter is Meter.OCTETS:
        return grouped.ServiceInformation(
            ps_information=grouped.PsInformation(
                tgpp_charging_id=crc32(request.session.encode()).to_bytes(4, "big"),
                tgpp_pdp_type=0,
                pdp_address=["10.45.0.7"],
                sgsn_address=["192.0.2.20"],
                ggsn_address=["192.0.2.10"],
                tgpp_imsi_mcc_mnc="26201",
                tgpp_ggsn_mcc_mnc="26201",
                tgpp_sgsn_mcc_mnc="26201",
                tgpp_nsapi=b"\x05",
                called_station_id="internet",
                tgpp_selection_mode="0",
                tgpp_rat_type=b"\x06",
            )
        )
    if meter is Meter.SECONDS:
        method = "INVITE" if request.type is RequestType.INITIAL else "dummy"
        return grouped.ServiceInformation(
            ims_information=grouped.ImsInformation(
                event_type=_EventType(method),
                role_of_node=0,
                node_functionality=6,
                user_session_id=request.session,
                calling_party_address=[f"tel:+{request.subscriber.e164}"],
                called_party_address=f"tel:+{request.called}",
                ims_charging_identifier=f"icid-{request.session}",
            )
        )
    recipient = grouped.RecipientAddress(address_type=1, address_data=request.called, addressee_type=0)
    return grouped.ServiceInformation(
        sms_information=grouped.SmsInformation(
            sms_node=3,
            originator_sccp_address=request.subscriber.e164,
            smsc_address="491710760000",
            data_coding_scheme=0,
            sm_message_type=0,
            recipient_info=[grouped.RecipientInfo(recipient_address=[recipient])],
        )
    )


class _EventType:
    """Event-Type with a SIP-Method of the right code."""

    avp_def = (AvpGenDef("sip_method", _SIP_METHOD, VENDOR_TGPP),)

    def __init__(self, method: str) -> None:
        self.sip_method = method


def _key_grant(mscc: grouped.MultipleServicesCreditControl) -> KeyGrant:
    units = mscc.granted_service_unit
    final = mscc.final_unit_indication
    thresholds = (mscc.volume_quota_threshold, mscc.time_quota_threshold, mscc.unit_quota_threshold)
    return KeyGrant(
        key=KeyId(mscc.rating_group, mscc.service_identifier[0] if mscc.service_identifier else None),
        result=mscc.result_code if mscc.result_code is not None else 2001,
        granted=_first(units.cc_total_octets, units.cc_time, units.cc_service_specific_units) if units else None,
        validity=mscc.validity_time,
        threshold=_first(*thresholds),
        holding=mscc.quota_holding_time,
        final=FinalAction(final.final_unit_action) if final is not None else None,
        refund=mscc.refund_information or b"",
    )


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _micro(cost: grouped.CostInformation | None) -> int | None:
    """Cost-Information as micro-units; None if absent or finer than that."""
    if cost is None or cost.unit_value is None:
        return None
    power = (cost.unit_value.exponent or 0) + 6
    digits = int(cost.unit_value.value_digits)
    if power >= 0:
        return digits * int(10**power)
    whole, rest = divmod(digits, 10**-power)
    return whole if not rest else None
