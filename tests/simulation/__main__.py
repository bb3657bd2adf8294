"""python -m tests.simulation [--seeds N] [--first SEED] [--figures]: seeds on all processors.

A failing one prints how to see it again. Exit status 1 if any failed.
"""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache

from rich.console import Console
from rich.progress import track

from charging.catalogue import Catalogue, load
from tests.simulation.world import Figures, World


@cache
def _catalogue() -> Catalogue:
    return load("sample")


def live(seed: int) -> tuple[int, Figures | None, str]:
    """One seed; what happened, or what went wrong."""
    try:
        return seed, World(seed, _catalogue()).run(), ""
    except Exception as problem:
        return seed, None, f"{type(problem).__name__}: {problem}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/simulation")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--figures", action="store_true", help="a line for every seed")
    options = parser.parse_args()
    begun, failed, requests, messages = time.monotonic(), 0, 0, 0
    faults: Counter[str] = Counter()
    seeds = range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        lives = pool.map(live, seeds, chunksize=20)
        for seed, figures, problem in track(lives, "seeds", len(seeds), console=Console(stderr=True)):
            if figures is None:
                failed += 1
                print(f"seed {seed}: {problem}\n    again: scripts/simulation --first {seed} --seeds 1", flush=True)
                continue
            if options.figures:
                print(seed, figures.requests, figures.messages, sorted(figures.faults.items()))
            requests += figures.requests
            messages += figures.messages
            faults += figures.faults
    print(f"{options.seeds} seeds, {failed} failed; {requests} requests, {messages} messages")
    print(", ".join(f"{count} x {name}" for name, count in sorted(faults.items())))
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
