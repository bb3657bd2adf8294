"""When the store fails and when it is back: told to the operator once per change, not once per request."""

import logging

log = logging.getLogger(__name__)

CALM = 1.0
"""Seconds without a failure after which an answer means that the store is back."""

CONNECTION = ""
"""What failed where it was no call but the connection itself."""


class Health:
    """``now`` is the loop's time, in seconds. A store may answer one kind of call and refuse another (a full disk stops
    writes only), so it is back when it answers what it failed first."""

    def __init__(self, store: object) -> None:
        self._store = store
        self._last = 0.0
        self.failing: str | None = None
        """Name of the call that failed first, until it is answered."""

    def failed(self, name: str, words: str, now: float) -> None:
        """A call got no answer, or one that says the store cannot serve now."""
        self._last = now
        if self.failing is None:
            self.failing = name
            log.warning("the store %s is unavailable: %s", self._store, words)

    def answered(self, name: str, now: float) -> None:
        """A call was answered."""
        if name == self.failing and now - self._last >= CALM:
            self._back()

    def connected(self) -> None:
        """There is a connection again."""
        if self.failing == CONNECTION:
            self._back()

    def _back(self) -> None:
        self.failing = None
        log.warning("the store %s is available again", self._store)
