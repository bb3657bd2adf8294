"""The whole at a glance: audit, peers, overview."""

from math import isinf
from typing import Literal

from prometheus_client.samples import Sample

from ocs.http.auth import Role
from ocs.http.books import Books
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import (
    AuditView,
    BooksView,
    CallerView,
    DoorView,
    DurationView,
    OverviewView,
    PeerList,
    StoreView,
    TrunkView,
)
from ocs.http.views import audit_view, currencies, low_view, moment
from ocs.metrics import totals

LOWEST = 10
"""Accounts shown of those that run low."""

ROLES: dict[Role, Literal["read", "operate", "admin"]] = {
    Role.READ: "read",
    Role.OPERATE: "operate",
    Role.ADMIN: "admin",
}


async def audit(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    return Reply(body=audit_view(await house.ledger.audit()))


async def peers(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    return Reply(body=PeerList(peers=tuple(await house.peers())))


async def caller(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    assert call.caller.role is not None
    return Reply(body=CallerView(name=call.caller.name, role=ROLES[call.caller.role]))


async def overview(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    return Reply(body=await read_overview(house))


async def read_overview(house: House) -> OverviewView:
    """Everything at a glance, as it is now."""
    samples = list(house.metrics.samples())
    reasons = tuple(house.readiness())

    def gauge(name: str) -> float:
        return totals(samples, name).get((), 0.0)

    return OverviewView(
        at=moment(house.clock()),
        version=house.version,
        ready=not reasons,
        reasons=reasons,
        doors=_doors(samples),
        books=_books(house.books),
        store=StoreView(
            errors={
                reason: int(count) for (reason,), count in totals(samples, "ocs_store_errors_total", "reason").items()
            },
            durations=_durations(totals(samples, "ocs_store_duration_seconds_bucket", "le")),
        ),
        outbox_entries=int(gauge("ocs_outbox_entries")),
        journal_lag=gauge("ocs_journal_lag_seconds"),
        reaper_lag=gauge("ocs_reaper_lag_seconds"),
        low=tuple(map(low_view, house.low.lowest(LOWEST))),
        low_accounts=len(house.low),
        peers=tuple(await house.peers()),
        trunks=_trunks(samples),
    )


def _books(books: Books) -> BooksView | None:
    if books.audit is None:
        return None
    return BooksView(
        at=moment(books.at),
        balanced=books.audit.balanced,
        accounts=books.audit.accounts,
        currencies=currencies(books.audit),
    )


def _trunks(samples: list[Sample]) -> tuple[TrunkView, ...]:
    used, limits = (totals(samples, f"ocs_trunk_channel{part}", "trunk") for part in ("s", "_limit"))
    return tuple(
        TrunkView(name=name, channels=int(used[name,]), limit=int(limits.get((name,), 0))) for (name,) in sorted(used)
    )


def _durations(buckets: dict[tuple[str, ...], float]) -> tuple[DurationView, ...]:
    """A histogram's cumulative buckets, shortest first."""
    ordered = sorted((float(bound), int(count)) for (bound,), count in buckets.items())
    return tuple(DurationView(seconds=None if isinf(bound) else bound, count=count) for bound, count in ordered)


def _doors(samples: list[Sample]) -> dict[str, DoorView]:
    faults = totals(samples, "ocs_protocol_errors_total", "door", "reason")
    durations = totals(samples, "ocs_request_duration_seconds_bucket", "door", "le")
    requests = totals(samples, "ocs_requests_total", "door", "result")
    codes = totals(samples, "ocs_result_codes_total", "door", "code")
    single = {
        name: totals(samples, f"ocs_{name}", "door")
        for name in ("sessions", "requests_in_flight", "duplicates_total", "reservations_lapsed_total")
    }
    doors = sorted({door for door, _ in requests} | {door for sums in single.values() for (door,) in sums})
    return {
        door: DoorView(
            sessions=int(single["sessions"].get((door,), 0)),
            in_flight=int(single["requests_in_flight"].get((door,), 0)),
            duplicates=int(single["duplicates_total"].get((door,), 0)),
            lapsed=int(single["reservations_lapsed_total"].get((door,), 0)),
            requests={result: int(count) for (own, result), count in requests.items() if own == door},
            codes={code: int(count) for (own, code), count in codes.items() if own == door},
            faults={reason: int(count) for (own, reason), count in faults.items() if own == door},
            durations=_durations({(bound,): count for (own, bound), count in durations.items() if own == door}),
        )
        for door in doors
    }


OPERATIONS = (
    Operation(method="GET", path="/v1/audit", summary="Do the books close?", handler=audit, returns={200: AuditView}),
    Operation(
        method="GET",
        path="/v1/peers",
        summary="Diameter peers and SIP proxies, with their state",
        handler=peers,
        returns={200: PeerList},
    ),
    Operation(
        method="GET",
        path="/v1/overview",
        summary="Traffic, sessions, money and peers in one reading",
        handler=overview,
        returns={200: OverviewView},
    ),
    Operation(
        method="GET",
        path="/v1/caller",
        summary="Who am I, and what may I do?",
        handler=caller,
        returns={200: CallerView},
    ),
)
