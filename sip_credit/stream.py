"""Messages out of a byte stream (RFC 3261 section 18.3, RFC 5626 section 3.5.1), without I/O.

On a stream Content-Length is mandatory: it is all that tells where a message ends. While the framing holds, a bad
message costs one error answer and the next one is read; once it is lost the connection is of no use any more.
"""

from enum import Enum

from sip_credit.message import (
    MAX_BODY,
    MAX_HEAD,
    PHRASES,
    Head,
    Malformed,
    RemoteError,
    Request,
    Response,
    build,
    content_length,
    split_head,
)

_END = b"\r\n\r\n"


class FramingLost(RemoteError):
    """Nobody knows where the next message begins: answer, then close."""


class Keepalive(Enum):
    """What a double CRLF between messages means."""

    PING = "ping"


PONG = b"\r\n"
"""The answer to a PING."""


class MessageStream:
    """One direction of a connection. Feed it what was read, then ask for messages until there is none."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._head: Head | None = None
        self._length = 0

    def __len__(self) -> int:
        """Octets that wait for the rest of their message."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Request | Response | Keepalive | None:
        """The next message, or None if more octets are needed; raises RemoteError once for each bad message."""
        if self._head is None:
            if self._skip_blank_lines():
                return Keepalive.PING
            self._read_head()
        if self._head is None or len(self._buffer) < self._length:
            return None
        head, self._head = self._head, None
        return build(head, self._take(self._length))

    def _skip_blank_lines(self) -> bool:
        """Drop CRLFs between messages (section 7.5); a pair of them is a ping. A lone one waits for its second."""
        if self._buffer.startswith(_END):
            self._take(4)
            return True
        if len(self._buffer) > 2 and self._buffer.startswith(b"\r\n") and not _END.startswith(self._buffer[:4]):
            self._take(2)
        return False

    def _read_head(self) -> None:
        if _END.startswith(self._buffer):
            return
        end = self._buffer.find(_END, self._searched)
        if end > MAX_HEAD or (end < 0 and len(self._buffer) > MAX_HEAD):
            raise FramingLost(513, PHRASES[513])
        if end < 0:
            self._searched = max(0, len(self._buffer) - 3)
            return
        self._searched = 0
        head = split_head(self._take(end))
        self._take(4)
        self._length = self._body_length(head)
        self._head = head

    def _body_length(self, head: Head) -> int:
        """Octets that follow the head; raises FramingLost, with the request to answer if there is one."""
        try:
            length = content_length(head.headers)
            if length is None:
                raise Malformed("no Content-Length")
        except Malformed as error:
            raise self._lost(head, error) from None
        if length > MAX_BODY:
            raise self._lost(head, RemoteError(513, PHRASES[513]))
        return length

    @staticmethod
    def _lost(head: Head, fault: Malformed | RemoteError) -> FramingLost:
        try:
            build(head._replace(fault=fault), b"")
        except RemoteError as error:
            return FramingLost(error.status, error.reason, error.request)
        raise AssertionError("build raises what it is given")

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
