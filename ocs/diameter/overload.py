"""Overload indication (RFC 7683): clients that understand it are told to send less before they have to be refused.

The load is the share of the requests we take into work at one time. From ``onset`` on a reduction is asked for, in
steps of ten percent; it rises at once and falls a step a second, so that clients do not swing to and fro with us.
"""

from typing import Final

from ocs.diameter import avps
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message

OLR_DEFAULT_ALGO: Final = 1
"""The bit of OC-Feature-Vector that stands for the loss algorithm (section 7.2)."""

HOST_REPORT: Final = 0
STEP: Final = 10
MOST: Final = 90
"""Percent. Never all: what still comes shows a client when it is over."""

_CALMING: Final = 1.0
"""Seconds before a reduction is taken back by a step."""

FEATURES: Final = avps.OC_SUPPORTED_FEATURES.encode((avps.OC_FEATURE_VECTOR.encode(OLR_DEFAULT_ALGO),))


def reduction(load: float, onset: float) -> int:
    """Percent of their requests that clients should keep back at this load (1: full)."""
    if load < onset:
        return 0
    steps = int((load - onset) / (1 - onset) * MOST / STEP) + 1 if onset < 1 else MOST // STEP
    return min(steps * STEP, MOST)


def understands(request: Message) -> bool:
    """Does the sender support overload indication, with the algorithm that all who do must support?"""
    try:
        features = request.get(avps.OC_SUPPORTED_FEATURES)
        vector = features.get(avps.OC_FEATURE_VECTOR) if features is not None else 0
    except RemoteError:
        return False
    return vector is None or vector & OLR_DEFAULT_ALGO != 0


class Overload:
    """``validity`` in seconds; ``sequence`` is where the reports' numbers begin, such as milliseconds since 1970: they
    grow like those, so that they are greater after a restart."""

    def __init__(self, onset: float, validity: int, sequence: int, now: float) -> None:
        self._onset = onset
        self._validity = validity
        self._begin = sequence - int(now * 1000)
        self._sequence = sequence
        self._changed = now
        self._percent = 0
        self.parts: tuple[bytes, ...] = (FEATURES,)
        """The AVPs for an answer to a client that understands."""

    def __repr__(self) -> str:
        return f"<overload {self._percent} %>"

    def observe(self, load: float, now: float) -> None:
        """Take note of the load at this moment, in seconds of a clock that never goes back."""
        percent = reduction(load, self._onset)
        if percent < self._percent:
            if now - self._changed < _CALMING:
                return
            percent = max(percent, self._percent - STEP)
        same = percent == self._percent
        if not same or (percent and now - self._changed >= self._validity / 2):  # renewed before it lapses
            self._percent, self._changed = percent, now
            # A client ignores a report that is not newer (section 7.4), also after we have started anew.
            self._sequence = max(self._sequence + 1, self._begin + int(now * 1000))
            self.parts = (FEATURES, self._report(self._validity if percent else 0))
        elif not percent and len(self.parts) > 1 and now - self._changed >= self._validity:
            self.parts = (FEATURES,)  # everybody has heard that it is over, or forgotten that it was

    def _report(self, validity: int) -> bytes:
        return avps.OC_OLR.encode(
            (
                avps.OC_SEQUENCE_NUMBER.encode(self._sequence),
                avps.OC_REPORT_TYPE.encode(HOST_REPORT),
                avps.OC_REDUCTION_PERCENTAGE.encode(self._percent),
                avps.OC_VALIDITY_DURATION.encode(validity),
            )
        )
