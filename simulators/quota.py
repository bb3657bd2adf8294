"""The meter of one rating group in a gateway: it lets traffic pass while there is quota and says when to ask again.

Pure: time is an argument, in milliseconds of the session's own clock. Thresholds, validity, holding time and final
units are those of RFC 8506 sections 5.6 and 8.34 and of TS 32.299 (AVPs 868, 869, 871).
"""

from enum import StrEnum

from simulators.credit import (
    CREDIT_CONTROL_NOT_APPLICABLE,
    CREDIT_LIMIT_REACHED,
    END_USER_SERVICE_DENIED,
    SUCCESS,
    FinalAction,
    KeyGrant,
    KeyId,
    KeyReport,
    Reporting,
)


class Gate(StrEnum):
    """Whether a meter lets traffic pass, and what it waits for."""

    IDLE = "idle"
    """No quota; the next traffic asks for it."""
    OPEN = "open"
    """Quota is there."""
    FREE = "free"
    """Ungated: not subject to credit control (4011)."""
    BLOCKED = "blocked"
    """Out of credit; asks again after a while."""
    RESTRICTED = "restricted"
    """Redirected or restricted after final units; asks again when the Validity-Time is over (section 5.6.2)."""
    DROPPED = "dropped"
    """Refused for good."""


RETRY_MS = 30_000
"""How long a key out of credit stays blocked when the server gave no Validity-Time."""
NEVER = 1 << 62


