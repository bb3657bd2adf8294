"""Publishing: everybody gets the version ready, then one entry in the log names the moment at which all switch."""

import asyncio
from collections.abc import Callable, Mapping

from balances.ledger import Record
from charging.catalogue import parse
from ocs.garbage import beside_traffic
from ocs.publishing.archive import Archive, Publication, State, in_force
from ocs.publishing.follower import ALIVE

LEAD = 2_000
"""Milliseconds from the entry in the log to its moment: each process has looked at the log by then."""

PATIENCE = 120.0
_LOOK = 0.1
"""Seconds in which all processes have the version ready, or nothing is published; between two looks at them."""


class NotPublished(Exception):
    """Nothing has changed; the message says why."""


class History(Record, frozen=True, kw_only=True):
    """The log, newest first, the publication in force, and what each process says."""

    publications: tuple[Publication, ...]
    current: Publication | None
    processes: dict[str, State]


class Publisher:
    """All methods may raise Unavailable: whether it was published is not known then, and may be tried again."""

    def __init__(self, archive: Archive, clock: Callable[[], int]) -> None:
        self._archive = archive
        self._clock = clock

    async def history(self) -> History:
        listed = await self._archive.publications()
        return History(
            publications=listed[::-1], current=in_force(listed, self._clock()), processes=await self._states()
        )

    async def files(self, version: str) -> dict[str, bytes]:
        """The files of a version; raises NoSuchVersion."""
        return await self._archive.files(version)

    async def publish(self, files: Mapping[str, bytes], by: str, comment: str) -> tuple[Publication, bool]:
        """Check and publish; with it, whether anything is new. Raises CatalogueError, NotPublished."""
        with beside_traffic():
            await asyncio.to_thread(parse, files)
        return await self._publish(await self._archive.keep(files), by, comment)

    async def again(self, version: str, by: str, comment: str) -> tuple[Publication, bool]:
        """Publish a version that was published before; raises NoSuchVersion, NotPublished."""
        await self._archive.files(version)
        return await self._publish(version, by, comment)

    async def _publish(self, version: str, by: str, comment: str) -> tuple[Publication, bool]:
        listed = await self._archive.publications()
        if listed and listed[-1].version == version:
            return listed[-1], False
        under_way = await self._archive.propose(version)
        if under_way != version:
            raise NotPublished(f"catalogue {under_way} is being published just now")
        try:
            await self._everybody_is_ready(version)
            since = self._clock() + LEAD
            return await self._archive.publish(Publication(version=version, since=since, by=by, comment=comment)), True
        finally:
            await self._archive.withdraw()

    async def _everybody_is_ready(self, version: str) -> None:
        end = asyncio.get_running_loop().time() + PATIENCE
        while True:
            states = await self._states()
            failed = [
                f"{process}: {state.failed[version]}" for process, state in states.items() if version in state.failed
            ]
            if failed:
                raise NotPublished("; ".join(failed))
            late = [process for process, state in states.items() if version not in state.ready]
            if states and not late:
                return
            if asyncio.get_running_loop().time() >= end:
                raise NotPublished(f"not ready in {PATIENCE:g} s: {', '.join(late) or 'any process'}")
            await asyncio.sleep(_LOOK)

    async def _states(self) -> dict[str, State]:
        """Those of processes that are there."""
        now = self._clock()
        states = await self._archive.states()
        return {process: state for process, state in states.items() if state.seen >= now - ALIVE}
