"""A copy of the embedded store and of the journal, taken while the daemon serves.

The append-only file grows at its end only, except while it is rewritten; so nothing is rewritten while it is copied,
and what is copied is the whole past up to some moment. A command cut off at the end is dropped when the copy is loaded.
The journal is copied first: it may be behind the store, whose outbox has the rest, but never ahead of it.
"""

import os
import shutil
import time
from pathlib import Path

import redis

APPENDED = "appendonlydir"
PERCENTAGE = "auto-aof-rewrite-percentage"
PATIENCE = 600.0


class NoBackup(Exception):
    """It cannot be taken; says why."""


def backup(directory: Path, target: Path) -> None:
    """Copy what the daemon of ``directory`` has written to ``target``, a new directory; raises NoBackup, OSError."""
    store = directory / "store"
    target.mkdir(parents=True, mode=0o700)  # an existing one is somebody's backup
    if (directory / "journal").is_dir():
        shutil.copytree(directory / "journal", target / "journal")
    try:
        with redis.Redis(unix_socket_path=str(_socket(store)), socket_timeout=30) as link:
            _copy(link, store, target / "store")
    except redis.RedisError as problem:
        raise NoBackup(f"the embedded store of {directory} does not answer: {problem}") from None
    _sync(target)


def _socket(store: Path) -> Path:
    """Where it listens: in its directory or, if that path is too long, where it says (``EmbeddedStore``)."""
    path = store / "valkey.sock"
    if path.exists():
        return path
    try:
        return Path((store / "socket-directory").read_text().strip()) / "valkey.sock"
    except OSError:
        raise NoBackup(f"{store}: no embedded store runs here") from None


def _copy(link: "redis.Redis", store: Path, target: Path) -> None:
    before = link.config_get(PERCENTAGE)[PERCENTAGE] or 0
    link.config_set(PERCENTAGE, 0)
    try:
        end = time.monotonic() + PATIENCE
        while _rewriting(link.info("persistence")):
            if time.monotonic() > end:
                raise NoBackup("the append-only file is being rewritten all the time")
            time.sleep(0.1)
        shutil.copytree(store / APPENDED, target / APPENDED)
    finally:
        link.config_set(PERCENTAGE, before)


def _rewriting(info: dict[str, int]) -> bool:
    return bool(info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])


def _sync(target: Path) -> None:
    """All of it is on the disk when this returns."""
    for path in (target, *target.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
