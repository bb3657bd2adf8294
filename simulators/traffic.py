"""Open-loop traffic: who starts what at which moment, decided before any answer is known.

Arrivals are a Poisson process. An arrival does not wait for earlier ones to be answered, so a slow server meets the
same load as a fast one, and delays show up as latency instead of vanishing in a generator that waits.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from random import Random
from typing import Any

import msgspec


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """One subscriber as the networks know it: the same account behind every identity."""

    account: str
    e164: str
    imsi: str
    sip: str
    """``user@domain``."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Something starts: ``at`` seconds after the beginning, ``kind`` out of the mix, for one subscriber."""

    at: float
    kind: str
    subscriber: Subscriber


def make_subscribers(count: int, prefix: str = "sim", first: int = 1) -> tuple[Subscriber, ...]:
    """``count`` subscribers from number ``first`` on; the same every time: runs find the accounts of earlier ones."""
    return tuple(
        Subscriber(
            account=f"{prefix}-{n:04d}",
            e164=f"4915550{n:06d}",
            imsi=f"26201555{n:07d}",
            sip=f"{prefix}-{n:04d}@example.net",
        )
        for n in range(first, first + count)
    )


def arrivals(
    random: Random,
    rate: float,
    duration: float,
    mix: dict[str, float],
    subscribers: tuple[Subscriber, ...],
    shape: tuple[float, ...] = (),
) -> Iterator[Arrival]:
    """Arrivals at ``rate`` per second for ``duration`` seconds; kinds are drawn by their weights in ``mix``.

    ``shape``: shares of the rate, each for an equal part of the duration. The Poisson process is thinned by them.
    """
    kinds, weights = tuple(mix), tuple(mix.values())
    at = random.expovariate(rate)
    while at < duration:
        if shape and random.random() >= shape[int(at / duration * len(shape))]:
            at += random.expovariate(rate)
            continue
        yield Arrival(
            at=at, kind=random.choices(kinds, weights)[0], subscriber=subscribers[random.randrange(len(subscribers))]
        )
        at += random.expovariate(rate)


Start = Callable[[Arrival, float], Coroutine[Any, Any, None]]
"""Begins what an arrival stands for; told the ``time.monotonic()`` at which it should have begun."""


class OpenLoop:
    """Starts a task per arrival at its time; ``stop`` ends the arrivals, and ``finish`` waits for what was started."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self.started = 0
        self.failures: list[BaseException] = []
        """Errors of the simulator itself; a run with any of them has proved nothing."""

    def __repr__(self) -> str:
        return f"<OpenLoop started={self.started} running={len(self._tasks)}>"

    @property
    def running(self) -> int:
        """Sessions, calls and messages that are under way."""
        return len(self._tasks)

    def stop(self) -> None:
        """Nothing new from now on."""
        self._stopped.set()

    async def run(self, schedule: Iterator[Arrival]) -> None:
        """Play the schedule in real time, beginning now."""
        beginning = time.monotonic()
        for arrival in schedule:
            intended = beginning + arrival.at
            wait = intended - time.monotonic()
            if wait > 0 and await self._stopped_within(wait):
                break
            if self._stopped.is_set():
                break
            self.started += 1
            task = asyncio.get_running_loop().create_task(self._start(arrival, intended))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    async def finish(self, patience: float) -> bool:
        """Wait for what was started; False if something still runs after ``patience`` seconds, and is ended then."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return not left

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)
