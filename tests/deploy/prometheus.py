"""A real Prometheus over running servers, with our alert rules in a hurry: minutes are seconds."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.conftest import SYSTEM_PATH
from tests.house import ROOT
from tests.stores import free_port

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
SPANS = {"5m": "20s", "10m": "60s", "15m": "60s", "1h": "60s"}
"""What the rules look back over, and what that becomes here."""
LAG = "> 60|> 900"
"""Seconds by which chores may be late; here it is 3."""


def hurried(text: str) -> str:
    """The rules with every span of time shortened (but that of watchdogs, which take their time), and nothing else."""
    text = re.sub(r"for: \d+m", "for: 0s", text)
    text = re.sub(r"offset 1h", "offset 30s", text)
    text = re.sub(r"(?<!timeouts_total)\[(\w+)\]", lambda found: f"[{SPANS[found.group(1)]}]", text)
    text = text.replace(
        "sum by (instance) (rate(ocs_requests_total[60s]))", "sum by (instance) (rate(ocs_requests_total[20s]))"
    )
    text = text.replace("ocs_requests_total[60s] offset", "ocs_requests_total[20s] offset")
    return re.sub(rf"lag_seconds ({LAG})", "lag_seconds > 3", text)


class Prometheus:
    """``targets``: HTTP ports of servers. Scrapes and evaluates each second."""

    def __init__(self, directory: Path, targets: list[int]) -> None:
        (directory / "alerts.yml").write_text(hurried(RULES.read_text()))
        scraped = {"job_name": "ocs", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in targets]}]}
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["alerts.yml"],
            "scrape_configs": [scraped],
        }
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        program = shutil.which("prometheus", path=SYSTEM_PATH)
        assert program is not None
        command = [program, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data"]
        self._log = (directory / "prometheus.log").open("ab")
        listen = f"--web.listen-address=127.0.0.1:{port}"
        self._process = subprocess.Popen([*command, listen], stdout=self._log, stderr=self._log)
        self._api = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=10, trust_env=False)
        end = time.monotonic() + 30
        while not self._is_up():
            if time.monotonic() > end:
                self.close()
                raise AssertionError("prometheus does not start")
            time.sleep(0.2)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(15)
        self._log.close()
        self._api.close()

    def _is_up(self) -> bool:
        try:
            return bool(self.query("up"))
        except (httpx.HTTPError, ValueError):  # it says "Service Unavailable" in plain words
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._api.get("/query", params={"query": expression}).json()["data"]["result"]
        return found

    def fired(self, alert: str, within: str = "10m") -> bool:
        """Has it fired in this time, be it for a moment?"""
        return bool(self.query(f'max_over_time(ALERTS{{alertname="{alert}",alertstate="firing"}}[{within}])'))

    def wait(self, what: str, met: Callable[[], bool], patience: float = 60) -> None:
        end = time.monotonic() + patience
        while not met():
            assert time.monotonic() < end, f"waited for {what}: {json.dumps(self.query('ALERTS'))[:2000]}"
            time.sleep(0.5)
