"""The processes under test and what they use, as the operating system and the store count it."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import redis

ROOT = Path(__file__).parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 60.0


class BenchFailed(Exception):
    """The run proves nothing; the message says why."""


class Server:
    """``ocs serve`` in a fresh directory, with its embedded store unless ``settings`` (OCS_…) name another's socket."""

    def __init__(self, directory: Path, fsync: str, workers: int = 1, **settings: str) -> None:
        self.directory = directory
        environment = {
            **os.environ,
            "OCS_DAEMON__DIRECTORY": str(directory / "var"),
            "OCS_DIAMETER__PORT": "0",
            "OCS_SIP_CREDIT__PORT": "0",
            "OCS_HTTP__PORT": "0",
            "OCS_BALANCES__FSYNC": fsync,
            "OCS_DAEMON__WORKERS": str(workers),
            **settings,
        }
        self._log = (directory / "ocs.log").open("wb")
        command = [str(Path(sys.executable).with_name("ocs")), "serve", "--config", str(ROOT / "config.toml")]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, env=environment, cwd=ROOT, stdout=self._log, stderr=self._log
        )
        path, end = directory / "var" / "ports.json", time.monotonic() + _PATIENCE
        while not path.exists() or json.loads(path.read_text() or "{}").get("pid") != self.pid:
            if self._process.poll() is not None or time.monotonic() > end:
                raise BenchFailed((directory / "ocs.log").read_text()[-2000:])
            time.sleep(0.05)
        self.ports: dict[str, int] = json.loads(path.read_text())
        url = settings.get("OCS_BALANCES__URL")
        self.socket = Path(url.removeprefix("unix://")) if url else next((directory / "var").rglob("valkey.sock"))
        self.store = redis.Redis(unix_socket_path=str(self.socket))
        self.store_pid = int(self.store.info("server")["process_id"])

    @property
    def pid(self) -> int:
        return self._process.pid

    def processes(self) -> list[int]:
        """All of the server's, the store's apart."""
        return [pid for pid in _family(self.pid) if pid != self.store_pid]

    def cpu(self) -> float:
        """Seconds of processor they have used together."""
        return sum(map(cpu, self.processes()))

    def memory(self) -> int:
        """Resident octets of the largest of them."""
        return max(map(memory, self.processes()))

    def stored(self) -> int:
        """Octets the store uses, but for entries that wait for the journal."""
        waiting = sum(self.store.memory_usage(key, samples=1_000) or 0 for key in self.store.scan_iter("outbox:*"))
        return int(self.store.info("memory")["used_memory"]) - waiting

    def audit(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['http']}/v1/audit", timeout=60) as reply:
            found: dict[str, Any] = json.load(reply)
        return found

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


def _family(first: int) -> list[int]:
    """A process and all that come of it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:  # ended meanwhile
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [first]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu(pid: int) -> float:
    """Seconds of processor a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def cpu_of_first_thread(pid: int) -> float:
    """The same of its first thread alone, to the nanosecond: a store's commands, not what it writes beside them."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def memory(pid: int) -> int:
    """Resident octets."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def calls(store: "redis.Redis") -> tuple[int, int]:
    """Scripts run since the store started, and the microseconds they took."""
    stats = store.info("commandstats")
    found = [stats[name] for name in ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_fcall") if name in stats]
    return sum(int(one["calls"]) for one in found), sum(int(one["usec"]) for one in found)
