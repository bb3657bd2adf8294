"""What is granted on trust while the ledger is out of reach, and how it is brought before the ledger afterwards. Pure.

Nothing is reserved for such a grant: what bounds the loss are amounts, by request, by subscriber and in all. Its price
is never taken for less than it may come to be, whatever stands in the account by then.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from balances import levels
from balances.ledger import (
    INSUFFICIENT,
    UNQUOTED,
    Address,
    Charge,
    Charged,
    Grant,
    Quote,
    Record,
    SessionState,
    Use,
    Verdict,
)
from balances.price import Price, Step, cost, reach
from charging.event import REPORTS, ChargingEvent, Memory, Phase, ServiceKind

DEBIT, END = "/debit", "/end"
"""Ends of the names of operations that settle in two steps what was one request."""


class OnTrust(Charged, frozen=True, kw_only=True):
    """The outcome of a charge that the ledger has not seen."""


class Promise(Record, frozen=True, kw_only=True):
    """A request that was answered on trust, as long as it is not settled."""

    event: ChargingEvent
    address: Address
    payer: str
    """The account whose allowance it counts for."""
    currency: str
    amount: int
    """The most that what was granted may cost, in micro-units."""
    answer: OnTrust


class Payer(Record, frozen=True, kw_only=True):
    """Whose grants are bounded together."""

    account: str
    currency: str


class Standin(Protocol):
    """Who answers for the ledger while it is out of reach."""

    async def settled(self, session: str) -> None:
        """Return when what was promised to this session is settled, or cannot be yet."""
        ...

    async def charge(self, event: ChargingEvent, kind: ServiceKind | None, payer: Payer, charge: Charge) -> Charged:
        """The ledger's answer, or one on trust; raises Unavailable."""
        ...

    def memory(self, session: str) -> Memory | None:
        """What is known here of a session that is not settled; None: nothing."""
        ...


class Exposure:
    """What was granted on trust and is not settled: by account, and in all, each currency by itself. Micro-units."""

    def __init__(self, per_subscriber: int, in_all: int) -> None:
        self._per_subscriber = per_subscriber
        self._in_all = in_all
        self._accounts: Counter[str] = Counter()
        self.total: Counter[str] = Counter()
        """By currency."""

    def room(self, payer: Payer) -> int:
        """How much more may be granted to this payer."""
        left = self._per_subscriber - self._accounts[payer.account], self._in_all - self.total[payer.currency]
        return max(0, min(left))

    def add(self, payer: Payer, amount: int) -> None:
        self._accounts[payer.account] += amount
        self.total[payer.currency] += amount

    def release(self, payer: Payer, amount: int) -> None:
        self.add(payer, -amount)
        if not self._accounts[payer.account]:
            del self._accounts[payer.account]


def answer(charge: Charge, room: int) -> tuple[OnTrust, int] | None:
    """The answer to a charge that may cost ``room`` at most, and what it may cost; None: it cannot be begun so.

    A report is always taken, whatever is granted beside it. Something new gets all that an event wants, or anything.
    """
    grants: list[Grant] = []
    amount = 0
    for use, quote, denied in _told(charge):
        grant = _grant(use, quote, denied, room - amount)
        grants.append(grant)
        amount += grant.cost
    if charge.phase is Phase.EVENT and any(not grant.granted for grant in grants):
        return None
    if charge.phase is Phase.OPEN and not any(grant.granted for grant in grants):
        return None
    return OnTrust(verdict=Verdict.DONE, grants=tuple(grants)), amount


def _told(charge: Charge) -> list[tuple[Use, Quote | None, str | None]]:
    """The uses with the quotes of who pays, and why one is denied by anybody up the chain."""
    payer = levels.payer([level.billing for level in charge.levels])
    found = []
    for place, use in enumerate(charge.uses):
        quote = charge.levels[payer - 1].quotes[place] if payer else use.quote
        denials = [use.denied, *[level.denied[place] for level in charge.levels]]
        found.append((use, quote, next((denial for denial in denials if denial), None)))
    return found


