"""What a credit-control client asks and is told: RFC 8506 without its octets.

The state machines speak in these records only; ``messages`` turns them into Diameter and back. Times are not in here:
whoever runs a session knows its clock.
"""

from enum import IntEnum, StrEnum

import msgspec

from simulators.traffic import Subscriber


class RequestType(IntEnum):
    """CC-Request-Type (RFC 8506 section 8.3)."""

    INITIAL = 1
    UPDATE = 2
    TERMINATION = 3
    EVENT = 4


class RequestedAction(IntEnum):
    """Requested-Action (section 8.41)."""

    DIRECT_DEBITING = 0
    REFUND_ACCOUNT = 1
    CHECK_BALANCE = 2
    PRICE_ENQUIRY = 3


class Reporting(IntEnum):
    """Reporting-Reason (TS 32.299, AVP 872)."""

    THRESHOLD = 0
    QHT = 1
    FINAL = 2
    QUOTA_EXHAUSTED = 3
    VALIDITY_TIME = 4
    FORCED_REAUTHORISATION = 7


class FinalAction(IntEnum):
    """Final-Unit-Action (section 8.35)."""

    TERMINATE = 0
    REDIRECT = 1
    RESTRICT_ACCESS = 2


class FailureHandling(IntEnum):
    """Credit-Control-Failure-Handling (section 8.14)."""

    TERMINATE = 0
    CONTINUE = 1
    RETRY_AND_TERMINATE = 2


class Meter(StrEnum):
    """What is counted: the unit AVP that carries it."""

    OCTETS = "octets"
    SECONDS = "seconds"
    EVENTS = "events"


SUCCESS = 2001
LIMITED_SUCCESS = 2002
UNKNOWN_SESSION_ID = 5002
END_USER_SERVICE_DENIED = 4010
CREDIT_CONTROL_NOT_APPLICABLE = 4011
CREDIT_LIMIT_REACHED = 4012


class KeyId(msgspec.Struct, frozen=True, order=True):
    """A service or rating group inside a session; a gateway may send neither (Open5GS)."""

    rating_group: int | None = None
    service_id: int | None = None


class KeyReport(msgspec.Struct, frozen=True, kw_only=True):
    """One Multiple-Services-Credit-Control of a request: used since the last report, and whether more is wanted."""

    key: KeyId
    used: int | None = None
    wanted: int | None = None
    """None: no Requested-Service-Unit; 0: an empty one, the server picks the size."""
    reason: Reporting | None = None
    refund: bytes = b""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One CCR. ``profile`` says which network element asks, and hence how it writes what it asks."""

    session: str
    type: RequestType
    number: int
    subscriber: Subscriber
    profile: "Profile"
    keys: tuple[KeyReport, ...] = ()
    action: RequestedAction | None = None
    called: str = ""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of client: its Service-Context-Id, its unit and its ways."""

    name: str
    context: str
    meter: Meter
    host: str
    split_octets: bool = False
    """Reports input and output octets without their sum, and says it knows no multiple services (Open5GS)."""
    keyed: bool = True
    """Names rating groups; else there is one service without a name."""
    asks: int = 0
    """Units asked for; 0 leaves the size to the server."""
    action_always: bool = False
    """Sends Requested-Action in sessions too, where it means nothing."""
    opens_empty: bool = False
    """Opens the session without asking for anything, and asks in an update."""
    updates_alone: bool = False
    """Asks for each rating group in an update of its own (Magma)."""
    agrees_and_forgets: bool = False
    """Answers a Re-Auth-Request with 2001, and nothing follows (Open5GS)."""
    final_after_refusal: bool = False
    """Tells at once, with a final report of nothing, that a rating group without credit has ended (StarOS)."""
    new_identifiers: bool = False
    """Repeats with a new End-to-End Identifier and without the T flag."""


class KeyGrant(msgspec.Struct, frozen=True, kw_only=True):
    """One Multiple-Services-Credit-Control of an answer. Times in seconds; None where the server said nothing."""

    key: KeyId
    result: int = SUCCESS
    granted: int | None = None
    validity: int | None = None
    threshold: int | None = None
    holding: int | None = None
    final: FinalAction | None = None
    refund: bytes = b""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One CCA. ``cost`` is Cost-Information in micro-units."""

    result: int
    keys: tuple[KeyGrant, ...] = ()
    failure_handling: FailureHandling = FailureHandling.TERMINATE
    cost: int | None = None
    origin_host: str = ""

    @property
    def ok(self) -> bool:
        """DIAMETER_SUCCESS or _LIMITED_SUCCESS for the request as a whole."""
        return self.result // 1000 == 2

    def grant(self, key: KeyId) -> KeyGrant | None:
        """What the answer says of a key."""
        return next((grant for grant in self.keys if grant.key == key), None)
