"""The resources of TMF654 v4, as far as they are meant here. What is not described in a request is ignored."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from balances.ledger import Record
from balances.money import AmountError, parse_amount
from ocs.http.models import Moment, Request
from ocs.http.problems import Dialect, Problem, invalid

BASE = "/tmf-api/prepayBalanceManagement/v4"

Number = Annotated[Decimal, Meta(description="Exact: no float touches money.")]
UsageType = Literal["monetary", "voice", "data", "sms", "other"]
BucketStatus = Literal["active", "suspended", "expired"]
Words = Annotated[str, Meta(max_length=256)]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what a client sends."""


class Quantity(Sent, frozen=True, kw_only=True):
    """``units``: the currency of money, left out the account's own."""

    amount: Number
    units: str = ""


class Ref(Sent, frozen=True, kw_only=True):
    """A reference: to a bucket, an account or a party."""

    id: str


class Resource(Sent, frozen=True, kw_only=True):
    """A logical resource: ``value`` is a number (MSISDN) or another identity as ``type:value``."""

    id: str = ""
    value: str = ""


class Task(Sent, frozen=True, kw_only=True, rename="camel"):
    """What the three tasks have in common: for whom, what, and why."""

    amount: Quantity | None = None
    bucket: Ref | None = None
    party_account: Ref | None = None
    logical_resource: Resource | tuple[Resource, ...] = ()
    """A list in the specification's swagger, one in its collection of requests: either will do."""
    usage_type: UsageType = "monetary"
    reason: Words = ""
    description: Words = ""


class TopupBalanceCreate(Task, frozen=True, kw_only=True, rename="camel"):
    """Money put into a bucket, or a ``voucher`` redeemed."""

    voucher: Annotated[str, Meta(max_length=64)] = ""
    recurring_period: str | None = None
    number_of_periods: int | None = None


class AdjustBalanceCreate(Task, frozen=True, kw_only=True, rename="camel"):
    """A correction, either sign."""

    adjust_type: Literal["recurring", "oneTime"] = "oneTime"


class TransferBalanceCreate(Task, frozen=True, kw_only=True, rename="camel"):
    """Money sent from a bucket to another subscriber's."""

    receiver_bucket: Ref | None = None
    receiver_party_account: Ref | None = None
    receiver: Ref | None = None
    receiver_logical_resource: Resource | None = None
    receiver_bucket_usage_type: UsageType = "monetary"
    cost_owner: Literal["originator", "receiver"] = "originator"


class QuantityView(Record, frozen=True, kw_only=True):
    amount: Number
    units: str


class RefView(Record, frozen=True, kw_only=True):
    id: str
    href: str


class ChannelView(Record, frozen=True, kw_only=True):
    """Over which channel a task came: there is one."""

    id: str = "api"
    name: str = "API"


class ResourceView(Record, frozen=True, kw_only=True):
    """A logical resource: an identity as ``type:value``, and as a request names it."""

    id: str
    value: str


class PeriodView(Record, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Left out where there is no such end."""

    start_date_time: Moment | None = None
    end_date_time: Moment | None = None


class TmfBucketView(Record, frozen=True, kw_only=True, rename="camel"):
    id: str
    href: str
    name: str
    usage_type: UsageType
    status: BucketStatus
    is_shared: bool
    remaining_value: QuantityView
    reserved_value: QuantityView
    party_account: RefView
    valid_for: PeriodView
    type: str = msgspec.field(name="@type", default="Bucket")


class AccumulatedView(Record, frozen=True, kw_only=True, rename="camel"):
    """What the buckets of one kind of an account sum up to."""

    id: str
    href: str
    name: str
    total_balance: QuantityView
    bucket: tuple[RefView, ...]
    party_account: RefView
    type: str = msgspec.field(name="@type", default="AccumulatedBalance")


class TaskView(Record, frozen=True, kw_only=True, rename="camel"):
    """A task that was done: an entry of the ledger."""

    id: str
    href: str
    type: str = msgspec.field(name="@type")
    status: Literal["completed"]
    amount: QuantityView
    usage_type: UsageType
    bucket: RefView
    party_account: RefView
    reason: str
    requested_date: Moment
    confirmation_date: Moment
    logical_resource: tuple[ResourceView, ...]
    channel: ChannelView = ChannelView()


class TransferTaskView(TaskView, frozen=True, kw_only=True, rename="camel"):
    """A transfer that was sent."""

    receiver_bucket: RefView
    receiver_logical_resource: ResourceView


class Selection(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose, which members (``fields``, with commas), and which page."""

    account: str | None = msgspec.field(name="partyAccount.id", default=None)
    resource: str | None = msgspec.field(name="logicalResource.id", default=None)
    fields: str | None = None
    offset: Annotated[int, Meta(ge=0, le=10_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class Members(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which members (``fields``, with commas)."""

    fields: str | None = None


class TmfError(Record, frozen=True, kw_only=True, rename="camel"):
    """TMF630's error: ``code`` is the kind of problem of our own API."""

    code: str
    reason: str
    message: str
    status: str


def _say(problem: Problem) -> Response:
    details = problem.details
    kind = details.type.rpartition(":")[2]
    error = TmfError(code=kind, reason=details.title, message=details.detail, status=str(problem.status))
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(msgspec.json.encode(error), problem.status, headers, media_type="application/json")


TMF_630 = Dialect(TmfError, "application/json", _say)


def micro_units(quantity: Quantity | None, usage: UsageType, currency: str) -> int:
    """Money of a task; raises Problem for what is none, or in another currency."""
    if quantity is None:
        raise invalid("/amount", "An amount is needed.")
    if usage != "monetary":
        raise invalid("/usageType", "Only money is moved: bundles are given with POST /v1/accounts/{id}/buckets.")
    if quantity.units not in ("", currency):
        raise invalid("/amount/units", f"The account is in {currency}.")
    if not quantity.amount.is_finite() or quantity.amount.adjusted() > 12:
        raise invalid("/amount/amount", "That is out of range.")
    try:
        return parse_amount(f"{quantity.amount:f}")
    except AmountError as error:
        raise invalid("/amount/amount", str(error)) from None
