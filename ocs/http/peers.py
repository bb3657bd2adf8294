"""The peers of the Diameter door as the API shows them."""

from collections.abc import Iterable

from ocs.http.models import PeerView
from ocs.http.views import moment
from ocs.metrics import Metrics, totals
from ocs.server import PeerStatus


def connected(statuses: Iterable[PeerStatus], now: int) -> tuple[PeerView, ...]:
    """Of the door in this process. ``now``: milliseconds since 1970."""
    return tuple(
        PeerView(
            name=one.host,
            door="diameter",
            state=one.state,
            address=one.address,
            since=moment(now - int(one.open_seconds * 1000)) if one.open_seconds else None,
            counters={"requests": one.requests, "answers": one.answers, "in_flight": one.in_flight},
        )
        for one in statuses
    )


def counted(metrics: Metrics) -> tuple[PeerView, ...]:
    """Of the doors in other processes, whose metrics are all that is seen of them here."""
    samples = list(metrics.samples())
    timeouts = totals(samples, "ocs_watchdog_timeouts_total", "peer")
    return tuple(
        PeerView(
            name=peer,
            door="diameter",
            state="open" if up else "closed",
            counters={"watchdog_timeouts": int(timeouts.get((peer,), 0))},
        )
        for (peer,), up in sorted(totals(samples, "ocs_peer_up", "peer").items())
    )
