"""Read a Credit-Control-Request as a charging event.

Tolerant where real gateways are (multiple services without the indicator, Requested-Action outside events, no
Rating-Group, units at command level), strict where a mistake would cost money.
"""

import re
from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from balances.ledger import Record
from charging.event import (
    Action,
    ChargingEvent,
    Phase,
    RequestItem,
    ServiceKind,
    Unit,
)
from ocs.credit_control.copies import copies_sent
from ocs.credit_control.identities import identities
from ocs.credit_control.service import NO_PARAMETERS, described
from ocs.diameter import avps
from ocs.diameter.codes import ResultCode, TariffChangeUsage
from ocs.diameter.currency import ALPHABETIC
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Group, Message

_ROUTING = frozenset(avp.key for avp in (avps.PROXY_INFO, avps.ROUTE_RECORD, avps.DESTINATION_HOST))
"""What may differ between two copies of one request: the way it took."""

_TIME, _EVENTS, _MONEY = avps.CC_TIME.key, avps.CC_SERVICE_SPECIFIC_UNITS.key, avps.CC_MONEY.key

_LIKE_A_SUB_SESSION = re.compile(r";sub=\d*$")

_COST_WANTED = (1, 2)
"""AoC-Request-Type: AoC_FULL, AoC_COST_ONLY."""

MOST_ITEMS = 100
"""More services in one request are refused: nobody has so many, and each costs work in the store."""

PHASES = {1: Phase.OPEN, 2: Phase.UPDATE, 3: Phase.CLOSE, 4: Phase.EVENT}
ACTIONS = {0: Action.DEBIT, 1: Action.REFUND, 2: Action.CHECK_BALANCE, 3: Action.PRICE_ENQUIRY}

KINDS = {
    "32251": ServiceKind.DATA,
    "32255": ServiceKind.DATA,
    "32260": ServiceKind.VOICE,
    "32275": ServiceKind.VOICE,
    "32276": ServiceKind.VOICE,
    "32274": ServiceKind.SMS,
    "32270": ServiceKind.MMS,
}
"""TS 32.2xx number at the end of a Service-Context-Id to what is charged."""

_CONTEXT = re.compile(r"(?:^|\.)(\d{5})@3gpp\.org$", re.ASCII | re.IGNORECASE)
"""``[ext.][MNC.][MCC.][Release.]NNNNN@3gpp.org``: only the end tells the service (TS 32.299 section 7.1.12)."""

UNITS_BY_KIND = {
    ServiceKind.DATA: (Unit.OCTETS, Unit.SECONDS, Unit.EVENTS, Unit.MONEY),
    ServiceKind.VOICE: (Unit.SECONDS, Unit.EVENTS, Unit.OCTETS, Unit.MONEY),
    ServiceKind.SMS: (Unit.EVENTS, Unit.SECONDS, Unit.OCTETS, Unit.MONEY),
    ServiceKind.MMS: (Unit.EVENTS, Unit.OCTETS, Unit.SECONDS, Unit.MONEY),
    ServiceKind.OTHER: (Unit.EVENTS, Unit.SECONDS, Unit.OCTETS, Unit.MONEY),
}
"""Which unit counts where a container holds several: time reported beside a volume is information only."""


class Style(NamedTuple):
    """How the client speaks, for the answer to mirror: which AVPs echo an item, or units at command level."""

    keys: dict[str, bytes]
    """Item key to its Service-Identifier and Rating-Group AVPs as they came."""
    multiple: bool
    """Units came in Multiple-Services-Credit-Control, not at command level."""
    cost: bool
    """Advice of charge is wanted in updates too (AoC-Request-Type full or cost, TS 32.299 clause 7.2.19)."""


class CreditControlRequest(NamedTuple):
    """A CCR read: the event for the engine and what the answer needs to know."""

    event: ChargingEvent
    style: Style
    failed: bytes
    """What a Failed-AVP shows if the request cannot be rated: its Service-Context-Id."""


