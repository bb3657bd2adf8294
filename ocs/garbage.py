"""The cycle collector, tuned for a process that serves: by default up to a seventh of a request's time goes into it."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG = 50_000
"""Objects allocated and not freed at once before the youngest are examined. By default 700, what a few requests leave;
hardly anything here is a cycle, so waiting longer costs a few megabytes."""


def settle() -> None:
    """Call when all that lives as long as the process is loaded: it is never examined again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)


@contextmanager
def beside_traffic() -> Iterator[None]:
    """While another thread builds something large: no examination of it while it grows, and shorter turns for it."""
    turn = sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(turn / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        gc.enable()
