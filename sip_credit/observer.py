"""What the SIP door tells whoever watches it. The door counts and times; it knows of no metrics system."""

from typing import Protocol

import msgspec


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """A stop report of a session nobody knows: kept with its numbers, so that an operator can charge it by hand."""

    session: str
    call_id: str
    caller: str
    called: str
    duration_ms: int | None
    peer: str
    at: int
    report: str
    """Names the report, so that one that comes again is known."""


class Observer(Protocol):
    """Each is called from the event loop and must return at once."""

    def received(self) -> None:
        """A new request came, which ``request`` will tell the answer of."""
        ...

    def request(self, type: str, status: int, seconds: float) -> None:
        """A request was answered, or sent on (100). ``type``: invite, start, interim, stop, release, message, options,
        cancel, in-call, other."""
        ...

    def protocol_error(self, reason: str, source: str = "") -> None:
        """Something came that is not SIP or not answerable; ``reason`` is one of a small set, ``source`` the peer."""
        ...

    def turned_away(self, reason: str, source: str) -> None:
        """A check or message of a peer was refused before anybody was asked for credit."""
        ...

    def duplicate(self) -> None:
        """A retransmission was absorbed, or the vault replayed an answer."""
        ...

    def stranger(self, host: str) -> None:
        """Something came from an address that is no peer's; it got no answer."""
        ...

    def orphan(self, orphan: Orphan) -> None:
        """A call ended that was never asked for."""
        ...

    def overrun(self, seconds: int) -> None:
        """A call went on beyond what was granted; the seconds beyond are charged all the same."""
        ...

    def clock_difference(self, seconds: float) -> None:
        """Reported and own measure of a call differ by more than the tolerance; the reported one is charged."""
        ...

    def unacknowledged(self) -> None:
        """A final answer to an INVITE was repeated to the end without an ACK."""
        ...


class SilentObserver:
    """Watches nothing."""

    def received(self) -> None:
        pass

    def request(self, type: str, status: int, seconds: float) -> None:
        pass

    def protocol_error(self, reason: str, source: str = "") -> None:
        pass

    def turned_away(self, reason: str, source: str) -> None:
        pass

    def duplicate(self) -> None:
        pass

    def stranger(self, host: str) -> None:
        pass

    def orphan(self, orphan: Orphan) -> None:
        pass

    def overrun(self, seconds: int) -> None:
        pass

    def clock_difference(self, seconds: float) -> None:
        pass

    def unacknowledged(self) -> None:
        pass
