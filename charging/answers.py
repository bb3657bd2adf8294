"""From what the ledger did to what the door is told. Pure."""

from msgspec.structs import replace

from balances.ledger import CAPPED, CROWDED, UNQUOTED, Charged, Grant, Status, Verdict
from charging.catalogue import terms
from charging.catalogue.terms import Terms
from charging.event import (
    ChargingEvent,
    FinalAction,
    FinalUnits,
    ItemOutcome,
    Outcome,
    Phase,
    Reason,
    RequestItem,
    Result,
)
from charging.quoting import Quoted
from charging.subscribers import Subscriber
from charging.trust import OnTrust

RESULTS = {
    Verdict.DONE: Result.OK,
    Verdict.UNKNOWN_SESSION: Result.UNKNOWN_SESSION,
    Verdict.CLOSED_SESSION: Result.SESSION_CLOSED,
    Verdict.NO_ACCOUNT: Result.UNKNOWN_SUBSCRIBER,
    Verdict.OUT_OF_RANGE: Result.OUT_OF_RANGE,
    Verdict.FORGOTTEN: Result.FORGOTTEN,
    Verdict.STALE: Result.UNAVAILABLE,
}

SENTENCES = {
    Verdict.UNKNOWN_SESSION: "the session was never opened",
    Verdict.CLOSED_SESSION: "the session has ended",
    Verdict.LAPSED_SESSION: "the session had lapsed; what it used was charged",
    Verdict.OTHER_ACCOUNT: "the session belongs to another account",
    Verdict.NO_ACCOUNT: "there is no such account any more",
    Verdict.OUT_OF_RANGE: "more than can be counted",
    Verdict.FORGOTTEN: "the request's number is so far back that its answer is not kept any more",
    Verdict.STALE: "the account's terms kept changing",
}

REASONS = {
    "insufficient-credit": Reason.NO_CREDIT,
    CAPPED: Reason.LIMIT_REACHED,
    "barred": Reason.BARRED,
    Status.PRE_ACTIVE.value: Reason.BARRED,
    Status.GRACE.value: Reason.BARRED,
    Status.SUSPENDED.value: Reason.BARRED,
    Status.CLOSED.value: Reason.BARRED,
    "unrateable": Reason.UNRATEABLE,
    UNQUOTED: Reason.UNRATEABLE,
    CROWDED: Reason.UNRATEABLE,
}
"""Why the ledger granted nothing, in the door's words."""

ABOVE = {
    "insufficient-credit": "whose wallet pays has not enough credit",
    CAPPED: "a spending limit is reached",
    Status.PRE_ACTIVE.value: "whose wallet pays is not active yet",
    Status.GRACE.value: "whose wallet pays is not valid any more",
    Status.SUSPENDED.value: "whose wallet pays is suspended",
    Status.CLOSED.value: "whose wallet pays is closed",
}
"""Why somebody up the chain could not pay, without a name: the subscriber may see it."""

REFUSALS = {
    Reason.NO_CREDIT: Result.NO_CREDIT,
    Reason.LIMIT_REACHED: Result.LIMIT_REACHED,
    Reason.BARRED: Result.BARRED,
    Reason.UNRATEABLE: Result.UNRATEABLE,
}
"""The result of a request that got nothing, by the reason that a top-up could cure first."""


def outcome(
    event: ChargingEvent, subscriber: Subscriber, quoted: tuple[Quoted, ...], charged: Charged, jitter: int
) -> Outcome:
    """The answer to a request that was brought before the ledger."""
    grants = {grant.key: grant for grant in charged.grants}
    items = tuple([_with_parts(_item(event, each, grants.get(each.item.key), jitter), each, grants) for each in quoted])
    return Outcome(
        result=result(event.phase, charged),
        items=items,
        reason=_sentence(charged, quoted),
        account=subscriber.address,
        currency=subscriber.currency,
        spent=sum(grant.cost for grant in charged.grants) if event.phase is Phase.EVENT else charged.spent,
        available=charged.available,
        replayed=charged.replayed,
        conflict=charged.conflict,
        on_trust=isinstance(charged, OnTrust),
        warned=charged.warned,
        short=charged.short or "",
    )


