"""Layouts of requests that have passed their checks: another of the same layout needs neither a walk nor the checks.

A client sends thousands of requests that differ in a few octets: identifiers, numbers, names of the same length. What a
walk over the AVPs finds, and what the checks say of it, depends on the headers of the message and of its AVPs, and on
the values of a few kinds of AVPs (``settles``). Where all of these octets are those of a request that has passed, so
does this one. They are compared as one number under a mask.
"""

from typing import Any, Final

from ocs.diameter import avps
from ocs.diameter.codec import HEADER_SIZE
from ocs.diameter.dictionary import AVPS, GROUPED, Avp
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Group, Layout, Message

MOST: Final = 1024
"""Layouts kept. A client has some dozens: its names are of few lengths, and it reports in few ways."""

MOST_ALIKE: Final = 8
"""Layouts of the same length and the same length of Session-Id: each is compared in turn."""

LONGEST: Final = 4096
"""Octets of a request whose layout is kept: longer ones are rare, and their layouts large."""

_PATIENCE: Final = 16
"""Once as many are kept as may be, so many times as many requests of unknown layout pass before all begins anew.
Otherwise a client that sends nothing twice would have each request learnt, at the price of a second check."""

_IDENTIFIERS: Final = 12
"""Where the message's header is the request's own: the Hop-by-Hop and End-to-End Identifiers."""

_NAMES: Final = frozenset(
    avp.key
    for avp in (
        avps.ORIGIN_HOST,
        avps.ORIGIN_REALM,
        avps.DESTINATION_HOST,
        avps.DESTINATION_REALM,
        avps.ROUTE_RECORD,
        avps.SERVICE_CONTEXT_ID,
    )
)


def settles(avp: Avp[Any]) -> bool:
    """Does the value decide what the checks say? Enumerated, and the names by which a request is routed."""
    return bool(avp.values) or avp.key in _NAMES


class _Known:
    """A layout and the octets by which it is recognised."""

    __slots__ = ("layout", "mask", "octets")

    def __init__(self, message: Message) -> None:
        self.layout = Layout()
        mask = bytearray(len(message.buffer))
        mask[:_IDENTIFIERS] = b"\xff" * _IDENTIFIERS
        self._cover(message, 0, mask)
        self.mask = int.from_bytes(mask, "big")
        self.octets = int.from_bytes(message.buffer, "big") & self.mask

    def _cover(self, group: Group, place: int, mask: bytearray) -> None:
        """Mark the octets that count in a group (``place`` 0: the message), and keep what they tell."""
        settled: dict[int, Any] = {}
        self.layout.groups[place] = (group.index, settled)
        for key in group.index:
            avp = AVPS.get(key)
            for position in group.positions(key):
                size = 12 if group.flags(position) & 0x80 else 8
                mask[position : position + size] = b"\xff" * size
                if avp is None:
                    continue
                if avp.type is GROUPED:
                    self._enter(group, avp, position, mask)
                elif settles(avp):
                    end = position + len(group.octets(position))
                    mask[position:end] = b"\xff" * (end - position)
                    self._settle(group, avp, settled)

    def _enter(self, group: Group, avp: Avp[Any], position: int, mask: bytearray) -> None:
        try:
            self._cover(group.at(avp, position), position, mask)
        except RemoteError:
            return  # nobody has looked into it, or it would not have passed: who does will find out

    def _settle(self, group: Group, avp: Avp[Any], settled: dict[int, Any]) -> None:
        try:
            settled[avp.key] = group.get(avp)
        except RemoteError:
            return  # the same


class Layouts:
    """Those of the requests that have passed by one policy."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[tuple[int, bytes], list[_Known]] = {}
        self._count = 0
        self._missed = 0

    def __len__(self) -> int:
        return self._count

    def read(self, octets: bytes) -> Message:
        """The message; it has a ``layout`` if it needs no further check."""
        alike = self._known.get(_likeness(octets))
        if alike is not None:
            number = int.from_bytes(octets, "big")
            for known in alike:
                if number & known.mask == known.octets:
                    return Message(octets, known.layout)
        return Message(octets)

    def learn(self, message: Message) -> None:
        """Take in the layout of a request that has passed all checks."""
        if len(message.buffer) > LONGEST:
            return
        if self._count >= self._most:
            self._missed += 1
            if self._missed < _PATIENCE * self._most:
                return
            self._known.clear()
            self._count = self._missed = 0
        alike = self._known.setdefault(_likeness(message.buffer), [])
        if len(alike) < MOST_ALIKE:
            alike.append(_Known(message))
            self._count += 1


def _likeness(octets: bytes) -> tuple[int, bytes]:
    """What two messages have to have in common to be worth a comparison: their length and the first AVP's."""
    return len(octets), octets[HEADER_SIZE + 4 : HEADER_SIZE + 8]
