"""Orphans: reports of what nobody was ever asked for, kept so that an operator can see and charge them by hand.

They are no money yet, so the books do not know them. A report that comes again is kept once.
"""

from typing import Final

from balances.keys import Keys, encode
from balances.ledger import Record
from balances.link import Link
from balances.scripts import script
from balances.wire import text

MOST: Final = 100_000
"""Reports kept; of more, the oldest go."""

_SHARD = Keys(0)
"""They belong to no account, hence to no shard of one."""
_BY_TIME, _REPORTS = f"orphans:{{s{_SHARD.shard}}}".encode(), f"orphan:{{s{_SHARD.shard}}}".encode()


class Kept(Record, frozen=True, kw_only=True):
    """A report as its door has written it, and when it came first (milliseconds)."""

    id: str
    at: int
    report: bytes


class Orphans:
    """The reports of all doors and processes. Each verb may raise Unavailable."""

    def __init__(self, link: Link, most: int = MOST) -> None:
        self._link = link
        self._most = most

    async def keep(self, id: str, at: int, report: bytes) -> bool:
        """Keep a report under its id; False if it was there."""
        args = (encode(id), at, report, self._most)
        return bool(await self._link.script(script("orphan"), (_BY_TIME, _REPORTS), args))

    async def latest(self, limit: int) -> tuple[Kept, ...]:
        """The last so many, newest first."""
        flat = await self._link.call("ZREVRANGE", _BY_TIME, 0, limit - 1, "WITHSCORES")
        if not flat:
            return ()
        reports = await self._link.call("HMGET", _REPORTS, *flat[::2])
        return tuple(
            Kept(id=text(id), at=int(float(at)), report=report)
            for id, at, report in zip(flat[::2], flat[1::2], reports, strict=True)
            if report is not None
        )

    async def count(self) -> int:
        """How many are kept."""
        return int(await self._link.call("ZCARD", _BY_TIME))
