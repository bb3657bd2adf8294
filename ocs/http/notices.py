"""The delivery log of the webhooks."""

from typing import Annotated

from msgspec import Meta

from balances.ledger import Record
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import Moment, Request
from ocs.http.views import moment
from ocs.webhooks.notices import Notice
from ocs.webhooks.queue import Delivery


class DeliveriesQuery(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The newest attempts."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class DeliveryView(Record, frozen=True, kw_only=True):
    """One attempt at a notice: ``delivered``, ``failed`` (it is sent again) or ``given up``."""

    at: Moment
    attempt: int
    result: str
    reason: str
    notice: Notice


class DeliveryList(Record, frozen=True, kw_only=True):
    """``waiting``: notices on their way; the last attempts, newest first. None without webhooks."""

    waiting: int
    deliveries: tuple[DeliveryView, ...]


async def listing(house: House, call: Call[None, DeliveriesQuery]) -> Reply:
    if house.notices is None:
        return Reply(body=DeliveryList(waiting=0, deliveries=()))
    found = await house.notices.log(call.query.limit)
    return Reply(body=DeliveryList(waiting=await house.notices.waiting(), deliveries=tuple(map(_view, found))))


def _view(one: Delivery) -> DeliveryView:
    return DeliveryView(at=moment(one.at), attempt=one.attempt, result=one.result, reason=one.reason, notice=one.notice)


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/webhooks/deliveries",
        summary="Webhooks: what is on its way, and the last attempts",
        handler=listing,
        query=DeliveriesQuery,
        returns={200: DeliveryList},
    ),
)
