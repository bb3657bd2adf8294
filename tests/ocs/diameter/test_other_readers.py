"""Second opinions: python-diameter reads our messages and we read its; tshark finds nothing to remark in ours."""

import random
import struct
import subprocess
from pathlib import Path

import pytest
from diameter.message import Message as TheirMessage
from diameter.message import commands
from diameter.message.avp.grouped import MultipleServicesCreditControl, SubscriptionId, UsedServiceUnit

from ocs.credit_control.finals import filter_rule
from ocs.diameter import avps
from ocs.diameter.answer import Answer, Identity, compose, refusal
from ocs.diameter.codec import encode_message
from ocs.diameter.codes import DisconnectCause
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message
from ocs.diameter.peer import Peer
from ocs.diameter.settings import DiameterSettings
from ocs.diameter.validate import check_request
from ocs.sy.subscription import Subscription, notification, status_reports

IDENTITY = Identity.of("ocs.example.net", "example.net")


def request() -> Message:
    proxy = avps.PROXY_INFO.encode((avps.PROXY_HOST.encode("dra1"), avps.PROXY_STATE.encode(b"\x01\x02")))
    parts = [
        avps.SESSION_ID.encode("pgw1;1;2"),
        avps.ORIGIN_HOST.encode("pgw1.example.net"),
        avps.ORIGIN_REALM.encode("example.net"),
        avps.DESTINATION_REALM.encode("example.net"),
        avps.AUTH_APPLICATION_ID.encode(4),
        avps.SERVICE_CONTEXT_ID.encode("32251@3gpp.org"),
        avps.CC_REQUEST_TYPE.encode(2),
        avps.CC_REQUEST_NUMBER.encode(1),
        proxy,
    ]
    return Message(encode_message(0xC0, 272, 4, 1, 2, parts))


def full_answer() -> bytes:
    """A CCA with everything a charging server may send."""
    unit_value = avps.UNIT_VALUE.encode((avps.VALUE_DIGITS.encode(-9), avps.EXPONENT.encode(-2)))
    granted = avps.GRANTED_SERVICE_UNIT.encode(
        (
            avps.TARIFF_TIME_CHANGE.encode(1768471200),
            avps.CC_TIME.encode(60),
            avps.CC_MONEY.encode((unit_value, avps.CURRENCY_CODE.encode(978))),
            avps.CC_TOTAL_OCTETS.encode(2**63),
            avps.CC_SERVICE_SPECIFIC_UNITS.encode(1),
        )
    )
    redirect = avps.REDIRECT_SERVER.encode(
        (avps.REDIRECT_ADDRESS_TYPE.encode(2), avps.REDIRECT_SERVER_ADDRESS.encode("http://topup.example.net/"))
    )
    final = avps.FINAL_UNIT_INDICATION.encode(
        (
            avps.FINAL_UNIT_ACTION.encode(1),
            avps.RESTRICTION_FILTER_RULE.encode("permit out ip from any to any"),
            avps.FILTER_ID.encode("portal"),
            redirect,
        )
    )
    services = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(
        (
            granted,
            avps.SERVICE_IDENTIFIER.encode(1000),
            avps.RATING_GROUP.encode(10),
            avps.VALIDITY_TIME.encode(3600),
            avps.RESULT_CODE.encode(2001),
            final,
            avps.TIME_QUOTA_THRESHOLD.encode(10),
            avps.VOLUME_QUOTA_THRESHOLD.encode(2_000_000),
            avps.UNIT_QUOTA_THRESHOLD.encode(1),
            avps.QUOTA_HOLDING_TIME.encode(300),
            avps.QUOTA_CONSUMPTION_TIME.encode(20),
            avps.TIME_QUOTA_MECHANISM.encode((avps.TIME_QUOTA_TYPE.encode(1), avps.BASE_TIME_INTERVAL.encode(60))),
            avps.TRIGGER.encode((avps.TRIGGER_TYPE.encode(1),)),
            avps.REFUND_INFORMATION.encode(b"chg-1"),
        )
    )
    money = (unit_value, avps.CURRENCY_CODE.encode(978))
    parts = (
        avps.CC_SESSION_FAILOVER.encode(1),
        services,
        avps.COST_INFORMATION.encode(money),
        avps.LOW_BALANCE_INDICATION.encode(1),
        avps.REMAINING_BALANCE.encode(money),
        avps.CHECK_BALANCE_RESULT.encode(0),
        avps.CREDIT_CONTROL_FAILURE_HANDLING.encode(0),
        avps.DIRECT_DEBITING_FAILURE_HANDLING.encode(1),
        *filters(),
    )
    return compose(request(), Answer(avps=parts), IDENTITY)


