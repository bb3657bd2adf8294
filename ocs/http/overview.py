"""The whole at a glance: audit, peers, overview."""

from prometheus_client.samples import Sample

from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import AuditView, BooksView, DoorView, OverviewView, PeerList
from ocs.http.views import audit_view, currencies, moment
from ocs.metrics import totals


async def audit(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    return Reply(body=audit_view(await house.ledger.audit()))


async def peers(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    return Reply(body=PeerList(peers=tuple(await house.peers())))


async def overview(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    samples = list(house.metrics.samples())
    books = house.books
    outbox = totals(samples, "ocs_outbox_entries")
    return Reply(
        body=OverviewView(
            at=moment(house.clock()),
            version=house.version,
            ready=not house.readiness(),
            doors=_doors(samples),
            books=None
            if books.audit is None
            else BooksView(
                at=moment(books.at),
                balanced=books.audit.balanced,
                accounts=books.audit.accounts,
                currencies=currencies(books.audit),
            ),
            outbox_entries=int(outbox.get((), 0)),
            peers=tuple(await house.peers()),
        )
    )


def _doors(samples: list[Sample]) -> dict[str, DoorView]:
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
)
