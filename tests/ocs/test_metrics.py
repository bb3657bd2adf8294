"""Every metric that was promised is there, by name, type and labels."""

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from balances.ledger import Entry, Line, Unit
from ocs.metrics import Metrics, totals
from ocs.observers import ChargingObserver, DiameterDoor, SipDoor, VaultObserver
from ocs.telling import Teller
from tests.air import Air

PROMISED = {
    "ocs_catalogue_since_seconds": ("gauge", set()),
    "ocs_catalogue_failures_total": ("counter", set()),
    "ocs_requests_total": ("counter", {"door", "type", "result"}),
    "ocs_request_duration_seconds": ("histogram", {"door", "type"}),
    "ocs_requests_in_flight": ("gauge", {"door"}),
    "ocs_result_codes_total": ("counter", {"door", "code"}),
    "ocs_store_duration_seconds": ("histogram", {"script"}),
    "ocs_store_errors_total": ("counter", {"reason"}),
    "ocs_peer_up": ("gauge", {"peer"}),
    "ocs_watchdog_timeouts_total": ("counter", {"peer"}),
    "ocs_protocol_errors_total": ("counter", {"door", "reason"}),
    "ocs_sessions": ("gauge", {"door"}),
    "ocs_trunk_channels": ("gauge", {"trunk"}),
    "ocs_trunk_channel_limit": ("gauge", {"trunk"}),
    "ocs_reserved_amount": ("gauge", {"currency"}),
    "ocs_credited_amount_total": ("counter", {"currency"}),
    "ocs_debited_amount_total": ("counter", {"currency", "door"}),
    "ocs_overrun_amount_total": ("counter", {"currency"}),
    "ocs_reservations_lapsed_total": ("counter", {"door"}),
    "ocs_reaper_lag_seconds": ("gauge", set()),
    "ocs_outbox_entries": ("gauge", set()),
    "ocs_journal_lag_seconds": ("gauge", set()),
    "ocs_promises_total": ("counter", {"service", "result"}),
    "ocs_promises_settled_total": ("counter", {"result"}),
    "ocs_promises_unsettled": ("gauge", set()),
    "ocs_promised_amount": ("gauge", {"currency"}),
    "ocs_duplicates_total": ("counter", {"door"}),
    "ocs_reauthorizations_total": ("counter", {"result"}),
    "ocs_vouchers_total": ("counter", {"result"}),
    "ocs_renewals_total": ("counter", {"result"}),
    "ocs_renewals_lag_seconds": ("gauge", set()),
    "ocs_audit_imbalance": ("gauge", {"currency"}),
    "ocs_loop_lag_seconds": ("histogram", set()),
    "ocs_spending_warnings_total": ("counter", set()),
    "ocs_build_info": ("gauge", {"version"}),
}


def observe_everything(metrics: Metrics) -> None:
    """Have each observer tell of each thing once."""
    vault, diameter, sip = VaultObserver(metrics), DiameterDoor(metrics), SipDoor(metrics)
    charging = ChargingObserver(metrics, Teller(Air()))
    vault.script("charge", 0.001)
    vault.error("timeout")
    vault.lapsed("sip")
    vault.reaper_lag(0.5)
    vault.journal_lag(0.25, 3)
    diameter.request_received()
    diameter.request_received()
    diameter.request_answered("initial", 2001, 0.002)
    diameter.duplicate()
    diameter.peer_up("pgw.example.net")
    diameter.watchdog_timeout("pgw.example.net")
    diameter.protocol_error("bad-length")
    sip.request("invite", 402, 0.003)
    sip.protocol_error("syntax")
    sip.duplicate()
    charging.report_capped("diameter", "s", Unit.OCTETS, 10**15)
    metrics.sessions.labels("sip").set(1)
    metrics.trunk_channels.labels("wholesale").set(3)
    metrics.trunk_channel_limit.labels("wholesale").set(30)
    metrics.reserved_amount.labels("EUR").set(1.5)
    metrics.reauthorizations.labels("2001").inc()
    metrics.vouchers.labels("redeemed").inc()
    metrics.renewals.labels("renewed").inc()
    metrics.audit_imbalance.labels("EUR").set(0)
    metrics.promises.labels("data", "granted").inc()
    metrics.promises_settled.labels("settled").inc()
    metrics.promised_amount.labels("EUR").set(0.5)
    vault.journalled(entry(Line(bucket="money", asset="EUR", credited=10_000_000)))
    vault.journalled(entry(Line(bucket="money", asset="EUR", debited=1_500_000, overrun=250_000), door="sip"))


def entry(*lines: Line, door: str = "") -> Entry:
    return Entry(id="1-0", at=0, shard=0, account="a", operation="o", cause="c", door=door, lines=lines)


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return {(one.name, *one.labels.values()): one.value for one in metrics.samples()}


