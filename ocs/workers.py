"""Several processes for the doors: the parent binds the sockets, starts workers, restarts dead ones, drains all.

A worker is ``python -m ocs.workers``. It reads its task, one line of JSON, from standard input, says ``ready`` on
standard output, answers questions about its peers there, and serves until it is told to end, by SIGTERM or by the end
of its input: a worker never outlives its parent.
"""

import asyncio
import logging
import signal
import sys
from contextlib import suppress

import msgspec
import uvloop
from prometheus_client.multiprocess import mark_process_dead

import ocs
from balances.ledger import Record
from balances.target import Target
from ocs import logs
from ocs.config import Config
from ocs.doors import Charging, Doors, reload_on_hangup
from ocs.http.models import PeerView
from ocs.metrics import Metrics
from ocs.sockets import DoorSockets
from ocs.tls import Credentials

log = logging.getLogger(__name__)

_LONGEST_LINE = 16 * 1024 * 1024
_START = 30.0
_PATIENCE = 1.0
_PAUSES = (0.1, 5.0)
"""Seconds: for a worker to be ready; to answer; first and longest pause before a dead one is started again."""

_PEERS = b"peers\n"
"""The one question a parent asks; the answer is a line of JSON."""


class WorkerFailed(Exception):
    """A worker does not start; its log says why."""


class _Task(Record, frozen=True, kw_only=True):
    config: Config
    target: Target
    number: int
    sockets: list[int]


class Workers:
    """The parent's side."""

    def __init__(self, config: Config, target: Target, sockets: list[DoorSockets]) -> None:
        self._config = config
        self._target = target
        self._sockets = sockets
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._asking = [asyncio.Lock() for _ in sockets]

    def __repr__(self) -> str:
        return f"<Workers {len(self._processes)} of {len(self._sockets)} running>"

    @property
    def missing(self) -> int:
        """How many are not running just now."""
        return len(self._sockets) - len(self._processes)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes.values()]

    async def start(self) -> None:
        """Start all and wait until they serve; raises WorkerFailed, UnusableCertificate."""
        if self._config.diameter.tls.enabled:
            Credentials(self._config.diameter.tls)  # better told by us than by each worker
        await asyncio.gather(*[self._start(number) for number in range(len(self._sockets))])
        self._keepers = [asyncio.create_task(self._keep(number)) for number in range(len(self._sockets))]

    async def peers(self) -> list[PeerView]:
        """Every worker's peers; a worker that does not say so in time has none. A proxy is every worker's."""
        told = await asyncio.gather(*[self._ask(number) for number in tuple(self._processes)])
        found: dict[tuple[str, str, str], PeerView] = {}
        for peer in (peer for peers in told for peer in peers):
            found[peer.door, peer.name, peer.address] = peer
        return list(found.values())

    async def _ask(self, number: int) -> tuple[PeerView, ...]:
        async with self._asking[number]:
            process = self._processes.get(number)
            if process is None or process.stdin is None or process.stdout is None:
                return ()
            try:
                process.stdin.write(_PEERS)
                line = await asyncio.wait_for(process.stdout.readline(), _PATIENCE)
                return msgspec.json.decode(line, type=tuple[PeerView, ...])
            except (TimeoutError, OSError, msgspec.DecodeError):
                return ()

    async def reload(self) -> None:
        """Let all read their certificates again, and connect to whom they connect to."""
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGHUP)

    async def drain(self) -> None:
        """Let all finish what they have in hand; those that take too long are killed."""
        for keeper in self._keepers:
            keeper.cancel()
        processes = list(self._processes.values())
        for process in processes:
            with suppress(ProcessLookupError):
                process.terminate()
        if processes:
            patience = self._config.daemon.drain + 2
            _, late = await asyncio.wait([asyncio.create_task(one.wait()) for one in processes], timeout=patience)
            if late:
                log.warning("%d workers do not end: killing them", len(late))
                for process in processes:
                    with suppress(ProcessLookupError):
                        process.kill()
                await asyncio.wait(late)
        self._processes.clear()

    async def _start(self, number: int) -> None:
        sockets = [one.fileno() for one in self._sockets[number].all()]
        task = _Task(config=self._config, target=self._target, number=number, sockets=sockets)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ocs.workers",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            pass_fds=sockets,
            start_new_session=True,  # Ctrl-C reaches the parent, which drains the workers
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._processes[number] = process
        process.stdin.write(msgspec.json.encode(task) + b"\n")
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _START)
        except TimeoutError:
            line = b""
        if line != b"ready\n":
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            self._processes.pop(number, None)
            raise WorkerFailed(f"worker {number} did not start")

    async def _keep(self, number: int) -> None:
        """Start a worker again when it dies. Its sockets are open all the while: clients only wait."""
        pause, longest = _PAUSES
        while True:
            process = self._processes.get(number)
            if process is not None:
                code = await process.wait()
                del self._processes[number]
                mark_process_dead(process.pid)  # type: ignore[no-untyped-call]
                log.error("worker %d (pid %d) ended with %s: starting it again", number, process.pid, code)
            await asyncio.sleep(pause)
            try:
                await self._start(number)
                pause = _PAUSES[0]
            except (WorkerFailed, OSError) as problem:
                log.error("%s", problem)
                pause = min(pause * 2, longest)


async def _work(task: _Task, questions: asyncio.StreamReader, end: asyncio.Event) -> None:
    """The worker's story: connect, open the doors, serve, drain."""
    metrics = Metrics(ocs.__version__)
    charging = await Charging.open(task.config, task.target, metrics, f"ocs-worker-{task.number}", task.number)
    share = task.config.diameter.share(task.number, task.config.daemon.workers)
    doors = Doors(msgspec.structs.replace(task.config, diameter=share), charging, metrics)
    reload_on_hangup(doors.reload)
    await doors.start(DoorSockets.of_descriptors(task.sockets, task.config))
    print("ready", flush=True)

    async def answer() -> None:
        while await questions.readline():
            print(msgspec.json.encode(doors.peers()).decode(), flush=True)
        end.set()

    beside = [asyncio.create_task(answer())]
    beside += [asyncio.create_task(chore, name=name) for name, chore in charging.following().items()]
    await end.wait()
    for running in beside:
        running.cancel()
    try:
        async with asyncio.timeout(task.config.daemon.drain):
            await doors.drain()
    except TimeoutError:
        log.warning("worker %d leaves requests unanswered", task.number)
    await charging.close()


async def _main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    task = msgspec.json.decode(await reader.readline(), type=_Task)
    logs.set_up(task.config.daemon.log_format, task.config.daemon.log_level)
    end = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    loop.add_signal_handler(signal.SIGINT, end.set)
    await _work(task, reader, end)


if __name__ == "__main__":
    uvloop.run(_main())