def filters() -> list[bytes]:
    """Where these stand, in QoS-Final-Unit-Indication, tshark does not look: it does not know that one yet."""
    texts = "deny in tcp from !192.0.2.0/24 80,8000-8100 to 2001:db8::1 443", "permit out ip from any to assigned"
    rules = [filter_rule(text, number) for number, text in enumerate(texts)]
    assert None not in rules
    return [rule for rule in rules if rule is not None]


def everything_we_send() -> list[bytes]:
    """Both sides of the base protocol, answers good and bad, a request of our own."""
    peers = [
        Peer(DiameterSettings(), Identity.of(host, "example.net"), address, lambda _: None, random.Random(1))
        for host, address in (("client.example.net", "192.0.2.1"), ("ocs.example.net", "2001:db8::1"))
    ]
    one, two = peers
    one.connected(0)
    two.accepted(0)
    sent: list[bytes] = []

    def run() -> None:
        while any(outputs := [one.data_to_send(), two.data_to_send()]):
            sent.extend(output for output in outputs if output)
            two.receive_data(outputs[0], 0)
            one.receive_data(outputs[1], 0)

    run()
    one.probe(0)
    run()
    two.send_request(258, 4, [avps.SESSION_ID.encode("s;1"), IDENTITY.encoded, avps.DESTINATION_REALM.encode("x"),
                              avps.DESTINATION_HOST.encode("y"), avps.AUTH_APPLICATION_ID.encode(4),
                              avps.RE_AUTH_REQUEST_TYPE.encode(0), avps.RATING_GROUP.encode(10)], 0)  # fmt: skip
    run()
    two.close(DisconnectCause.REBOOTING, 0)
    run()
    sent.append(full_answer())
    errors = [RemoteError(3004, "too busy"), RemoteError(5005, "missing", avps.CC_REQUEST_NUMBER.example())]
    sent.extend(compose(request(), refusal(error), IDENTITY) for error in errors)
    return [*sent, *sy_messages()]


def sy_messages() -> list[bytes]:
    """A report, its answers good and bad, and the end of it."""
    told = {"data-80-percent": "reached", "money-low": "enough"}
    subscription = Subscription(host="pcrf1.example.net", realm="example.net")
    head = [
        avps.SESSION_ID.encode("pcrf1;1;1"),
        avps.ORIGIN_HOST.encode("pcrf1.example.net"),
        avps.ORIGIN_REALM.encode("example.net"),
    ]
    slr, str_ = (Message(encode_message(0xC0, command, 16777302, 1, 2, head)) for command in (8388635, 275))
    unknown = Answer(result_code=5570, vendor=10415, failed_avp=avps.POLICY_COUNTER_IDENTIFIER.encode("gold"))
    snr = notification(IDENTITY, "pcrf1;1;1", subscription, told)
    return [
        compose(slr, Answer(avps=status_reports(told)), IDENTITY),
        compose(slr, unknown, IDENTITY),
        encode_message(0xC0, 8388636, 16777302, 3, 4, snr),
        compose(str_, Answer(), IDENTITY),
    ]


def test_our_spending_reports_are_read_by_python_diameter():
    sla, refused, snr, sta = (TheirMessage.from_bytes(message) for message in sy_messages())
    assert isinstance(sla, commands.SpendingLimitAnswer)
    assert (sla.session_id, sla.result_code, sla.auth_application_id) == ("pcrf1;1;1", 2001, 16777302)
    statuses = [
        (report.policy_counter_identifier, report.policy_counter_status) for report in sla.policy_counter_status_report
    ]
    assert statuses == [("data-80-percent", "reached"), ("money-low", "enough")]
    assert (refused.result_code, refused.experimental_result.vendor_id) == (None, 10415)
    assert refused.experimental_result.experimental_result_code == 5570
    assert isinstance(snr, commands.SpendingStatusNotificationRequest)
    assert snr.header.is_proxyable
    assert (snr.destination_host, snr.auth_application_id) == (b"pcrf1.example.net", 16777302)
    assert len(snr.policy_counter_status_report) == 2
    assert isinstance(sta, commands.SessionTerminationAnswer)
    assert sta.result_code == 2001


