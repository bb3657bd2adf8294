"""The daemon's directory: one daemon at a time, and the note that says where it listens."""

import fcntl
import json
import os
from pathlib import Path

PORTS = "ports.json"


class DirectoryInUse(Exception):
    """Another daemon runs on the directory."""


class Directory:
    """Held from ``__enter__`` to ``__exit__``, or to the end of the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = -1

    def __enter__(self) -> "Directory":
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._lock, 32).decode(errors="replace").strip()
            os.close(self._lock)
            raise DirectoryInUse(f"{self.path}: another daemon runs on this directory (pid {holder})") from None
        os.ftruncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()}\n".encode())
        self._ports.unlink(missing_ok=True)  # of a daemon that was killed
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    @property
    def _ports(self) -> Path:
        return self.path / PORTS

    def publish(self, **ports: int) -> None:
        """Write ``ports.json``, whole or not at all: whoever sees it can connect."""
        text = json.dumps({**ports, "pid": os.getpid()})
        fresh = self.path / f".{PORTS}.new"
        fresh.write_text(text + "\n")
        fresh.replace(self._ports)

    def withdraw(self) -> None:
        self._ports.unlink(missing_ok=True)
