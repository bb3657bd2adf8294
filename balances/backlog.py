"""Back-pressure: where the journal is too far behind, nothing new is begun, so that the store's memory lasts.

What runs is settled all the same: what was reported is never refused for this.
"""

import asyncio
import logging

from balances.ledger import Unavailable
from balances.store import StoreLedger

log = logging.getLogger(__name__)

_INTERVAL = 1.0
"""Seconds between two looks."""


class Backlog:
    """Looks now and then; ``limit``: entries in the outbox, journalled ones included, above which nothing is begun."""

    def __init__(self, ledger: StoreLedger, limit: int) -> None:
        self._ledger = ledger
        self._limit = limit

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except Unavailable as problem:
                log.debug("the outbox is not looked at: %s", problem)
            await asyncio.sleep(_INTERVAL)

    async def look(self) -> None:
        """Raises Unavailable."""
        ledger = self._ledger
        entries = sum(await asyncio.gather(*[ledger.link.call("XLEN", keys.outbox) for keys in ledger.keys]))
        behind = entries > self._limit
        if behind and not ledger.behind:
            log.error("the journal is behind: %d entries in the store, nothing new is begun", entries)
        if ledger.behind and not behind:
            log.warning("the journal has caught up: %d entries in the store", entries)
        ledger.behind = behind
