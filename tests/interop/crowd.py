"""Many calls at once: a phone's scenario played so often, with small changes, each call with a caller of its own."""

import itertools
from pathlib import Path

from tests.interop.network import SIP, Network, is_bound
from tests.interop.phones import SCENARIOS
from tests.interop.programs import Program

PAUSE_BEFORE_OK = '<pause milliseconds="20"/>'
"""What the phones wait before they answer a BYE."""

REINVITE = """
  <pause/>
  <send retrans="500"><![CDATA[
INVITE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <[caller]>;tag=[pid]a[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 2 INVITE
[routes]
Max-Forwards: 70
Contact: <sip:phone@[local_ip]:[local_port]>
Content-Length: 0

]]></send>
  <recv response="100" optional="true"/>
  <recv response="200"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <[caller]>;tag=[pid]a[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 2 ACK
[routes]
Max-Forwards: 70
Content-Length: 0

]]></send>
  <pause/>
"""
"""A caller's re-INVITE, before it hangs up."""

REINVITED = """
  <recv request="ACK"/>
  <recv request="INVITE"/>
  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
Contact: <sip:phone@[local_ip]:[local_port]>
Content-Length: 0

]]></send>
  <recv request="ACK"/>
"""
"""The callee's side of it."""

_count = itertools.count(1)


class Crowd:
    """Calls between ``number(1)``, ``number(2)`` ... and one callee."""

    def __init__(self, network: Network, directory: Path, prefix: str) -> None:
        self._network = network
        self._directory = directory
        self._prefix = prefix
        self._running: list[Program] = []

    def number(self, call: int) -> str:
        """The E.164 number, without plus, of the caller of this call."""
        return f"{self._prefix}{call}"

    def callees(self, scenario: str, calls: int, changes: dict[str, str]) -> Program:
        """Answer so many calls."""
        phones = self._play(scenario, self._network.callee, calls, changes)
        phones.wait_until("its port", lambda: is_bound(self._network.callee, SIP))
        return phones

    def callers(
        self, scenario: str, calls: int, changes: dict[str, str], rate: int = 20, talk: float = 0.0, called: str = ""
    ) -> Program:
        """Make so many calls, ``rate`` a second; ``talk`` seconds is each pause of the scenario."""
        who = {"[caller]": f"tel:+{self._prefix}[call_number]"}
        uri = f"sip:{called}@{self._network.callee}:{SIP}"
        options = ("-key", "called", uri, "-d", str(round(talk * 1000)), "-r", str(rate))
        return self._play(scenario, self._network.caller, calls, {**changes, **who}, *options)

    def _play(self, scenario: str, address: str, calls: int, changes: dict[str, str], *options: str) -> Program:
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        for old, new in changes.items():
            assert old in text, f"{scenario} has no {old!r}"
            text = text.replace(old, new)
        name = f"{next(_count)}-{scenario}-{calls}"
        path = self._directory / f"{name}.xml"
        path.write_text(text)
        command = ["sipp", "-sf", str(path), "-i", address, "-p", str(SIP), "-m", str(calls), "-l", str(calls)]
        command += ["-nostdin", "-timeout", "90", "-timeout_error", "-cid_str", f"{name}-%u-%p@%s"]
        command += ["-trace_err", "-error_file", str(self._directory / f"{name}.errors")]
        phones = Program(name, [*command, *options, f"{self._network.proxy}:{SIP}"], self._directory)
        self._running.append(phones)
        return phones

    def close(self) -> None:
        for phones in self._running:
            phones.stop()
