"""Whom a request is about: the subscriber's identities as a request names them."""

from collections.abc import Callable

from charging.event import Identity, IdentityType
from ocs.diameter import avps
from ocs.diameter.forms import Form, Values
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
    """Who a single request is about."""
    form = Form(message)
    whose = naming(form, message)
    return whose(form.read(message.buffer))


def naming(form: Form, message: Message) -> Callable[[Values], tuple[Identity, ...]]:
    """Who a request of this form is about: Subscription-Ids as sent, then the extended ones (RFC 8506 section 8.58),
    those inside Service-Information, and User-Name."""
    named = _subscriptions(form, message)
    for group in form.groups(message, avps.SUBSCRIPTION_ID_EXTENSION):
        named += [(kind, form.field(group, avp)) for avp, kind in _EXTENSIONS if avp in group]
    information = form.group(message, avps.SERVICE_INFORMATION)
    if information is not None:
        named += _subscriptions(form, information)
    user = form.field(message, avps.USER_NAME)

    def read(values: Values) -> tuple[Identity, ...]:
        found: dict[Identity, None] = {}
        for kind, data in named:
            if values[data]:
                for identity in identify(kind, values[data]):
                    found[identity] = None
        if values[user]:
            found.setdefault(Identity(type=IdentityType.NAI, value=values[user]))
        return tuple(found)

    return read


def _subscriptions(form: Form, holder: Group) -> list[tuple[IdentityType, int]]:
    """Type and data of the Subscription-Ids in a message or group."""
    found = []
    for group in form.groups(holder, avps.SUBSCRIPTION_ID):
        kind = _TYPES.get(form.fixed(group, avps.SUBSCRIPTION_ID_TYPE))
        if kind is not None:
            found.append((kind, form.field(group, avps.SUBSCRIPTION_ID_DATA)))
    return found


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