def test_every_promised_metric_is_there_with_its_labels() -> None:
    metrics = Metrics("1.2.3")
    observe_everything(metrics)
    text, content_type = metrics.expose()
    assert content_type.startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        name = family.name + "_total" * (family.type == "counter")
        labels = set[str]().union(*(sample.labels.keys() for sample in family.samples)) - {"le"}
        found[name] = (family.type, labels)
    assert found == PROMISED


def test_durations_are_counted_from_half_a_millisecond_to_ten_seconds() -> None:
    metrics = Metrics("1.2.3")
    DiameterDoor(metrics).request_answered("initial", 2001, 0.0004)
    bounds = [one.labels["le"] for one in metrics.samples() if one.name == "ocs_request_duration_seconds_bucket"]
    assert (bounds[0], bounds[-2], bounds[-1]) == ("0.0005", "10.0", "+Inf")


def test_durations_fall_into_the_buckets_of_their_histogram() -> None:
    metrics = Metrics("1.2.3")
    door = DiameterDoor(metrics)
    for seconds in (0.0005, 0.0006, 0.001, 11.0):
        door.request_answered("initial", 2001, seconds)
        metrics.settle()
    found = {(one.name, one.labels.get("le")): one.value for one in metrics.samples() if one.labels.get("type")}
    buckets = [found["ocs_request_duration_seconds_bucket", bound] for bound in ("0.0005", "0.001", "10.0", "+Inf")]
    assert buckets == [1, 3, 3, 4]
    assert round(found["ocs_request_duration_seconds_sum", None], 6) == 11.0021


def test_requests_in_flight_are_those_of_all_observers_of_a_door() -> None:
    metrics = Metrics("1.2.3")
    one, other = DiameterDoor(metrics), DiameterDoor(metrics)
    for expected in (1, 2):
        one.request_received()
        assert values(metrics)["ocs_requests_in_flight", "diameter"] == expected
    other.request_received()
    one.request_answered("initial", 2001, 0.001)
    assert values(metrics)["ocs_requests_in_flight", "diameter"] == 2


def test_what_observers_tell_is_counted() -> None:
    metrics = Metrics("1.2.3")
    observe_everything(metrics)
    found = values(metrics)
    assert found["ocs_requests_total", "diameter", "initial", "ok"] == 1
    assert found["ocs_requests_total", "sip", "invite", "refused"] == 1
    assert found["ocs_requests_in_flight", "diameter"] == 1
    assert found["ocs_result_codes_total", "sip", "402"] == 1
    assert found["ocs_credited_amount_total", "EUR"] == 10
    assert found["ocs_debited_amount_total", "EUR", "sip"] == 1.5
    assert found["ocs_overrun_amount_total", "EUR"] == 0.25
    assert found["ocs_build_info", "1.2.3"] == 1


def test_a_peer_that_is_gone_is_down() -> None:
    metrics = Metrics("1.2.3")
    door = DiameterDoor(metrics)
    door.peer_up("pgw")
    door.peer_down("pgw")
    assert values(metrics)["ocs_peer_up", "pgw"] == 0


def test_results_by_code() -> None:
    metrics = Metrics("1.2.3")
    diameter, sip = DiameterDoor(metrics), SipDoor(metrics)
    for code in (2001, 2002, 4012, 5030, 3004, 5012):
        diameter.request_answered("update", code, 0.001)
    for status in (200, 302, 402, 404, 400, 503):
        sip.request("invite", status, 0.001)
    found = totals(metrics.samples(), "ocs_requests_total", "door", "result")
    assert set(found.values()) == {2.0}
    assert len(found) == 6


def test_allowances_are_not_money_and_reversals_do_not_count_backwards() -> None:
    metrics = Metrics("1.2.3")
    vault = VaultObserver(metrics)
    vault.journalled(entry(Line(bucket="b#1", asset="octets", credited=10**9)))
    vault.journalled(entry(Line(bucket="money", asset="EUR", debited=2_000_000), door="diameter"))
    vault.journalled(entry(Line(bucket="money", asset="EUR", debited=-500_000), door="diameter"))
    found = values(metrics)
    assert found["ocs_debited_amount_total", "EUR", "diameter"] == 2
    assert ("ocs_credited_amount_total", "octets") not in found


WORKER = """
from ocs.metrics import Metrics
from ocs.observers import DiameterDoor
from ocs.telling import Teller
metrics = Metrics("1.2.3")
door = DiameterDoor(metrics)
for _ in range(3):
    door.request_received()
    door.request_answered("initial", 2001, 0.001)
metrics.settle()
metrics.settle()
"""

PARENT = """
from ocs.metrics import Metrics, totals
metrics = Metrics("1.2.3")
assert totals(metrics.samples(), "ocs_requests_total", "door") == {("diameter",): 6.0}
assert b'ocs_request_duration_seconds_count{door="diameter",type="initial"} 6.0' in metrics.expose()[0]
"""


def test_a_scrape_merges_all_workers(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for program in (WORKER, WORKER, PARENT):
        subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
