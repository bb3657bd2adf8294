"""Loopback addresses of a test module's own, so that standard ports are free and captures hold nothing else's."""

import ipaddress
import random
import sys
from dataclasses import dataclass
from pathlib import Path

SIP = 5060
DIAMETER = 3868
HTTP = 8080


@dataclass(frozen=True, kw_only=True)
class Network:
    """A small network inside 127.0.0.0/8, all of which is loopback on Linux."""

    prefix: str

    @property
    def caller(self) -> str:
        return f"{self.prefix}.1"

    @property
    def proxy(self) -> str:
        return f"{self.prefix}.2"

    @property
    def callee(self) -> str:
        return f"{self.prefix}.3"

    @property
    def server(self) -> str:
        return f"{self.prefix}.4"


def any_network() -> Network:
    """One that nobody else is likely to use at this moment."""
    chance = random.SystemRandom()
    return Network(prefix=f"127.{chance.randrange(20, 250)}.{chance.randrange(1, 250)}")


def is_bound(address: str, port: int) -> bool:
    """Does somebody listen on this UDP port? Asked of Linux, because to try would disturb."""
    number = int.from_bytes(ipaddress.IPv4Address(address).packed, sys.byteorder)
    return f" {number:08X}:{port:04X} " in Path("/proc/net/udp").read_text()
