"""Serving the application on a bound socket inside the daemon's own loop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from ocs.http.punctual import PunctualProtocol

GRACE_SECONDS = 3
"""How long open requests may take once the end is near."""


class _Server(uvicorn.Server):
    """Signals are the daemon's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves ``app``; ``start`` returns once requests are answered, ``stop`` once the last one is."""

    def __init__(self, app: ASGIApp) -> None:
        self._server = _Server(
            uvicorn.Config(
                app,
                http=PunctualProtocol,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=GRACE_SECONDS,
                limit_concurrency=1_000,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self, listening: socket.socket) -> None:
        """Raises RuntimeError if serving ended at once."""
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]), name="http")
        while not self._server.started:
            if self._task.done():
                raise RuntimeError("the HTTP server did not start") from self._task.exception()
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Accept no more, finish what is open, end."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
            self._task = None
