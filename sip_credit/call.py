"""What the door remembers of a call: in its own memory while it can, in the vault with the session always.

The first check of a Call-ID has a session id made of the Call-ID alone, so that a report which carries only that finds
its session on any worker and after any restart. Later checks under the same Call-ID have sessions of their own.
"""

import hashlib
from collections import OrderedDict
from enum import StrEnum

import msgspec

from charging.access import Access

SESSION_LENGTH = 16
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_ALPHABET = frozenset(_LETTERS)
_PAIRS = tuple(one + other for one in _LETTERS for other in _LETTERS)
"""Base32 (RFC 4648 section 6) by 10 bits, which takes a fourth of what it takes ``base64`` by 5."""
_PLACES = range(70, -1, -10)


def session_of(call_id: str) -> str:
    """The session id of a call: 16 lower-case base32 characters, 80 bits of a hash of its Call-ID."""
    digest = hashlib.blake2b(call_id.encode("utf-8", "surrogateescape"), digest_size=10).digest()
    number = int.from_bytes(digest, "big")
    return "".join([_PAIRS[number >> place & 1023] for place in _PLACES])


def is_session(text: str) -> bool:
    """Could we have made this id?"""
    return len(text) == SESSION_LENGTH and _ALPHABET.issuperset(text)


class Ending(StrEnum):
    """How a call ended."""

    NONE = ""
    STOP = "stop"
    RELEASE = "release"


class Call(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A call as the door knows it. Times in milliseconds since 1970, ``cap`` in seconds since the answer."""

    call_id: str
    peer: str
    caller: str
    called: str
    identities: tuple[tuple[str, str], ...]
    invited_at: int
    refreshes: bool
    """Its proxy asks again in time, so it is granted slices."""
    cap: int
    """When the proxy ends the call; before the answer of the vault is known, what was asked for."""
    started_at: int | None = None
    ended: Ending = Ending.NONE
    exact: bool = False
    """``cap`` is what was granted; else, in a call read back from the vault, it may be more than that."""
    cause: str = ""
    """Why it ended, as the proxy reported it: ``SIP 487`` or ``Q.850 16``, several with commas."""
    access: Access = Access()
    """How it reached the network."""
    channel: str = ""
    """The name under which it has a channel of its peer's trunk group."""
    carrier: str = ""
    """Who carries it, once that is known."""

    def pack(self) -> bytes:
        """The call as the context of its session in the vault."""
        return msgspec.msgpack.encode(self)


def unpack(context: bytes) -> Call | None:
    """The inverse of ``pack``; None for a context that is no call's, such as a tombstone's."""
    try:
        return msgspec.msgpack.decode(context, type=Call)
    except msgspec.MsgspecError:
        return None


class Calls:
    """Calls by session id; the least recently used are forgotten."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._calls: OrderedDict[str, Call] = OrderedDict()
        self._later: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._calls)

    def get(self, session: str) -> Call | None:
        call = self._calls.get(session)
        if call is not None:
            self._calls.move_to_end(session)
        return call

    def put(self, session: str, call: Call) -> None:
        self._calls[session] = call
        self._calls.move_to_end(session)
        if len(self._calls) > self._limit:
            self._calls.popitem(last=False)

    def rename(self, name: str, session: str) -> None:
        """A later call has the Call-ID of an earlier one: reports that know only the Call-ID mean the later."""
        self._later[name] = session
        self._later.move_to_end(name)
        if len(self._later) > self._limit:
            self._later.popitem(last=False)

    def meant_by(self, name: str) -> str:
        """The session that a report means whose Call-ID makes this name."""
        return self._later.get(name, name)

    def drop(self, session: str) -> None:
        self._calls.pop(session, None)


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """How long a call lasted, and by how much the two clocks differ (0 if only one of them ran)."""

    milliseconds: int
    difference: int = 0

    @property
    def seconds(self) -> int:
        """Whole seconds; a second begun is used."""
        return -(-self.milliseconds // 1000)


def believable(call: Call | None, reported: int | None, now: int, lead: int) -> int | None:
    """The reported duration, but no more than has passed since the check and ``lead``, all in milliseconds."""
    if call is None or reported is None:
        return reported
    return min(reported, max(0, now - call.invited_at) + lead)


def measure(call: Call | None, reported: int | None, now: int, tolerance: int) -> Measure:
    """How long the call has lasted, in milliseconds.

    Our own clock counts if it ran from the answer and agrees with the report. Beyond the tolerance the report was late
    or the start was: then the reported duration counts. Without either, what counts is the time since the check.
    """
    if call is None:
        return Measure(milliseconds=reported or 0)
    if call.started_at is None:
        return Measure(milliseconds=reported if reported is not None else max(0, now - call.invited_at))
    own = max(0, now - call.started_at)
    if reported is None:
        return Measure(milliseconds=own)
    difference = abs(own - reported)
    return Measure(milliseconds=own if difference <= tolerance else reported, difference=difference)
