"""What the vault lets others watch. The house counts it in its metrics; by default nobody looks."""

from typing import Protocol

from balances.ledger import Entry


class Observer(Protocol):
    """Called on the hot path: an implementation must be quick and must not raise."""

    def script(self, name: str, seconds: float) -> None:
        """A script was answered; ``seconds`` from the call to the reply, queueing included."""
        ...

    def error(self, reason: str) -> None:
        """A call failed: ``timeout``, ``connection``, ``overload`` (all of them Unavailable) or ``reply``."""
        ...

    def lapsed(self, door: str) -> None:
        """The reaper closed a session of this door."""
        ...

    def reaper_lag(self, seconds: float) -> None:
        """How late the reaper is: seconds since its last completed round."""
        ...

    def journal_lag(self, seconds: float, entries: int) -> None:
        """Age of the oldest entry that is not journalled yet, and how many wait (at least, where there are many)."""
        ...

    def journalled(self, entry: Entry) -> None:
        """An entry is durable in the journal; told once, and not at all if the process ends just then."""
        ...


class Unobserved:
    """Nobody looks."""

    def script(self, name: str, seconds: float) -> None:
        pass

    def error(self, reason: str) -> None:
        pass

    def lapsed(self, door: str) -> None:
        pass

    def reaper_lag(self, seconds: float) -> None:
        pass

    def journal_lag(self, seconds: float, entries: int) -> None:
        pass

    def journalled(self, entry: Entry) -> None:
        pass
