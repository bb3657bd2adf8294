"""What a process handles, told on the bus to whoever looks: refusals always, the rest of a subscriber once followed.

Telling is for eyes only. It costs the hot path one comparison where nobody follows anybody, and is cut off rather than
ever be a load: what was left out is counted in the next word.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, Protocol

from balances.ledger import Identity, Unavailable
from balances.link import ReplyError
from charging.event import ChargingEvent, ItemOutcome, Outcome, Reason, RequestItem, Result
from ocs.bus import Follow, Handled, HandledItem, Listener, Word

TURNED_AWAY = "turned-away"
"""Phase and result of what a door refused before anybody was asked for credit."""

STRANGERS = 5.0
"""Words a second of what was turned away: of noise there may be any amount."""

RATE = 50.0
"""Words a second and process; as many may come at once."""

MOST_FOLLOWED = 100
"""Subscribers followed at one time."""

GOOD = (Result.OK, Result.SESSION_CLOSED)
"""No refusals: what a late repeat of an end is told is not either."""


class WordOfMouth(Protocol):
    """What of the bus is needed here."""

    listeners: list[Listener]

    def say(self, word: Word) -> Coroutine[Any, Any, None]:
        """May raise Unavailable, ReplyError."""
        ...


class Allowance:
    """So much a second, and the same at once."""

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._left = rate
        self._at = clock()

    def take(self) -> bool:
        """Is there one left?"""
        now = self._clock()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Teller:
    """Listens who is followed, and tells what was handled."""

    def __init__(self, bus: WordOfMouth) -> None:
        self._bus = bus
        self._accounts: dict[str, float] = {}
        self._identities: dict[Identity, float] = {}
        self._refusals, self._followed = Allowance(RATE), Allowance(RATE)
        self._strangers = Allowance(STRANGERS)
        self._untold = 0
        self._tasks: set[asyncio.Task[None]] = set()
        bus.listeners.append(self._hear)

    def handled(self, event: ChargingEvent, outcome: Outcome) -> None:
        """Tell of it if it is worth telling. Never raises, never waits."""
        refused = is_refusal(outcome)
        if not refused and not self._accounts and not self._identities:
            return
        followed = self._follows(event, outcome)
        if not refused and not followed:
            return
        if not (self._followed if followed else self._refusals).take():
            self._untold += 1
            return
        self._tell(handled(event, outcome, self._untold))

    def turned_away(self, door: str, reason: str, source: str) -> None:
        """Tell of what was refused at a door already. ``source``: a peer or an address. As above."""
        if not self._strangers.take():
            self._untold += 1
            return
        word = Handled(
            at=time.time_ns() // 1_000_000,
            door=door,
            phase=TURNED_AWAY,
            session="",
            identities=(),
            account="",
            service=f"from {source}" if source else "",
            result=TURNED_AWAY,
            reason=reason,
            replayed=False,
            currency="",
            available=0,
            items=(),
            untold=self._untold,
        )
        self._tell(word)

    def _tell(self, word: Handled) -> None:
        self._untold = 0
        task = asyncio.get_running_loop().create_task(self._say(word))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _follows(self, event: ChargingEvent, outcome: Outcome) -> bool:
        if not self._accounts and not self._identities:
            return False
        now = monotonic()
        if outcome.account is not None and self._accounts.get(outcome.account.account, 0.0) > now:
            return True
        return any(self._identities.get(one, 0.0) > now for one in event.identities)

    async def _say(self, word: Handled) -> None:
        try:
            await self._bus.say(word)
        except (Unavailable, ReplyError):
            self._untold += 1

    def _hear(self, word: Word) -> None:
        if not isinstance(word, Follow):
            return
        now = monotonic()
        self._accounts = _kept(self._accounts, now)
        self._identities = _kept(self._identities, now)
        if word.account:
            self._accounts[word.account] = now + word.seconds
        for one in word.identities:
            self._identities[one] = now + word.seconds


def _kept(followed: dict[Any, float], now: float) -> dict[Any, float]:
    """Those still followed, the latest of them."""
    living = {who: until for who, until in followed.items() if until > now}
    return dict(list(living.items())[-MOST_FOLLOWED:])


def is_refusal(answered: Outcome | Handled) -> bool:
    """Was something not granted?"""
    if answered.result not in GOOD:
        return True
    for item in answered.items:  # noqa: SIM110 - told of each request: a generator costs more than this
        if item.reason:
            return True
    return False


def handled(event: ChargingEvent, outcome: Outcome, untold: int = 0) -> Handled:
    """The word about a request and its outcome."""
    asked = {item.key: item for item in event.items}
    service = event.service
    about = () if service is None else (service.kind.value, service.called or service.apn)
    return Handled(
        at=event.now,
        door=event.door,
        phase=event.phase.value,
        session=event.session,
        identities=tuple(f"{one.type.value}:{one.value}" for one in event.identities),
        account=outcome.account.account if outcome.account else "",
        service=" ".join(filter(None, about)),
        result=outcome.result.value,
        reason=outcome.reason,
        replayed=outcome.replayed,
        currency=outcome.currency,
        available=outcome.available,
        items=tuple(_item(asked.get(item.key), item) for item in outcome.items),
        untold=untold,
        short=outcome.short,
    )


def _item(asked: RequestItem | None, got: ItemOutcome) -> HandledItem:
    used = 0 if asked is None else asked.total if asked.total is not None else asked.used
    if asked is not None and asked.reported:
        used = dict(asked.reported).get(got.unit, 0)
    return HandledItem(
        key=got.key,
        unit=got.unit,
        used=used,
        wanted=asked is not None and asked.wanted is not None,
        granted=got.granted or 0,
        cost=got.cost,
        settled=got.settled,
        reason="" if got.reason is Reason.NONE else got.reason.value,
    )
