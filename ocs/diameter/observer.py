"""What can be watched at the Diameter door."""

from typing import Protocol


class DiameterObserver(Protocol):
    """Told of what happens; must be quick and must not raise."""

    def request_received(self) -> None:
        """A credit-control request is taken into work."""

    def request_answered(self, request_type: str, result_code: int, seconds: float) -> None:
        """It got its answer. ``request_type``: ``initial``, ``update``, ``termination``, ``event``, ``spending-limit``,
        ``session-termination`` or ``unknown``."""

    def duplicate(self) -> None:
        """A repeat came; it gets the answer of the first copy, which is in work still or was answered before."""

    def peer_up(self, peer: str) -> None:
        """A peer (Origin-Host) is open."""

    def peer_down(self, peer: str) -> None:
        """It is not open any more."""

    def watchdog_timeout(self, peer: str) -> None:
        """A peer did not answer a Device-Watchdog-Request in time."""

    def protocol_error(self, reason: str, source: str = "") -> None:
        """Something that cannot be answered, or was answered with a protocol error; ``reason`` is one of few words,
        ``source`` the peer or address it came from."""


class NullObserver:
    """Looks away."""

    def request_received(self) -> None: ...

    def request_answered(self, request_type: str, result_code: int, seconds: float) -> None: ...

    def duplicate(self) -> None: ...

    def peer_up(self, peer: str) -> None: ...

    def peer_down(self, peer: str) -> None: ...

    def watchdog_timeout(self, peer: str) -> None: ...

    def protocol_error(self, reason: str, source: str = "") -> None: ...
