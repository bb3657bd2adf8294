"""Messages as they came: framed and indexed once, each AVP decoded when somebody asks for it.

``message.get(avps.CC_TIME)`` is a value or None, ``message.all(avps.USED_SERVICE_UNIT)`` the list of all; the value of
a grouped AVP is a Group, which is read the same way. What is wrong with the content raises RemoteError.
"""

import struct
from typing import Any, Final, TypeVar, overload
from zlib import crc32

from ocs.diameter.codec import HEADER_SIZE, Index, decode_header, walk
from ocs.diameter.codes import Flag, ResultCode
from ocs.diameter.dictionary import GROUPED, Avp, GroupedAvp, cut
from ocs.diameter.errors import RemoteError

T = TypeVar("T")

_WORD = struct.Struct(">I")

MAX_DEPTH: Final = 12
"""Groups in groups: charging needs 6."""


class Layout:
    """Where the AVPs of a message are, and what some of them say: what messages of one layout share (``layouts``)."""

    __slots__ = ("echoed", "form", "groups")

    def __init__(self) -> None:
        self.echoed: tuple[slice, ...] | None = None
        """Where the AVPs stand that an answer repeats, once known (``answer``)."""
        self.form: Any = None
        """How the command's handler reads messages of this layout, once it knows (``forms``)."""
        self.groups: dict[int, tuple[Index, dict[int, Any]]] = {}
        """Position of a group (0: the message) to its index and the values that are the same in all."""


class Group:
    """A view on the AVPs inside a grouped AVP (or, as Message, inside a message)."""

    __slots__ = ("_depth", "_groups", "buffer", "index", "layout", "values")

    index: Index
    """AVP key to the position, or the list of positions, of its occurrences."""
    values: dict[int, Any]
    """AVP key to the value of its first occurrence, as far as it has been decoded: the check of a grammar does it for
    the numbers and groups it looks at anyway."""

    def __init__(self, buffer: bytes, depth: int, layout: Layout | None, place: int) -> None:
        """The view on the group at ``place`` (0: the message): as its layout says, or empty until ``walk`` fills it."""
        self.buffer = buffer
        self.layout = layout
        self._depth = depth
        self._groups: dict[int, Group] | None = None
        known = layout.groups.get(place) if layout is not None else None
        if known is None:
            self.index, self.values = {}, {}
        else:
            self.index, self.values = known[0], known[1].copy()

    @overload
    def get(self, avp: GroupedAvp) -> "Group | None": ...

    @overload
    def get(self, avp: Avp[T]) -> T | None: ...

    def get(self, avp: Avp[Any]) -> Any:
        """The value of the (first) AVP of this kind; None if there is none. Decoded once, however often it is asked."""
        key = avp.key
        value = self.values.get(key)
        if value is not None:
            return value
        position: Any = self.index.get(key)
        if position is None:
            return None
        if position.__class__ is list:
            position = position[0]
        value = self.at(avp, position) if avp.type is GROUPED else avp.decode(self.buffer, position)
        self.values[key] = value
        return value

    @overload
    def all(self, avp: GroupedAvp) -> "list[Group]": ...

    @overload
    def all(self, avp: Avp[T]) -> list[T]: ...

    def all(self, avp: Avp[Any]) -> list[Any]:
        """The values of all AVPs of this kind, in their order."""
        positions: Any = self.index.get(avp.key)
        if positions is None:
            return []
        if positions.__class__ is not list:
            return [self.get(avp)]
        if avp.type is GROUPED:
            return [self.at(avp, position) for position in positions]
        return [avp.decode(self.buffer, position) for position in positions]

    @overload
    def require(self, avp: GroupedAvp) -> "Group": ...

    @overload
    def require(self, avp: Avp[T]) -> T: ...

    def require(self, avp: Avp[Any]) -> Any:
        """The value; raises RemoteError 5005 if there is none."""
        value = self.values.get(avp.key)
        if value is None and (value := self.get(avp)) is None:
            raise RemoteError(ResultCode.MISSING_AVP, f"{avp.name} is missing", avp.example())
        return value

    def raw(self, avp: Avp[Any]) -> list[bytes]:
        """All AVPs of this kind as complete octets, padded: to be echoed, or shown in a Failed-AVP."""
        found: Any = self.index.get(avp.key)
        if found is None:
            return []
        return [cut(self.buffer, position) for position in (found if found.__class__ is list else (found,))]

    def echo(self, avp: Avp[Any]) -> bytes:
        """The first AVP of this kind as complete octets; empty if there is none."""
        position: Any = self.index.get(avp.key)
        if position is None:
            return b""
        return cut(self.buffer, position[0] if position.__class__ is list else position)

    def positions(self, key: int) -> list[int]:
        """Where the AVPs of this key begin."""
        found: Any = self.index.get(key)
        if found is None:
            return []
        return found if found.__class__ is list else [found]

    def octets(self, position: int) -> bytes:
        """The complete AVP at a position of the index."""
        return cut(self.buffer, position)

    def span(self, position: int) -> slice:
        """Where the complete AVP at a position of the index stands, its padding included."""
        return slice(position, position + len(self.octets(position)))

    def flags(self, position: int) -> int:
        """The AVP flags at a position of the index."""
        return self.buffer[position + 4]

    def __contains__(self, avp: Avp[Any]) -> bool:
        return avp.key in self.index

    def at(self, avp: Avp[Any], position: int) -> "Group":
        """The view on the group at a position of the index; indexed the first time."""
        groups = self._groups
        if groups is None:
            groups = self._groups = {}
        elif (known := groups.get(position)) is not None:
            return known
        depth = self._depth + 1
        if depth > MAX_DEPTH:
            raise RemoteError(ResultCode.INVALID_AVP_VALUE, f"{avp.name} is nested too deep", avp.example())
        buffer = self.buffer
        group = Group(buffer, depth, self.layout, position)
        if self.layout is None or position not in self.layout.groups:
            word = _WORD.unpack_from(buffer, position + 4)[0]
            try:
                walk(buffer, position + (12 if word & 0x80000000 else 8), position + (word & 0xFFFFFF), group.index)
            except RemoteError as error:
                raise inside(avp, error) from None
        groups[position] = group
        return group


