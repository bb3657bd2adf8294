"""Work that is done in rounds for as long as the process runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from balances.ledger import Unavailable
from balances.link import ReplyError

log = logging.getLogger(__name__)


async def repeat(work: Callable[[], Awaitable[object]], interval: float, name: str) -> None:
    """Do a round, wait ``interval`` seconds, until cancelled. A store that is away, or a bad round, only delays it."""
    while True:
        try:
            await work()
        except Unavailable as problem:
            log.debug("%s: the store is away: %s", name, problem)
        except ReplyError as problem:
            log.warning("%s: the store refuses: %s", name, problem)
        except Exception:
            log.exception("%s failed; trying again", name)
        await asyncio.sleep(interval)
