"""The Helm chart: its configuration is one the server takes, and what it renders is what the server needs."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocs.config import load
from tests.conftest import SYSTEM_PATH
from tests.house import ROOT

CHART = ROOT / "deploy" / "helm"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = sorted((CHART / "templates").iterdir())


def rendered(*options: str, code: int = 0) -> list[dict[str, Any]]:
    helm = shutil.which("helm", path=SYSTEM_PATH)
    assert helm is not None
    command = [helm, "template", "charging", str(CHART), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def kinds(*options: str) -> dict[str, dict[str, Any]]:
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in rendered(*options)}


def test_the_configuration_is_one_that_the_server_takes(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(VALUES["config"])
    config = load(path, {})
    assert config.diameter.port == VALUES["ports"]["diameter"]
    assert config.sip_credit.port == VALUES["ports"]["sip"]
    assert config.http.port == VALUES["ports"]["http"]
    assert config.daemon.drain + 15 < VALUES["terminationGracePeriodSeconds"]
    assert config.http.tokens == "/etc/ocs/tokens/tokens"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_name_values_that_exist_and_close_what_they_open(template: Path) -> None:
    text = template.read_text()
    for name in re.findall(r"\.Values\.([A-Za-z.]+)", text):
        found: Any = VALUES
        for part in name.split("."):
            assert part in found, name
            found = found[part]
    opened = len(re.findall(r"\{\{-? *(?:if|with|range|define)\b", text))
    assert opened == len(re.findall(r"\{\{-? *end\b", text))


def test_variables_of_the_environment_name_keys_that_exist() -> None:
    text = (CHART / "templates" / "statefulset.yaml").read_text()
    names = re.findall(r"name: (OCS_\w+)", text)
    values = {"OCS_BALANCES__URL": "redis://127.0.0.1:6379/0"}
    assert len(names) == 3
    load(None, {name: values.get(name, "/etc/ocs/x") for name in names})


def test_the_alerts_are_the_ones_of_prometheus() -> None:
    assert (CHART / "files" / "alerts.yml").resolve() == ROOT / "deploy" / "prometheus" / "alerts.yml"


@pytest.mark.needs("helm")
def test_helm_finds_no_fault() -> None:
    helm = shutil.which("helm", path=SYSTEM_PATH)
    done = subprocess.run([str(helm), "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.needs("helm")
def test_what_is_rendered() -> None:
    found = kinds()
    assert set(found) == {
        "ConfigMap/charging",
        "Service/charging",
        "Service/charging-http",
        "StatefulSet/charging",
    }
    assert found["ConfigMap/charging"]["data"]["config.toml"].split() == VALUES["config"].split()
    pod = found["StatefulSet/charging"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["args"] == ["serve", "--config", "/etc/ocs/config.toml"]
    named = {(port["name"], port["protocol"]) for port in container["ports"]}
    assert named == {("diameter", "TCP"), ("sip-udp", "UDP"), ("sip-tcp", "TCP"), ("http", "TCP")}
    volumes = {volume["name"] for volume in pod["volumes"]} | {"data"}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    labels = found["StatefulSet/charging"]["spec"]["template"]["metadata"]["labels"]
    for service in ("Service/charging", "Service/charging-http"):
        assert found[service]["spec"]["selector"].items() <= labels.items()


@pytest.mark.needs("helm")
def test_several_replicas_need_a_store_of_their_own() -> None:
    rendered("--set", "replicas=2", code=1)
    found = kinds("--set", "replicas=2", "--set", "store.url=redis://store:6379/0", "--set", "store.passwordSecret=s")
    assert "PodDisruptionBudget/charging" in found
    [container] = found["StatefulSet/charging"]["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert variables == {
        "OCS_BALANCES__URL": "redis://store:6379/0",
        "OCS_BALANCES__PASSWORD_FILE": "/etc/ocs/store/password",
    }


@pytest.mark.needs("helm")
def test_monitoring_carries_the_alert_rules() -> None:
    found = kinds("--set", "monitoring=true")
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    assert found["PrometheusRule/charging"]["spec"] == rules
    assert found["PodMonitor/charging"]["spec"]["podMetricsEndpoints"][0]["path"] == "/metrics"