def result(phase: Phase, charged: Charged) -> Result:
    """What became of the request as a whole."""
    if charged.verdict is Verdict.REFUSED:
        reasons = {REASONS.get(grant.refused, Reason.UNRATEABLE) for grant in charged.grants if grant.refused}
        return next((found for reason, found in REFUSALS.items() if reason in reasons), Result.NO_CREDIT)
    if charged.verdict is Verdict.LAPSED_SESSION:
        return Result.OK if phase is Phase.CLOSE else Result.UNKNOWN_SESSION
    if charged.verdict is Verdict.OTHER_ACCOUNT:
        return Result.BARRED if phase in (Phase.OPEN, Phase.EVENT) else Result.UNKNOWN_SESSION
    return RESULTS[charged.verdict]


def _sentence(charged: Charged, quoted: tuple[Quoted, ...]) -> str:
    if charged.verdict in SENTENCES:
        return SENTENCES[charged.verdict]
    refused = [grant.refused for grant in charged.grants if grant.refused]
    if charged.short is not None:
        return ABOVE.get(refused[0] if refused else "", "whom the account buys from cannot provide this")
    for each in quoted:
        if each.why:
            return each.why
    if refused:
        return "a spending limit is reached" if CAPPED in refused else "not enough credit"
    return ""


def _with_parts(item: ItemOutcome, quoted: Quoted, grants: dict[str, Grant]) -> ItemOutcome:
    """Beside the item what was used of it after a change of the tariff."""
    later = grants.get(quoted.later_key) if quoted.since is not None else None
    return item if later is None else replace(item, settled=item.settled + later.settled)


def _item(event: ChargingEvent, quoted: Quoted, grant: Grant | None, jitter: int) -> ItemOutcome:
    said = _terms(quoted, grant)
    unit = said.unit if said else quoted.unit
    if grant is None:
        return ItemOutcome(key=quoted.item.key, unit=unit)
    reason = REASONS.get(grant.refused, Reason.UNRATEABLE) if grant.refused else Reason.NONE
    if not _wants(event.phase, quoted.item):
        lost = grant.refused in (UNQUOTED, CROWDED) and bool(quoted.item.used or quoted.item.total)
        return ItemOutcome(
            key=grant.key, unit=unit, settled=grant.settled, reason=Reason.UNRATEABLE if lost else Reason.NONE
        )
    if said is None:
        final = FinalUnits() if grant.final and grant.granted else None
        return ItemOutcome(
            key=grant.key, unit=unit, granted=grant.granted, reason=reason, final=final, cost=grant.cost,
            settled=grant.settled,
        )  # fmt: skip
    final = _final(said, grant, reason)
    validity = said.validity if grant.granted else said.retry if final else 0
    if validity and grant.ends_in is not None:
        validity = min(validity, max(1, grant.ends_in // 1000))  # what pays after the bucket's end is another matter
    return ItemOutcome(
        key=grant.key,
        unit=unit,
        granted=grant.granted,
        reason=reason,
        validity=_validity(quoted, validity, jitter, event.session),
        threshold=said.threshold(grant.granted) if final is None else 0,
        holding=said.holding if grant.granted and final is None else 0,
        consumption=said.consumption if grant.granted else 0,
        periods=said.periods() if grant.granted else None,
        changes=said.changes if grant.granted else None,
        switch=said.switch if grant.granted else 0,
        final=final,
        throttle=said.throttle if grant.granted else "",
        cost=grant.cost,
        settled=grant.settled,
    )


def _validity(quoted: Quoted, validity: int, jitter: int, session: str) -> int:
    """Spread, so that sessions opened together do not ask again together; never beyond a change of the rate."""
    spread = terms.jittered(validity, jitter, session)
    return min(spread, validity) if quoted.service and validity < quoted.service.validity else spread


def _wants(phase: Phase, item: RequestItem) -> bool:
    return phase is Phase.EVENT or (item.wanted is not None and phase not in (Phase.CLOSE, Phase.LAPSE))


def _final(said: Terms, grant: Grant, reason: Reason) -> FinalUnits | None:
    """The last grant says what comes after it; no grant at all says it too, but for the plain end."""
    if grant.granted:
        return said.final() if grant.final else None
    redirected = reason in (Reason.NO_CREDIT, Reason.LIMIT_REACHED) and said.action is not FinalAction.TERMINATE
    return said.final() if redirected else None


def _terms(quoted: Quoted, grant: Grant | None) -> Terms | None:
    said = terms.decode(grant.terms) if grant is not None and grant.terms else None
    if said is not None or quoted.service is None:
        return said
    return terms.decode(terms.encode(quoted.service, quoted.unit))
