"""One connection to a peer: its state machine (RFC 6733 section 5.6), without I/O.

Bytes and time go in, events and bytes come out::

    events = peer.receive_data(data, now)     # what happened
    transport.write(peer.data_to_send())      # what is to be sent
    peer.next_timer(), peer.handle_timer(now) # when to come back

The RFC's machine is that of a peer, with up to two connections, one opened by each side. Here is one connection; what
there is to decide between two (section 5.6.4) is in ``contact``, and reaches us as the verdict on a peer's CER.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from random import Random
from typing import Final

from ocs.diameter import avps
from ocs.diameter.answer import Answer, Identity, compose, refusal
from ocs.diameter.capabilities import Capabilities, check_common, own_capabilities, read_capabilities
from ocs.diameter.codec import encode_message
from ocs.diameter.codes import BASE_APPLICATION, Command, DisconnectCause, Flag, ResultCode
from ocs.diameter.errors import LocalError, RemoteError
from ocs.diameter.events import (
    AnswerReceived,
    Event,
    PeerAlive,
    PeerClosed,
    PeerLeaving,
    PeerOpened,
    PeerSuspect,
    RequestLost,
    RequestReceived,
)
from ocs.diameter.framing import Framer, FramingError, answerable
from ocs.diameter.message import Message
from ocs.diameter.settings import DiameterSettings
from ocs.diameter.validate import check_request
from ocs.diameter.watchdog import Watchdog, WatchdogAction


class PeerState(StrEnum):
    """RFC 6733's states. Wait-CER is the moment between R-Conn and R-Conn-CER, which the RFC leaves to the listener."""

    CLOSED = "closed"
    WAIT_CER = "wait-cer"
    WAIT_CEA = "wait-i-cea"
    WAIT_RETURNS = "wait-returns"
    R_OPEN = "r-open"
    I_OPEN = "i-open"
    CLOSING = "closing"


OPEN: Final = frozenset((PeerState.R_OPEN, PeerState.I_OPEN))


class Input(StrEnum):
    """What a message is to the state machine."""

    CER = "cer"
    CEA = "cea"
    DWR = "dwr"
    DWA = "dwa"
    DPR = "dpr"
    DPA = "dpa"
    REQUEST = "request"
    ANSWER = "answer"


_BASE: Final[dict[tuple[int, bool], Input]] = {
    (Command.CAPABILITIES_EXCHANGE, True): Input.CER,
    (Command.CAPABILITIES_EXCHANGE, False): Input.CEA,
    (Command.DEVICE_WATCHDOG, True): Input.DWR,
    (Command.DEVICE_WATCHDOG, False): Input.DWA,
    (Command.DISCONNECT_PEER, True): Input.DPR,
    (Command.DISCONNECT_PEER, False): Input.DPA,
}


class Verdict(StrEnum):
    """What becomes of a peer whose capabilities are fine."""

    ADMIT = "admit"
    WAIT = "wait"
    """It is not decided yet: its CER stays unanswered until ``Peer.admit`` or ``Peer.refuse``."""


Admission = Callable[[Capabilities], Verdict]
"""Raises RemoteError (3010 for a stranger, 5012 for an identity that is connected already) to refuse a peer."""