def session_name(session: str, sub_session: int | None) -> str:
    """What the ledger knows a session by, or one of its sub-sessions (RFC 8506 section 5.1.2).

    A Session-Id that looks like the name of a sub-session gets another end, so that none can be taken for it.
    """
    if sub_session is not None:
        return f"{session};sub={sub_session}"
    return f"{session};sub=" if ";sub=" in session and _LIKE_A_SUB_SESSION.search(session) else session


def read(message: Message, now: int, parameters: Mapping[int, str] = NO_PARAMETERS) -> CreditControlRequest:
    """Read a CCR that has passed its command's grammar; raises RemoteError with the Result-Code to answer.

    ``parameters``: see ``service.described``.
    """
    request_type = message.require(avps.CC_REQUEST_TYPE)
    number = message.require(avps.CC_REQUEST_NUMBER)
    phase = PHASES[request_type]
    action = _action(message, phase)
    kind = _kind(message, action)
    sub_session = message.get(avps.CC_SUB_SESSION_ID)
    session = session_name(message.require(avps.SESSION_ID), sub_session)
    items, style, currency = _items(message, phase, kind)
    amount = None
    if action is Action.CHECK_BALANCE:
        amount = next((item.wanted for item in items if item.unit is Unit.MONEY), None)
    event = ChargingEvent(
        session=session,
        operation=f"{request_type}:{number}",
        sequence=number,
        fingerprint=_fingerprint(message),
        phase=phase,
        door="diameter",
        at=_rating_time(message, now),
        now=now,
        identities=identities(message),
        service=described(message, kind, phase, parameters),
        items=items,
        action=action,
        refund_of=_refund_of(message, session) if action is Action.REFUND else "",
        amount=amount,
        currency=currency,
        context=_context(message, sub_session) if phase in (Phase.OPEN, Phase.UPDATE) else None,
    )
    return CreditControlRequest(event, style, message.echo(avps.SERVICE_CONTEXT_ID))


class Client(Record, frozen=True, kw_only=True, array_like=True):
    """Where a session's client is to be found: of its latest request, kept with the session."""

    host: str
    """Origin-Host; agents may be between it and us."""
    realm: str
    service_context: str
    state_id: int = 0
    """Origin-State-Id (RFC 6733 section 8.16); 0: it tells nothing."""
    session: str = ""
    """Session-Id as the client knows it."""
    sub_session: int | None = None
    """CC-Sub-Session-Id, if the session is one of several under its Session-Id."""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Client).decode


def read_context(context: bytes) -> Client | None:
    """The client, from what is kept with the session; None if it is of another door."""
    try:
        return _unpack(context)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _context(message: Message, sub_session: int | None) -> bytes:
    client = Client(
        host=message.require(avps.ORIGIN_HOST),
        realm=message.require(avps.ORIGIN_REALM),
        service_context=message.require(avps.SERVICE_CONTEXT_ID),
        state_id=message.get(avps.ORIGIN_STATE_ID) or 0,
        session=message.require(avps.SESSION_ID),
        sub_session=sub_session,
    )
    return _pack(client)


def _action(message: Message, phase: Phase) -> Action:
    """Requested-Action counts in events only: Open5GS sends it in every request."""
    if phase is not Phase.EVENT:
        return Action.DEBIT
    requested = message.get(avps.REQUESTED_ACTION)
    if requested is None:  # RFC 8506 section 8.41: required in an event
        raise RemoteError(ResultCode.MISSING_AVP, "an event without Requested-Action", avps.REQUESTED_ACTION.example())
    return ACTIONS[requested]


@lru_cache(maxsize=1024)
def _kind_of(context: str) -> ServiceKind | None:
    match = _CONTEXT.search(context)
    return KINDS.get(match[1]) if match else None


def _kind(message: Message, action: Action) -> ServiceKind:
    context = message.require(avps.SERVICE_CONTEXT_ID)
    kind = _kind_of(context)
    if kind is not None:
        return kind
    if action in (Action.CHECK_BALANCE, Action.PRICE_ENQUIRY) and context.startswith("balance@"):
        return ServiceKind.OTHER
    raise RemoteError(
        ResultCode.RATING_FAILED,
        "a Service-Context-Id that is not charged here",
        avps.SERVICE_CONTEXT_ID.encode(context),
    )


