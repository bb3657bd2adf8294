"""Forms: where the values wanted of messages of one layout are, so that all are taken out of a message in one step.

::

    form = Form(message)
    number = form.field(message, avps.CC_REQUEST_NUMBER)
    form.read(message.buffer)[number]

Made of one message it serves each of the same layout (``layouts``), if it is ``lasting``. What a walk over the AVPs
says of a message (which there are, and how often) and what is ``fixed`` is the same in all of them: whoever makes a
form may decide by it what to read and how.
"""

import struct
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, NamedTuple

from ocs.diameter.datatypes import DATA_TYPES, DataType, Malformed
from ocs.diameter.dictionary import GROUPED, VENDOR_FLAG, Avp, GroupedAvp
from ocs.diameter.errors import LocalError, RemoteError
from ocs.diameter.layouts import settles
from ocs.diameter.message import Group, Message

ABSENT: Final = -1
"""The field of what a message has not: None."""

OCTETS: Final = -2
"""The field of the message itself, as it came."""

_WORD = struct.Struct(">I")
_TEXT = DATA_TYPES["UTF8String"].decode

Values = list[Any]
"""What ``read`` gives: by field, the AVP's value."""


class _Wanted(NamedTuple):
    """An AVP that is read: where its value begins, and how ``struct`` has it."""

    avp: Avp[Any]
    position: int
    start: int
    layout: str
    convert: Callable[[Any], Any] | None
    """From what ``struct`` gives to the value; None: that is it."""


class Form:
    """See the module. Complete before the first ``read``."""

    def __init__(self, message: Message) -> None:
        self._layout = message.layout
        self._fields: dict[int, int] = {}
        """Position of an AVP to its field."""
        self._wanted: list[_Wanted] = []
        self._unpack: Callable[[bytes], tuple[Any, ...]] | None = None
        self._order: Callable[[tuple[Any, ...]], tuple[Any, ...]] = tuple
        self._converted: list[tuple[int, Callable[[Any], Any]]] = []
        self.lasting = message.layout is not None
        """It serves every message of the layout."""

    def field(self, group: Group, avp: Avp[Any]) -> int:
        """The field of the (first) AVP of this kind in a group. Raises RemoteError if its length is wrong."""
        positions = group.positions(avp.key)
        return self._at(group, avp, positions[0]) if positions else ABSENT

    def fields(self, group: Group, avp: Avp[Any]) -> list[int]:
        """The fields of all AVPs of this kind in a group."""
        return [self._at(group, avp, position) for position in group.positions(avp.key)]

    def fixed(self, group: Group, avp: Avp[Any]) -> Any:
        """The value of an AVP that is the same in all messages of the layout; None if there is none."""
        if not settles(avp):
            raise LocalError(f"{avp.name} is another in each message")
        return group.get(avp)

    def group(self, group: Group, avp: GroupedAvp) -> Group | None:
        """The (first) group of this kind in a group."""
        found = self.groups(group, avp)
        return found[0] if found else None

    def groups(self, group: Group, avp: GroupedAvp) -> list[Group]:
        """All of them."""
        positions = group.positions(avp.key)
        found = [group.at(avp, position) for position in positions]
        if self._layout is not None and not self._layout.groups.keys() >= set(positions):
            self.lasting = False  # nobody could look into it when the layout was learnt: it may be another next time
        return found

    def _at(self, group: Group, avp: Avp[Any], position: int) -> int:
        known = self._fields.get(position)
        if known is None:
            self._wanted.append(_wanted(group.buffer, avp, position))
            known = self._fields[position] = len(self._wanted) - 1
            self._unpack = None
        return known

    def read(self, buffer: bytes) -> Values:
        """The values of a message of the layout. Raises RemoteError for one that cannot be one."""
        unpack = self._unpack or self._prepare()
        values: Values = [*self._order(unpack(buffer)), buffer, None]
        try:
            for field, convert in self._converted:
                values[field] = convert(values[field])
        except (UnicodeDecodeError, Malformed):
            raise self._malformed(buffer) from None
        return values

    def _prepare(self) -> Callable[[bytes], tuple[Any, ...]]:
        places = sorted(range(len(self._wanted)), key=lambda field: self._wanted[field].start)
        layout, at = ">", 0
        for field in places:
            wanted = self._wanted[field]
            layout += f"{wanted.start - at}x{wanted.layout}"
            at = wanted.start + struct.calcsize(f">{wanted.layout}")
        if len(places) > 1:
            self._order = itemgetter(*sorted(range(len(places)), key=places.__getitem__))
        self._converted = [
            (field, wanted.convert) for field, wanted in enumerate(self._wanted) if wanted.convert is not None
        ]
        self._unpack = struct.Struct(layout).unpack_from
        return self._unpack

    def _malformed(self, buffer: bytes) -> RemoteError:
        """The error of the first that is no value of its type."""
        for wanted in self._wanted:
            try:
                wanted.avp.decode(buffer, wanted.position)
            except RemoteError as error:
                return error
        raise LocalError("it can be read after all")


def _wanted(buffer: bytes, avp: Avp[Any], position: int) -> _Wanted:
    if avp.type is GROUPED:
        raise LocalError(f"{avp.name} is a group")
    word = _WORD.unpack_from(buffer, position + 4)[0]
    start = position + (12 if word & VENDOR_FLAG << 24 else 8)
    size = position + (word & 0xFFFFFF) - start
    if size != avp.type.size and (avp.type.size is not None or size < avp.type.minimum):
        raise avp.wrong_length(buffer, position)
    return _Wanted(avp, position, start, avp.type.layout or f"{size}s", None if avp.type.layout else _convert(avp.type))


def _convert(kind: DataType) -> Callable[[bytes], Any] | None:
    if kind.name == "OctetString":
        return None
    if kind.decode is _TEXT:
        return bytes.decode
    return lambda octets: kind.decode(octets, 0, len(octets))
