"""The listening sockets of the doors, bound before anything serves, so that they can be handed to workers."""

import resource
import socket
from contextlib import suppress
from dataclasses import dataclass

from ocs.config import Config


def allow_many() -> None:
    """Raise the soft limit of open files to the hard one: each connection is one. Children have it from us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems say "unlimited" and do not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class CannotListen(Exception):
    """An address is in use or not ours; the message says which."""


@dataclass(frozen=True, kw_only=True)
class DoorSockets:
    """What one process needs to serve both doors."""

    diameter: socket.socket
    sip_udp: socket.socket
    sip_tcp: socket.socket
    diameter_tls: socket.socket | None = None
    sip_tls: socket.socket | None = None

    def all(self) -> tuple[socket.socket, ...]:
        found = self.diameter, self.sip_udp, self.sip_tcp, self.diameter_tls, self.sip_tls
        return tuple(one for one in found if one is not None)

    def close(self) -> None:
        for one in self.all():
            one.close()

    def ports(self) -> dict[str, int]:
        """Where the doors listen; those with TLS where they do."""
        ports = {"diameter": self.diameter_port, "sip": self.sip_port}
        if self.diameter_tls is not None:
            ports["diameter_tls"] = port_of(self.diameter_tls)
        if self.sip_tls is not None:
            ports["sip_tls"] = port_of(self.sip_tls)
        return ports

    @property
    def diameter_port(self) -> int:
        return port_of(self.diameter)

    @property
    def sip_port(self) -> int:
        return port_of(self.sip_udp)

    @classmethod
    def of_descriptors(cls, descriptors: list[int], config: Config) -> "DoorSockets":
        """The sockets a worker inherits, in the order of ``all``."""
        diameter, sip_udp, sip_tcp, *rest = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        return cls(
            diameter=diameter,
            sip_udp=sip_udp,
            sip_tcp=sip_tcp,
            diameter_tls=rest.pop(0) if config.diameter.tls.enabled else None,
            sip_tls=rest.pop(0) if config.sip_credit.tls.enabled else None,
        )


def port_of(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def bind_tcp(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; ``shared``: others may listen on the same address beside it. Raises CannotListen."""
    return _bind(socket.SOCK_STREAM, host, port, shared)


def bind_doors(config: Config, count: int) -> list[DoorSockets]:
    """``count`` sets of sockets on the same addresses, among which the kernel divides traffic; raises CannotListen."""
    shared = count > 1
    sets: list[DoorSockets] = []
    diameter_port, sip_port = config.diameter.port, config.sip_credit.port
    tls_port, sip_tls_port = config.diameter.tls.port, config.sip_credit.tls.port
    for _ in range(count):
        diameter = bind_tcp(config.diameter.host, diameter_port, shared=shared)
        sip_udp, sip_tcp = _bind_sip(config.sip_credit.host, sip_port, shared)
        tls = bind_tcp(config.diameter.host, tls_port, shared=shared) if config.diameter.tls.enabled else None
        sip_tls = (
            bind_tcp(config.sip_credit.host, sip_tls_port, shared=shared) if config.sip_credit.tls.enabled else None
        )
        sets.append(DoorSockets(diameter=diameter, sip_udp=sip_udp, sip_tcp=sip_tcp, diameter_tls=tls, sip_tls=sip_tls))
        tls_port = port_of(tls) if tls else tls_port
        sip_tls_port = port_of(sip_tls) if sip_tls else sip_tls_port
        diameter_port, sip_port = port_of(diameter), port_of(sip_udp)
    return sets


def _bind_sip(host: str, port: int, shared: bool) -> tuple[socket.socket, socket.socket]:
    """UDP and TCP on the same port; where any port will do, one that is free for both."""
    for attempt in range(20):
        udp = _bind(socket.SOCK_DGRAM, host, port, shared)
        try:
            return udp, _bind(socket.SOCK_STREAM, host, port_of(udp), shared)
        except CannotListen:
            udp.close()
            if port or attempt == 19:
                raise
    raise AssertionError


def _bind(kind: socket.SocketKind, host: str, port: int, shared: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind)
    except OSError as error:
        raise CannotListen(f"{host}:{port}: {error.strerror}") from None
    try:
        if kind is socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
        if kind is socket.SOCK_STREAM:
            bound.listen(1024)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise CannotListen(f"{host}:{port} ({kind.name.removeprefix('SOCK_').lower()}): {error.strerror}") from None
    return bound
