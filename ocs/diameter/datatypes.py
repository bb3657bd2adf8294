"""AVP data formats (RFC 6733 sections 4.2 and 4.3): payload octets to Python values and back.

Integers are ints, text and identities ``str``, octets ``bytes``, Time an ``int`` of Unix seconds, Address a ``str``
(an IP address, or the digits of an E.164 number). Grouped is not here: it needs the dictionary.
"""

import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from ocs.diameter.errors import LocalError

_NTP_TO_UNIX: Final = 2_208_988_800
_NTP_ERA: Final = 1 << 32
_IPV4, _IPV6, _E164 = 1, 2, 8


class Malformed(Exception):
    """The payload is no value of its type."""


class DataType:
    """One format: ``size`` in octets if it is fixed, ``minimum`` the shortest payload, and both directions.

    ``layout``: how ``struct`` calls it, if it is a plain number.
    """

    __slots__ = ("decode", "encode", "layout", "minimum", "name", "size")

    def __init__(
        self,
        name: str,
        size: int | None,
        decode: Callable[[bytes, int, int], Any],
        encode: Callable[[Any], bytes],
        minimum: int = 0,
        layout: str = "",
    ) -> None:
        self.name = name
        self.size = size
        self.minimum = minimum if size is None else size
        self.decode = decode
        self.encode = encode
        self.layout = layout


def _number(name: str, layout: str) -> DataType:
    packing = struct.Struct(f">{layout}")
    unpack_from, pack = packing.unpack_from, packing.pack

    def decode(buffer: bytes, start: int, _end: int) -> Any:
        return unpack_from(buffer, start)[0]

    def encode(value: int) -> bytes:
        try:
            return pack(value)
        except struct.error as error:
            raise LocalError(f"{value!r} is no {name}") from error

    return DataType(name, packing.size, decode, encode, layout=layout)


def _decode_octets(buffer: bytes, start: int, end: int) -> bytes:
    return buffer[start:end]


def _encode_octets(value: bytes) -> bytes:
    return bytes(value)


def _decode_text(buffer: bytes, start: int, end: int) -> str:
    try:
        return buffer[start:end].decode()
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8") from error


def _encode_text(value: str) -> bytes:
    return value.encode()


def _decode_time(buffer: bytes, start: int, end: int) -> int:
    seconds = int.from_bytes(buffer[start:end], "big")
    # Seconds since 1900 of the era that begins in 1968: a clear high bit means after 2036-02-07 (RFC 5905 section 6).
    if seconds < 0x80000000:
        seconds += _NTP_ERA
    return seconds - _NTP_TO_UNIX


def _encode_time(value: int) -> bytes:
    seconds = value + _NTP_TO_UNIX
    if not 0x80000000 <= seconds < _NTP_ERA + 0x80000000:
        raise LocalError(f"{value} lies outside 1968 to 2104")
    return (seconds % _NTP_ERA).to_bytes(4, "big")


def _decode_address(buffer: bytes, start: int, end: int) -> str:
    family, value = int.from_bytes(buffer[start : start + 2], "big"), buffer[start + 2 : end]
    if family == _IPV4 and len(value) == 4:
        return socket.inet_ntop(socket.AF_INET, value)
    if family == _IPV6 and len(value) == 16:
        return socket.inet_ntop(socket.AF_INET6, value)
    if family in (_IPV4, _IPV6):
        raise Malformed("an IP address of a wrong length")
    if family == _E164:
        return _decode_text(value, 0, len(value))
    return value.hex()


def _encode_address(value: str) -> bytes:
    try:
        if ":" in value:
            return b"\x00\x02" + socket.inet_pton(socket.AF_INET6, value)
        if "." in value:
            return b"\x00\x01" + socket.inet_pton(socket.AF_INET, value)
    except OSError as error:
        raise LocalError(f"{value!r} is no IP address") from error
    return b"\x00\x08" + value.encode()


OCTET_STRING = DataType("OctetString", None, _decode_octets, _encode_octets)

DATA_TYPES: Final[dict[str, DataType]] = {
    "OctetString": OCTET_STRING,
    "Integer32": _number("Integer32", "i"),
    "Integer64": _number("Integer64", "q"),
    "Unsigned32": _number("Unsigned32", "I"),
    "Unsigned64": _number("Unsigned64", "Q"),
    "Float32": _number("Float32", "f"),
    "Float64": _number("Float64", "d"),
    "Enumerated": _number("Enumerated", "i"),
    "Time": DataType("Time", 4, _decode_time, _encode_time),
    "Address": DataType("Address", None, _decode_address, _encode_address, minimum=2),
    **{
        name: DataType(name, None, _decode_text, _encode_text)
        for name in ("UTF8String", "DiameterIdentity", "DiameterURI", "IPFilterRule", "QoSFilterRule")
    },
}
"""By the name that the RFCs and our dictionaries use."""
