"""What goes wrong, as problem details (RFC 9457): one table of kinds, one exception, one way to say it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from balances.ledger import (
    InsufficientFunds,
    LedgerError,
    LoanOutstanding,
    NoSuchAccount,
    NotNeeded,
    NotSubscribed,
    OperationConflict,
    OutOfRange,
    Record,
    Stale,
    Subscribed,
    Taken,
    TooMany,
)

MEDIA_TYPE = "application/problem+json"


class Kind(StrEnum):
    """The kinds of problem; the value is the end of the type URI ``urn:ocs:problem:...``."""

    MALFORMED_JSON = "malformed-json"
    INVALID_REQUEST = "invalid-request"
    IDEMPOTENCY_KEY_REQUIRED = "idempotency-key-required"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    CROSS_ORIGIN = "cross-origin"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NO_SUCH_ACCOUNT = "no-such-account"
    NO_SUCH_SESSION = "no-such-session"
    ACCOUNT_CHANGED = "account-changed"
    TAKEN = "taken"
    OPERATION_CONFLICT = "operation-conflict"
    SESSION_ENDED = "session-ended"
    BODY_TOO_LARGE = "body-too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    UNKNOWN_PLAN = "unknown-plan"
    UNKNOWN_OFFER = "unknown-offer"
    UNKNOWN_METER = "unknown-meter"
    WRONG_CURRENCY = "wrong-currency"
    NOT_CHARGEABLE = "not-chargeable"
    INSUFFICIENT_FUNDS = "insufficient-funds"
    NOT_ACTIVE = "not-active"
    NOT_OFFERED = "not-offered"
    NOT_RECURRING = "not-recurring"
    SUBSCRIBED = "subscribed"
    NOT_SUBSCRIBED = "not-subscribed"
    NO_SUCH_BATCH = "no-such-batch"
    NOT_REDEEMED = "not-redeemed"
    TOO_MANY_TRIES = "too-many-tries"
    LOAN_OUTSTANDING = "loan-outstanding"
    NOT_NEEDED = "not-needed"
    TOO_MANY_TRANSFERS = "too-many-transfers"
    OUT_OF_RANGE = "out-of-range"
    NOT_REASONABLE = "not-reasonable"
    OUTCOME_UNKNOWN = "outcome-unknown"
    NOT_READY = "not-ready"
    NO_SUCH_CATALOGUE = "no-such-catalogue"
    UNKNOWN_NETWORK = "unknown-network"
    WRONG_CATALOGUE = "wrong-catalogue"
    NOT_PUBLISHED = "not-published"
    TOO_MANY_STREAMS = "too-many-streams"
    INTERNAL = "internal-error"


TITLES: dict[Kind, tuple[int, str]] = {
    Kind.MALFORMED_JSON: (400, "The body is not JSON"),
    Kind.INVALID_REQUEST: (422, "The request is not as described"),
    Kind.IDEMPOTENCY_KEY_REQUIRED: (400, "An Idempotency-Key is required"),
    Kind.UNAUTHENTICATED: (401, "A valid bearer token is required"),
    Kind.FORBIDDEN: (403, "The token's role does not allow this"),
    Kind.CROSS_ORIGIN: (403, "Requests from other sites are refused"),
    Kind.NOT_FOUND: (404, "There is nothing here"),
    Kind.METHOD_NOT_ALLOWED: (405, "This method is not allowed here"),
    Kind.NO_SUCH_ACCOUNT: (404, "There is no such account"),
    Kind.NO_SUCH_SESSION: (404, "There is no such session"),
    Kind.TAKEN: (409, "The id or an identity is taken"),
    Kind.OPERATION_CONFLICT: (409, "The Idempotency-Key was used for something else"),
    Kind.SESSION_ENDED: (409, "The session has ended"),
    Kind.BODY_TOO_LARGE: (413, "The body is too large"),
    Kind.UNSUPPORTED_MEDIA_TYPE: (415, "The body must be application/json"),
    Kind.UNKNOWN_PLAN: (422, "The catalogue has no such plan"),
    Kind.UNKNOWN_OFFER: (422, "The catalogue has no such offer"),
    Kind.UNKNOWN_METER: (422, "The catalogue has no such meter"),
    Kind.WRONG_CURRENCY: (422, "The plan is in another currency"),
    Kind.NOT_CHARGEABLE: (422, "The account cannot be charged with this parent"),
    Kind.INSUFFICIENT_FUNDS: (422, "Less than nothing would be left"),
    Kind.NOT_ACTIVE: (422, "The account is not active"),
    Kind.NOT_OFFERED: (422, "The plan does not offer this"),
    Kind.NOT_RECURRING: (422, "The offer does not renew"),
    Kind.SUBSCRIBED: (409, "The account has subscribed to it already"),
    Kind.NOT_SUBSCRIBED: (404, "The account has not subscribed to it"),
    Kind.NO_SUCH_BATCH: (404, "There is no such batch of vouchers"),
    Kind.NOT_REDEEMED: (422, "The voucher cannot be redeemed"),
    Kind.TOO_MANY_TRIES: (429, "Too many wrong codes"),
    Kind.LOAN_OUTSTANDING: (422, "A loan is still to be repaid"),
    Kind.NOT_NEEDED: (422, "Enough is available without a loan"),
    Kind.TOO_MANY_TRANSFERS: (429, "As many transfers as may be were sent today"),
    Kind.ACCOUNT_CHANGED: (409, "The account changed meanwhile, again and again; try again"),
    Kind.OUT_OF_RANGE: (422, "The amount leaves the range in which counting is exact"),
    Kind.NOT_REASONABLE: (422, "The request makes no sense"),
    Kind.OUTCOME_UNKNOWN: (503, "The store did not answer in time"),
    Kind.NOT_READY: (503, "Not ready"),
    Kind.NO_SUCH_CATALOGUE: (404, "The store does not keep this catalogue"),
    Kind.UNKNOWN_NETWORK: (422, "The catalogue has no such network"),
    Kind.WRONG_CATALOGUE: (422, "The catalogue has mistakes"),
    Kind.NOT_PUBLISHED: (409, "Nothing was published"),
    Kind.TOO_MANY_STREAMS: (503, "Too many follow events already"),
    Kind.INTERNAL: (500, "The server made a mistake"),
}

LEDGER: dict[type[LedgerError], Kind] = {
    Taken: Kind.TAKEN,
    NoSuchAccount: Kind.NO_SUCH_ACCOUNT,
    OperationConflict: Kind.OPERATION_CONFLICT,
    InsufficientFunds: Kind.INSUFFICIENT_FUNDS,
    OutOfRange: Kind.OUT_OF_RANGE,
    Stale: Kind.ACCOUNT_CHANGED,
    LoanOutstanding: Kind.LOAN_OUTSTANDING,
    NotNeeded: Kind.NOT_NEEDED,
    TooMany: Kind.TOO_MANY_TRANSFERS,
    Subscribed: Kind.SUBSCRIBED,
    NotSubscribed: Kind.NOT_SUBSCRIBED,
}


class Fault(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One thing wrong with the request: where (a JSON pointer into the body, or a parameter's name) and what."""

    detail: str
    pointer: str = ""
    parameter: str = ""


