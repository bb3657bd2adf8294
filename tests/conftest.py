"""What all tests share: programs that are not there leave tests out, with the reason."""

import os
import shutil

import pytest

PACKAGES = {
    "kamailio": "kamailio",
    "sipp": "sip-tester",
    "tshark": "tshark",
    "dumpcap": "tshark",
    "promtool": "prometheus",
    "systemd-analyze": "systemd",
    "freeDiameterd": "freediameter",
    "/usr/lib/x86_64-linux-gnu/kamailio/modules/ims_charging.so": "kamailio-ims-modules",
}
"""Debian's package for a program or module."""

SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
"""Servers are not on everybody's path."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("long") and "long" not in item.config.getoption("-m"):
        pytest.skip("takes long: scripts/soak-sip or scripts/soak-diameter runs it")
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            if shutil.which(program, path=SYSTEM_PATH) is None and not os.path.exists(program):
                pytest.skip(f"{program} is not installed (Debian package {PACKAGES.get(program, program)})")
