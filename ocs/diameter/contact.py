"""A peer we connect to: who connects when, and which of two connections stays (RFC 6733 sections 5.6 and 2.1).

I- is what concerns the connection we initiate, R- the one the peer opens to us as a responder, in the RFC's words. The
capabilities exchange, watchdog and goodbye of each connection are in ``peer``; here is only what takes both to decide.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from ocs.diameter.codes import DisconnectCause

JITTER: Final = 0.25
"""Pauses are longer by up to this share, so that the peers of a restarted agent do not all come back at once."""

LONGEST: Final = 3
"""A pause doubles with each failure, so many times at most."""

_UNWANTED: Final = frozenset((DisconnectCause.BUSY, DisconnectCause.DO_NOT_WANT_TO_TALK_TO_YOU))


class ContactState(Enum):
    """The states of RFC 6733 section 5.6; Closing is a matter of the connection."""

    CLOSED = "closed"
    WAIT_CONN_ACK = "wait-conn-ack"
    WAIT_I_CEA = "wait-i-cea"
    WAIT_CONN_ACK_ELECT = "wait-conn-ack/elect"
    WAIT_RETURNS = "wait-returns"
    R_OPEN = "r-open"
    I_OPEN = "i-open"


class ContactInput(Enum):
    START = "start"
    R_CONN_CER = "r-conn-cer"
    I_RCV_CONN_ACK = "i-rcv-conn-ack"
    I_RCV_CONN_NACK = "i-rcv-conn-nack"
    I_RCV_CEA = "i-rcv-cea"
    I_PEER_DISC = "i-peer-disc"
    R_PEER_DISC = "r-peer-disc"
    WIN_ELECTION = "win-election"


class ContactAction(Enum):
    I_SND_CONN_REQ = "i-snd-conn-req"
    I_SND_CER = "i-snd-cer"
    I_DISC = "i-disc"
    R_SND_CEA = "r-snd-cea"
    R_DISC = "r-disc"
    R_REJECT = "r-reject"
    ELECT = "elect"


_S, _I, _A = ContactState, ContactInput, ContactAction

TRANSITIONS: Final[dict[tuple[ContactState, ContactInput], tuple[tuple[ContactAction, ...], ContactState]]] = {
    (_S.CLOSED, _I.START): ((_A.I_SND_CONN_REQ,), _S.WAIT_CONN_ACK),
    (_S.CLOSED, _I.R_CONN_CER): ((_A.R_SND_CEA,), _S.R_OPEN),
    (_S.WAIT_CONN_ACK, _I.I_RCV_CONN_ACK): ((_A.I_SND_CER,), _S.WAIT_I_CEA),
    (_S.WAIT_CONN_ACK, _I.I_RCV_CONN_NACK): ((), _S.CLOSED),
    (_S.WAIT_CONN_ACK, _I.R_CONN_CER): ((), _S.WAIT_CONN_ACK_ELECT),
    (_S.WAIT_I_CEA, _I.I_RCV_CEA): ((), _S.I_OPEN),
    (_S.WAIT_I_CEA, _I.R_CONN_CER): ((_A.ELECT,), _S.WAIT_RETURNS),
    (_S.WAIT_I_CEA, _I.I_PEER_DISC): ((_A.I_DISC,), _S.CLOSED),
    (_S.WAIT_CONN_ACK_ELECT, _I.I_RCV_CONN_ACK): ((_A.I_SND_CER, _A.ELECT), _S.WAIT_RETURNS),
    (_S.WAIT_CONN_ACK_ELECT, _I.I_RCV_CONN_NACK): ((_A.R_SND_CEA,), _S.R_OPEN),
    (_S.WAIT_CONN_ACK_ELECT, _I.R_PEER_DISC): ((), _S.WAIT_CONN_ACK),
    (_S.WAIT_CONN_ACK_ELECT, _I.R_CONN_CER): ((_A.R_REJECT,), _S.WAIT_CONN_ACK_ELECT),
    (_S.WAIT_RETURNS, _I.WIN_ELECTION): ((_A.I_DISC, _A.R_SND_CEA), _S.R_OPEN),
    (_S.WAIT_RETURNS, _I.I_PEER_DISC): ((_A.I_DISC, _A.R_SND_CEA), _S.R_OPEN),
    (_S.WAIT_RETURNS, _I.I_RCV_CEA): ((_A.R_DISC,), _S.I_OPEN),
    (_S.WAIT_RETURNS, _I.R_PEER_DISC): ((_A.R_DISC,), _S.WAIT_I_CEA),
    (_S.WAIT_RETURNS, _I.R_CONN_CER): ((_A.R_REJECT,), _S.WAIT_RETURNS),
    (_S.R_OPEN, _I.R_PEER_DISC): ((), _S.CLOSED),
    (_S.R_OPEN, _I.R_CONN_CER): ((_A.R_REJECT,), _S.R_OPEN),
    (_S.I_OPEN, _I.I_PEER_DISC): ((_A.I_DISC,), _S.CLOSED),
    (_S.I_OPEN, _I.R_CONN_CER): ((_A.R_REJECT,), _S.I_OPEN),
}
"""State and input: the actions and the next state, as in RFC 6733. What is not listed comes too late and means nothing.

There are no rows for Timeout: a connection that waits too long is closed by its own state machine (I- or R-Peer-Disc).
"""


class Contact:
    """``host`` is the peer's Origin-Host, ``own`` ours; ``period`` is Tc in seconds, ``random`` draws from [0, 1)."""

    def __init__(self, host: str, own: str, period: float, random: Callable[[], float], now: float) -> None:
        self.host = host
        self._wins = own.lower() > host.lower()
        self._period = period
        self._random = random
        self._failures = 0
        self.state = ContactState.CLOSED
        self.unwanted = False
        """The peer has told us not to come back; we wait for it, or for an operator."""
        self._due = now

    def __repr__(self) -> str:
        return f"<contact {self.host} {self.state.value}, {self._failures} failures>"

    @property
    def due(self) -> float | None:
        """When START is to be fed; None: not as things are."""
        return None if self.unwanted or self.state is not ContactState.CLOSED else self._due

    def feed(self, happened: ContactInput, now: float) -> tuple[ContactAction, ...]:
        """Take an input in; what is to be done, in order. An election is decided in here (section 5.6.4)."""
        found = TRANSITIONS.get((self.state, happened))
        if found is None:
            return ()
        actions, state = found
        before, self.state = self.state, state
        if state in (ContactState.R_OPEN, ContactState.I_OPEN):
            self._failures, self.unwanted = 0, False
        elif state is ContactState.CLOSED:
            failed = before not in (ContactState.R_OPEN, ContactState.I_OPEN)
            self._due = now + self._pause(failed)
        if ContactAction.ELECT in actions:
            actions = tuple(action for action in actions if action is not ContactAction.ELECT)
            if self._wins:
                actions += self.feed(ContactInput.WIN_ELECTION, now)
        return actions

    def leaving(self, cause: int) -> None:
        """The peer has said goodbye (RFC 6733 section 5.4: with some causes it does not expect to see us again)."""
        self.unwanted = cause in _UNWANTED

    def allow(self, now: float) -> None:
        """An operator lets us connect, now, whatever was before."""
        self.unwanted, self._failures, self._due = False, 0, now

    def _pause(self, failed: bool) -> float:
        self._failures = self._failures + 1 if failed else 0
        doubled: float = self._period * 2 ** min(max(self._failures - 1, 0), LONGEST)
        return doubled * (1 + JITTER * self._random())
