"""Answered charging requests, as the trace and the tail of refusals show them. Pure."""

from balances.money import format_amount
from ocs.bus import Handled, HandledItem
from ocs.http.models import HandledItemView, HandledView
from ocs.http.views import moment, quantity, readable, subject
from ocs.telling import TURNED_AWAY, is_refusal

PHASES = {
    "open": "Session opened",
    "update": "Usage reported",
    "close": "Session ended",
    "lapse": "Session let go",
    "event": "One-time charge",
    TURNED_AWAY: "Turned away",
}
"""The phases as a person would say them."""


def handled_view(word: Handled) -> HandledView:
    return HandledView(
        at=moment(word.at),
        door=word.door,
        phase=word.phase,
        session=word.session,
        account=word.account,
        identities=word.identities,
        service=word.service,
        result=word.result,
        reason=word.reason,
        short=word.short,
        replayed=word.replayed,
        refused=is_refusal(word),
        currency=word.currency,
        available=format_amount(word.available),
        items=tuple(_item_view(item) for item in word.items),
        untold=word.untold,
        explanation=explain(word),
    )


def _item_view(item: HandledItem) -> HandledItemView:
    return HandledItemView(
        key=item.key,
        unit=item.unit,
        used=quantity(item.unit, item.used),
        wanted=item.wanted,
        granted=quantity(item.unit, item.granted),
        cost=format_amount(item.cost),
        settled=format_amount(item.settled),
        reason=item.reason,
    )


def explain(word: Handled) -> str:
    """The request and its answer in a sentence."""
    about = f" ({word.service})" if word.service else ""
    again = ", again" if word.replayed else ""
    items = "; ".join(filter(None, (_item(item, word.currency) for item in word.items)))
    said = items or ("done" if not is_refusal(word) else "refused")
    whose = f" (account {word.short})" if word.short else ""
    because = f": {word.reason}{whose}" if word.reason and is_refusal(word) else ""
    if word.result == "unknown-subscriber":
        because = f": nobody is known as {' or '.join(word.identities) or 'nobody'}"
    left = f" {readable(word.currency, word.available)} left." if word.currency else ""
    return f"{PHASES.get(word.phase, word.phase)} over {word.door}{about}{again}: {said}{because}.{left}"


def _item(item: HandledItem, currency: str) -> str:
    parts = []
    if item.used:
        parts.append(f"used {readable(item.unit, item.used)} for {readable(currency, item.settled)}")
    if item.granted:
        parts.append(f"granted {readable(item.unit, item.granted)} for {readable(currency, item.cost)}")
    elif item.wanted:
        parts.append(f"granted nothing ({item.reason or 'nothing left'})")
    return f"{subject(item.key)} {', '.join(parts)}" if parts else ""
