"""Virtual time: a loop that never sleeps. Where nothing is ready, the time of the next timer has come."""

import asyncio
import selectors
from typing import Any


class _NoWaiting(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Reports what is ready now, and lets the waited time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everything waits for nothing: a deadlock")
        self.now += max(0.0, timeout)
        return super().select(0) if not timeout else []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Same seed, same order: nothing outside has a say."""

    def __init__(self) -> None:
        self._virtual = _NoWaiting()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now
