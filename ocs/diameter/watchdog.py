"""The watchdog of a connection (RFC 3539 section 3.4.1): tells in bounded time that a silent peer is gone.

Any message restarts the timer Tw; the second expiry in a row makes the peer suspect, the third closes the connection.
A connection that comes back after such an end is not trusted before three watchdog rounds.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

JITTER: Final = 2.0
"""Seconds by which each interval is longer or shorter (RFC 3539: uniformly between -2 and +2)."""

ROUNDS_TO_TRUST: Final = 3


class WatchdogState(Enum):
    """RFC 3539's states; a connection that is down has no watchdog."""

    OKAY = "okay"
    SUSPECT = "suspect"
    REOPEN = "reopen"
    DOWN = "down"


class WatchdogAction(Enum):
    """What the connection has to do."""

    NOTHING = "nothing"
    SEND_REQUEST = "send"
    FAIL_OVER = "fail-over"
    CLOSE = "close"


class Watchdog:
    """``interval`` is Tw in seconds, ``random`` draws from [0, 1)."""

    def __init__(self, interval: float, random: Callable[[], float], now: float) -> None:
        self._interval = interval
        self._random = random
        self.state = WatchdogState.OKAY
        self.pending = False
        self._rounds = 0
        self._set(now)

    def _set(self, now: float) -> None:
        """SetWatchdog(): the next interval, each with its own jitter."""
        self._length = self._interval + JITTER * (2 * self._random() - 1)
        self._since = now

    @property
    def deadline(self) -> float:
        """When ``expired`` is to be called."""
        return self._since + self._length

    @property
    def usable(self) -> bool:
        """May requests of our own be sent?"""
        return self.state is WatchdogState.OKAY

    def reopen(self, now: float) -> WatchdogAction:
        """The connection came back after the watchdog had closed it: prove it first."""
        self.state, self.pending, self._rounds = WatchdogState.REOPEN, True, 0
        self._set(now)
        return WatchdogAction.SEND_REQUEST

    def probe(self, now: float) -> WatchdogAction:
        """Somebody doubts that the peer is there: ask it now."""
        if self.pending:
            return WatchdogAction.NOTHING
        self.pending = True
        self._set(now)
        return WatchdogAction.SEND_REQUEST

    def received(self, now: float) -> None:
        """Any message but a DWA: the peer lives. The interval just starts anew, without a draw for each message."""
        if self.state is WatchdogState.SUSPECT:
            self.state = WatchdogState.OKAY
        if self.state is WatchdogState.OKAY:
            self._since = now

    def answered(self, now: float) -> None:
        """A DWA."""
        self.pending = False
        if self.state is WatchdogState.REOPEN:
            self._rounds += 1
            if self._rounds < ROUNDS_TO_TRUST:
                return
        self.state = WatchdogState.OKAY
        self._set(now)

    def expired(self, now: float) -> WatchdogAction:
        """The deadline has passed."""
        self._set(now)
        if not self.pending:
            self.pending = True
            return WatchdogAction.SEND_REQUEST
        if self.state is WatchdogState.OKAY:
            self.state = WatchdogState.SUSPECT
            return WatchdogAction.FAIL_OVER
        if self.state is WatchdogState.REOPEN and self._rounds >= 0:
            self._rounds = -1
            return WatchdogAction.NOTHING
        self.state = WatchdogState.DOWN
        return WatchdogAction.CLOSE
