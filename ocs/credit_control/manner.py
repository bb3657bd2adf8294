"""How one client is to be treated, out of configuration: looked up once by its Origin-Host."""

from fnmatch import fnmatchcase

from msgspec.structs import replace

from balances.ledger import Record
from balances.money import parse_amount
from charging.event import Phase
from ocs.credit_control.request import CreditControlRequest
from ocs.credit_control.settings import CreditControlSettings, Profile
from ocs.diameter import avps
from ocs.diameter.codes import CCSessionFailover, CreditControlFailureHandling, DirectDebitingFailureHandling
from ocs.diameter.message import Message

FAILURE_HANDLING = {
    "terminate": CreditControlFailureHandling.TERMINATE,
    "continue": CreditControlFailureHandling.CONTINUE,
    "retry-and-terminate": CreditControlFailureHandling.RETRY_AND_TERMINATE,
}
DEBIT_FAILURE_HANDLING = {
    "terminate-or-buffer": DirectDebitingFailureHandling.TERMINATE_OR_BUFFER,
    "continue": DirectDebitingFailureHandling.CONTINUE,
}
_QHT, _FINAL = 1, 2
"""Reporting-Reasons of who gives its quota back (TS 32.299 clause 7.2.175)."""
_MOST_HOSTS = 10_000


class Manner(Record, frozen=True, kw_only=True):
    """The answer's side of it. Failure handlings and failover are the numbers of RFC 8506 sections 8.14, 8.15, 8.4."""

    failure_handling: int = CreditControlFailureHandling.TERMINATE
    debit_failure_handling: int = DirectDebitingFailureHandling.TERMINATE_OR_BUFFER
    session_failover: int = CCSessionFailover.FAILOVER_NOT_SUPPORTED
    low_balance: int = 0
    """Micro-units below which a balance is low."""
    profile: Profile = Profile()


class Manners:
    """All of them."""

    def __init__(self, settings: CreditControlSettings) -> None:
        failover = CCSessionFailover.FAILOVER_SUPPORTED
        self._plain = Manner(
            failure_handling=FAILURE_HANDLING[settings.failure_handling],
            debit_failure_handling=DEBIT_FAILURE_HANDLING[settings.debit_failure_handling],
            session_failover=failover if settings.session_failover else CCSessionFailover.FAILOVER_NOT_SUPPORTED,
            low_balance=parse_amount(settings.low_balance),
        )
        self._manners = tuple(
            (tuple(pattern.lower() for pattern in profile.peers), replace(self._plain, profile=profile))
            for profile in settings.profiles
        )
        self._known: dict[str, Manner] = {}

    def of(self, host: str) -> Manner:
        """The manner of a client."""
        if not self._manners:
            return self._plain
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _MOST_HOSTS:
                self._known.clear()
            known = self._known[host] = self._find(host.lower())
        return known

    def _find(self, host: str) -> Manner:
        fitting = (manner for patterns, manner in self._manners if any(fnmatchcase(host, each) for each in patterns))
        return next(fitting, self._plain)


def ask_unasked(request: CreditControlRequest, message: Message) -> CreditControlRequest:
    """An update as if it had asked for quota where it only reports; not where it says that it is done with it."""
    if request.event.phase is not Phase.UPDATE:
        return request
    for group in message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL):
        reasons: list[int] = group.all(avps.REPORTING_REASON)
        if _QHT in reasons or _FINAL in reasons:
            return request
    items = tuple(replace(item, wanted=0) if item.wanted is None else item for item in request.event.items)
    return request._replace(event=replace(request.event, items=items))
