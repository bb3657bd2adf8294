import inspect
from enum import IntEnum

import pytest
from diameter.message.avp import dictionary as other

from ocs.diameter import avps, codes
from ocs.diameter.dictionary import AVPS, COMMANDS, Avp, avp, names
from ocs.diameter.errors import LocalError

RENAMED = {"Acct-Multi-Session-Id": "Accounting-Multi-Session-Id", "Acct-Session-Id": "Accounting-Session-Id"}


def test_every_avp_is_a_constant():
    constants = {value.name: name for name, value in vars(avps).items() if isinstance(value, Avp)}
    assert set(constants) == set(names())
    for name, constant in constants.items():
        assert constant == name.upper().replace("-", "_").replace("3GPP", "TGPP")


def test_codes_and_types_agree_with_an_independent_dictionary():
    kinds = {"DiameterIdentity": "Utf8String", "DiameterURI": "Utf8String", "IPFilterRule": "Utf8String"}
    # Known to be wrong over there: see TS 32.299 for From-Address, TS 29.061 for 3GPP-Charging-Id (4 octets).
    differ = {"From-Address", "3GPP-Charging-Id", "IPFilterRule"}
    compared = 0
    for definition in AVPS.values():
        theirs = (
            other.AVP_VENDOR_DICTIONARY.get(definition.vendor, {}) if definition.vendor else other.AVP_DICTIONARY
        ).get(definition.code)
        if theirs is None or definition.name in differ:
            continue
        compared += 1
        expected = theirs["type"].__name__.removeprefix("Avp").lower()
        ours = kinds.get(definition.type.name, definition.type.name).lower()
        alike = {ours, expected} <= {"utf8string", "octetstring"} or {ours, expected} <= {
            "integer32", "enumerated", "unsigned32",
        }  # fmt: skip
        assert ours == expected or alike, (definition, theirs)
    assert compared > 240


def test_enumerations_agree_with_the_dictionaries():
    found = 0
    for name, enumeration in inspect.getmembers(codes, inspect.isclass):
        definition = next((avp(n) for n in names() if n.replace("-", "") == name), None)
        if definition is None or not issubclass(enumeration, IntEnum) or not definition.values:
            continue
        found += 1
        for member in enumeration:
            assert definition.values[member.value].replace("-", "_") == member.name
        if name != "ResultCode":
            assert len(definition.values) == len(enumeration)
    assert found >= 14


def test_grammar_in_the_rfcs_words():
    ccr = COMMANDS[272, True]
    assert [rule.avp.name for rule in ccr.required] == [
        "Session-Id", "Origin-Host", "Origin-Realm", "Destination-Realm", "Auth-Application-Id",
        "Service-Context-Id", "CC-Request-Type", "CC-Request-Number",
    ]  # fmt: skip
    assert ccr.rules[avps.MULTIPLE_SERVICES_CREDIT_CONTROL.key].maximum is None
    assert ccr.rules[avps.REQUESTED_ACTION.key].maximum == 1
    address = COMMANDS[257, True].rules[avps.HOST_IP_ADDRESS.key]
    assert (address.minimum, address.maximum) == (1, None)
    assert avps.SUBSCRIPTION_ID.grammar is not None
    assert [rule.avp for rule in avps.SUBSCRIPTION_ID.grammar.required] == [
        avps.SUBSCRIPTION_ID_TYPE,
        avps.SUBSCRIPTION_ID_DATA,
    ]


@pytest.mark.rfc("6733", "4.5")
def test_mandatory_flags():
    clear = {avps.PRODUCT_NAME, avps.ERROR_MESSAGE, avps.ERROR_REPORTING_HOST, avps.FIRMWARE_REVISION}
    assert not any(definition.mandatory for definition in clear)
    for definition in (avps.ORIGIN_HOST, avps.LOW_BALANCE_INDICATION, avps.REFUND_INFORMATION, avps.TRIGGER):
        assert definition.mandatory


def test_unknown_name():
    with pytest.raises(LocalError, match="no dictionary knows"):
        avp("Rating-Groups")
