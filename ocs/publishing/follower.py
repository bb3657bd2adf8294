"""Every process's eye on the catalogues: gets ready what is proposed, and switches when the log says so.

A version is fetched and loaded in the background, beside the traffic. A process that cannot load what is published goes
on with what it has, says so at /readyz and in its metrics, and tries again.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping

from balances.ledger import Unavailable
from balances.link import ReplyError
from charging.catalogue import Catalogue, CatalogueError, parse
from charging.engine import Engine
from ocs.chores import repeat
from ocs.garbage import beside_traffic
from ocs.metrics import Metrics
from ocs.publishing.archive import Archive, NoSuchVersion, Publication, State

log = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks at the log: well below the time between an entry and its moment."""

ALIVE = 10_000
"""Milliseconds for which a process that says nothing counts as being there."""

_AGAIN = 5_000
"""Milliseconds after which a version that could not be loaded is tried again."""


class Follower:
    """``position``: the log up to there is known already, and ``engine`` has what was in force then."""

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        clock: Callable[[], int],
        metrics: Metrics,
        position: str = "-",
        moved: Mapping[str, str] | None = None,
    ) -> None:
        """``moved``: numbers ported since, into which every catalogue looks."""
        self.process = f"{socket.gethostname()}:{os.getpid()}"
        self.states: dict[str, State] = {}
        """What every process said last."""
        self._archive = archive
        self._engine = engine
        self._clock = clock
        self._metrics = metrics
        self._position = position
        self._moved: Mapping[str, str] = moved if moved is not None else {}
        engine.catalogue.follow(self._moved)
        self._ready: dict[str, Catalogue] = {engine.catalogue.version: engine.catalogue}
        self._failed: dict[str, tuple[str, int]] = {}
        self._loading: asyncio.Task[None] | None = None
        self._behind = ""

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            await repeat(self.poll, INTERVAL, "look at catalogues")
        finally:
            if self._loading is not None:
                self._loading.cancel()

    async def poll(self) -> None:
        """One look at the log; may raise Unavailable."""
        now = self._clock()
        published = _relevant(await self._archive.publications(self._position), now)
        proposed = await self._archive.proposed()
        self._install(published)
        wanted = [each.version for each in published if each.id > self._position]
        self._behind = next((version for version in wanted if version in self._failed), "")
        self._prepare([*wanted, *([proposed] if proposed else [])], now)
        self._engine.pass_time(now)
        await self._tell(now)

    def problems(self) -> list[str]:
        """Which processes of this machine do not follow, and why."""
        here = self.process.partition(":")[0]
        return [
            f"{process}: {state.problem}"
            for process, state in self.states.items()
            if state.problem and process.partition(":")[0] == here
        ]

    def _install(self, published: list[Publication]) -> None:
        """In the order of the log. One that is not ready waits, unless a later one is: that ends its time anyway."""
        for each in published:
            catalogue = self._ready.get(each.version)
            if catalogue is None:
                continue
            log.info("catalogue %s is in force from %d on", each.version, each.since)
            self._engine.publish(catalogue, each.since)
            self._metrics.catalogue_since.set(each.since / 1000)
            self._position = each.id

    def _prepare(self, wanted: list[str], now: int) -> None:
        """Begin to load the first that is missing, one at a time; drop what nobody wants any more."""
        kept = {self._engine.catalogue.version, *wanted}
        self._ready = {version: catalogue for version, catalogue in self._ready.items() if version in kept}
        self._failed = {version: failure for version, failure in self._failed.items() if version in kept}
        if self._loading is not None and not self._loading.done():
            return
        for version in wanted:
            if version not in self._ready and self._failed.get(version, ("", 0))[1] <= now:
                self._loading = asyncio.create_task(self._load(version), name=f"load catalogue {version}")
                return

    async def _load(self, version: str) -> None:
        try:
            files = await self._archive.files(version)
            with beside_traffic():
                catalogue = await asyncio.to_thread(parse, files)
            catalogue.follow(self._moved)
            self._ready[version] = catalogue
            self._failed.pop(version, None)
        except (Unavailable, ReplyError, NoSuchVersion, CatalogueError) as problem:
            reason = str(problem).partition("\n")[0]
            log.error("catalogue %s cannot be loaded: %s", version, reason)
            self._metrics.catalogue_failures.inc()
            self._failed[version] = reason, self._clock() + _AGAIN

    async def _tell(self, now: int) -> None:
        problem = f"catalogue {self._behind} cannot be loaded: {self._failed[self._behind][0]}" if self._behind else ""
        state = State(
            version=self._engine.catalogue.version,
            ready=tuple(self._ready),
            failed={version: reason for version, (reason, _) in self._failed.items()},
            problem=problem,
            seen=now,
        )
        await self._archive.tell(self.process, state)
        states = await self._archive.states()
        for process in [process for process, each in states.items() if each.seen < now - ALIVE]:
            await self._archive.forget(process)
            del states[process]
        self.states = states


def _relevant(published: tuple[Publication, ...], now: int) -> list[Publication]:
    """What is or will be in force: nothing before the last whose time has come."""
    due = [number for number, each in enumerate(published) if each.since <= now]
    return list(published[due[-1] :] if due else published)
