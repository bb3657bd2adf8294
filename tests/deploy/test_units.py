"""The systemd unit and the container files, as far as they can be held against anything without installing them."""

import configparser
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml

from tests.house import ROOT

UNIT = ROOT / "deploy" / "systemd" / "ocs.service"
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"


@pytest.mark.needs("systemd-analyze")
def test_systemd_understands_the_unit(tmp_path):
    text = UNIT.read_text().replace("/opt/ocs/bin/ocs serve --config /etc/ocs/config.toml", "/bin/true")
    unit = tmp_path / "ocs.service"
    unit.write_text(text)
    command = [shutil.which("systemd-analyze"), "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "ocs.service" in line]
    assert done.returncode == 0, done.stderr
    assert said == []


@pytest.mark.needs("systemd-analyze")
def test_the_unit_is_hardened(tmp_path):
    shutil.copy(UNIT, tmp_path)
    command = [
        shutil.which("systemd-analyze"),
        "security",
        "--offline=true",
        "--threshold=25",
        str(tmp_path / UNIT.name),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


def test_the_unit_gives_the_drain_its_time():
    unit = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    unit.optionxform = str
    unit.read(UNIT)
    settings = tomllib.loads((ROOT / "config.toml").read_text())
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert int(service["TimeoutStopSec"]) > settings["daemon"]["drain"] + 15  # and the store's end


def test_the_image_holds_every_package_and_opens_every_port():
    text = DOCKERFILE.read_text()
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    assert set(re.findall(r"^COPY (\w+) \w+$", text, re.MULTILINE)) == set(packages)
    settings = tomllib.loads((ROOT / "config.toml").read_text())
    opened = set(re.findall(r"(\d+)/(?:tcp|udp)", text))
    assert opened == {str(settings[table]["port"]) for table in ("diameter", "sip_credit", "http")}


def test_compose_names_files_that_are_there():
    services = yaml.safe_load((ROOT / "deploy" / "docker" / "compose.yaml").read_text())["services"]
    mounted = [
        one.split(":")[0] for service in services.values() for one in service.get("volumes", ()) if one.startswith("..")
    ]
    assert len(mounted) == 3
    assert all((ROOT / "deploy" / "docker" / name).exists() for name in mounted)
