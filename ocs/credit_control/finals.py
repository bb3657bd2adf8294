"""What a client is told of the last units: Final-Unit-Indication, and QoS-Final-Unit-Indication beside it."""

import ipaddress

from charging.event import FinalAction, FinalUnits
from ocs.credit_control.settings import Profile
from ocs.diameter import avps
from ocs.diameter.codes import FinalUnitAction, RedirectAddressType
from ocs.diameter.dictionary import GroupedAvp

_ACTIONS = {
    FinalAction.TERMINATE: FinalUnitAction.TERMINATE,
    FinalAction.REDIRECT: FinalUnitAction.REDIRECT,
    FinalAction.RESTRICT: FinalUnitAction.RESTRICT_ACCESS,
}
_EXTENSIONS = {
    RedirectAddressType.IPV4_ADDRESS: avps.REDIRECT_ADDRESS_IPADDRESS,
    RedirectAddressType.IPV6_ADDRESS: avps.REDIRECT_ADDRESS_IPADDRESS,
    RedirectAddressType.URL: avps.REDIRECT_ADDRESS_URL,
    RedirectAddressType.SIP_URI: avps.REDIRECT_ADDRESS_SIP_URI,
}
_TREATMENTS = {"permit": 3, "deny": 0}
_DIRECTIONS = {"in": 0, "out": 1}
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}


def indications(final: FinalUnits, profile: Profile) -> list[bytes]:
    """Who knows QoS-Final-Unit-Indication ignores the other one, so that it must say as much (RFC 8506 section 8.68).

    It goes only where every filter can be said in the form of RFC 5777.
    """
    parts = [_plain(final)]
    if profile.qos_final_units:
        rules = [filter_rule(text, number) for number, text in enumerate(final.filters, 1)]
        if None not in rules:
            parts.append(_qos(final, [rule for rule in rules if rule is not None]))
    return parts


def _plain(final: FinalUnits) -> bytes:
    """Final-Unit-Indication; TERMINATE carries no other member (RFC 8506 section 8.34)."""
    parts = [avps.FINAL_UNIT_ACTION.encode(_ACTIONS[final.action])]
    if final.action is not FinalAction.TERMINATE:
        parts.extend(avps.RESTRICTION_FILTER_RULE.encode(rule) for rule in final.filters)
        parts.extend(avps.FILTER_ID.encode(name) for name in final.filter_ids)
    if final.action is FinalAction.REDIRECT:
        kind = avps.REDIRECT_ADDRESS_TYPE.encode(address_type(final.redirect))
        parts.append(avps.REDIRECT_SERVER.encode([kind, avps.REDIRECT_SERVER_ADDRESS.encode(final.redirect)]))
    return avps.FINAL_UNIT_INDICATION.encode(parts)


def _qos(final: FinalUnits, rules: list[bytes]) -> bytes:
    parts = [avps.FINAL_UNIT_ACTION.encode(_ACTIONS[final.action])]
    if final.action is not FinalAction.TERMINATE:
        parts.extend(rules)
        parts.extend(avps.FILTER_ID.encode(name) for name in final.filter_ids)
    if final.action is FinalAction.REDIRECT:
        kind = _EXTENSIONS[address_type(final.redirect)]
        parts.append(avps.REDIRECT_SERVER_EXTENSION.encode([kind.encode(final.redirect)]))
    return avps.QOS_FINAL_UNIT_INDICATION.encode(parts)


def address_type(address: str) -> RedirectAddressType:
    """RFC 8506 section 8.38."""
    if address.partition(":")[0].lower() in ("sip", "sips"):
        return RedirectAddressType.SIP_URI
    if "//" in address:
        return RedirectAddressType.URL
    return RedirectAddressType.IPV6_ADDRESS if ":" in address else RedirectAddressType.IPV4_ADDRESS


def filter_rule(text: str, number: int) -> bytes | None:
    """An IPFilterRule (RFC 6733 section 4.3.1) as the Filter-Rule of RFC 5777; None where it cannot be said in it.

    ``number`` is its place: the first rule that fits a packet decides.
    """
    words = text.split()
    try:
        treatment, direction, protocol = _TREATMENTS[words[0]], _DIRECTIONS[words[1]], words[2]
        at = words.index("to")
        if words[3] != "from":
            return None
        classifier = [
            avps.CLASSIFIER_ID.encode(str(number).encode()),
            *([] if protocol == "ip" else [avps.PROTOCOL.encode(_PROTOCOLS.get(protocol) or int(protocol))]),
            avps.DIRECTION.encode(direction),
            *_end(avps.FROM_SPEC, words[4:at]),
            *_end(avps.TO_SPEC, words[at + 1 :]),
        ]
    except (IndexError, KeyError, ValueError):  # options such as "frag", or not a rule at all
        return None
    return avps.FILTER_RULE.encode(
        [
            avps.FILTER_RULE_PRECEDENCE.encode(number),
            avps.CLASSIFIER.encode(classifier),
            avps.TREATMENT_ACTION.encode(treatment),
        ]
    )


def _end(spec: GroupedAvp, words: list[str]) -> list[bytes]:
    """One end of the flow: address, then ports. Raises ValueError for what is neither."""
    address, *ports = words
    parts = []
    if address.startswith("!"):
        address = address[1:]
        parts.append(avps.NEGATED.encode(1))
    if address == "assigned":
        parts.append(avps.USE_ASSIGNED_ADDRESS.encode(1))
    elif address != "any":
        network = ipaddress.ip_network(address, strict=False)
        one = avps.IP_ADDRESS.encode(str(network.network_address))
        whole = network.prefixlen == network.max_prefixlen
        width = avps.IP_BIT_MASK_WIDTH.encode(network.prefixlen)
        parts.insert(0, one if whole else avps.IP_ADDRESS_MASK.encode([one, width]))
    if len(ports) > 1:
        raise ValueError(ports)
    for port in ports[0].split(",") if ports else ():
        first, dash, last = port.partition("-")
        start = int(first)
        parts.append(
            avps.PORT_RANGE.encode([avps.PORT_START.encode(start), avps.PORT_END.encode(int(last))])
            if dash
            else avps.PORT.encode(start)
        )
    return [spec.encode(parts)] if parts else []
