"""Whom a request is about: the subscriber's identities as a request names them."""

from charging.event import Identity, IdentityType
from ocs.diameter import avps
from ocs.diameter.message import Group, Message

_TYPES: dict[int | None, IdentityType] = {
    0: IdentityType.E164,
    1: IdentityType.IMSI,
    2: IdentityType.SIP,
    3: IdentityType.NAI,
    4: IdentityType.PRIVATE,
}

_EXTENSIONS = (
    (avps.SUBSCRIPTION_ID_E164, IdentityType.E164),
    (avps.SUBSCRIPTION_ID_IMSI, IdentityType.IMSI),
    (avps.SUBSCRIPTION_ID_SIP_URI, IdentityType.SIP),
    (avps.SUBSCRIPTION_ID_NAI, IdentityType.NAI),
    (avps.SUBSCRIPTION_ID_PRIVATE, IdentityType.PRIVATE),
)


def identities(message: Message) -> tuple[Identity, ...]:
    """Who a request is about: Subscription-Ids as sent, then the extended ones (RFC 8506 section 8.58), those inside
    Service-Information, and User-Name."""
    found: dict[Identity, None] = {}
    _add(found, message.all(avps.SUBSCRIPTION_ID))
    if avps.SUBSCRIPTION_ID_EXTENSION in message:
        for group in message.all(avps.SUBSCRIPTION_ID_EXTENSION):
            for avp, kind in _EXTENSIONS:
                if data := group.get(avp):
                    found.update(dict.fromkeys(identify(kind, data)))
    information = message.get(avps.SERVICE_INFORMATION)
    if information is not None:
        _add(found, information.all(avps.SUBSCRIPTION_ID))
    user = message.get(avps.USER_NAME)
    if user:
        found.setdefault(Identity(type=IdentityType.NAI, value=user))
    return tuple(found)


def _add(found: dict[Identity, None], groups: list[Group]) -> None:
    for group in groups:
        data = group.get(avps.SUBSCRIPTION_ID_DATA)
        kind = _TYPES.get(group.get(avps.SUBSCRIPTION_ID_TYPE))
        if data and kind is not None:
            for identity in identify(kind, data):
                found[identity] = None


def identify(kind: IdentityType, data: str) -> tuple[Identity, ...]:
    """Normalise one Subscription-Id: E.164 without ``+``; a SIP URI without scheme and parameters, or its number."""
    if kind is IdentityType.E164:
        return (Identity(type=kind, value=data.removeprefix("tel:").removeprefix("+")),)
    if kind is not IdentityType.SIP:
        return (Identity(type=kind, value=data),)
    scheme, _, rest = data.partition(":")
    if not rest:
        scheme, rest = "sip", data
    rest = rest.partition(";")[0].partition("?")[0]
    if scheme.lower() == "tel":
        return (Identity(type=IdentityType.E164, value=rest.removeprefix("+")),)
    user, _, domain = rest.rpartition("@")
    address = Identity(type=IdentityType.SIP, value=f"{user}@{domain.lower()}" if user else rest)
    if user.startswith("+") and user[1:].isdigit():
        return (address, Identity(type=IdentityType.E164, value=user[1:]))
    return (address,)
