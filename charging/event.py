"""The protocol-neutral charging event and its outcome: the only language in which doors and engine speak.

A door translates its protocol's request into a ChargingEvent and an Outcome into its protocol's answer. Nothing of
Diameter or SIP is in here; nothing of tariffs is in the doors. Units are integers (octets, seconds, events,
micro-units), times are milliseconds since 1970 (UTC).
"""

from enum import StrEnum

from balances.channels import Channels, Limits, Room
from balances.ledger import Address, Identity, IdentityType, Lapse, Phase, Record, Unavailable, Unit

__all__ = [
    "REPORTS",
    "Action",
    "Address",
    "Change",
    "Channels",
    "ChargingEvent",
    "FinalAction",
    "FinalUnits",
    "Identity",
    "IdentityType",
    "ItemOutcome",
    "Lapse",
    "Limits",
    "Memory",
    "Outcome",
    "Phase",
    "Reason",
    "RequestItem",
    "Result",
    "Room",
    "Service",
    "ServiceKind",
    "TimePeriods",
    "Unavailable",
    "Unit",
]


REPORTS = (Phase.UPDATE, Phase.CLOSE, Phase.LAPSE)
"""The phases that are about a session that runs."""


class ServiceKind(StrEnum):
    """What is being used; the catalogue prices each kind on its own."""

    DATA = "data"
    VOICE = "voice"
    SMS = "sms"
    MMS = "mms"
    OTHER = "other"


class Action(StrEnum):
    """What an EVENT asks for (Requested-Action, RFC 8506 section 8.41). Sessions are always DEBIT."""

    DEBIT = "debit"
    REFUND = "refund"
    CHECK_BALANCE = "check-balance"
    PRICE_ENQUIRY = "price-enquiry"


class Service(Record, frozen=True, kw_only=True):
    """The rating input: who talks to whom, where and how. Empty strings where the door does not know.

    ``calling`` and ``called`` are E.164 digits, or whatever was dialled where it is no such number. ``visited`` and
    ``home`` are MCC-MNC digits. ``origin`` names the door, peer or trunk it came through.
    """

    kind: ServiceKind
    context: str = ""
    calling: str = ""
    called: str = ""
    incoming: bool = False
    """The subscriber is the called party (Role-Of-Node terminating)."""
    apn: str = ""
    rat: str = ""
    visited: str = ""
    home: str = ""
    location: str = ""
    charging_id: str = ""
    origin: str = ""
    qos: str = ""
    """QoS class: QCI or 5QI in digits."""
    access: str = ""
    """How a call reaches its network where that is not radio: ``wifi`` or ``app``."""


class RequestItem(Record, frozen=True, kw_only=True):
    """One service or rating group of a request.

    ``used`` counts since this item's last report; ``total`` counts since the session began (a door sets one of them).
    ``wanted``: None wants nothing; 0 leaves the size to the engine; else the units asked for. ``unit`` None: the
    service's own. ``money``: micro-units to be reserved or debited without any rating (CC-Money).
    """

    key: str
    """Identity of the item inside its session; what the door needs to recognise it in the outcome."""
    rating_group: int | None = None
    service_id: int | None = None
    unit: Unit | None = None
    used: int = 0
    total: int | None = None
    wanted: int | None = None
    reported: tuple[tuple[Unit, int], ...] = ()
    """All that the client counted since the last report, by unit, where it counted in several: whatever it wants, what
    it used is settled in the unit in which the item is priced. Stands for ``used`` then."""
    after: tuple[tuple[Unit, int], ...] = ()
    """What of ``reported`` was used after a change of the tariff; what cannot be told apart counts as used before."""


class ChargingEvent(Record, frozen=True, kw_only=True):
    """One request of a network element. ``(session, operation)`` is its identity: a repeat gets the same outcome.

    ``at`` is when the usage happened (rating time), ``now`` when the request arrived. ``identities`` come best first;
    it may be empty in a session that is known. ``service`` None: keep the conditions under which the session runs.
    ``lifetime``: milliseconds after which the session lapses if nothing is heard; None: by the service's validity.
    """

    session: str
    operation: str
    fingerprint: int
    phase: Phase
    door: str
    at: int
    now: int
    identities: tuple[Identity, ...]
    service: Service | None
    items: tuple[RequestItem, ...] = ()
    action: Action = Action.DEBIT
    refund_of: str = ""
    """REFUND: the session whose debit is to be given back."""
    amount: int | None = None
    """CHECK_BALANCE: micro-units; None: what the items would cost."""
    currency: str = ""
    """ISO 4217 code of ``amount`` or of MONEY items; empty: the account's."""
    lifetime: int | None = None
    lapse: Lapse | None = None
    """What becomes of the reservations if the session lapses; None: by the service's policy."""
    context: bytes | None = None
    """The door's own memory of the session, kept in the vault; None leaves it as it is."""
    reference: str = ""
    """What the ledger entry shall say beside: for calls, the carrier and what it took."""
    sequence: int | None = None
    """The request's number, if the door counts a session's requests: an old one is known for one by it."""
    splits: bool = False
    """The client counts what it uses before and after a change of the tariff apart: a grant may outlast one."""


