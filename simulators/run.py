"""One simulated run: prepare accounts, play the traffic, end in order, and reconcile the books."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import msgspec

from simulators.api import Api
from simulators.books import Books
from simulators.reconcile import Comparison, compare, prepare
from simulators.report import Outcomes, Summary
from simulators.settings import SimulationOptions
from simulators.traffic import Arrival, OpenLoop, Subscriber, arrivals, make_subscribers

FINISH_SECONDS = 60.0
"""How long the end of a run may take: terminations and reports are repeated until answered."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a run stands, for whoever shows it."""

    name: str
    started: int
    running: int
    elapsed: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to."""

    name: str
    seconds: float
    started: int
    finished: bool
    """Everything ended in order and in time, and the simulator made no error of its own."""
    summary: Summary
    faults: dict[str, int]
    comparison: Comparison | None
    """None where the books are compared over several runs together."""

    @property
    def agrees(self) -> bool:
        """The run is over and the books agree, as far as they were compared."""
        return self.finished and (self.comparison is None or self.comparison.agrees)


class Network:
    """What a kind of run brings along: how it connects, what an arrival starts, how everything ends."""

    name: str = ""
    mix: dict[str, float] = {}  # noqa: RUF012 - set by each kind of network
    shape: tuple[float, ...] = ()
    """Shares of the rate over the run; empty: the full rate."""

    def __init__(self, books: Books, outcomes: Outcomes) -> None:
        self.books, self.outcomes = books, outcomes
        self.loop = OpenLoop(self.start)
        self.began = time.monotonic()

    async def open(self) -> None:
        """Connect."""
        raise NotImplementedError

    async def close(self) -> None:
        """Disconnect."""
        raise NotImplementedError

    async def start(self, arrival: Arrival, due: float) -> None:
        """Run what an arrival stands for."""
        raise NotImplementedError

    def finish_all(self) -> None:
        """End in order whatever still runs."""
        raise NotImplementedError

    def faults(self) -> Counter[str]:
        """Faults injected so far."""
        raise NotImplementedError

    def status(self) -> Status:
        """How it stands."""
        return Status(
            name=self.name,
            started=self.loop.started,
            running=self.loop.running,
            elapsed=time.monotonic() - self.began,
        )


Show = Callable[[Network], Coroutine[Any, Any, None]]
"""Shows a network until it is cancelled."""


async def play(network: Network, options: SimulationOptions, subscribers: tuple[Subscriber, ...]) -> Result:
    """Play the traffic of a connected network to its orderly end."""
    settings = options.settings
    network.began = time.monotonic()
    schedule = arrivals(
        Random(f"{settings.seed}:{network.name}"),
        settings.rate,
        settings.duration,
        network.mix,
        subscribers,
        network.shape,
    )
    await network.loop.run(schedule)
    network.finish_all()
    finished = await network.loop.finish(FINISH_SECONDS)
    for failure in network.loop.failures:
        network.outcomes.note(f"simulator error {type(failure).__name__}: {failure}")
    return Result(
        name=network.name,
        seconds=time.monotonic() - network.began,
        started=network.loop.started,
        finished=finished and not network.loop.failures,
        summary=network.outcomes.summary(),
        faults=dict(network.faults()),
        comparison=None,
    )


async def simulate(network: Network, options: SimulationOptions, show: Show | None) -> Result:
    """A run on its own: accounts, traffic, books. Ctrl-C ends it in order. ``show`` is run beside it."""
    api = Api(options.http, options.token)
    subscribers = make_subscribers(options.settings.subscribers)
    marks = await prepare(api, subscribers, options.settings.credit, f"simulate-{time.time_ns()}")
    for subscriber in subscribers:
        shown = await api.account(subscriber.account)
        for bucket in shown["buckets"]:
            network.books.allow(subscriber.account, bucket["offer"])
    await network.open()
    shower = asyncio.get_running_loop().create_task(show(network)) if show is not None else None
    try:
        with interruptible(network.loop.stop):
            result = await play(network, options, subscribers)
    finally:
        await network.close()
        if shower is not None:
            shower.cancel()
            await asyncio.gather(shower, return_exceptions=True)
    comparison = await compare(api, network.books, marks)
    return msgspec.structs.replace(result, comparison=comparison)


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call ``stop`` instead of breaking off."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