class ProblemDetails(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error (RFC 9457 section 3)."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[Fault, ...] = ()


class Problem(Exception):
    """The call cannot be answered as hoped; carries all that the answer says."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        errors: tuple[Fault, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail or kind.value)
        self.kind = kind
        self.headers = headers or {}
        self.status, title = TITLES[kind]
        self.details = ProblemDetails(
            type=f"urn:ocs:problem:{kind.value}", title=title, status=self.status, detail=detail, errors=errors
        )

    def response(self) -> Response:
        return Response(
            msgspec.json.encode(self.details),
            self.status,
            {"Cache-Control": "no-store", **self.headers},
            media_type=MEDIA_TYPE,
        )


@dataclass(frozen=True, slots=True)
class Dialect:
    """How problems are said: the schema of their body, its media type, and what makes one."""

    schema: Any
    media_type: str
    say: Callable[[Problem], Response]


RFC_9457 = Dialect(ProblemDetails, MEDIA_TYPE, Problem.response)


def from_ledger(error: LedgerError) -> Problem:
    """The ledger's refusal as a problem."""
    return Problem(LEDGER.get(type(error), Kind.NOT_REASONABLE), str(error))


def outcome_unknown() -> Problem:
    """A time-out is not a no: the caller may repeat with the same Idempotency-Key."""
    return Problem(
        Kind.OUTCOME_UNKNOWN,
        "Whether it was done is unknown; repeat the same request to find out.",
        headers={"Retry-After": "1"},
    )


def from_status(status: int, headers: dict[str, str] | None = None) -> Problem:
    """What the router itself refuses."""
    kinds = {404: Kind.NOT_FOUND, 405: Kind.METHOD_NOT_ALLOWED}
    problem = Problem(kinds.get(status, Kind.INTERNAL), headers=headers)
    if status not in kinds:
        problem.status = status
        problem.details = ProblemDetails(type="about:blank", title=HTTPStatus(status).phrase, status=status)
    return problem


AMOUNT = r"-?[0-9]{1,10}(\.[0-9]{1,6})?"
"""What an amount of money looks like; nobody else's message should have to show it."""

_PLACE = re.compile(r"^(?P<detail>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"(?:unknown|required) field `(?P<field>[^`]*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def fault_in_body(error: msgspec.ValidationError) -> Fault:
    """Where in the body, as a JSON pointer in a URI fragment (RFC 6901 section 6), and what is wrong there."""
    match = _PLACE.match(str(error))
    detail, path = (match["detail"], match["path"] or "") if match else (str(error), "")
    if AMOUNT in detail.replace(r"\\", "\\"):  # msgspec shows a pattern as Python writes it
        detail = "Expected an amount such as 1.50: at most ten digits before the point and six after it"
    steps = [name or index for name, index in _STEP.findall(path)]
    if field := _FIELD.search(detail):
        steps.append(field["field"])
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return Fault(detail=detail, pointer="#" + pointer)


def fault_in_query(error: msgspec.ValidationError) -> Fault:
    """Which query parameter is wrong, and how."""
    fault = fault_in_body(error)
    return Fault(detail=fault.detail, parameter=fault.pointer.removeprefix("#/"))


def invalid(pointer: str, detail: str) -> Problem:
    """One member of the body is wrong."""
    return Problem(Kind.INVALID_REQUEST, detail, errors=(Fault(detail=detail, pointer="#" + pointer),))


def invalid_parameter(name: str, detail: str) -> Problem:
    """One parameter of the query is wrong."""
    return Problem(Kind.INVALID_REQUEST, detail, errors=(Fault(detail=detail, parameter=name),))
