"""Every metric of the daemon, by the names promised to the outside, and what feeds them.

Names, types and labels are a promise to whoever alerts on them. No label names a subscriber. With several workers
(``PROMETHEUS_MULTIPROC_DIR`` set before the start) each process writes files there, and a scrape merges them.
"""

import os
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

MULTIPROCESS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"

DURATIONS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds of the request durations' histogram."""

STORE_DURATIONS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)
"""The same for one script's round trip."""


disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics, each as an attribute named like the metric without ``ocs_`` and the suffixes.

    Whoever observes in a hot path counts in ``tallies`` and has them settled; ``ocs.observers`` does.
    """

    def __init__(self, version: str) -> None:
        self.registry = registry = CollectorRegistry()
        self.tallies: list[Callable[[], None]] = []
        """What to call so that they are taken over."""

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry, multiprocess_mode="livemostrecent")

        def histogram(name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, registry=registry, buckets=bounds)

        self.requests = counter("ocs_requests_total", "Requests answered.", "door", "type", "result")
        self.request_duration = histogram(
            "ocs_request_duration_seconds", "From a request's last octet to its answer.", DURATIONS, "door", "type"
        )
        self.requests_in_flight = Gauge(
            "ocs_requests_in_flight",
            "Requests received and not yet answered.",
            ("door",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.result_codes = counter(
            "ocs_result_codes_total", "Answers by Result-Code or SIP status, per service too.", "door", "code"
        )
        self.spending_warnings = counter(
            "ocs_spending_warnings_total", "Accounts that reached the warning of a meter in its period.", "meter"
        )
        self.store_duration = histogram(
            "ocs_store_duration_seconds", "One script's round trip to the store.", STORE_DURATIONS, "script"
        )
        self.store_errors = counter("ocs_store_errors_total", "Store calls without a usable answer.", "reason")
        self.peer_up = Gauge(
            "ocs_peer_up",
            "1 while the peer may send requests.",
            ("peer",),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.watchdog_timeouts = counter(
            "ocs_watchdog_timeouts_total", "Watchdog requests a peer left unanswered.", "peer"
        )
        self.protocol_errors = counter(
            "ocs_protocol_errors_total", "Messages that broke a rule of their protocol.", "door", "reason"
        )
        self.sessions = gauge("ocs_sessions", "Open credit sessions.", "door")
        self.trunk_channels = gauge("ocs_trunk_channels", "Channels in use, over all workers and nodes.", "trunk")
        self.trunk_channel_limit = gauge("ocs_trunk_channel_limit", "Channels of a group; 0: any number.", "trunk")
        self.reserved_amount = gauge("ocs_reserved_amount", "Money reserved now, in currency units.", "currency")
        self.credited_amount = counter("ocs_credited_amount_total", "Money put into accounts.", "currency")
        self.debited_amount = counter("ocs_debited_amount_total", "Money taken from accounts.", "currency", "door")
        self.overrun_amount = counter("ocs_overrun_amount_total", "Money debited that no credit covered.", "currency")
        self.reservations_lapsed = counter(
            "ocs_reservations_lapsed_total", "Sessions that nobody renewed in time.", "door"
        )
        self.reaper_lag = gauge("ocs_reaper_lag_seconds", "How far behind its time the last lapse was found.")
        self.outbox_entries = gauge("ocs_outbox_entries", "Ledger entries in the store, not yet in the journal.")
        self.journal_lag = gauge("ocs_journal_lag_seconds", "Age of the oldest entry not yet in the journal.")
        self.promises = counter(
            "ocs_promises_total", "Requests decided on trust while the store was gone.", "service", "result"
        )
        self.promises_settled = counter(
            "ocs_promises_settled_total", "Promises brought before the ledger afterwards.", "result"
        )
        self.promises_unsettled = Gauge(
            "ocs_promises_unsettled",
            "Requests answered on trust that are still to be settled.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.promised_amount = Gauge(
            "ocs_promised_amount",
            "The most that grants on trust, not yet settled, may cost, in currency units.",
            ("currency",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.duplicates = counter("ocs_duplicates_total", "Repeated requests answered from memory.", "door")
        self.vouchers = counter("ocs_vouchers_total", "Codes that were to be redeemed.", "result")
        self.renewals = counter("ocs_renewals_total", "Subscriptions that were due, by what became of them.", "result")
        self.renewals_lag = gauge(
            "ocs_renewals_lag_seconds", "For how long the subscription has been due that waits longest."
        )
        self.reauthorizations = counter(
            "ocs_reauthorizations_total", "Re-Auth and Abort-Session requests sent, by the peer's answer.", "result"
        )
        self.audit_imbalance = gauge(
            "ocs_audit_imbalance", "Accounts' sum less the house's, in currency units; 0 when right.", "currency"
        )
        self.catalogue_since = Gauge(
            "ocs_catalogue_since_seconds",
            "Since when the published catalogue is in force, in seconds since 1970; 0: the files hold.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.catalogue_failures = counter(
            "ocs_catalogue_failures_total", "Attempts to load a catalogue from the store that failed."
        )
        self.loop_lag = histogram(
            "ocs_loop_lag_seconds", "How late a timer of the event loop came: what stalls made all wait.", DURATIONS
        )
        self.build_info = gauge("ocs_build_info", "1, with the version as label.", "version")
        self.build_info.labels(version).set(1)

    def settle(self) -> None:
        """Take over what observers have counted beside (``tallies``): in every process, several times a second."""
        for settle in self.tallies:
            settle()

    def collector(self) -> CollectorRegistry:
        """What a scrape reads: this process's registry, or all the workers' merged."""
        self.settle()
        if not os.environ.get(MULTIPROCESS_DIRECTORY):
            return self.registry
        merged = CollectorRegistry()
        MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
        return merged

    def expose(self) -> tuple[bytes, str]:
        """The text of a scrape and its content type."""
        return generate_latest(self.collector()), CONTENT_TYPE_LATEST

    def samples(self) -> Iterator[Sample]:
        """Every sample of all workers, for the overview."""
        for family in self.collector().collect():
            yield from family.samples


def totals(samples: Iterable[Sample], name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Sum the samples called ``name`` by the values of ``labels``."""
    sums: dict[tuple[str, ...], float] = {}
    for sample in samples:
        if sample.name == name:
            key = tuple(sample.labels.get(label, "") for label in labels)
            sums[key] = sums.get(key, 0.0) + sample.value
    return sums
