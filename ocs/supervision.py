"""Telling systemd how we are (sd_notify(3)): ready, stopping, and, as often as it wants to know, alive.

The protocol is a datagram of ``NAME=value`` lines to the socket that the environment names. Without one nobody wants
to know, and nothing is said.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Supervisor:
    """Whoever started us and watches over us, if anybody does."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog = int(environment.get("WATCHDOG_USEC", "0")) / 1_000_000 if watched else 0.0
        """Seconds of silence after which we are taken for dead and started again; 0: never."""

    def tell(self, *lines: str) -> None:
        """Say it; a supervisor that does not listen is no reason to stop."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
                one.sendto("\n".join(lines).encode(), self._address)
        except OSError as problem:
            log.warning("the supervisor cannot be told %s: %s", lines[0], problem)

    async def run(self) -> None:
        """Say for ever that the event loop turns, twice as often as is asked for."""
        while True:
            if self.watchdog:
                self.tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / 2 or 3600)
