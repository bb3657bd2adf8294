"""The generator process as the bench sees it, and what it asks of one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.machine import ROOT, BenchFailed

SLOWEST = 50.0
"""Milliseconds: the 99th percentile of a rate that is sustained."""

Result = dict[str, Any]
"""What became of a step; see ``bench.generator``."""


class Load:
    """The generator process."""

    def __init__(self, **options: object) -> None:
        command = [sys.executable, "-m", "bench.generator", json.dumps(options)]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self._read()

    def _read(self) -> Result:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed("the generator ended")
        found: Result = json.loads(line)
        return found

    def _ask(self, **step: float) -> Result:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(step) + "\n")
        self._process.stdin.flush()
        return self._read()

    def step(self, rate: float, seconds: float) -> Result:
        """Raises BenchFailed where a request did not get its right answer."""
        result = self._ask(rate=rate, seconds=seconds)
        if result["wrong"] or result["unanswered"]:
            raise BenchFailed(f"not every request got its right answer: {result}")
        return result

    def overload(self, rate: float, seconds: float) -> Result:
        """Whatever becomes of it: a refusal is a right answer here, and its outcome may be unknown."""
        result = self._ask(rate=rate, seconds=seconds, most=10**9)
        if result["wrong"]:
            raise BenchFailed(f"wrong answers under overload: {result}")
        return result

    def sustains(self, rate: float, seconds: float) -> bool:
        result = self.step(rate, seconds)
        return not result["given_up"] and not result["refused"] and result["ms"]["99"] <= SLOWEST

    def finish(self) -> tuple[int, int]:
        """Close all sessions; how many requests have settled usage, and the micro-units they cost."""
        done = self._ask()
        return int(done["settled"]), int(done["due"])

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def search(load: Load, seconds: float, first: float = 1_000.0) -> float:
    """The highest rate that is sustained, to about 6 %; what disturbs one of two tries is not the server's, and what
    disturbed both may be over when the rate above is tried once more."""

    def sustains(rate: float) -> bool:
        return load.sustains(rate, seconds) or load.sustains(rate, seconds)

    rate = first
    while not sustains(rate):
        rate /= 2
        if rate < 1:
            raise BenchFailed("no rate is sustained")
    while sustains(1.5 * rate):
        rate *= 1.5
    low, high = rate, 1.5 * rate
    while high / low > 1.06:
        middle = (low + high) / 2
        low, high = (middle, high) if sustains(middle) else (low, middle)
    while sustains(1.1 * low):
        low *= 1.1
    return low


@contextmanager
def responder(*module: str) -> Iterator[tuple[int, int]]:
    """A process that prints its port and answers: its process id and port."""
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", *module], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
