"""Cutting a byte stream into messages (RFC 6733 sections 3 and 2.1)."""

from collections.abc import Iterator

from ocs.diameter.codec import HEADER_SIZE, VERSION, decode_header
from ocs.diameter.codes import ResultCode
from ocs.diameter.errors import RemoteError


class FramingError(RemoteError):
    """The stream is lost: nothing after this point can be read. ``header`` is what was read of the bad message."""

    def __init__(self, result_code: int, message: str, header: bytes) -> None:
        super().__init__(result_code, message)
        self.header = header


class Framer:
    """Collects octets, hands out complete messages, holds never more than one message of ``limit`` octets back."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._needed = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are complete now; raises FramingError when the stream is lost."""
        buffer = data
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return  # a long message in small pieces: look at it once, not once per piece
            buffer = bytes(self._rest)
            self._rest.clear()
        position, end, length = 0, len(buffer), 4
        while end - position >= 4:
            version, length = buffer[position], int.from_bytes(buffer[position + 1 : position + 4], "big")
            if version != VERSION or length < HEADER_SIZE or length & 3 or length > self._limit:
                header = buffer[position : position + HEADER_SIZE]
                if len(header) == HEADER_SIZE:
                    raise self._lost(version, length, header)
                length = HEADER_SIZE
                break
            if end - position < length:
                break
            yield buffer[position : position + length]
            position += length
            length = 4
        if position < end:
            self._rest += buffer[position:]
            self._needed = length

    def _lost(self, version: int, length: int, header: bytes) -> FramingError:
        if version != VERSION:
            return FramingError(ResultCode.UNSUPPORTED_VERSION, f"version {version} is not spoken here", header)
        return FramingError(ResultCode.INVALID_MESSAGE_LENGTH, f"a message of {length} octets", header)


def answerable(header: bytes) -> bytes | None:
    """The bad message's header as that of an empty request that can be answered; None if it was no request."""
    _, _, flags, _, _, _, _ = decode_header(header)
    if not flags & 0x80:
        return None
    return bytes((VERSION,)) + HEADER_SIZE.to_bytes(3, "big") + header[4:HEADER_SIZE]