class Memory(Record, frozen=True, kw_only=True):
    """What the engine recalls of a session for a door that has forgotten it."""

    session: str
    open: bool
    context: bytes
    opened_at: int
    updated_at: int
    deadline: int


class Result(StrEnum):
    """The outcome of a request as a whole; the doors map it to Result-Code or SIP status."""

    OK = "ok"
    NO_CREDIT = "no-credit"
    """Nothing could be granted and the service does not keep an empty session."""
    BARRED = "barred"
    """The account is suspended or closed, or its plan does not include the service."""
    LIMIT_REACHED = "spending-limit"
    """A limit of the subscriber's own leaves nothing, though there is credit: consent would lift it, no top-up."""
    UNKNOWN_SUBSCRIBER = "unknown-subscriber"
    UNRATEABLE = "unrateable"
    """The catalogue has no price for this service, destination or unit."""
    UNKNOWN_SESSION = "unknown-session"
    """Never heard of, or (UPDATE) lapsed: what was reported of a lapsed session is debited all the same."""
    SESSION_CLOSED = "session-closed"
    """The session ended before; nothing was done."""
    NOTHING_TO_REFUND = "nothing-to-refund"
    OUT_OF_RANGE = "out-of-range"
    FORGOTTEN = "forgotten"
    """It may have been answered so long ago that the answer is not kept: nothing was done."""
    UNAVAILABLE = "unavailable"
    """The store gave no answer: the outcome is unknown, only a repeat will tell."""


class Reason(StrEnum):
    """Why an item was not granted."""

    NONE = ""
    NO_CREDIT = "insufficient-credit"
    LIMIT_REACHED = "spending-limit"
    BARRED = "barred"
    UNRATEABLE = "unrateable"


class FinalAction(StrEnum):
    """What the network does when the last grant is used up (Final-Unit-Action, RFC 8506 section 8.35)."""

    TERMINATE = "terminate"
    REDIRECT = "redirect"
    RESTRICT = "restrict"


class Change(StrEnum):
    """What may change while a service is used, and its price with it (Trigger-Type, TS 32.299)."""

    ADDRESS = "sgsn-address"
    QOS = "qos"
    LOCATION = "location"
    RAT = "rat"
    TIMEZONE = "timezone"
    BIT_RATE = "bit-rate"
    MCC = "mcc"
    MNC = "mnc"
    RAC = "rac"
    LAC = "lac"
    CELL = "cell"
    TAC = "tac"
    ECGI = "ecgi"
    MEDIA = "media"
    NODE = "node"
    ACCESS = "access"
    CSG = "csg"
    PRESENCE = "presence-area"


class TimePeriods(Record, frozen=True, kw_only=True):
    """Time is used in whole periods, ``continuous``: joined while traffic goes on (Time-Quota-Mechanism)."""

    seconds: int
    continuous: bool = False


class FinalUnits(Record, frozen=True, kw_only=True):
    """Final-unit handling of a service, from the catalogue."""

    action: FinalAction = FinalAction.TERMINATE
    redirect: str = ""
    """URL, SIP URI or IP address for REDIRECT."""
    filters: tuple[str, ...] = ()
    """IPFilterRules for RESTRICT, and those kept open in REDIRECT."""
    filter_ids: tuple[str, ...] = ()
    """Names of filters that the gateway knows, for the same."""


class ItemOutcome(Record, frozen=True, kw_only=True):
    """What an item got. ``granted`` None: nothing was wanted; ``final`` None: it is not the last grant."""

    key: str
    unit: Unit
    granted: int | None = None
    reason: Reason = Reason.NONE
    validity: int = 0
    """Seconds the grant holds; 0: the door's default."""
    threshold: int = 0
    """Remaining units at which the client should ask again; 0: none."""
    holding: int = 0
    """Quota-Holding-Time in seconds; 0: none."""
    consumption: int = 0
    """Idle seconds that are used all the same (Quota-Consumption-Time); 0: none."""
    periods: TimePeriods | None = None
    """None: time is used second by second."""
    changes: tuple[Change, ...] | None = None
    """What the client reports at once; None: what it would report anyway."""
    switch: int = 0
    """When the tariff changes while the grant holds, in milliseconds; 0: it does not."""
    final: FinalUnits | None = None
    throttle: str = ""
    """What the network slows the use down to, by the name it knows it by; empty: full speed."""
    cost: int = 0
    """Micro-units reserved for the grant; debited, for an EVENT."""
    settled: int = 0
    """Micro-units debited for what was used."""


class Outcome(Record, frozen=True, kw_only=True):
    """The answer to a ChargingEvent. Money in micro-units of ``currency``."""

    result: Result
    items: tuple[ItemOutcome, ...] = ()
    reason: str = ""
    """A sentence for logs and the door's error text."""
    account: Address | None = None
    currency: str = ""
    spent: int = 0
    """Debited in this session so far; EVENT: the debit, refund or enquired price."""
    available: int = 0
    enough: bool | None = None
    """CHECK_BALANCE: is the amount available?"""
    replayed: bool = False
    conflict: bool = False
    on_trust: bool = False
    """Answered without the ledger: nobody knows what is available."""
    warned: tuple[str, ...] = ()
    """Meters whose warning was reached by this request."""
    short: str = ""
    """The account up the subscriber's chain for whose sake something was refused; not for the subscriber to know."""
