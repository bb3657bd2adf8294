"""Capabilities exchange (RFC 6733 section 5.3): who is the peer, and do we have an application in common?"""

from typing import Final

import msgspec

from ocs.diameter import avps
from ocs.diameter.answer import Identity
from ocs.diameter.codes import CREDIT_CONTROL_APPLICATION, RELAY_APPLICATION, SY_APPLICATION, VENDOR_3GPP, ResultCode
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message
from ocs.diameter.settings import DiameterSettings

_NO_INBAND_SECURITY: Final = 0
_NO_VENDOR: Final = 0
"""Our Vendor-Id: we have no enterprise number."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer says of itself."""

    host: str
    realm: str
    product: str
    applications: frozenset[int]


def read_capabilities(message: Message) -> Capabilities:
    """From a CER or CEA; raises RemoteError for what is missing or malformed.

    Applications count wherever they stand, also inside Vendor-Specific-Application-Id, whatever its Vendor-Id.
    """
    applications = {*message.all(avps.AUTH_APPLICATION_ID), *message.all(avps.ACCT_APPLICATION_ID)}
    for group in message.all(avps.VENDOR_SPECIFIC_APPLICATION_ID):
        applications.update(group.all(avps.AUTH_APPLICATION_ID), group.all(avps.ACCT_APPLICATION_ID))
    return Capabilities(
        host=message.require(avps.ORIGIN_HOST),
        realm=message.require(avps.ORIGIN_REALM),
        product=message.get(avps.PRODUCT_NAME) or "",
        applications=frozenset(applications),
    )


def served_applications(settings: DiameterSettings) -> tuple[int, ...]:
    """Credit control, and Sy where it is switched on."""
    return (CREDIT_CONTROL_APPLICATION, SY_APPLICATION) if settings.sy else (CREDIT_CONTROL_APPLICATION,)


def check_common(message: Message, capabilities: Capabilities, settings: DiameterSettings) -> None:
    """Raise RemoteError 5010 or 5017 where there is no common application or security."""
    served = served_applications(settings)
    if not capabilities.applications & {*served, RELAY_APPLICATION}:
        names = " and ".join(map(str, served))
        raise RemoteError(ResultCode.NO_COMMON_APPLICATION, f"only application {names} is served here")
    security = message.all(avps.INBAND_SECURITY_ID)
    if security and _NO_INBAND_SECURITY not in security:
        raise RemoteError(ResultCode.NO_COMMON_SECURITY, "no in-band security is offered here")


def own_capabilities(settings: DiameterSettings, identity: Identity, address: str, host: str) -> tuple[bytes, ...]:
    """The AVPs with which we introduce ourselves to ``host``, from Origin-Host on, in the grammar's order."""
    profile = settings.profile(host)
    twice = profile.vendor_specific_application
    application = avps.AUTH_APPLICATION_ID.encode(CREDIT_CONTROL_APPLICATION)
    parts = [
        identity.encoded,
        *(avps.HOST_IP_ADDRESS.encode(each) for each in profile.addresses or (address,)),
        avps.VENDOR_ID.encode(_NO_VENDOR),
        avps.PRODUCT_NAME.encode(settings.product_name),
        avps.SUPPORTED_VENDOR_ID.encode(VENDOR_3GPP),
        application,
    ]
    if settings.vendor_specific_application if twice is None else twice:
        parts.append(avps.VENDOR_SPECIFIC_APPLICATION_ID.encode((avps.VENDOR_ID.encode(VENDOR_3GPP), application)))
    if settings.sy:
        sy = avps.AUTH_APPLICATION_ID.encode(SY_APPLICATION)
        parts.append(avps.VENDOR_SPECIFIC_APPLICATION_ID.encode((avps.VENDOR_ID.encode(VENDOR_3GPP), sy)))
    return tuple(parts)
