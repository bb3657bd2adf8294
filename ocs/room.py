"""How many requests may be in work at one time, so that none of them stands in line for long.

As many may stand in line as are finished in the longest wait (Little's law). A request may take long of itself, where
its part of the store is away: only if the quickest of a while had to wait did all of them.
"""

from typing import Final

WINDOW: Final = 0.1
"""Seconds that a judgement rests on, at least."""

ENOUGH: Final = 16
"""Requests that it rests on, at least; and how many may be in work however slow they are."""


class Room:
    """``most``: requests in work while nobody waits; ``longest``: seconds that a request may stand in line."""

    def __init__(self, most: int, longest: float) -> None:
        self._most = most
        self._longest = longest
        self._since = 0.0
        self._count = 0
        self._quickest = float("inf")
        self.size = most
        """How many may be in work now."""

    def finished(self, seconds: float, now: float) -> None:
        """A request is done, so many seconds after it came."""
        self._count += 1
        if seconds < self._quickest:
            self._quickest = seconds
        passed = now - self._since
        if passed >= WINDOW and self._count >= ENOUGH:
            self._judge(passed)
            self._since, self._count, self._quickest = now, 0, float("inf")

    def _judge(self, passed: float) -> None:
        if self._quickest < self._longest / 2:
            self.size = self._most
        elif self._quickest > self._longest or self.size < self._most:
            self.size = min(self._most, max(ENOUGH, int(self._count / passed * self._longest)))
