"""Final units in both forms: the one every client knows, and the one of RFC 8506 that must say as much."""

import pytest

from charging.event import FinalAction, FinalUnits
from ocs.credit_control.finals import filter_rule, indications
from ocs.credit_control.settings import Profile
from ocs.diameter import avps
from ocs.diameter.codec import HEADER_SIZE, encode_message
from ocs.diameter.message import Group, Message

QOS = Profile(qos_final_units=True)
PORTAL = "permit out ip from 198.51.100.10 to assigned"


def members(parts: list[bytes]) -> Group:
    return Message(encode_message(0x40, 272, 4, 1, 2, parts))


def rule(text: str) -> Group:
    made = filter_rule(text, 7)
    assert made is not None
    return members([made]).require(avps.FILTER_RULE)


@pytest.mark.rfc("8506", "8.68")
def test_a_restriction_is_told_in_both_forms_where_the_profile_says_so() -> None:
    final = FinalUnits(action=FinalAction.RESTRICT, filters=(PORTAL,), filter_ids=("portal",))
    told = members(indications(final, QOS))
    plain, qos = told.require(avps.FINAL_UNIT_INDICATION), told.require(avps.QOS_FINAL_UNIT_INDICATION)
    assert [group.get(avps.FINAL_UNIT_ACTION) for group in (plain, qos)] == [2, 2]
    assert plain.all(avps.RESTRICTION_FILTER_RULE) == [PORTAL]
    assert [group.all(avps.FILTER_ID) for group in (plain, qos)] == [["portal"], ["portal"]]
    classifier = qos.require(avps.FILTER_RULE).require(avps.CLASSIFIER)
    assert classifier.require(avps.FROM_SPEC).get(avps.IP_ADDRESS) == "198.51.100.10"
    assert classifier.require(avps.TO_SPEC).get(avps.USE_ASSIGNED_ADDRESS) == 1
    assert avps.QOS_FINAL_UNIT_INDICATION not in members(indications(final, Profile()))


@pytest.mark.rfc("8506", "8.68")
def test_a_redirection_keeps_open_the_same_in_both_forms() -> None:
    final = FinalUnits(action=FinalAction.REDIRECT, redirect="http://topup.example.net/", filters=(PORTAL,))
    qos = members(indications(final, QOS)).require(avps.QOS_FINAL_UNIT_INDICATION)
    server = qos.require(avps.REDIRECT_SERVER_EXTENSION)
    assert server.get(avps.REDIRECT_ADDRESS_URL) == "http://topup.example.net/"
    assert len(qos.all(avps.FILTER_RULE)) == 1


@pytest.mark.rfc("8506", "8.34")
def test_termination_carries_nothing_else_in_either_form() -> None:
    told = members(indications(FinalUnits(), QOS))
    for avp in (avps.FINAL_UNIT_INDICATION, avps.QOS_FINAL_UNIT_INDICATION):
        assert list(told.require(avp).index) == [avps.FINAL_UNIT_ACTION.key]


def test_a_filter_that_the_new_form_cannot_say_leaves_the_old_form_alone() -> None:
    final = FinalUnits(action=FinalAction.RESTRICT, filters=(PORTAL, "permit out ip from any to any frag"))
    told = members(indications(final, QOS))
    assert avps.QOS_FINAL_UNIT_INDICATION not in told
    assert len(told.require(avps.FINAL_UNIT_INDICATION).all(avps.RESTRICTION_FILTER_RULE)) == 2


@pytest.mark.rfc("8506", "8.68")
def test_a_filter_says_action_direction_protocol_addresses_and_ports() -> None:
    found = rule("deny in tcp from !192.0.2.0/24 80,8000-8100 to 2001:db8::1 443")
    assert (found.get(avps.TREATMENT_ACTION), found.get(avps.FILTER_RULE_PRECEDENCE)) == (0, 7)
    classifier = found.require(avps.CLASSIFIER)
    assert (classifier.get(avps.DIRECTION), classifier.get(avps.PROTOCOL)) == (0, 6)
    source, target = classifier.require(avps.FROM_SPEC), classifier.require(avps.TO_SPEC)
    mask = source.require(avps.IP_ADDRESS_MASK)
    assert (mask.get(avps.IP_ADDRESS), mask.get(avps.IP_BIT_MASK_WIDTH), source.get(avps.NEGATED)) == (
        "192.0.2.0", 24, 1,
    )  # fmt: skip
    ports = source.require(avps.PORT_RANGE)
    assert (source.all(avps.PORT), ports.get(avps.PORT_START), ports.get(avps.PORT_END)) == ([80], 8000, 8100)
    assert (target.get(avps.IP_ADDRESS), target.all(avps.PORT)) == ("2001:db8::1", [443])


def test_from_anywhere_to_anywhere_needs_neither_end() -> None:
    classifier = rule("permit out 17 from any to any").require(avps.CLASSIFIER)
    assert classifier.get(avps.PROTOCOL) == 17
    assert avps.FROM_SPEC not in classifier
    assert avps.TO_SPEC not in classifier


@pytest.mark.parametrize(
    "text",
    [
        "",
        "permit",
        "allow out ip from any to any",
        "permit up ip from any to any",
        "permit out ip of any to any",
        "permit out ip from any",
        "permit out ip from nowhere to any",
        "permit out carrier-pigeon from any to any",
        "permit out tcp from any http to any",
        "permit out tcp from any to any established",
        "permit out tcp from any to any 80 setup",
    ],
)
def test_what_is_no_filter_or_has_options_is_none(text: str) -> None:
    assert filter_rule(text, 1) is None


def test_both_forms_can_be_walked_by_lengths_alone() -> None:
    final = FinalUnits(action=FinalAction.RESTRICT, filters=(PORTAL,))
    octets = encode_message(0x40, 272, 4, 1, 2, indications(final, QOS))
    assert int.from_bytes(octets[1:4], "big") == len(octets) > HEADER_SIZE
