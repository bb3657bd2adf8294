"""Real programs, each started by a test in a directory of its own and stopped after it."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PATIENCE = 30.0
"""Seconds for which a program is waited for; only a failing test ever waits so long."""

SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))

logs: dict[str, Path] = {}
"""What each program said, by name, for the report of a failed test."""


def wait_until(what: str, met: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait for a condition; TimeoutError names it."""
    end = time.monotonic() + patience
    while not met():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {patience:.0f} s for {what}")
        time.sleep(0.05)


class Program:
    """A running program with its output in ``directory/name.log``."""

    def __init__(
        self, name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        logs[name] = self.log
        found = shutil.which(command[0], path=SYSTEM_PATH)
        if found is None:
            raise FileNotFoundError(command[0])
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [found, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern: str) -> None:
        """Wait until the log holds the regular expression."""
        self.wait_until(repr(pattern), lambda: re.search(pattern, self.said) is not None)

    def wait_until(self, what: str, met: Callable[[], bool]) -> None:
        """Wait for a condition; RuntimeError if the program ends before."""

        def met_or_ended() -> bool:
            if met():
                return True
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.said[-4000:]}")
            return False

        wait_until(f"{what} of {self.name}", met_or_ended)

    def wait(self, patience: float = PATIENCE) -> int:
        """The exit status, once it has ended by itself."""
        return self.process.wait(patience)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int | None:
        """End it, by force if it does not listen; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # and whatever it left behind
        return self.process.wait(PATIENCE)
