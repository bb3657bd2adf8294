"""A network that loses, repeats, delays and reorders messages and breaks connections: by seed, hence repeatable.

The links ask what becomes of each message; what a loss means (a retransmission, and after which timer) is the affair
of the protocol's client. Each direction is asked on its own: answers get lost as requests do.
"""

from collections import Counter
from enum import StrEnum
from random import Random

import msgspec

from simulators.settings import Settings


class Fault(StrEnum):
    """What becomes of a message."""

    NONE = "none"
    DUPLICATE = "duplicate"
    DROP = "drop"
    DELAY = "delay"
    REORDER = "reorder"
    CUT = "cut"


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """The fault that strikes a message; ``after`` seconds for a late one, for a second copy and for one overtaken."""

    fault: Fault = Fault.NONE
    after: float = 0.0


_UNHARMED = Fate()
_OVERTAKEN = 0.02
"""Seconds one message is held back so that the next overtakes it, or so that its copy comes later than itself."""


class FaultyLink:
    """Decides over the messages of one link, in the order in which they are sent."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._random = Random(f"{settings.seed}:faults:{name}")
        self._delay_seconds = settings.delay_seconds
        shares = {
            Fault.DROP: settings.drop,
            Fault.DUPLICATE: settings.duplicate,
            Fault.DELAY: settings.delay,
            Fault.REORDER: settings.reorder,
            Fault.CUT: settings.cut,
        }
        self._shares = tuple((fault, share) for fault, share in shares.items() if share)
        self.injected: Counter[Fault] = Counter()
        """How often each fault struck."""

    def __repr__(self) -> str:
        return f"<FaultyLink {dict(self.injected)}>"

    def draw(self) -> Fate:
        """The fate of the next message; at most one fault strikes it."""
        if not self._shares:
            return _UNHARMED
        drawn = self._random.random()
        for fault, share in self._shares:
            if drawn < share:
                self.injected[fault] += 1
                return Fate(fault=fault, after=self._after(fault))
            drawn -= share
        return _UNHARMED

    def chance(self, share: float) -> bool:
        """True in ``share`` of the cases: for choices that belong to the same repeatable sequence."""
        return self._random.random() < share

    def _after(self, fault: Fault) -> float:
        if fault is Fault.DELAY:
            return self._random.uniform(0, self._delay_seconds)
        if fault in (Fault.REORDER, Fault.DUPLICATE):
            return self._random.uniform(0, _OVERTAKEN)
        return 0.0
