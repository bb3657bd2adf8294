"""Read a Credit-Control-Request as a charging event.

Tolerant where real gateways are (multiple services without the indicator, Requested-Action outside events, no
Rating-Group, units at command level), strict where a mistake would cost money.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from balances.ledger import Record
from charging.event import Action, ChargingEvent, Phase, ServiceKind, Unit
from ocs.credit_control.identities import naming
from ocs.credit_control.items import ItemsForm
from ocs.credit_control.service import NO_PARAMETERS, describing
from ocs.diameter import avps
from ocs.diameter.codes import ResultCode
from ocs.diameter.errors import RemoteError
from ocs.diameter.forms import ABSENT, Form, Values
from ocs.diameter.message import Message

_ROUTING = frozenset(avp.key for avp in (avps.PROXY_INFO, avps.ROUTE_RECORD, avps.DESTINATION_HOST))
"""What may differ between two copies of one request: the way it took."""

_LIKE_A_SUB_SESSION = re.compile(r";sub=\d*$")

_COST_WANTED = (1, 2)
"""AoC-Request-Type: AoC_FULL, AoC_COST_ONLY."""

_KEPT = (Phase.OPEN, Phase.UPDATE)
"""The phases after which a session goes on: its client is kept with it."""

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


class RequestForm:
    """How Credit-Control-Requests of one form are read (``forms``)."""

    def __init__(self, message: Message, parameters: Mapping[int, str]) -> None:
        """Raises RemoteError for what no request of this form can be answered with."""
        self._form = form = Form(message)
        self._type = form.fixed(message, avps.CC_REQUEST_TYPE)
        self._phase = phase = PHASES[self._type]
        self._action = _action(form, message, phase)
        self._service_context = form.fixed(message, avps.SERVICE_CONTEXT_ID)
        kind = _kind(self._service_context, self._action)
        self._number = form.field(message, avps.CC_REQUEST_NUMBER)
        self._session = form.field(message, avps.SESSION_ID)
        self._sub_session = form.field(message, avps.CC_SUB_SESSION_ID)
        self._stamp = form.field(message, avps.EVENT_TIMESTAMP)
        self._state_id = form.field(message, avps.ORIGIN_STATE_ID)
        self._host = form.fixed(message, avps.ORIGIN_HOST)
        self._realm = form.fixed(message, avps.ORIGIN_REALM) if phase in _KEPT else ""
        self._items = ItemsForm(form, message, phase, kind)
        self._identities = naming(form, message)
        self._service = describing(form, message, kind, phase, parameters)
        self._refunded = _refunded(form, message) if self._action is Action.REFUND else ABSENT
        self._cost = (form.fixed(message, avps.AOC_REQUEST_TYPE) or 0) in _COST_WANTED
        self._failed = message.echo(avps.SERVICE_CONTEXT_ID)

    @property
    def lasting(self) -> bool:
        """It reads all requests of the message's layout."""
        return self._form.lasting

    def read(self, message: Message, now: int) -> CreditControlRequest:
        """Raises RemoteError with the Result-Code to answer."""
        values = self._form.read(message.buffer)
        phase, action, number, sub_session = self._phase, self._action, values[self._number], values[self._sub_session]
        session = session_name(values[self._session], sub_session)
        items, keys, currency = self._items.read(values)
        amount = None
        if action is Action.CHECK_BALANCE:
            amount = next((item.wanted for item in items if item.unit is Unit.MONEY), None)
        event = ChargingEvent(
            session=session,
            operation=f"{self._type}:{number}",
            sequence=number,
            fingerprint=message.checksum(_ROUTING),
            phase=phase,
            door="diameter",
            at=_rating_time(values[self._stamp], now),
            now=now,
            identities=self._identities(values),
            service=self._service(values),
            items=items,
            action=action,
            refund_of=_refund_of(values[self._refunded], session) if action is Action.REFUND else "",
            amount=amount,
            currency=currency,
            context=self._context(values) if phase in _KEPT else None,
        )
        return CreditControlRequest(event, Style(keys, self._items.multiple, self._cost), self._failed)

    def _context(self, values: Values) -> bytes:
        return _pack(
            Client(
                host=self._host,
                realm=self._realm,
                service_context=self._service_context,
                state_id=values[self._state_id] or 0,
                session=values[self._session],
                sub_session=values[self._sub_session],
            )
        )


def read(message: Message, now: int, parameters: Mapping[int, str] = NO_PARAMETERS) -> CreditControlRequest:
    """Read a CCR that has passed its command's grammar; raises RemoteError with the Result-Code to answer.

    ``parameters``: see ``service.describing``; always the same ones.
    """
    layout = message.layout
    form = layout.form if layout is not None else None
    if form is None:
        form = RequestForm(message, parameters)
        if layout is not None and form.lasting:
            layout.form = form
    return form.read(message, now)


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


def _action(form: Form, message: Message, phase: Phase) -> Action:
    """Requested-Action counts in events only: Open5GS sends it in every request."""
    if phase is not Phase.EVENT:
        return Action.DEBIT
    requested = form.fixed(message, avps.REQUESTED_ACTION)
    if requested is None:  # RFC 8506 section 8.41: required in an event
        raise RemoteError(ResultCode.MISSING_AVP, "an event without Requested-Action", avps.REQUESTED_ACTION.example())
    return ACTIONS[requested]


@lru_cache(maxsize=1024)
def _kind_of(context: str) -> ServiceKind | None:
    match = _CONTEXT.search(context)
    return KINDS.get(match[1]) if match else None


def _kind(context: str, action: Action) -> ServiceKind:
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


def _rating_time(stamp: int | None, now: int) -> int:
    """Event-Timestamp in milliseconds: rate when it happened, not when the report came; never in the future."""
    return now if stamp is None or stamp <= 0 else min(stamp * 1000, now)


def _refunded(form: Form, message: Message) -> int:
    """The field of the first Refund-Information that says something. Empty ones are as none."""
    for service in form.groups(message, avps.MULTIPLE_SERVICES_CREDIT_CONTROL):
        for position in service.positions(avps.REFUND_INFORMATION.key)[:1]:
            if len(service.octets(position)) > len(avps.REFUND_INFORMATION.example()):
                return form.field(service, avps.REFUND_INFORMATION)
    return ABSENT


def _refund_of(token: bytes | None, session: str) -> str:
    """Refund-Information names the debit; without it the debit of the same session is meant."""
    return token.decode("utf-8", "replace") if token else session


def name_of(key: str) -> tuple[bytes, ...]:
    """How a Re-Auth-Request names a service: Service-Identifier, if it is one, and Rating-Group (section 5.5)."""
    rating_group, *service_ids = key.split(".")
    parts = [avps.SERVICE_IDENTIFIER.encode(int(service_ids[0]))] if len(service_ids) == 1 else []
    return (*parts, *(() if rating_group == "-" else (avps.RATING_GROUP.encode(int(rating_group)),)))
