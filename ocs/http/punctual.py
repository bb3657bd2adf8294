"""A connection whose client must say in time what it wants, and read what it gets: nobody is waited for for ever."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ocs.transports import reset

PATIENCE = 30.0
"""Seconds from a connection's beginning, or a request's first octet, to the request's last one; and from the moment
when so much of an answer waits to be read that no more is written, until enough of it has been."""

_WAITED_FOR = (h11.IDLE, h11.SEND_BODY)
"""States in which it is the client's turn."""


class PunctualProtocol(H11Protocol):
    """Uvicorn's own time-out runs between two requests only. Here an octet now and then does not prolong it."""

    _waiting: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

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
        self._has_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(PATIENCE, self._cut_off)

    def resume_writing(self) -> None:
        self._has_read()
        super().resume_writing()

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

    def _has_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _cut_off(self) -> None:
        """A close would wait for the octets that nobody reads."""
        self._unread = None
        reset(self.transport)