def test_python_diameters_spending_limit_requests_are_read_by_us():
    theirs = commands.SpendingLimitRequest()
    theirs.session_id = "pcrf1;1;1"
    theirs.origin_host, theirs.origin_realm = b"pcrf1.example.net", b"example.net"
    theirs.destination_realm = b"example.net"
    theirs.auth_application_id, theirs.sl_request_type = 16777302, 0
    theirs.subscription_id = [SubscriptionId(subscription_id_type=0, subscription_id_data="491701234567")]
    theirs.policy_counter_identifier = ["money-low"]
    theirs.header.hop_by_hop_identifier, theirs.header.application_id = 5, 16777302
    message = Message(theirs.as_bytes())
    check_request(message)
    assert (message.command, message.get(avps.SL_REQUEST_TYPE)) == (8388635, 0)
    assert message.all(avps.POLICY_COUNTER_IDENTIFIER) == ["money-low"]


def test_our_answers_are_read_by_python_diameter():
    theirs = TheirMessage.from_bytes(full_answer())
    assert isinstance(theirs, commands.CreditControlAnswer)
    assert (theirs.session_id, theirs.result_code) == ("pgw1;1;2", 2001)
    assert theirs.origin_host == b"ocs.example.net"
    [services] = theirs.multiple_services_credit_control
    assert services.granted_service_unit.cc_total_octets == 2**63
    assert (services.rating_group, services.validity_time, services.result_code) == (10, 3600, 2001)
    assert services.final_unit_indication.redirect_server.redirect_server_address == "http://topup.example.net/"
    assert theirs.cost_information.unit_value.value_digits == -9
    assert [proxy.proxy_state for proxy in theirs.proxy_info] == [b"\x01\x02"]


def test_python_diameters_requests_are_read_by_us():
    theirs = commands.CreditControlRequest()
    theirs.session_id = "pgw1;1;3"
    theirs.origin_host, theirs.origin_realm = b"pgw1.example.net", b"example.net"
    theirs.destination_realm = b"example.net"
    theirs.auth_application_id = 4
    theirs.service_context_id = "32251@3gpp.org"
    theirs.cc_request_type, theirs.cc_request_number = 2, 7
    theirs.subscription_id = [SubscriptionId(subscription_id_type=1, subscription_id_data="262011234567890")]
    used = UsedServiceUnit(cc_total_octets=8_000_000, cc_time=140)
    theirs.multiple_services_credit_control = [MultipleServicesCreditControl(used_service_unit=[used], rating_group=10)]
    theirs.header.hop_by_hop_identifier, theirs.header.application_id = 5, 4
    message = Message(theirs.as_bytes())
    check_request(message)
    assert (message.hop_by_hop, message.application, message.is_request) == (5, 4, True)
    assert (message.get(avps.SESSION_ID), message.get(avps.CC_REQUEST_NUMBER)) == ("pgw1;1;3", 7)
    assert message.require(avps.SUBSCRIPTION_ID).get(avps.SUBSCRIPTION_ID_DATA) == "262011234567890"
    services = message.require(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    assert services.require(avps.USED_SERVICE_UNIT).get(avps.CC_TOTAL_OCTETS) == 8_000_000


def write_pcap(file: Path, messages: list[bytes]) -> None:
    """Each message as one TCP segment from port 3868 over IPv4 (link type 101: raw IP)."""
    out, sequence = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)], 1
    for message in messages:
        tcp = struct.pack(">HHIIBBHHH", 3868, 40000, sequence, 1, 5 << 4, 0x18, 65535, 0, 0)
        total = 20 + len(tcp) + len(message)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 64, 6, 0, bytes((127, 0, 0, 1)), bytes((127, 0, 0, 2)))
        out += [struct.pack("<IIII", 0, 0, total, total), ip, tcp, message]
        sequence += len(message)
    file.write_bytes(b"".join(out))


@pytest.mark.needs("tshark")
def test_tshark_has_nothing_to_remark(tmp_path):
    messages = everything_we_send()
    file = tmp_path / "sent.pcap"
    write_pcap(file, messages)
    command = ["tshark", "-n", "-r", str(file), "-o", "tcp.check_checksum:FALSE", "-Y", "diameter", "-O", "diameter"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert shown.count("Diameter Protocol") == len(messages)
    remarks = ("Malformed", "Unknown", "unknown", "Expert Info (Error", "Expert Info (Warning", "wrong", "not found")
    assert [line for line in shown.splitlines() if any(word in line for word in remarks)] == []
    for command_code in (257, 280, 282, 258, 272, 275, 8388635, 8388636):
        assert f"({command_code})" in shown or f" {command_code} " in shown
