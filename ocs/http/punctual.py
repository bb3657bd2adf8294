"""A connection whose client must say in time what it wants: nothing half said is waited for for ever."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 30.0
"""Seconds from a connection's beginning, or a request's first octet, to the request's last one."""

_WAITED_FOR = (h11.IDLE, h11.SEND_BODY)
"""States in which it is the client's turn."""


class PunctualProtocol(H11Protocol):
    """Uvicorn's own time-out runs between two requests only. Here an octet now and then does not prolong it."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in _WAITED_FOR:
            self._wait()
        else:
            self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        self._be_patient()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(PATIENCE, self._give_up)

    def _be_patient(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        transport: Any = self.transport
        transport.close()
