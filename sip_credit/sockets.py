"""Sockets of the SIP door: bound to addresses, and closed against those that do not read."""

import asyncio
import socket
import struct
from contextlib import suppress


def bind(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on the same port; with port 0 a port that is free for both. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    attempts = 20 if port == 0 else 1
    for attempt in range(attempts):
        tcp = socket.socket(family, socket.SOCK_STREAM)
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind(address)
            udp.bind((address[0], tcp.getsockname()[1], *address[2:]))
        except OSError:
            tcp.close()
            udp.close()
            if attempt == attempts - 1:
                raise
            continue
        tcp.setblocking(False)
        udp.setblocking(False)
        return udp, tcp
    raise AssertionError("unreachable")


def bind_stream(host: str, port: int) -> socket.socket:
    """A TCP socket. Raises OSError."""
    sock = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setblocking(False)
    return sock


def bind_first_free(host: str, port: int, attempts: int = 64) -> socket.socket:
    """A UDP socket on this port or the first above it that nobody has; 0: on any. Raises OSError."""
    for candidate in range(port, port + attempts if port else 1):
        family, kind, _, _, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_DGRAM)[0]
        sock = socket.socket(family, kind)
        try:
            sock.bind(address)
        except OSError:
            sock.close()
            if candidate == port + attempts - 1 or not port:
                raise
            continue
        sock.setblocking(False)
        return sock
    raise AssertionError("unreachable")


def reference(host: str) -> str:
    """The host as it stands in a URI."""
    return f"[{host}]" if ":" in host else host


def reset(transport: asyncio.Transport) -> None:
    """Close with an RST: what is not sent yet is thrown away, by the kernel too."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
