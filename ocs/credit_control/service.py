"""What a Credit-Control-Request says of the service used: who talks to whom, where and how."""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from charging.access import read_access, visited_network
from charging.event import Phase, Service, ServiceKind
from ocs.diameter import avps
from ocs.diameter.codes import ResultCode, RoleOfNode
from ocs.diameter.dictionary import MANDATORY_FLAG
from ocs.diameter.errors import RemoteError
from ocs.diameter.forms import ABSENT, OCTETS, Form, Values
from ocs.diameter.message import Group, Message

NO_PARAMETERS: Mapping[int, str] = {}

Describe = Callable[[Values], Service | None]
"""Reads the rating input; None: the session keeps the conditions under which it runs."""


def describing(
    form: Form, message: Message, kind: ServiceKind, phase: Phase, parameters: Mapping[int, str] = NO_PARAMETERS
) -> Describe:
    """How a request of this form tells the rating input.

    ``parameters``: the fields of Service that Service-Parameter-Types stand for. Reading raises RemoteError 5031 for a
    parameter that must be understood and is not (RFC 8506 sections 8.42 and 9.2).
    """
    describe = _describing(form, message, kind, phase)
    if avps.SERVICE_PARAMETER_INFO not in message:
        return describe
    infos = [
        (
            form.field(info, avps.SERVICE_PARAMETER_TYPE),
            form.field(info, avps.SERVICE_PARAMETER_VALUE),
            message.flags(position) & MANDATORY_FLAG,
            message.span(position),
        )
        for info, position in zip(
            form.groups(message, avps.SERVICE_PARAMETER_INFO),
            message.positions(avps.SERVICE_PARAMETER_INFO.key),
            strict=True,
        )
    ]

    def read(values: Values) -> Service | None:
        service, told = describe(values), {}
        for type, value, mandatory, whole in infos:
            field = parameters.get(values[type])
            if field:
                told[field] = values[value].decode("utf-8", "replace")
            elif mandatory:
                failed = values[OCTETS][whole]
                raise RemoteError(ResultCode.RATING_FAILED, "a service parameter not known here", failed)
        return replace(service, **told) if service is not None and told else service

    return read


def _describing(form: Form, message: Message, kind: ServiceKind, phase: Phase) -> Describe:
    """Updates and ends of calls may lack it: the session then keeps the conditions it has."""
    plain = Service(
        kind=kind,
        context=form.fixed(message, avps.SERVICE_CONTEXT_ID),
        origin=form.fixed(message, avps.ORIGIN_HOST),
    )
    untold = None if kind is not ServiceKind.DATA and phase in (Phase.UPDATE, Phase.CLOSE) else plain
    information = form.group(message, avps.SERVICE_INFORMATION)
    if information is None:
        return lambda _: untold
    ps = form.group(information, avps.PS_INFORMATION)
    sms = form.group(information, avps.SMS_INFORMATION)
    if sms is not None:
        return _message(form, sms, plain, _data(form, ps, plain) if ps is not None else lambda _: Service(kind=kind))
    if ps is not None:
        return _data(form, ps, plain)
    ims = form.group(information, avps.IMS_INFORMATION)
    if ims is None:
        return lambda _: untold
    call = _call(form, ims, plain)
    if phase in (Phase.OPEN, Phase.EVENT):
        return call

    def read(values: Values) -> Service | None:
        found = call(values)
        return found if found.called else untold

    return read


def _data(form: Form, ps: Group, plain: Service) -> Callable[[Values], Service]:
    kind, context, origin = plain.kind, plain.context, plain.origin
    rat, location = form.field(ps, avps.TGPP_RAT_TYPE), form.field(ps, avps.TGPP_USER_LOCATION_INFO)
    apn, charging_id = form.field(ps, avps.CALLED_STATION_ID), form.field(ps, avps.TGPP_CHARGING_ID)
    visited, home = form.field(ps, avps.TGPP_SGSN_MCC_MNC), form.field(ps, avps.TGPP_IMSI_MCC_MNC)
    qos = form.group(ps, avps.QOS_INFORMATION)
    qci = form.field(qos, avps.QOS_CLASS_IDENTIFIER) if qos is not None else ABSENT

    def read(values: Values) -> Service:
        return Service(
            kind=kind,
            context=context,
            apn=values[apn] or "",
            rat=str(values[rat][0]) if values[rat] else "",
            visited=values[visited] or "",
            home=values[home] or "",
            location=values[location].hex() if values[location] else "",
            charging_id="" if values[charging_id] is None else str(values[charging_id]),
            origin=origin,
            qos="" if values[qci] is None else str(values[qci]),
        )

    return read


def _call(form: Form, ims: Group, plain: Service) -> Callable[[Values], Service]:
    calling = (form.fields(ims, avps.CALLING_PARTY_ADDRESS) or [ABSENT])[0]
    called = form.field(ims, avps.CALLED_PARTY_ADDRESS)
    accesses = form.fields(ims, avps.ACCESS_NETWORK_INFORMATION)
    network = form.field(ims, avps.IMS_VISITED_NETWORK_IDENTIFIER)
    incoming = form.fixed(ims, avps.ROLE_OF_NODE) == RoleOfNode.TERMINATING_ROLE
    charging_id = form.field(ims, avps.IMS_CHARGING_IDENTIFIER)
    trunks = form.group(ims, avps.TRUNK_GROUP_ID)
    trunk = form.field(trunks, avps.INCOMING_TRUNK_GROUP_ID) if trunks is not None else ABSENT

    def read(values: Values) -> Service:
        access = read_access(values[field].decode("utf-8", "replace") for field in accesses)
        return Service(
            kind=plain.kind,
            context=plain.context,
            calling=_number(values[calling] or ""),
            called=_number(values[called] or ""),
            incoming=incoming,
            charging_id=values[charging_id] or "",
            origin=values[trunk] or plain.origin,
            access=access.access,
            rat=access.rat,
            visited=visited_network(values[network] or "") or access.visited,
        )

    return read


def _message(form: Form, sms: Group, plain: Service, where: Describe) -> Describe:
    """A message, and where its sender is, which PS-Information beside it tells (TS 32.274 clause 6.3.1)."""
    called = next(
        (
            form.field(address, avps.ADDRESS_DATA)
            for recipient in form.groups(sms, avps.RECIPIENT_INFO)
            for address in form.groups(recipient, avps.RECIPIENT_ADDRESS)
            if address.echo(avps.ADDRESS_DATA) not in (b"", avps.ADDRESS_DATA.example())
        ),
        ABSENT,
    )
    originator = form.field(sms, avps.ORIGINATOR_SCCP_ADDRESS)

    def read(values: Values) -> Service | None:
        numbers = {
            "calling": _number(values[originator] or ""),
            "called": _number(values[called] or ""),
        }
        at = where(values)
        return None if at is None else replace(at, context=plain.context, origin=plain.origin, **numbers)

    return read


def _number(address: str) -> str:
    """The user part of a tel: or sip: URI as it was dialled; numbering belongs to charging."""
    scheme, _, rest = address.partition(":")
    if not rest:
        return address
    if scheme.lower() in ("tel", "sip", "sips"):
        return rest.partition(";")[0].partition("@")[0]
    return address
