"""A call that goes through us: who talks to whom, since when, for how long. No I/O, no clock."""

import asyncio

from charging.event import Identity, IdentityType
from sip_credit.call import Call
from sip_credit.inpath.dialog import Dialog
from sip_credit.message import Request
from sip_credit.policy import operation
from sip_credit.report import Kind, Report
from sip_credit.settings import Peer


class Passage:
    """Times are seconds of a monotonic clock, but for ``started_at``: milliseconds since 1970."""

    __slots__ = (
        "acknowledgement", "answered", "bye", "call", "cap", "cutter", "dialogs", "over", "peer", "refresh",
        "refresher", "session", "started_at",
    )  # fmt: skip

    def __init__(self, session: str, peer: Peer, call: Call, cap: int, refresh: int | None) -> None:
        self.session = session
        self.peer = peer
        self.call = call
        self.cap = cap
        """Seconds after the answer at which the call is ended."""
        self.refresh = refresh
        """Seconds after the answer at which to ask for more; None if that brings nothing."""
        self.dialogs: dict[str, Dialog] = {}
        """By To-tag: an INVITE that forks may be answered more than once."""
        self.answered: float | None = None
        self.started_at = 0
        self.bye: float | None = None
        """When somebody has hung up, as soon as that is known to the other end the call is over."""
        self.over = False
        self.cutter: asyncio.TimerHandle | None = None
        self.refresher: asyncio.TimerHandle | None = None
        self.acknowledgement: asyncio.TimerHandle | None = None
        """Runs until the ACK of the answer comes."""

    def dialog_of(self, request: Request) -> tuple[str, Dialog] | None:
        """The dialog of a request, and the tag under which it is kept."""
        for tag, dialog in self.dialogs.items():
            if dialog.end_of(request):
                return tag, dialog
        return None

    def elapsed(self, now: float) -> int:
        """Milliseconds since the answer, and no more than until the call was to end."""
        if self.answered is None:
            return 0
        return min(self.cap * 1000, max(0, round((now - self.answered) * 1000)))

    def spent(self, now: float) -> bool:
        """Is it over, or should it be?"""
        return self.over or (self.answered is not None and now >= self.answered + self.cap)

    def report(self, kind: Kind, milliseconds: int, at: int, cause: str = "") -> Report:
        """What a proxy would report now. The moment names it: no two reports of a kind are of the same."""
        return Report(
            kind=kind,
            announced=True,
            session=self.session,
            by_call_id=False,
            call_id=self.call.call_id,
            duration_ms=milliseconds if kind is not Kind.RELEASE else None,
            cause=cause,
            operation=operation(kind.value, "in-path", str(at)),
            fingerprint=milliseconds,
            identities=tuple(Identity(type=IdentityType(kind), value=value) for kind, value in self.call.identities),
            caller=self.call.caller,
            called=self.call.called,
            number=self.call.called,
            peer=self.peer,
            at=at,
        )

    def acknowledged(self) -> None:
        """The caller knows of the answer."""
        if self.acknowledgement is not None:
            self.acknowledgement.cancel()
            self.acknowledgement = None

    def stop_timers(self) -> None:
        self.disarm()
        self.acknowledged()

    def disarm(self) -> None:
        """The time to ask for more and the end are to be set anew."""
        for timer in (self.cutter, self.refresher):
            if timer is not None:
                timer.cancel()
        self.cutter = self.refresher = None