def _fingerprint(message: Message) -> int:
    """A checksum of the content that a retransmission repeats: all but what agents add on the way."""
    return message.checksum(_ROUTING)


def _rating_time(message: Message, now: int) -> int:
    """Event-Timestamp in milliseconds: rate when it happened, not when the report came; never in the future."""
    stamp = message.get(avps.EVENT_TIMESTAMP)
    if stamp is None:
        return now
    return min(stamp * 1000, now) if stamp > 0 else now


# ---------------------------------------------------------------- how much


def _items(message: Message, phase: Phase, kind: ServiceKind) -> tuple[tuple[RequestItem, ...], Style, str]:
    """The services of the request, each key once, and how the client named them."""
    services = message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    if len(services) > MOST_ITEMS:
        raise RemoteError(ResultCode.RESOURCES_EXCEEDED, f"more than {MOST_ITEMS} services in one request")
    items: dict[str, RequestItem] = {}
    keys: dict[str, bytes] = {}
    currencies: set[str] = set()
    for service in services:
        item = _item(service, phase, kind, currencies)
        keys.setdefault(item.key, _echo(service))
        items[item.key] = _merge(items[item.key], item) if item.key in items else item
    if not services and (phase is Phase.EVENT or _has_units(message)):
        item = _item(message, phase, kind, currencies)
        items[item.key] = item
        keys[item.key] = b""
    if phase in (Phase.OPEN, Phase.EVENT) and (copies := copies_sent(message, kind)) > 1:
        items = {key: replace(item, wanted=copies) if item.wanted == 0 else item for key, item in items.items()}
    if len(currencies) > 1:
        raise RemoteError(ResultCode.RATING_FAILED, "CC-Money in more than one currency")
    style = Style(keys, bool(services), cost=(message.get(avps.AOC_REQUEST_TYPE) or 0) in _COST_WANTED)
    return tuple(items.values()), style, currencies.pop() if currencies else ""


def _has_units(message: Message) -> bool:
    return message.get(avps.REQUESTED_SERVICE_UNIT) is not None or bool(message.all(avps.USED_SERVICE_UNIT))


def _item(group: Group, phase: Phase, kind: ServiceKind, currencies: set[str]) -> RequestItem:
    rating_group = group.get(avps.RATING_GROUP)
    service_ids = group.all(avps.SERVICE_IDENTIFIER)
    containers = group.all(avps.USED_SERVICE_UNIT)
    used = [_units(unit, currencies) for unit in containers]
    after = [units for unit, units in zip(containers, used, strict=True) if _is_after(unit)]
    requested = group.get(avps.REQUESTED_SERVICE_UNIT)
    wanted = None if requested is None or phase is Phase.CLOSE else _units(requested, currencies)
    if phase is Phase.EVENT and wanted is None:
        wanted = {}
    reported = used[0] if len(used) == 1 else _sum(used)
    unit = _first(UNITS_BY_KIND[kind], wanted or reported)
    return RequestItem(
        key=_key(rating_group, service_ids),
        rating_group=rating_group,
        service_id=service_ids[0] if service_ids else None,
        unit=unit,
        used=reported.get(unit, 0) if unit else 0,
        wanted=None if wanted is None else wanted.get(unit, 0) if unit else 0,
        reported=tuple(reported.items()),
        after=tuple(_sum(after).items()) if after else (),
    )


def _first(order: Iterable[Unit], counted: Container[Unit]) -> Unit | None:
    for unit in order:
        if unit in counted:
            return unit
    return None


def _is_after(used: Group) -> bool:
    """RFC 8506 section 8.27. What is UNIT_INDETERMINATE counts as used before, as what is not marked at all."""
    return (
        avps.TARIFF_CHANGE_USAGE in used
        and used.get(avps.TARIFF_CHANGE_USAGE) == TariffChangeUsage.UNIT_AFTER_TARIFF_CHANGE
    )


def _key(rating_group: int | None, service_ids: list[int]) -> str:
    """Service-Identifiers and Rating-Group together name a service (RFC 8506 section 8.16)."""
    first = "-" if rating_group is None else str(rating_group)
    return ".".join((first, *map(str, service_ids))) if service_ids else first


