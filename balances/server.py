"""What the store must be, checked at every start: its version, its settings, and what the asked durability takes."""

from enum import StrEnum

from balances.ledger import Record
from balances.link import Link, ReplyError
from balances.wire import text

OLDEST = {"valkey": (8, 0), "redis": (7, 2)}
"""Oldest server versions that are accepted."""


class StoreRefused(Exception):
    """The store cannot hold the ledger: wrong server, settings or data. The message says what to change."""


class Durability(StrEnum):
    """When a credit (top-up, adjustment, bundle) counts as done. docs/durability.md names what each may lose."""

    PROCESS = "process"
    """When the store's process has it."""
    DISK = "disk"
    """When it is on the store's disk."""
    REPLICA = "replica"
    """When it is on the disks of the store and of a replica."""


class _Server(Record, frozen=True, kw_only=True):
    """One master, as it describes itself. Settings are None where it keeps them to itself, as hosted stores do."""

    kind: str
    version: str
    keeps_file: bool
    replicas: int
    eviction: str | None
    fsync: str | None
    wanted_replicas: int | None


async def check_server(link: Link, durability: Durability) -> list[str]:
    """Look at every master; raises StoreRefused. Returns what is allowed and worth knowing, a sentence each."""
    servers = await _servers(link)
    for one in servers:
        _refuse(one, durability)
    return sorted({warning for one in servers for warning in _warnings(one, durability)})


def _refuse(server: _Server, durability: Durability) -> None:
    oldest = OLDEST.get(server.kind, OLDEST["redis"])
    if tuple(int(part) for part in server.version.split(".")[:2]) < oldest:
        needed = f"{server.kind} {oldest[0]}.{oldest[1]} or later is needed"
        raise StoreRefused(f"the store is {server.kind} {server.version}; {needed}")
    if server.eviction not in (None, "noeviction"):
        raise StoreRefused(
            f"the store's maxmemory-policy is {server.eviction}: it would throw accounts away; set noeviction"
        )
    if durability is not Durability.PROCESS and not server.keeps_file:
        raise StoreRefused(f"balances.durability is {durability.value}, but the store's appendonly is off; set yes")
    if durability is Durability.REPLICA and not server.replicas:
        raise StoreRefused("balances.durability is replica, but the store has no replica that is connected")


def _warnings(server: _Server, durability: Durability) -> list[str]:
    found = []
    if not server.keeps_file:
        found.append("the store's appendonly is off: when its process ends, everything since its last snapshot is lost")
    if server.fsync == "no":
        found.append("the store's appendfsync is no: a power cut loses what the system had not written by itself")
    if server.replicas and durability is not Durability.REPLICA:
        found.append("a failover to a replica loses what had not reached it, credits too (balances.durability)")
    if server.replicas and server.wanted_replicas == 0:
        found.append("the store's min-replicas-to-write is 0: a master cut off from its replicas goes on for nothing")
    return found


async def _servers(link: Link) -> list[_Server]:
    infos = [_fields(text(info)) for info in await link.everywhere("INFO", "server", "persistence", "replication")]
    names = ("maxmemory-policy", "appendfsync", "min-replicas-to-write")
    try:
        told = await link.everywhere("CONFIG", "GET", *names)
    except ReplyError:
        told = [[] for _ in infos]
    servers = []
    for info, flat in zip(infos, told, strict=True):
        settings = {text(flat[at]): text(flat[at + 1]) for at in range(0, len(flat), 2)}
        kind = info.get("server_name", "redis")
        wanted = settings.get("min-replicas-to-write")
        servers.append(
            _Server(
                kind=kind,
                version=info.get(f"{kind}_version", info.get("redis_version", "0.0")),
                keeps_file=info.get("aof_enabled") == "1",
                replicas=int(info.get("connected_slaves", 0)),
                eviction=settings.get("maxmemory-policy"),
                fsync=settings.get("appendfsync"),
                wanted_replicas=None if wanted is None else int(wanted),
            )
        )
    return servers


def _fields(info: str) -> dict[str, str]:
    return dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
