"""What went over the wire, read by others: tshark's remarks, python-diameter's decoder."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diameter.message import Message
from diameter.message.avp import AvpGrouped

from tests.interop.network import DIAMETER, SIP, Network
from tests.interop.programs import SYSTEM_PATH, Program

REMARK = re.compile(r"Expert Info|Malformed|Dissector bug|\bUnknown\b", re.I)
"""How tshark says that it does not like or know what it reads."""

OUR_HEADERS = re.compile(r"Unrecogni[sz]ed SIP header \(x-ocs-[a-z-]+\)|^\s*X-OCS-", re.I)
"""The one thing that may be unknown: SIP headers of our own. Their values may hold the word."""


class Capture:
    """All packets to and from our doors, from now on."""

    def __init__(self, network: Network, directory: Path) -> None:
        self._server = network.server
        self.file = directory / "wire.pcapng"
        ours = f"host {network.server} and (port {SIP} or port {DIAMETER})"
        self._dumpcap = Program("dumpcap", ["dumpcap", "-q", "-i", "lo", "-f", ours, "-w", str(self.file)], directory)
        self._dumpcap.wait_for(r"File: ")

    def stop(self) -> None:
        """No more packets; all those before are in the file."""
        if self._dumpcap.process.poll() is not None:
            return
        time.sleep(1)  # the kernel hands packets over in batches, and an interrupted dumpcap drops the last one
        self._dumpcap.stop(signal.SIGINT)

    def fields(self, where: str, *names: str) -> list[list[str]]:
        """These fields of each packet that a display filter lets through."""
        wanted = [part for name in names for part in ("-e", name)]
        return [line.split("\t") for line in self._tshark("-Y", where, "-T", "fields", *wanted)]

    def remarks(self) -> list[str]:
        """What tshark finds wrong or strange in the messages our doors sent, each with its frame."""
        found: list[str] = []
        frame = ""
        for line in self._tshark("-O", "diameter,sip", "-Y", f"(diameter or sip) and ip.src == {self._server}"):
            if line.startswith("Frame "):
                frame = line.partition(":")[0]
            elif REMARK.search(line) and not OUR_HEADERS.search(line):
                found.append(f"{frame}: {line.strip()}")
        return found

    def diameter_messages(self) -> list[bytes]:
        """Every Diameter message our door sent, taken from its TCP streams."""
        streams: dict[str, dict[int, bytes]] = {}
        where = f"ip.src == {self._server} and tcp.srcport == {DIAMETER} and tcp.len > 0"
        for stream, sequence, payload in self.fields(where, "tcp.stream", "tcp.seq", "tcp.payload"):
            streams.setdefault(stream, {})[int(sequence)] = bytes.fromhex(payload)
        return [message for parts in streams.values() for message in _messages(parts)]

    def _tshark(self, *options: str) -> list[str]:
        command = ["tshark", "-n", "-r", str(self.file), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


def may_capture() -> bool:
    """Is dumpcap there, and is this user allowed to look at packets on loopback?"""
    if shutil.which("dumpcap", path=SYSTEM_PATH) is None:
        return False
    done = subprocess.run(["dumpcap", "-i", "lo", "-L"], capture_output=True, timeout=20, check=False)
    return done.returncode == 0


def _messages(parts: dict[int, bytes]) -> Iterator[bytes]:
    """Cut a stream, its segments by sequence number, into messages (RFC 6733 section 3)."""
    stream = b"".join(parts[sequence] for sequence in sorted(parts))
    while stream:
        length = int.from_bytes(stream[1:4], "big")
        assert 20 <= length <= len(stream), f"no message: {stream[:20].hex()}"
        yield stream[:length]
        stream = stream[length:]


def decode(message: bytes) -> dict[str, Any]:
    """A message as python-diameter reads it, each AVP's value decoded; what it cannot decode raises."""
    read = Message.from_bytes(message)
    return {"code": read.header.command_code, "request": read.header.is_request, "avps": _values(read.avps)}


def _values(avps: list[Any]) -> list[tuple[str, Any]]:
    return [(avp.name, _values(avp.value) if isinstance(avp, AvpGrouped) else avp.value) for avp in avps]