def name_of(key: str) -> tuple[bytes, ...]:
    """How a Re-Auth-Request names a service: Service-Identifier, if it is one, and Rating-Group (section 5.5)."""
    rating_group, *service_ids = key.split(".")
    parts = [avps.SERVICE_IDENTIFIER.encode(int(service_ids[0]))] if len(service_ids) == 1 else []
    return (*parts, *(() if rating_group == "-" else (avps.RATING_GROUP.encode(int(rating_group)),)))


def _sum(parts: Iterable[dict[Unit, int]]) -> dict[Unit, int]:
    """Units added up, each with its own."""
    total: dict[Unit, int] = {}
    for part in parts:
        for unit, count in part.items():
            total[unit] = total.get(unit, 0) + count
    return total


def _merge(one: RequestItem, other: RequestItem) -> RequestItem:
    """The same key twice in a request: what was used adds up, what is wanted is the larger."""
    wanted = (
        other.wanted if one.wanted is None else one.wanted if other.wanted is None else max(one.wanted, other.wanted)
    )
    reported = _sum([dict(one.reported), dict(other.reported)])
    unit = one.unit or other.unit
    return RequestItem(
        key=one.key,
        rating_group=one.rating_group,
        service_id=one.service_id,
        unit=unit,
        used=reported.get(unit, 0) if unit else 0,
        wanted=wanted,
        reported=tuple(reported.items()),
        after=tuple(_sum([dict(one.after), dict(other.after)]).items()),
    )


def _echo(service: Group) -> bytes:
    return b"".join(service.raw(avps.SERVICE_IDENTIFIER)) + service.echo(avps.RATING_GROUP)


def _units(container: Group, currencies: set[str]) -> dict[Unit, int]:
    """What a unit container counts. Total octets, where present, already hold input and output (TS 32.299)."""
    units: dict[Unit, int] = {}
    if not container.index:
        return units
    if _TIME in container.index:
        units[Unit.SECONDS] = container.require(avps.CC_TIME)
    total = container.get(avps.CC_TOTAL_OCTETS)
    if total is None:
        inwards, outwards = container.get(avps.CC_INPUT_OCTETS), container.get(avps.CC_OUTPUT_OCTETS)
        if inwards is not None or outwards is not None:
            total = (inwards or 0) + (outwards or 0)
    if total is not None:
        units[Unit.OCTETS] = total
    if _EVENTS in container.index:
        units[Unit.EVENTS] = container.require(avps.CC_SERVICE_SPECIFIC_UNITS)
    if _MONEY in container.index:
        units[Unit.MONEY] = _money(container.require(avps.CC_MONEY), currencies)
    return units


def _money(money: Group, currencies: set[str]) -> int:
    """CC-Money in micro-units: Value-Digits * 10^Exponent; what is finer than a micro-unit or negative is refused."""
    value = money.require(avps.UNIT_VALUE)
    digits, exponent = value.require(avps.VALUE_DIGITS), value.get(avps.EXPONENT) or 0
    code = money.get(avps.CURRENCY_CODE)
    if code is not None:
        if code not in ALPHABETIC:
            raise RemoteError(
                ResultCode.INVALID_AVP_VALUE, "no such currency in ISO 4217", avps.CURRENCY_CODE.encode(code)
            )
        currencies.add(ALPHABETIC[code])
    shift = exponent + 6
    if -20 < shift < 20 and digits >= 0 and (shift >= 0 or digits % 10**-shift == 0):
        amount: int = digits * 10**shift if shift >= 0 else digits // 10**-shift
        if amount < 2**53:
            return amount
    raise RemoteError(ResultCode.INVALID_AVP_VALUE, "not an amount that can be charged", money.raw(avps.UNIT_VALUE)[0])


def _refund_of(message: Message, session: str) -> str:
    """Refund-Information names the debit; without it the debit of the same session is meant."""
    for service in message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL):
        token = service.get(avps.REFUND_INFORMATION)
        if token:
            return token.decode("utf-8", "replace")
    return session
