"""Clients that have lost their sessions: Origin-State-Id (RFC 6733 section 8.16).

It grows with each restart in which a client lost its state. Nobody will report on the sessions that it opened before,
so that what they hold is released now and not only at their deadline. It is that of the client, not of an agent
between: what counts are the client's own requests.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from balances.ledger import Ledger, LedgerError, Session, Unavailable
from balances.link import Link, ReplyError, Script
from ocs.abort import curtail
from ocs.credit_control.request import read_context

log = logging.getLogger(__name__)

MOST_CLIENTS = 10_000
"""Clients kept in mind; with more of them the store is asked again now and then."""

MOST_SESSIONS = 100_000
"""Sessions looked through after a restart, those due soonest; the others lapse at their deadline."""

_KEPT = 30 * 24 * 3600
"""Seconds for which the store keeps a client's Origin-State-Id."""

_LARGEST = Script(
    "largest-state",
    """
local before = tonumber(redis.call('GET', KEYS[1]) or 0)
if before < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return before
""",
)


class Restarts:
    """``seen`` is in the path of every request and costs a look into a dictionary."""

    def __init__(self, ledger: Ledger, link: Link, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._link = link
        self._clock = clock
        self._known: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def seen(self, host: str, state_id: int) -> None:
        """A request of this Origin-Host had this Origin-State-Id; 0 tells nothing."""
        if state_id <= self._known.get(host, 0):
            return
        if len(self._known) >= MOST_CLIENTS:
            self._known.clear()
        self._known[host] = state_id
        task = asyncio.get_running_loop().create_task(self._compare(host, state_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _compare(self, host: str, state_id: int) -> None:
        """Of all the processes that see the change, one is told what was before, and cleans up."""
        key = f"state:{host}".encode("utf-8", "surrogatepass")
        try:
            before = await self._link.script(_LARGEST, [key], [state_id, _KEPT])
            if 0 < before < state_id:
                lost = abandoned(await self._ledger.sessions(None, MOST_SESSIONS), host, state_id)
                log.log(
                    logging.WARNING if lost else logging.INFO, "%s has restarted and lost %d sessions", host, len(lost)
                )
                for session in lost:
                    await curtail(self._ledger, session, self._clock)
        except (Unavailable, ReplyError, LedgerError) as problem:
            self._known.pop(host, None)
            log.warning("sessions of %s before its restart are left to their deadline: %s", host, problem)


def abandoned(sessions: Iterable[Session], host: str, state_id: int) -> list[Session]:
    """Those of the client whose latest request came before the restart; of one without Origin-State-Id who knows."""
    found = []
    for session in sessions:
        client = read_context(session.context) if session.door == "diameter" else None
        if client is not None and client.host == host and 0 < client.state_id < state_id:
            found.append(session)
    return found
