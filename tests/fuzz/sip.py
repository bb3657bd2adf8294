"""Damaged SIP messages over UDP and TCP; now and then a good one, which must be answered."""

import asyncio
import contextlib
from collections import Counter
from random import Random

from tests.fuzz.mutate import damage_sip

PATIENCE = 10.0
BURST = 50
PAUSE = 0.05
"""Seconds that leave room for the other attackers."""
HEAD = (
    "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:{port};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n"
    'From: "A" <sip:alice@example.net>;tag=t{branch}\r\nTo: <{uri}>\r\nCall-ID: {branch}@fuzz\r\n'
    "CSeq: 1 {method}\r\n{more}Content-Length: {length}\r\n\r\n{body}"
)
INVITE = "P-Asserted-Identity: <sip:alice@example.net>\r\nX-OCS-Supports: refresh\r\nContact: <sip:a@127.0.0.1>\r\n"
REPORT = (
    "Event: ocs-credit\r\nX-OCS-Event: stop\r\nX-OCS-Session: s1\r\nX-OCS-Call-ID: c1\r\nX-OCS-Duration-Ms: 900\r\n"
)
CALL = "sip:+493012345678@127.0.0.1"
KINDS = (
    ("INVITE", CALL, INVITE, "v=0\r\n"),
    ("INVITE", CALL, INVITE + "Record-Route: <sip:127.0.0.1;lr>\r\nRoute: <sip:127.0.0.1;lr>\r\n", ""),
    ("ACK", CALL, "", ""),
    ("BYE", CALL, "", ""),
    ("CANCEL", CALL, "", ""),
    ("OPTIONS", "sip:127.0.0.1", "", ""),
    ("REGISTER", "sip:127.0.0.1", "Expires: 3600\r\n", ""),
    ("NOTIFY", "sip:127.0.0.1", REPORT, ""),
    ("INFO", "sip:127.0.0.1", REPORT.replace("stop", "start"), "x" * 30),
)


def message(kind: tuple[str, str, str, str], transport: str, port: int, branch: str) -> bytes:
    """A good message."""
    method, uri, more, body = kind
    return HEAD.format(
        method=method, uri=uri, transport=transport, port=port, branch=branch, more=more, length=len(body), body=body
    ).encode()


class UdpAttacker(asyncio.DatagramProtocol):
    """Sends bursts of damaged datagrams and an OPTIONS behind each, which must be answered."""

    def __init__(self, port: int, random: Random, counts: Counter[str]) -> None:
        self._port, self._random, self._counts = port, random, counts
        self._answered = asyncio.Event()
        self._branch = b""
        self.hung: list[bytes] = []

    def datagram_received(self, data: bytes, _addr: object) -> None:
        self._counts["sip messages back"] += 1
        if self._branch and self._branch in data:
            self._answered.set()

    def error_received(self, _exc: Exception) -> None:
        self._counts["sip icmp errors"] += 1

    async def run(self, end: float) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=("127.0.0.1", self._port))
        local = transport.get_extra_info("sockname")[1]
        number = 0
        while loop.time() < end:
            for _ in range(BURST):
                number += 1
                good = message(self._random.choice(KINDS), "UDP", local, f"u{number}")
                transport.sendto(damage_sip(good, self._random))
                self._counts["sip inputs"] += 1
            await self._probe(transport, local, f"probe{number}")
            await asyncio.sleep(PAUSE)
        transport.close()

    async def _probe(self, transport: asyncio.DatagramTransport, local: int, branch: str) -> None:
        """OPTIONS, repeated since UDP may lose it among so many."""
        self._answered.clear()
        self._branch = branch.encode()
        data = message(KINDS[5], "UDP", local, branch)
        for _ in range(int(PATIENCE)):
            transport.sendto(data)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._answered.wait(), 1)
                return
        self.hung.append(data)


class TcpAttacker:
    """The same over TCP: a stream that can no longer be framed may be closed, and a new connection must work."""

    def __init__(self, port: int, random: Random, counts: Counter[str]) -> None:
        self._port, self._random, self._counts = port, random, counts
        self.hung: list[bytes] = []

    async def run(self, end: float) -> None:
        loop = asyncio.get_running_loop()
        number = 0
        while loop.time() < end:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._counts["sip connections"] += 1
            number += 1
            with contextlib.suppress(OSError, EOFError):
                await self._attack(reader, writer, number)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _attack(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        local = writer.get_extra_info("sockname")[1]
        probe = message(KINDS[5], "TCP", local, f"first{number}")
        writer.write(probe)
        try:
            await asyncio.wait_for(reader.readuntil(f"first{number}".encode()), PATIENCE)
        except TimeoutError:
            self.hung.append(probe)
            return
        drain = asyncio.create_task(self._drain(reader))
        for index in range(self._random.randint(1, BURST)):
            good = message(self._random.choice(KINDS), "TCP", local, f"t{number}-{index}")
            if drain.done():
                break
            writer.write(damage_sip(good, self._random))
            self._counts["sip inputs"] += 1
            await writer.drain()
        await asyncio.sleep(PAUSE)
        drain.cancel()
        await asyncio.gather(drain, return_exceptions=True)

    async def _drain(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self._counts["sip messages back"] += data.count(b"SIP/2.0 ")
