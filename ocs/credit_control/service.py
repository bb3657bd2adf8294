"""What a Credit-Control-Request says of the service used: who talks to whom, where and how."""

from collections.abc import Mapping

from msgspec.structs import replace

from charging.access import read_access, visited_network
from charging.event import Phase, Service, ServiceKind
from ocs.diameter import avps
from ocs.diameter.codes import ResultCode, RoleOfNode
from ocs.diameter.dictionary import MANDATORY_FLAG
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Group, Message

NO_PARAMETERS: Mapping[int, str] = {}


def described(
    message: Message, kind: ServiceKind, phase: Phase, parameters: Mapping[int, str] = NO_PARAMETERS
) -> Service | None:
    """The rating input. Updates and ends of calls may lack it: the session then keeps the conditions it has.

    ``parameters``: the fields of Service that Service-Parameter-Types stand for. Raises RemoteError 5031 for a
    parameter that must be understood and is not (RFC 8506 sections 8.42 and 9.2).
    """
    service = _described(message, kind, phase)
    if avps.SERVICE_PARAMETER_INFO not in message:
        return service
    told = {}
    for position in message.positions(avps.SERVICE_PARAMETER_INFO.key):
        info = message.at(avps.SERVICE_PARAMETER_INFO, position)
        field = parameters.get(info.require(avps.SERVICE_PARAMETER_TYPE))
        if field:
            told[field] = info.require(avps.SERVICE_PARAMETER_VALUE).decode("utf-8", "replace")
        elif message.flags(position) & MANDATORY_FLAG:
            raise RemoteError(ResultCode.RATING_FAILED, "a service parameter not known here", message.octets(position))
    return replace(service, **told) if service is not None and told else service


def _described(message: Message, kind: ServiceKind, phase: Phase) -> Service | None:
    context = message.require(avps.SERVICE_CONTEXT_ID)
    origin = message.require(avps.ORIGIN_HOST)
    information = message.get(avps.SERVICE_INFORMATION)
    if information is not None:
        ps = information.get(avps.PS_INFORMATION)
        if (sms := information.get(avps.SMS_INFORMATION)) is not None:
            where = _data(ps, kind, context, origin) if ps is not None else Service(kind=kind)
            return _message(sms, where, context, origin)
        if ps is not None:
            return _data(ps, kind, context, origin)
        if (ims := information.get(avps.IMS_INFORMATION)) is not None:
            call = _call(ims, kind, context, origin)
            if call.called or phase in (Phase.OPEN, Phase.EVENT):
                return call
    if kind is not ServiceKind.DATA and phase in (Phase.UPDATE, Phase.CLOSE):
        return None
    return Service(kind=kind, context=context, origin=origin)


def _data(ps: Group, kind: ServiceKind, context: str, origin: str) -> Service:
    rat = ps.get(avps.TGPP_RAT_TYPE)
    location = ps.get(avps.TGPP_USER_LOCATION_INFO)
    charging_id = ps.get(avps.TGPP_CHARGING_ID)
    qos = ps.get(avps.QOS_INFORMATION)
    qci = qos.get(avps.QOS_CLASS_IDENTIFIER) if qos is not None else None
    return Service(
        kind=kind,
        context=context,
        apn=ps.get(avps.CALLED_STATION_ID) or "",
        rat=str(rat[0]) if rat else "",
        visited=ps.get(avps.TGPP_SGSN_MCC_MNC) or "",
        home=ps.get(avps.TGPP_IMSI_MCC_MNC) or "",
        location=location.hex() if location else "",
        charging_id="" if charging_id is None else str(charging_id),
        origin=origin,
        qos="" if qci is None else str(qci),
    )


def _call(ims: Group, kind: ServiceKind, context: str, origin: str) -> Service:
    calling = ims.all(avps.CALLING_PARTY_ADDRESS)
    access = read_access(each.decode("utf-8", "replace") for each in ims.all(avps.ACCESS_NETWORK_INFORMATION))
    visited = visited_network(ims.get(avps.IMS_VISITED_NETWORK_IDENTIFIER) or "")
    trunks = ims.get(avps.TRUNK_GROUP_ID)
    trunk = trunks.get(avps.INCOMING_TRUNK_GROUP_ID) if trunks is not None else None
    return Service(
        kind=kind,
        context=context,
        calling=_number(calling[0]) if calling else "",
        called=_number(ims.get(avps.CALLED_PARTY_ADDRESS) or ""),
        incoming=ims.get(avps.ROLE_OF_NODE) == RoleOfNode.TERMINATING_ROLE,
        charging_id=ims.get(avps.IMS_CHARGING_IDENTIFIER) or "",
        origin=trunk or origin,
        access=access.access,
        rat=access.rat,
        visited=visited or access.visited,
    )


def _message(sms: Group, where: Service, context: str, origin: str) -> Service:
    """A message, and where its sender is, which PS-Information beside it tells (TS 32.274 clause 6.3.1)."""
    called = ""
    for recipient in sms.all(avps.RECIPIENT_INFO):
        for address in recipient.all(avps.RECIPIENT_ADDRESS):
            called = called or address.get(avps.ADDRESS_DATA) or ""
    originator = sms.get(avps.ORIGINATOR_SCCP_ADDRESS)
    numbers = {"calling": _number(originator or ""), "called": _number(called)}
    return replace(where, context=context, origin=origin, **numbers)


def _number(address: str) -> str:
    """The user part of a tel: or sip: URI as it was dialled; numbering belongs to charging."""
    scheme, _, rest = address.partition(":")
    if not rest:
        return address
    if scheme.lower() in ("tel", "sip", "sips"):
        return rest.partition(";")[0].partition("@")[0]
    return address
