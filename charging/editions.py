"""Which catalogue holds when: the one in force, and those whose moment is agreed and has not come. Pure.

Whoever asks gets a whole catalogue and keeps it for the request in hand. That is all there is to a switch: no request
is rated by two, and every process that knows the moment switches with the same request.
"""

from charging.catalogue import Catalogue


class Editions:
    """Time only goes forward here: what has been in force once is not returned to."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.current = catalogue
        self._coming: list[tuple[int, Catalogue]] = []
        """In the order in which they were put, which is that of their rank."""

    def at(self, now: int) -> Catalogue:
        """The catalogue in force at ``now`` (milliseconds): the one put last of those whose moment has come."""
        if self._coming:
            due = [number for number, (since, _) in enumerate(self._coming) if since <= now]
            if due:
                self.current = self._coming[due[-1]][1]
                del self._coming[: due[-1] + 1]
        return self.current

    def put(self, catalogue: Catalogue, since: int) -> None:
        """``catalogue`` is in force from ``since`` on, until another is that was put later; 0: at once."""
        if since:
            self._coming.append((since, catalogue))
        else:
            self._coming.clear()
            self.current = catalogue
