"""States of an account: what each lets be granted, and what moves an account from one to the next. Pure.

===========  ============================================  ==================================================
state        what is granted                               what ends it
===========  ============================================  ==================================================
pre-active   what is free; the first use that is not, if   that use; a top-up, if the plan says so
             the plan says so
active       whatever the plan sells                       its validity is over
grace        what is free                                  a top-up or an operator extends it; the grace is over
suspended    nothing                                       an operator; the grace is over
closed       nothing                                       an operator
===========  ============================================  ==================================================

An operator may put an account into any state. Usage that is reported is debited in every state: consumed is consumed.
Emergency calls never come here. ``lua/lib/states.lua`` says the same for the store.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from balances.ledger import Quote, Status, Validity

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Happening(StrEnum):
    """What moves an account on by itself; the value is the cause of the ledger entry."""

    ACTIVATION = "activation"
    """First use, or a top-up."""
    EXTENSION = "extension"
    """A top-up, or an operator, gives it another validity."""
    EXPIRY = "expiry"
    """Its validity is over."""
    CLOSING = "closing"
    """Its grace is over."""


STATUS = "status"
"""Cause of the entry of an operator's change of the state."""

CAUSES = frozenset((STATUS, *Happening))
"""Of the entries that say how an account lives: they have no lines."""

NEXT = {
    (Status.PRE_ACTIVE, Happening.ACTIVATION): Status.ACTIVE,
    (Status.GRACE, Happening.EXTENSION): Status.ACTIVE,
    (Status.ACTIVE, Happening.EXPIRY): Status.GRACE,
    (Status.GRACE, Happening.CLOSING): Status.CLOSED,
    (Status.SUSPENDED, Happening.CLOSING): Status.CLOSED,
}
"""Where nothing stands, the state stays as it is."""


def refusal(status: Status, quote: Quote, activation: Validity | None) -> Status | None:
    """The state for whose sake nothing is granted at this quote; None: it may be."""
    if status is Status.ACTIVE or (status is Status.PRE_ACTIVE and activation is not None):
        return None
    if status in (Status.PRE_ACTIVE, Status.GRACE) and quote.free:
        return None
    return status


def extended(status: Status) -> Happening:
    """What a credit that extends the validity is to an account in this state."""
    return Happening.ACTIVATION if status is Status.PRE_ACTIVE else Happening.EXTENSION


def revived(status: Status, validity: Validity, now: int) -> Status:
    """The state after an operator gave an account this validity: one that is over by now revives nothing."""
    lasts = validity.until is None or validity.until > now
    return NEXT.get((status, Happening.EXTENSION), status) if lasts else status


def due(status: Status, validity: Validity) -> int | None:
    """When the state is to be looked at; None: time changes nothing."""
    if status is Status.ACTIVE:
        return validity.until
    return validity.grace_until if status in (Status.GRACE, Status.SUSPENDED) else None


def passed(status: Status, validity: Validity, now: int) -> list[tuple[Happening, Status]]:
    """What time has made of it by now, step by step: the happening and the state after it."""
    steps: list[tuple[Happening, Status]] = []
    while (at := due(status, validity)) is not None and at <= now:
        happening = Happening.EXPIRY if status is Status.ACTIVE else Happening.CLOSING
        status = NEXT[status, happening]
        steps.append((happening, status))
    return steps


def said(validity: Validity) -> str:
    """A validity as entries refer to it: RFC 3339, in whole seconds of UTC."""
    if validity.until is None:
        return "without end"
    return f"until {EPOCH + timedelta(seconds=validity.until // 1000):%Y-%m-%dT%H:%M:%SZ}"


def end(said: str) -> str | None:
    """Of a validity as entries refer to it; None: it has none."""
    return said.removeprefix("until ") if said.startswith("until ") else None