class Message(Group):
    """A whole message: the header's fields, and the AVPs as a view."""

    __slots__ = ("application", "command", "end_to_end", "flags_octet", "hop_by_hop", "malformed")

    malformed: RemoteError | None
    """What is wrong with the framing of the AVPs; those before it can be read, so that the sender can be answered."""

    def __init__(self, buffer: bytes, layout: Layout | None = None) -> None:
        """Index a complete message whose version and length have been checked (see ``peer``).

        With a ``layout`` it is known to be of it, and to have passed all checks of a request.
        """
        super().__init__(buffer, 0, layout, 0)
        _, length, self.flags_octet, self.command, self.application, self.hop_by_hop, self.end_to_end = decode_header(
            buffer
        )
        self.malformed = None
        if layout is not None:
            return
        try:
            walk(buffer, HEADER_SIZE, length, self.index)
        except RemoteError as error:
            self.malformed = error

    @property
    def is_request(self) -> bool:
        return self.flags_octet & Flag.REQUEST != 0

    @property
    def is_proxiable(self) -> bool:
        return self.flags_octet & Flag.PROXIABLE != 0

    @property
    def is_error(self) -> bool:
        return self.flags_octet & Flag.ERROR != 0

    @property
    def is_retransmitted(self) -> bool:
        """May be a duplicate (T flag): the sender had no answer to an earlier copy."""
        return self.flags_octet & Flag.RETRANSMITTED != 0

    def checksum(self, without: frozenset[int]) -> int:
        """CRC-32 of the AVPs as they stand, but for those with these keys; the header does not count."""
        if without.isdisjoint(self.index):
            return crc32(self.buffer[HEADER_SIZE:])
        left_out = sorted(position for key in without if key in self.index for position in self.positions(key))
        start, checksum, buffer = HEADER_SIZE, 0, memoryview(self.buffer)
        for position in left_out:
            checksum = crc32(buffer[start:position], checksum)
            start = position + len(cut(self.buffer, position))
        return crc32(buffer[start:], checksum)

    def __bytes__(self) -> bytes:
        return self.buffer

    def __repr__(self) -> str:
        kind = "request" if self.is_request else "answer"
        return f"<{kind} {self.command} of {self.application}, {self.hop_by_hop:#x}/{self.end_to_end:#x}>"


def inside(avp: Avp[Any], error: RemoteError) -> RemoteError:
    """The error with its Failed-AVP content wrapped in the group it happened in (RFC 6733 section 7.5)."""
    failed = avp.encode([error.failed_avp]) if error.failed_avp else b""
    return RemoteError(error.result_code, f"{avp.name}: {error.message}", failed)
