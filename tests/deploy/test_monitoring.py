"""Alert rules and the Grafana dashboard: they name metrics that exist, and each alert fires on its condition only."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocs.metrics import Metrics
from tests.conftest import SYSTEM_PATH
from tests.house import ROOT

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
BOARD = json.loads((ROOT / "deploy" / "grafana" / "ocs.json").read_text())
NAME = re.compile(r"\bocs_[a-z_]+")
AT = "2h"
"""When the conditions are looked at; by then each has lasted long enough."""

QUIET = {
    'up{job="ocs",instance="a"}': "1x480",
    'ocs_audit_imbalance{currency="EUR",instance="a"}': "0x480",
    'ocs_store_errors_total{reason="timeout",instance="a"}': "3x480",
    'ocs_request_duration_seconds_bucket{door="sip",type="invite",le="0.01",instance="a"}': "0+99x480",
    'ocs_request_duration_seconds_bucket{door="sip",type="invite",le="0.5",instance="a"}': "0+100x480",
    'ocs_request_duration_seconds_bucket{door="sip",type="invite",le="+Inf",instance="a"}': "0+100x480",
    'ocs_requests_total{door="sip",type="invite",result="ok",instance="a"}': "0+100x480",
    'ocs_requests_total{door="diameter",type="initial",result="ok",instance="a"}': "0+100x480",
    'ocs_requests_total{door="diameter",type="initial",result="error",instance="a"}': "0x480",
    'ocs_result_codes_total{door="diameter",code="5030",instance="a"}': "0+1x480",
    'ocs_peer_up{peer="pgw",instance="a"}': "1x480",
    'ocs_watchdog_timeouts_total{peer="pgw",instance="a"}': "1x480",
    'ocs_reservations_lapsed_total{door="sip",instance="a"}': "0+1x480",
    'ocs_overrun_amount_total{currency="EUR",instance="a"}': "0+0.01x480",
    'ocs_reaper_lag_seconds{instance="a"}': "0.2x480",
    'ocs_renewals_lag_seconds{instance="a"}': "0x460 300x10 0x10",
    'ocs_journal_lag_seconds{instance="a"}': "0.5x480",
    'ocs_protocol_errors_total{door="sip",reason="orphan",instance="a"}': "2x480",
    'ocs_catalogue_failures_total{instance="a"}': "1x480",
    'ocs_promises_total{service="data",result="granted",instance="a"}': "3x480",
    'ocs_promises_settled_total{result="failed",instance="a"}': "0x480",
    'ocs_promises_unsettled{instance="a"}': "0x480",
}
"""A server that does well, four readings a minute for two hours."""

CAUSES = {
    "OcsDown": {'up{job="ocs",instance="a"}': "1x460 0x20"},
    "OcsBooksDoNotClose": {'ocs_audit_imbalance{currency="EUR",instance="a"}': "0x460 0.000001x20"},
    "OcsStoreErrors": {'ocs_store_errors_total{reason="timeout",instance="a"}': "0x440 0+1x40"},
    "OcsGrantingOnTrust": {'ocs_promises_total{service="data",result="granted",instance="a"}': "0x470 1x10"},
    "OcsPromisesNotSettled": {'ocs_promises_unsettled{instance="a"}': "0x420 1x60"},
    "OcsSlow": {
        'ocs_request_duration_seconds_bucket{door="sip",type="invite",le="0.01",instance="a"}': "0+98x480",
        'ocs_request_duration_seconds_bucket{door="sip",type="invite",le="0.5",instance="a"}': "0+98x480",
        'ocs_request_duration_seconds_bucket{door="sip",type="invite",le="1.0",instance="a"}': "0+100x480",
    },
    "OcsErrors": {'ocs_requests_total{door="diameter",type="initial",result="error",instance="a"}': "0+2x480"},
    "OcsOverloaded": {'ocs_result_codes_total{door="diameter",code="3004",instance="a"}': "0+30x480"},
    "OcsPeerDown": {'ocs_peer_up{peer="pgw",instance="a"}': "1x460 0x20"},
    "OcsWatchdogTimeouts": {'ocs_watchdog_timeouts_total{peer="pgw",instance="a"}': "0x460 0+1x20"},
    "OcsSessionsLapse": {'ocs_reservations_lapsed_total{door="sip",instance="a"}': "0+10x480"},
    "OcsOverrun": {'ocs_overrun_amount_total{currency="EUR",instance="a"}': "0+0.1x480"},
    "OcsReaperBehind": {'ocs_reaper_lag_seconds{instance="a"}': "0x460 61x20"},
    "OcsRenewalsBehind": {'ocs_renewals_lag_seconds{instance="a"}': "0x440 901x40"},
    "OcsJournalBehind": {'ocs_journal_lag_seconds{instance="a"}': "0x460 61x20"},
    "OcsProtocolErrors": {'ocs_protocol_errors_total{door="sip",reason="start-line",instance="a"}': "0+30x480"},
    "OcsUnknownSubscribers": {'ocs_result_codes_total{door="diameter",code="5030",instance="a"}': "0+50x480"},
    "OcsUnchargedCalls": {'ocs_protocol_errors_total{door="sip",reason="orphan",instance="a"}': "0x470 1x10"},
    "OcsCatalogueNotLoaded": {'ocs_catalogue_failures_total{instance="a"}': "0x460 1x20"},
    "OcsNoTraffic": {
        'ocs_requests_total{door="sip",type="invite",result="ok",instance="a"}': "0+100x400 40000x80",
        'ocs_requests_total{door="diameter",type="initial",result="ok",instance="a"}': "0+100x400 40000x80",
    },
}
"""For each alert what is different from a server that does well."""


def exists(name: str) -> bool:
    families = {family.name: family.type for family in Metrics("1").registry.collect()}
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    return any(name == family + suffix for family, kind in families.items() for suffix in suffixes[kind])


def expressions() -> list[str]:
    panels = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())]
    return [
        *panels,
        *(one["query"] for one in BOARD["templating"]["list"]),
        *(rule["expr"] for rule in ALERTS.values()),
    ]


def test_every_metric_that_is_named_exists() -> None:
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(named) > 15
    assert [name for name in named if not exists(name)] == []


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(expressions())
    families = [family.name for family in Metrics("1").registry.collect()]
    assert [name for name in families if name not in shown] == []


def test_each_alert_has_a_cause_here_and_a_page_in_the_runbooks() -> None:
    assert set(CAUSES) == set(ALERTS)
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE)
    assert headings == list(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{name.lower()}"


def firing(directory: Path, series: dict[str, str], expected: dict[str, bool]) -> str:
    """What promtool says against these series and alerts; empty if it agrees."""
    promtool = shutil.which("promtool", path=SYSTEM_PATH)
    assert promtool is not None
    (directory / "alerts.yml").write_text(RULES.read_text())
    queries = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) > 0',
            "eval_time": AT,
            "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
        }
        for name, fires in expected.items()
    ]
    case: dict[str, Any] = {
        "rule_files": ["alerts.yml"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": queries,
            }
        ],
    }
    (directory / "case.yml").write_text(yaml.safe_dump(case))
    command = [promtool, "test", "rules", str(directory / "case.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.needs("promtool")
def test_prometheus_loads_the_rules() -> None:
    promtool = shutil.which("promtool", path=SYSTEM_PATH)
    for kind, file in (("rules", RULES), ("config", RULES.with_name("prometheus.yml"))):
        done = subprocess.run([str(promtool), "check", kind, str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("promtool")
def test_no_alert_fires_while_all_is_well(tmp_path: Path) -> None:
    assert firing(tmp_path, QUIET, dict.fromkeys(ALERTS, False)) == ""


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("alert", CAUSES)
def test_an_alert_fires_on_its_cause(alert: str, tmp_path: Path) -> None:
    assert firing(tmp_path, QUIET | CAUSES[alert], {alert: True}) == ""
