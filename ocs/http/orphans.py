"""Orphans: calls that ended and were never asked for."""

import msgspec

from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import OrphanList, OrphansQuery, OrphanView
from ocs.http.views import moment


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """As the SIP door writes it."""

    session: str
    call_id: str
    caller: str
    called: str
    duration_ms: int | None
    peer: str


async def listing(house: House, call: Call[None, OrphansQuery]) -> Reply:
    if house.orphans is None:
        return Reply(body=OrphanList(orphans=(), kept=0))
    kept = await house.orphans.latest(call.query.limit)
    views = []
    for each in kept:
        report = msgspec.json.decode(each.report, type=_Report)
        views.append(
            OrphanView(
                id=each.id, at=moment(each.at), session=report.session, call_id=report.call_id, caller=report.caller,
                called=report.called, duration_ms=report.duration_ms, peer=report.peer,
            )
        )  # fmt: skip
    return Reply(body=OrphanList(orphans=tuple(views), kept=await house.orphans.count()))


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/orphans",
        summary="List calls that ended and were never asked for, newest first",
        handler=listing,
        query=OrphansQuery,
        returns={200: OrphanList},
    ),
)
