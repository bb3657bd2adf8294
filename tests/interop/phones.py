"""Two phones played by SIPp."""

import itertools
from pathlib import Path

from tests.interop.network import SIP, Network, is_bound
from tests.interop.programs import Program

SCENARIOS = Path(__file__).parent / "sipp"
LONGEST = 45
"""Seconds after which a phone gives up; it then exits with an error."""


_count = itertools.count(1)


class Phones:
    """Each call is one SIPp per side; the scenarios are in ``sipp/``."""

    def __init__(self, network: Network, directory: Path) -> None:
        self._network = network
        self._directory = directory
        self._running: list[Program] = []

    def callee(self, scenario: str) -> Program:
        """Let the callee wait for one call."""
        phone = self._phone(scenario, self._network.callee)
        phone.wait_until("its port", lambda: is_bound(self._network.callee, SIP))
        return phone

    def caller(self, scenario: str, caller: str, called: str, talk: float = 0.0) -> Program:
        """Call: ``caller`` is who calls (URI), ``called`` the number; ``talk`` seconds until the scenario goes on."""
        keys = ["-key", "caller", caller, "-key", "called", f"sip:{called}@{self._network.callee}:{SIP}"]
        keys += ["-key", "round", f"sip:{called}@{self._network.proxy}:{SIP}"]
        return self._phone(scenario, self._network.caller, *keys, "-d", str(round(talk * 1000)))

    def _phone(self, scenario: str, address: str, *options: str) -> Program:
        name = f"{next(_count)}-{scenario}"
        command = ["sipp", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", address, "-p", str(SIP), "-m", "1"]
        command += ["-nostdin", "-timeout", str(LONGEST), "-timeout_error", "-cid_str", f"{name}-%p@%s"]
        command += ["-trace_err", "-error_file", str(self._directory / f"{name}.errors")]
        command += ["-trace_msg", "-message_file", str(self._directory / f"{name}.messages")]
        phone = Program(name, [*command, *options, f"{self._network.proxy}:{SIP}"], self._directory)
        self._running.append(phone)
        return phone

    def messages(self, phone: Program) -> str:
        """Every message a phone has sent and got."""
        path = self._directory / f"{phone.name}.messages"
        return path.read_text() if path.exists() else ""

    def close(self) -> list[str]:
        """Put all down; their names."""
        for phone in self._running:
            phone.stop()
        return [phone.name for phone in self._running]
