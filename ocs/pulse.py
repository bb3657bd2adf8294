"""How long the event loop keeps everybody waiting: a timer due ten times a second tells how late it came.

What stalls a loop is whatever runs in one piece: a huge request, the cycle collector, a processor that others have
taken. Durations of requests show it only once it has hurt, and not at all what waited in the socket meanwhile.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter

INTERVAL = 0.1
"""Seconds between two beats. A stall is seen with what is left of it when the next beat is due."""


class Pulse:
    """``late`` is told, at each beat, by how many seconds it was late."""

    def __init__(self, late: Callable[[float], None]) -> None:
        self._late = late
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Beat in the running loop until stopped."""
        self._due = perf_counter() + INTERVAL  # uvloop's own clock stands still within a turn
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._beat)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._late(max(0.0, perf_counter() - self._due))
        self.start()