def _grant(use: Use, quote: Quote | None, denied: str | None, room: int) -> Grant:
    terms = quote.terms if quote else b""
    if not use.wanted or denied:
        return Grant(key=use.key, refused=denied if use.wanted else None, terms=terms)
    if quote is None:
        return Grant(key=use.key, refused=UNQUOTED)
    price = dearest(quote)
    units = reach(price, 0, use.wanted, room)
    if units < max(1, use.least):
        return Grant(key=use.key, refused=INSUFFICIENT, terms=terms)
    return Grant(key=use.key, granted=units, cost=cost(price, units), terms=terms)


def dearest(quote: Quote) -> Price:
    """A price that no number of units costs more than, wherever in the session they begin.

    Of one step it is the price itself. Of several it is the dearest rate of all, and one block more for the one in
    which a step begins; what holds when a bucket is used up is one of them.
    """
    prices = [quote.price, *[overage.price for overage in quote.overage if overage.price is not None]]
    steps = [step for price in prices for step in price.steps]
    setup = max(price.setup for price in prices)
    if len(steps) < 2:
        return Price(setup, tuple([Step(None, step.block, step.amount, step.per, step.bias) for step in steps]))
    block = max(step.block for step in steps)
    amount = max(-(-step.amount * block // (step.per * step.block)) for step in steps)
    return Price(setup + amount, (Step(None, block, amount),))


def settlement(event: ChargingEvent, state: SessionState | None) -> tuple[ChargingEvent, ...]:
    """What to bring before the ledger, in order, for a request answered on trust; ``state`` is its session's there.

    =======  =====================  =======  ==============================
    phase    no session             open     ended
    =======  =====================  =======  ==============================
    OPEN     itself                 itself   nothing: its use came before it
    UPDATE   as OPEN                itself   itself
    CLOSE    as OPEN, then the end  itself   itself
    LAPSE    nothing                itself   itself
    EVENT    itself                 itself   itself
    =======  =====================  =======  ==============================
    """
    if event.phase is Phase.OPEN and state not in (None, SessionState.OPEN):
        return ()
    if event.phase not in REPORTS or state is not None:
        return (event,)
    if event.phase is Phase.LAPSE:
        return ()
    opened = replace(event, phase=Phase.OPEN)
    return (opened,) if event.phase is Phase.UPDATE else (opened, _end(event, event.operation))


def debit(promise: Promise) -> tuple[ChargingEvent, ...]:
    """A request that the ledger did not settle, though it was acknowledged: its use, whatever credit there is.

    An event is refused where there is no credit. A report finds its session closed where another process has answered
    the last one before this could be settled; it gets a session of its own, since the other may be void.
    """
    event = promise.event
    items = tuple([replace(item, wanted=None) for item in event.items])
    session = f"{event.session}/{event.operation}"
    if event.phase is Phase.EVENT:
        granted = {grant.key: grant.granted for grant in promise.answer.grants}
        items = tuple([replace(item, used=granted.get(item.key, 0), reported=(), after=()) for item in items])
        session = event.session
    used = replace(
        event, session=session, operation=event.operation + DEBIT, phase=Phase.OPEN, items=items, sequence=None
    )
    return used, _end(used, event.operation)


def lost(event: ChargingEvent, verdict: Verdict) -> bool:
    """Has the ledger, with this verdict, left unsettled what the request was about?

    Totals are settled by whoever has reported the last of them.
    """
    if verdict is Verdict.REFUSED:
        return True
    reports = event.phase in (Phase.UPDATE, Phase.CLOSE) and verdict is Verdict.CLOSED_SESSION
    return reports and any(item.used or item.reported for item in event.items)


def _end(event: ChargingEvent, operation: str) -> ChargingEvent:
    return replace(event, phase=Phase.CLOSE, operation=operation + END, items=(), sequence=None)


def memory(promises: Sequence[Promise]) -> Memory | None:
    """What the promises to a session say of it; None if its door left no word."""
    events = [promise.event for promise in promises]
    context = next((event.context for event in reversed(events) if event.context is not None), None)
    if context is None:
        return None
    last = events[-1]
    return Memory(
        session=last.session,
        open=all(event.phase in (Phase.OPEN, Phase.UPDATE) for event in events),
        context=context,
        opened_at=events[0].now,
        updated_at=last.now,
        deadline=last.now + (last.lifetime or 0),
    )
