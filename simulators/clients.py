"""What the network elements share: a clock that may run faster, ids, and the loop that runs one credit session."""

import asyncio
import itertools
import time
from collections.abc import Iterator

from simulators.books import Books
from simulators.credit import LIMITED_SUCCESS, SUCCESS, UNKNOWN_SESSION_ID, Request, RequestType
from simulators.diameter_client import DiameterClient
from simulators.session import CreditSession
from simulators.settings import Settings

KINDS = {
    RequestType.INITIAL: "initial",
    RequestType.UPDATE: "update",
    RequestType.TERMINATION: "terminate",
    RequestType.EVENT: "event",
}
"""Names of the requests in reports."""


class Clock:
    """Milliseconds of simulated time since the run began."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._beginning = time.monotonic()

    def now(self) -> int:
        """The simulated time."""
        return int((time.monotonic() - self._beginning) * 1000 * self._speed)

    def seconds_until(self, at: int) -> float:
        """Real seconds until a simulated moment; not below zero."""
        return max(0.0, self._beginning + at / 1000 / self._speed - time.monotonic())


def session_ids(host: str, seed: int) -> Iterator[str]:
    """Session-Ids ``host;high;low`` (RFC 6733 section 8.8), new ones in every run."""
    high = int(time.time())
    return (f"{host};{high};{seed}.{low}" for low in itertools.count(1))


class SessionRunner:
    """Runs credit sessions over one client, in simulated time."""

    def __init__(self, client: DiameterClient, books: Books, settings: Settings, clock: Clock) -> None:
        self.client, self.books, self.settings, self.clock = client, books, settings, clock
        self._sessions: dict[str, tuple[CreditSession, asyncio.Event]] = {}
        client.on_reauthorise = self._reauthorise
        client.on_abort = self._abort

    def finish_all(self) -> None:
        """End every session in order: the rest is reported with the terminations."""
        for session, wake in self._sessions.values():
            session.finish(self.clock.now())
            wake.set()

    async def run(self, session: CreditSession, due: float) -> None:
        """Run one session from its initial request, due at ``due`` (``time.monotonic()``), to its end."""
        wake = asyncio.Event()
        self._sessions[session.id] = (session, wake)
        try:
            request: Request | None = session.start(self.clock.now())
            asking: asyncio.Task[None] | None = None
            while not session.over:
                if request is not None:
                    asking = asyncio.get_running_loop().create_task(self._ask(session, request, due))
                await self._sleep(session, asking, wake)
                if asking is not None and asking.done():
                    asking.result()
                    asking = None
                due = time.monotonic()
                request = session.advance(self.clock.now())
        finally:
            del self._sessions[session.id]

    async def _ask(self, session: CreditSession, request: Request, due: float) -> None:
        kind = f"{request.profile.name} {KINDS[request.type]}"
        answer = await self.client.ask(request, kind, due)
        session.receive(answer, self.clock.now())

    async def _sleep(self, session: CreditSession, asking: "asyncio.Task[None] | None", wake: asyncio.Event) -> None:
        """Until something is due, an answer is there, or somebody wants the session's attention."""
        if asking is not None:
            await asyncio.wait({asking})
            return
        wake.clear()
        seconds = self.clock.seconds_until(session.next_wake())
        try:
            await asyncio.wait_for(wake.wait(), min(seconds, 3600))
        except TimeoutError:
            return

    def _reauthorise(self, session_id: str) -> int:
        known = self._sessions.get(session_id)
        if known is None:
            return UNKNOWN_SESSION_ID
        follows = known[0].reauthorise()
        known[1].set()
        return LIMITED_SUCCESS if follows else SUCCESS

    def _abort(self, session_id: str) -> int:
        known = self._sessions.get(session_id)
        if known is None:
            return UNKNOWN_SESSION_ID
        known[0].finish(self.clock.now())
        known[1].set()
        return SUCCESS