class Peer:
    """``address`` is our own IP address on this connection, ``random`` the source of jitter and identifiers.

    ``read`` makes a message of its octets.
    """

    def __init__(
        self,
        settings: DiameterSettings,
        identity: Identity,
        address: str,
        admit: Admission,
        random: Random,
        read: Callable[[bytes], Message] = Message,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._address = address
        self._admit = admit
        self._random = random
        self._framer = Framer(settings.max_message_size)
        self._read = read
        self._output: list[bytes] = []
        self._events: list[Event] = []
        self._pending: dict[int, float] = {}
        self._hop_by_hop = random.getrandbits(32)
        self._end_to_end = random.getrandbits(32)
        self._watchdog: Watchdog | None = None
        self._deadline: float | None = None
        self._doubted: float | None = None
        self._introduced: Message | None = None
        self.state = PeerState.CLOSED
        self.capabilities: Capabilities | None = None

    def __repr__(self) -> str:
        name = self.capabilities.host if self.capabilities else "?"
        return f"<peer {name} {self.state.value}, {len(self._pending)} pending>"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_closed(self) -> bool:
        """Nothing more is read or sent; what ``data_to_send`` still has is the last."""
        return self.state is PeerState.CLOSED

    @property
    def is_usable(self) -> bool:
        """Open, and not suspect: requests of our own may be sent."""
        return self.state in OPEN and self._watchdog is not None and self._watchdog.usable

    # ---- life

    def accepted(self, now: float) -> None:
        """The peer has connected to us: it speaks first."""
        self.state = PeerState.WAIT_CER
        self._deadline = now + self._settings.capabilities_timeout

    def connected(self, now: float, host: str = "") -> None:
        """We have connected to the peer, which we expect to be ``host``: introduce ourselves."""
        self.state = PeerState.WAIT_CEA
        self._deadline = now + self._settings.capabilities_timeout
        self._send_base(Command.CAPABILITIES_EXCHANGE, self._introduction(host))

    def reopened(self, now: float) -> None:
        """The peer is open again after the watchdog closed its last connection: ask before it is trusted."""
        if self._watchdog is not None:
            self._obey(self._watchdog.reopen(now))

    def admit(self, now: float) -> list[Event]:
        """Answer the CER that waits for its verdict, and open."""
        if self._introduced is not None and self.state is PeerState.WAIT_RETURNS:
            self._answer_cer(self._introduced, Answer())
            self._open(PeerState.R_OPEN, read_capabilities(self._introduced), now)
        return self._take_events()

    def refuse(self, error: RemoteError) -> list[Event]:
        """Refuse the CER that waits for its verdict."""
        if self._introduced is not None and self.state is PeerState.WAIT_RETURNS:
            self._answer_cer(self._introduced, refusal(error))
            self._end(f"refused {error.result_code}")
        return self._take_events()

    def probe(self, now: float) -> None:
        """Somebody else claims the peer's identity: ask it now whether it is there, and end it if it stays silent."""
        if self._watchdog is not None and self.state in OPEN and self._doubted is None:
            self._doubted = now + self._settings.probe_timeout
            self._obey(self._watchdog.probe(now))

    def close(self, cause: DisconnectCause, now: float) -> list[Event]:
        """Say goodbye; the answer or a time-out ends it."""
        if self.state in OPEN:
            parts = (self._identity.encoded, avps.DISCONNECT_CAUSE.encode(cause))
            self._send_base(Command.DISCONNECT_PEER, parts)
            self.state = PeerState.CLOSING
            self._deadline = now + self._settings.disconnect_timeout
        elif self.state is not PeerState.CLOSING:
            self._end("stopped")
        return self._take_events()

    def connection_lost(self) -> list[Event]:
        """The transport is gone."""
        self._end("disconnected")
        return self._take_events()

    # ---- bytes in and out

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Take in octets; the events they cause."""
        try:
            for octets in self._framer.feed(data):
                self._receive(self._read(octets), now)
                if self.is_closed:
                    break
        except FramingError as error:
            self._lose_stream(error)
        return self._take_events()

    def data_to_send(self) -> bytes:
        """What is to be written now."""
        output = self._output
        if not output:
            return b""
        data = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        return data

    def send_answer(self, message: bytes) -> None:
        """Answer a request of this connection; forgotten if it is closed."""
        if self.state is not PeerState.CLOSED:
            self._output.append(message)

    def send_request(
        self,
        command: int,
        application: int,
        parts: Iterable[bytes],
        now: float,
        copy_of: int | None = None,
        flags: int = 0,
    ) -> int:
        """Send a proxiable request of ours; the identifier under which its answer (or loss) will be told.

        ``copy_of`` is the End-to-End Identifier of an earlier copy, sent to another peer.
        """
        if not self.is_usable:
            raise LocalError(f"{self!r} cannot take a request")
        flags |= Flag.REQUEST | Flag.PROXIABLE
        hop_by_hop = self._send(flags, command, application, parts, copy_of)
        self._pending[hop_by_hop] = now + self._settings.own_request_timeout
        return hop_by_hop

    # ---- time

    def next_timer(self) -> float | None:
        """When ``handle_timer`` wants to be called; None: never."""
        own = next(iter(self._pending.values()), None)
        times = [time for time in (self._deadline, self._doubted, own) if time is not None]
        if self._watchdog is not None and self.state in OPEN:
            times.append(self._watchdog.deadline)
        return min(times, default=None)

    def handle_timer(self, now: float) -> list[Event]:
        """Do what is due."""
        if self._deadline is not None and now >= self._deadline:
            self._end("stopped" if self.state is PeerState.CLOSING else "no-introduction")
        if self._doubted is not None and now >= self._doubted:
            self._end("half-open", reset=True)
        while self._pending:
            hop_by_hop, deadline = next(iter(self._pending.items()))
            if deadline > now:
                break
            del self._pending[hop_by_hop]
            self._events.append(RequestLost(hop_by_hop))
        if self._watchdog is not None and self.state in OPEN and now >= self._watchdog.deadline:
            self._obey(self._watchdog.expired(now))
        return self._take_events()

    def _obey(self, action: WatchdogAction) -> None:
        if action is WatchdogAction.SEND_REQUEST:
            self._send_base(Command.DEVICE_WATCHDOG, (self._identity.encoded,))
        elif action is WatchdogAction.FAIL_OVER:
            self._events.append(PeerSuspect())
            self._lose_pending()
        elif action is WatchdogAction.CLOSE:
            self._end("watchdog")

    # ---- the state machine

    def _receive(self, message: Message, now: float) -> None:
        kind = _BASE.get((message.command, message.is_request)) if message.application == BASE_APPLICATION else None
        if kind is None:
            kind = Input.REQUEST if message.is_request else Input.ANSWER
        if self._watchdog is not None and kind is not Input.DWA:
            self._watchdog.received(now)
        if self._doubted is not None:
            self._doubted = None
            self._events.append(PeerAlive())
        action = _TRANSITIONS.get((self.state, kind))
        if action is None:
            self._end("unexpected-message")
        else:
            action(self, message, now)

    def _process_cer(self, message: Message, now: float) -> None:
        """R-Conn-CER: answer, and open unless the answer is a refusal; or wait until others have decided."""
        try:
            check_request(message)
            capabilities = read_capabilities(message)
            check_common(message, capabilities, self._settings)
            verdict = self._admit(capabilities)
        except RemoteError as error:
            self._answer_cer(message, refusal(error))
            self._end(f"refused {error.result_code}")
            return
        if verdict is Verdict.WAIT:
            self.state, self._introduced, self.capabilities = PeerState.WAIT_RETURNS, message, capabilities
            return
        self._answer_cer(message, Answer())
        self._open(PeerState.R_OPEN, capabilities, now)

    def _introduction(self, host: str) -> tuple[bytes, ...]:
        return own_capabilities(self._settings, self._identity, self._address, host)

    def _answer_cer(self, message: Message, answer: Answer) -> None:
        # Result-Code, then what identifies us: compose() would do but for its place of Host-IP-Address and the like.
        parts = [avps.RESULT_CODE.encode(answer.result_code), *self._introduction(_claimed_host(message))]
        if answer.error_message:
            parts.append(avps.ERROR_MESSAGE.encode(answer.error_message))
        if answer.failed_avp:
            parts.append(avps.FAILED_AVP.encode((answer.failed_avp,)))
        flags = Flag.ERROR if answer.is_protocol_error else 0
        self._output.append(
            encode_message(flags, message.command, BASE_APPLICATION, message.hop_by_hop, message.end_to_end, parts)
        )

    def _process_cea(self, message: Message, now: float) -> None:
        """I-Rcv-CEA."""
        try:
            if message.malformed is not None:
                raise message.malformed
            result = message.require(avps.RESULT_CODE)
            if result != ResultCode.SUCCESS:
                self._end(f"refused {result}")
                return
            capabilities = read_capabilities(message)
            check_common(message, capabilities, self._settings)
            self._admit(capabilities)
        except RemoteError as error:
            self._end(f"refused {error.result_code}")
            return
        self._open(PeerState.I_OPEN, capabilities, now)

    def _open(self, state: PeerState, capabilities: Capabilities, now: float) -> None:
        self.state = state
        self.capabilities = capabilities
        self._deadline = self._introduced = None
        self._watchdog = Watchdog(self._settings.watchdog, self._random.random, now)
        self._events.append(PeerOpened(capabilities))

    def _answer_base(self, message: Message, _now: float) -> None:
        """DWR: alive, whatever else is going on. Or a CER in an open state: we are the same still."""
        if message.command == Command.CAPABILITIES_EXCHANGE:
            self._answer_cer(message, Answer())
            return
        try:
            check_request(message)
            answer = Answer()
        except RemoteError as error:
            answer = refusal(error)
        self._output.append(compose(message, answer, self._identity))

    def _process_dpr(self, message: Message, now: float) -> None:
        """The peer says goodbye: agree, and let it close the transport (RFC 6733 section 5.4.2)."""
        self._answer_base(message, now)
        self.state = PeerState.CLOSING
        self._deadline = now + self._settings.disconnect_timeout
        self._events.append(PeerLeaving(_cause(message)))
        self._lose_pending()

    def _process_dwa(self, _message: Message, now: float) -> None:
        if self._watchdog is not None:
            self._watchdog.answered(now)

    def _process_dpa(self, _message: Message, _now: float) -> None:
        self._end("goodbye")

    def _process_request(self, message: Message, _now: float) -> None:
        self._events.append(RequestReceived(message))

    def _process_answer(self, message: Message, _now: float) -> None:
        """To a request of ours; what answers none is dropped (RFC 6733 section 3, Hop-by-Hop Identifier)."""
        if self._pending.pop(message.hop_by_hop, None) is not None:
            self._events.append(AnswerReceived(message.hop_by_hop, message))

    def _ignore(self, _message: Message, _now: float) -> None:
        """We are leaving."""

    # ---- small things

    def _lose_stream(self, error: FramingError) -> None:
        """What cannot be framed ends the connection; a request whose header can be read is answered first."""
        header = answerable(error.header) if self.state in OPEN else None
        if header is not None:
            self._output.append(compose(Message(header), refusal(error), self._identity))
        self._end(f"framing {error.result_code}", reset=header is None)

    def _end(self, reason: str, *, reset: bool = False) -> None:
        if self.state is not PeerState.CLOSED:
            self.state = PeerState.CLOSED
            self._deadline = self._doubted = self._introduced = None
            self._lose_pending()
            self._events.append(PeerClosed(reason, reset))

    def _lose_pending(self) -> None:
        self._events.extend(RequestLost(hop_by_hop) for hop_by_hop in self._pending)
        self._pending.clear()

    def _send_base(self, command: Command, parts: Iterable[bytes]) -> None:
        self._send(Flag.REQUEST, command, BASE_APPLICATION, parts)

    def _send(
        self, flags: int, command: int, application: int, parts: Iterable[bytes], end_to_end: int | None = None
    ) -> int:
        self._hop_by_hop = (self._hop_by_hop + 1) & 0xFFFFFFFF
        if end_to_end is None:
            end_to_end = self._end_to_end = (self._end_to_end + 1) & 0xFFFFFFFF
        self._output.append(encode_message(flags, command, application, self._hop_by_hop, end_to_end, parts))
        return self._hop_by_hop

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events


def _claimed_host(message: Message) -> str:
    try:
        return message.get(avps.ORIGIN_HOST) or ""
    except RemoteError:
        return ""


def _cause(message: Message) -> int:
    """A goodbye whose cause cannot be read is one for a while."""
    try:
        return message.require(avps.DISCONNECT_CAUSE)
    except RemoteError:
        return DisconnectCause.REBOOTING


_OPEN_TRANSITIONS: Final = {
    Input.CER: Peer._answer_base,
    Input.DWR: Peer._answer_base,
    Input.DWA: Peer._process_dwa,
    Input.DPR: Peer._process_dpr,
    Input.REQUEST: Peer._process_request,
    Input.ANSWER: Peer._process_answer,
}

_TRANSITIONS: Final[dict[tuple[PeerState, Input], Callable[[Peer, Message, float], None]]] = {
    (PeerState.WAIT_CER, Input.CER): Peer._process_cer,
    (PeerState.WAIT_CEA, Input.CEA): Peer._process_cea,
    **{(PeerState.R_OPEN, kind): action for kind, action in _OPEN_TRANSITIONS.items()},
    **{(PeerState.I_OPEN, kind): action for kind, action in _OPEN_TRANSITIONS.items()},
    (PeerState.CLOSING, Input.DPA): Peer._process_dpa,
    (PeerState.CLOSING, Input.DPR): Peer._process_dpr,
    (PeerState.CLOSING, Input.DWR): Peer._answer_base,
    (PeerState.CLOSING, Input.DWA): Peer._ignore,
    (PeerState.CLOSING, Input.REQUEST): Peer._ignore,
    (PeerState.CLOSING, Input.ANSWER): Peer._process_answer,
}
"""What a message does in a state; one that is not listed ends the connection (RFC 6733 section 5.6: Error, Disc)."""
