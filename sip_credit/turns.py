"""One at a time: requests of one call wait for each other, those of others do not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Mutual exclusion by session; a session nobody works on takes no room."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def of(self, session: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(session, (None, 0))
        lock = lock or asyncio.Lock()
        self._locks[session] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[session]
            if users > 1:
                self._locks[session] = lock, users - 1
            else:
                del self._locks[session]