class KeyMeter:
    """Traffic at a constant rate between two moments, against quotas."""

    def __init__(
        self,
        key: KeyId,
        rate: int,
        window: tuple[int, int],
        *,
        wanted: int = 0,
        eager: bool = False,
        overuse: bool = False,
    ) -> None:
        """Units per second, from ``window[0]`` to ``window[1]`` ms, asking for ``wanted`` (0: the server decides).

        ``eager``: quota is asked for before there is traffic (a call that rings). With ``overuse`` the traffic does
        not stop at the end of the quota while an answer is awaited.
        """
        self.key = key
        self.gate = Gate.IDLE
        self.total = 0
        """Units used in the session so far."""
        self._rate, self._from, self._until = rate, window[0], window[1]
        self._wanted = wanted
        self._eager = eager
        self._overuse = overuse
        self._unreported = 0
        self._reported: KeyReport | None = None
        self._remaining = 0
        self._threshold: int | None = None
        self._expires = NEVER
        self._holding: int | None = None
        self._final: FinalAction | None = None
        self._at = 0
        self._carry = 0
        self._last_traffic = 0

    def __repr__(self) -> str:
        return f"<KeyMeter {self.key} {self.gate} remaining={self._remaining} unreported={self._unreported}>"

    @property
    def waiting(self) -> bool:
        """A report is on its way."""
        return self._reported is not None

    @property
    def settled(self) -> bool:
        """Everything used has been reported."""
        return self._unreported == 0

    @property
    def over_final(self) -> bool:
        """The last units are used up, and the server wants the service to end."""
        return self._final is FinalAction.TERMINATE and self._remaining <= 0 and self.gate is not Gate.FREE

    def advance(self, now: int) -> None:
        """Let the traffic up to ``now`` pass, as far as there is quota for it."""
        start, end = max(self._at, self._from), min(now, self._until)
        self._at = max(self._at, now)
        if end <= start or self.gate not in (Gate.OPEN, Gate.FREE):
            return
        units, self._carry = divmod(self._rate * (end - start) + self._carry, 1000)
        if self.gate is Gate.FREE:
            self.total += units
            return
        if not (self._overuse and self.waiting):
            units = min(units, max(0, self._remaining))
        if units:
            self._last_traffic = end
        self._remaining -= units
        self._unreported += units
        self.total += units

    def due(self, now: int) -> Reporting | None:
        """Why the server must be asked or told now; None while nothing is due. A first request has reason THRESHOLD."""
        if self.waiting:
            return None
        active = self._from <= now < self._until
        if self.gate is Gate.IDLE:
            return Reporting.THRESHOLD if active or (self._eager and now < self._until) else None
        if self.gate in (Gate.BLOCKED, Gate.RESTRICTED):
            return Reporting.VALIDITY_TIME if active and now >= self._expires else None
        if self.gate is not Gate.OPEN:
            return None
        if self._final is not None:
            return Reporting.FINAL if self._remaining <= 0 else None
        if now >= self._expires:
            return Reporting.VALIDITY_TIME
        if self._remaining <= 0 and active:
            return Reporting.QUOTA_EXHAUSTED
        if self._threshold is not None and self._remaining <= self._threshold and active:
            return Reporting.THRESHOLD
        if self._holding is not None and now >= max(self._last_traffic, self._from) + self._holding:
            return Reporting.QHT
        return None

    def next_wake(self) -> int:
        """When something may be due, if no answer comes before."""
        if self.waiting or self.gate in (Gate.FREE, Gate.DROPPED):
            return NEVER
        if self.gate is Gate.IDLE:
            return self._from if self._at < self._until else NEVER
        if self.gate is not Gate.OPEN:
            return self._expires
        wake = self._expires if self._final is None else NEVER
        if self._at < self._until and self._rate:
            floor = self._threshold if self._threshold is not None and self._final is None else 0
            missing = max(0, self._remaining - floor) * 1000 - self._carry
            wake = min(wake, max(self._at, self._from) - (-missing // self._rate))
        if self._holding is not None and self._final is None:
            wake = min(wake, max(self._last_traffic, self._from) + self._holding)
        return wake

    def report(self, reason: Reporting, *, wanted: bool) -> KeyReport:
        """Tell what was used; the counting for the next report begins here, though the old quota may still be used."""
        idle = self.gate in (Gate.IDLE, Gate.BLOCKED, Gate.RESTRICTED) and not self._unreported
        silent = idle and reason is not Reporting.FINAL
        first = self.gate is Gate.IDLE and reason is Reporting.THRESHOLD
        self._reported = KeyReport(
            key=self.key,
            used=None if silent else self._unreported,
            wanted=self._wanted if wanted else None,
            reason=None if first else reason,
        )
        self._unreported = 0
        return self._reported

    def answered(self, grant: KeyGrant | None, now: int) -> None:
        """Take the server's word on this key: the old quota is gone, whatever is said of a new one."""
        report, self._reported = self._reported, None
        if report is not None and report.reason is Reporting.FINAL and self.gate is Gate.BLOCKED:
            return  # nothing new: it asks again when it would have
        self._remaining, self._threshold, self._expires, self._holding = 0, None, NEVER, None
        self._carry = 0
        final, self._final = self._final, None
        reason = report.reason if report is not None else None
        if reason is Reporting.FINAL and final is not None:
            self.gate = self._acted(final, grant, now)
            return
        if reason is Reporting.QHT:
            self.gate, self._from = Gate.IDLE, max(now, self._until)  # nothing is asked for until traffic returns
            return
        if grant is None or (grant.result == SUCCESS and grant.granted is None and grant.final is None):
            self.gate = Gate.DROPPED
            return
        expires = now + grant.validity * 1000 if grant.validity else NEVER
        if grant.result == SUCCESS and grant.granted:
            self.gate = Gate.OPEN
            self._remaining = grant.granted - self._unreported
            self._expires, self._final = expires, grant.final
            self._threshold = grant.threshold
            self._holding = grant.holding * 1000 if grant.holding else None
            self._last_traffic = now
        elif grant.final is not None and grant.result == SUCCESS:
            self.gate = self._acted(grant.final, grant, now)
        elif grant.result == CREDIT_CONTROL_NOT_APPLICABLE:
            self.gate = Gate.FREE
        elif grant.result in (CREDIT_LIMIT_REACHED, END_USER_SERVICE_DENIED):
            self.gate, self._expires = Gate.BLOCKED, min(expires, now + RETRY_MS)
        else:
            self.gate = Gate.DROPPED

    def unanswered(self) -> None:
        """Nobody answered: the report's fate is unknown, and there is no quota."""
        self._reported = None
        self._remaining = 0
        self.gate = Gate.DROPPED

    def ungate(self) -> None:
        """Credit control failed and the service may go on without (CONTINUE, section 5.7): nothing more is reported."""
        self.unanswered()
        self.gate = Gate.FREE

    def reauthorise(self) -> bool:
        """A Re-Auth-Request asks for a report; False for a key that has nothing to report or to ask."""
        return not self.waiting and self.gate in (Gate.OPEN, Gate.BLOCKED, Gate.RESTRICTED)

    def _acted(self, action: FinalAction, grant: KeyGrant | None, now: int) -> Gate:
        """What becomes of the gate when final units are used up (section 5.6)."""
        if action is FinalAction.TERMINATE:
            return Gate.DROPPED
        self._expires = now + (grant.validity * 1000 if grant is not None and grant.validity else RETRY_MS)
        return Gate.RESTRICTED
