"""What a peer has sent and nobody has worked on yet, and how long it has been waiting for that."""

from collections import deque


class Intake:
    """Octets in the order in which they came, each with the moment of its arrival in seconds."""

    __slots__ = ("_parts", "_start", "size")

    def __init__(self) -> None:
        self._parts: deque[tuple[float, bytes]] = deque()
        self._start = 0
        """Octets of the first part that are taken already."""
        self.size = 0

    def __bool__(self) -> bool:
        return self.size > 0

    def put(self, octets: bytes, now: float) -> None:
        """Add what has come now."""
        if octets:
            self._parts.append((now, octets))
            self.size += len(octets)

    def take(self, most: int) -> tuple[float, bytes]:
        """When the oldest octets came, and up to so many of what came with them."""
        arrived, octets = self._parts[0]
        taken = octets[self._start : self._start + most]
        self._start += len(taken)
        if self._start == len(octets):
            self._parts.popleft()
            self._start = 0
        self.size -= len(taken)
        return arrived, taken

    def clear(self) -> None:
        self._parts.clear()
        self._start = self.size = 0
