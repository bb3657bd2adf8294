"""Framing: the Diameter header (RFC 6733 section 3) and the one walk over AVP headers (section 4.1)."""

import struct
from collections.abc import Iterable
from typing import Final

from ocs.diameter.codes import ResultCode
from ocs.diameter.dictionary import AVPS
from ocs.diameter.errors import LocalError, RemoteError

HEADER_SIZE: Final = 20
VERSION: Final = 1
MAX_AVPS: Final = 4096
"""In one message or group: more are no charging request but an attempt to keep us busy."""

_HEADER = struct.Struct(">IIIII")
_WORDS = struct.Struct(">II")
_VENDOR = struct.Struct(">I")

Index = dict[int, int | list[int]]
"""AVP key to the position of the AVP, or to its positions if there are several."""


def encode_message(
    flags: int, command: int, application: int, hop_by_hop: int, end_to_end: int, avps: Iterable[bytes]
) -> bytes:
    """A complete message of complete AVPs."""
    body = b"".join(avps)
    length = HEADER_SIZE + len(body)
    if length > 0xFFFFFF or length & 3:
        raise LocalError(f"a message of {length} octets cannot be sent")
    return _HEADER.pack(1 << 24 | length, flags << 24 | command, application, hop_by_hop, end_to_end) + body


def decode_header(buffer: bytes) -> tuple[int, int, int, int, int, int, int]:
    """Version, length, flags, command, application, hop-by-hop and end-to-end identifier of at least 20 octets."""
    first, second, application, hop_by_hop, end_to_end = _HEADER.unpack_from(buffer)
    return first >> 24, first & 0xFFFFFF, second >> 24, second & 0xFFFFFF, application, hop_by_hop, end_to_end


def walk(buffer: bytes, start: int, end: int, index: Index) -> None:
    """Index the AVPs between ``start`` and ``end``, each step inside the bounds; raises RemoteError 5014 otherwise.

    ``index`` is empty before; after an error it holds what came before the error.

    Every step moves on by 8 octets at least, so that a length of zero cannot hold us.
    """
    unpack = _WORDS.unpack_from
    position, count = start, 0
    while position < end:
        if end - position < 8:
            raise _bad_length(buffer, position, end)
        key, word = unpack(buffer, position)
        length = word & 0xFFFFFF
        if word & 0x80000000:
            if length < 12 or position + length > end:
                raise _bad_length(buffer, position, end)
            key |= _VENDOR.unpack_from(buffer, position + 8)[0] << 32
        elif length < 8 or position + length > end:
            raise _bad_length(buffer, position, end)
        known = index.get(key)
        if known is None:
            index[key] = position
        elif known.__class__ is list:
            known.append(position)
        else:
            index[key] = [known, position]  # type: ignore[list-item]
        position += (length + 3) & 0x1FFFFFC
        count += 1
    if count > MAX_AVPS:
        raise RemoteError(ResultCode.RESOURCES_EXCEEDED, f"{count} AVPs are too many")


def _bad_length(buffer: bytes, position: int, end: int) -> RemoteError:
    """5014 with the header that was there and a zero payload of the least size (RFC 6733 section 7.1.5)."""
    header = bytes(buffer[position : min(position + 8, end)]).ljust(8, b"\x00")
    code, word = _WORDS.unpack(header)
    key = code
    if word & 0x80000000:
        vendor = bytes(buffer[position + 8 : min(position + 12, end)]).ljust(4, b"\x00")
        header += vendor
        key |= _VENDOR.unpack(vendor)[0] << 32
    definition = AVPS.get(key)
    payload = definition.type.minimum if definition else 0
    name = definition.name if definition else f"AVP {code}"
    return RemoteError(
        ResultCode.INVALID_AVP_LENGTH, f"{name} has an impossible length", header + bytes((payload + 3) & ~3)
    )
