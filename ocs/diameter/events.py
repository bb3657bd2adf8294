"""What a peer's state machine tells: the events of one connection."""

import msgspec

from ocs.diameter.capabilities import Capabilities
from ocs.diameter.message import Message


class PeerOpened(msgspec.Struct, frozen=True):
    """Capabilities are exchanged."""

    capabilities: Capabilities


class RequestReceived(msgspec.Struct, frozen=True):
    """A request of the application, framed and indexed but not checked."""

    message: Message


class AnswerReceived(msgspec.Struct, frozen=True):
    """The answer to a request of ours, known by its hop-by-hop identifier."""

    hop_by_hop: int
    message: Message


class RequestLost(msgspec.Struct, frozen=True):
    """A request of ours gets no answer any more: timed out, or the connection is gone."""

    hop_by_hop: int


class PeerSuspect(msgspec.Struct, frozen=True):
    """The watchdog hears nothing; requests of ours should take another way."""


class PeerAlive(msgspec.Struct, frozen=True):
    """A peer that was doubted has been heard."""


class PeerLeaving(msgspec.Struct, frozen=True):
    """The peer has said goodbye and will close the transport; nothing new is to be sent to it.

    ``cause`` is its Disconnect-Cause: after BUSY and DO_NOT_WANT_TO_TALK_TO_YOU we do not connect to it again.
    """

    cause: int


class PeerClosed(msgspec.Struct, frozen=True):
    """The end: the transport is to be closed once the output is sent. ``reason`` is one of few words.

    ``reset``: without ceremony, for there is nobody, or nobody who can be understood (RFC 6733 section 2.1: RST).
    """

    reason: str
    reset: bool = False


Event = PeerOpened | RequestReceived | AnswerReceived | RequestLost | PeerSuspect | PeerAlive | PeerLeaving | PeerClosed
