"""What goes on, as a stream of server-sent events: from the bus to whoever looks."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from time import monotonic

from balances.ledger import Identity, Unavailable
from balances.link import ReplyError
from ocs.bus import Follow, Handled, Word
from ocs.telling import WordOfMouth, is_refusal

KEPT = 50
"""Refusals that a page sees which was opened after them."""

WAITING = 500
"""Words that may wait for a slow reader; then the oldest are left out."""

FOLLOW_SECONDS = 30.0
"""For so long the doors tell of a subscriber unless asked again; asked is three times as often."""

MOST_LISTENERS = 100
"""Streams at one time."""


class Listener:
    """One reader's queue."""

    def __init__(self) -> None:
        self._words: deque[Handled] = deque(maxlen=WAITING)
        self._news = asyncio.Event()
        self.ended = False

    def put(self, word: Handled) -> None:
        self._words.append(word)
        self._news.set()

    def end(self) -> None:
        self.ended = True
        self._news.set()

    async def next(self, seconds: float) -> Handled | None:
        """The next word; None if there is none within so many seconds, or no more at all."""
        if not self._words and not self.ended:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), seconds)
            except TimeoutError:
                return None
        return self._words.popleft() if self._words else None


class Subject:
    """Whom a trace follows: an account, by its identities too, or whoever comes under one identity."""

    def __init__(self, account: str, identities: tuple[Identity, ...]) -> None:
        self.account = account
        self.identities = identities
        self._names = {f"{one.type.value}:{one.value}" for one in identities}

    def fits(self, word: Handled) -> bool:
        return bool(self.account and word.account == self.account) or not self._names.isdisjoint(word.identities)


class Feed:
    """Hears the bus, remembers the last refusals, and hands on to listeners."""

    def __init__(self, bus: WordOfMouth) -> None:
        self._bus = bus
        self._listeners: set[Listener] = set()
        self._closed = False
        self.refusals: deque[Handled] = deque(maxlen=KEPT)
        bus.listeners.append(self._hear)

    def close(self) -> None:
        """End all streams, so that the server need not wait for their readers."""
        self._closed = True
        self._bus.listeners.remove(self._hear)
        for listener in self._listeners:
            listener.end()

    @property
    def full(self) -> bool:
        """Do as many listen as may?"""
        return len(self._listeners) >= MOST_LISTENERS

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Hear everything from now on."""
        listener = Listener()
        if self._closed:
            listener.end()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def follow(self, listener: Listener, subject: Subject, pulse: float) -> AsyncIterator[Handled | None]:
        """Whatever is handled of the subject until the end; None every ``pulse`` seconds in which nothing was."""
        asked = -FOLLOW_SECONDS
        while not listener.ended:
            if monotonic() - asked > FOLLOW_SECONDS / 3:
                asked = monotonic()
                await self._ask(subject)
            word = await listener.next(min(pulse, FOLLOW_SECONDS / 3))
            if word is None or subject.fits(word):
                yield word

    async def _ask(self, subject: Subject) -> None:
        word = Follow(account=subject.account, identities=subject.identities, seconds=FOLLOW_SECONDS)
        try:
            await self._bus.say(word)
        except (Unavailable, ReplyError):
            return  # asked again soon

    def _hear(self, word: Word) -> None:
        if not isinstance(word, Handled):
            return
        if is_refusal(word):
            self.refusals.append(word)
        for listener in self._listeners:
            listener.put(word)
