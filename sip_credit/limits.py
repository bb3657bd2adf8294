"""How much one peer may ask at a time, so that no proxy takes what the others need. No I/O, no clock."""

from enum import Enum

from sip_credit.settings import Peer


class Load(Enum):
    """May one more request be taken?"""

    FREE = "free"
    RATE = "rate"
    OPEN = "open"


class Traffic:
    """The requests of one peer: counted always, limited where its settings say so. Times are seconds of any clock."""

    __slots__ = ("_at", "_peer", "_tokens", "answers", "in_flight", "refused", "requests")

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._tokens = float(peer.burst)
        self._at = 0.0
        self.requests = self.answers = self.in_flight = self.refused = 0

    def opens(self, now: float) -> Load:
        """Take a token for a new call or message, if there is one and not too much is open."""
        load = self.carries()
        if load is not Load.FREE or not self._peer.rate:
            return load
        self._tokens = min(float(self._peer.burst), self._tokens + (now - self._at) * self._peer.rate)
        self._at = now
        if self._tokens < 1:
            self.refused += 1
            return Load.RATE
        self._tokens -= 1
        return Load.FREE

    def carries(self) -> Load:
        """Is there room for one that was just received? Reports take no token: what is over must be told."""
        if self._peer.max_open and self.in_flight > self._peer.max_open:
            self.refused += 1
            return Load.OPEN
        return Load.FREE

    def received(self) -> None:
        self.requests += 1
        self.in_flight += 1

    def answered(self) -> None:
        self.answers += 1
        self.in_flight -= 1

    def counters(self) -> dict[str, int]:
        """What is shown of a peer."""
        return {
            "requests": self.requests,
            "answers": self.answers,
            "in_flight": self.in_flight,
            "refused": self.refused,
        }
