"""python -m tests.simulation [--seeds N] [--first SEED] [--figures]: seeds on all processors.

It ends at the first seed that breaks a promise, with the command that lives it again. Exit status 1 then.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from multiprocessing import Pool

from charging.catalogue import Catalogue, load
from tests.simulation.world import Figures, World

_CHUNK = 20
_TELL = 10.0
"""Seconds between two lines on how it goes."""


@cache
def _catalogue() -> Catalogue:
    return load("sample")


def live(seed: int) -> tuple[int, Figures | None, str]:
    """One seed; what happened, or what went wrong."""
    try:
        return seed, World(seed, _catalogue()).run(), ""
    except Exception as problem:
        return seed, None, f"{type(problem).__name__}: {problem}"


def told(lives: Iterable[tuple[int, Figures | None, str]], count: int) -> Iterator[tuple[int, Figures | None, str]]:
    """The lives as they come; says on stderr now and then how many there were, how fast, and how long it takes yet."""
    begun = said = time.monotonic()
    for done, one in enumerate(lives, start=1):
        now = time.monotonic()
        if now - said >= _TELL:
            said, rate = now, done / (now - begun)
            left = f"{(count - done) / rate:.0f} s left"
            print(f"{done:,} of {count:,} seeds, {rate:.0f}/s, {left}", file=sys.stderr, flush=True)
        yield one


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/simulation")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--figures", action="store_true", help="a line for every seed")
    options = parser.parse_args()
    begun, lived, requests, messages = time.monotonic(), 0, 0, 0
    faults: Counter[str] = Counter()
    seeds = range(options.first, options.first + options.seeds)
    with Pool(os.cpu_count()) as pool:  # its end ends them
        for seed, figures, problem in told(pool.imap(live, seeds, _CHUNK), len(seeds)):
            if figures is None:
                print(f"seed {seed}, after {lived} without a violation: {problem}")
                print(f"    again: scripts/simulation --first {seed} --seeds 1")
                return 1
            if options.figures:
                print(seed, figures.requests, figures.messages, sorted(figures.faults.items()))
            lived += 1
            requests += figures.requests
            messages += figures.messages
            faults += figures.faults
    print(f"{lived} seeds without a violation; {requests} requests, {messages} messages")
    print(", ".join(f"{count} x {name}" for name, count in sorted(faults.items())))
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
