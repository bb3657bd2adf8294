"""One run: a server of its own, the rate it sustains, what a request costs at 50, 70 and 90 % of it."""

import asyncio
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from bench.accounts import open_accounts
from bench.load import Load, Result, responder, search
from bench.machine import BenchFailed, Server, calls, cpu
from bench.results import Overload, Record, Report, Run, Step

PROOF = 3
"""The generator must manage this many times the rate."""

SHARES = (50, 70, 90)
PEERS = 4
PACE = 1_500.0
"""Sessions that are opened and closed a second."""

OVERLOADS = 4
"""Rates offered, about, until the most that is done is known, and twice that."""

_ALL = 0.95
"""Of a rate that is offered: more of it answered is all of it, but for what the end of the time cut off."""


class Durations(Record, frozen=True, kw_only=True):
    """Seconds for each rate that is tried, and that is measured."""

    search: float
    step: float


def seconds_of(run: Run, durations: Durations) -> float:
    """About how long a run takes."""
    opening = 4 + run.accounts / 3_000 + 2 * run.sessions / PACE
    return opening + 18 * durations.search + (len(SHARES) + 1 + OVERLOADS * run.overload) * (durations.step + 1)


def measure(run: Run, durations: Durations) -> Report:
    """Raises BenchFailed if the run does not count."""
    with tempfile.TemporaryDirectory(prefix="ocs-bench-") as directory:
        server = Server(Path(directory), run.fsync, run.workers)
        try:
            asyncio.run(open_accounts(server.socket, run.accounts))
            load = Load(port=server.ports["diameter"], null=False, **_options(run))
            best = search(load, durations.search)
            proved = _prove(run, best, durations)
            steps = tuple(_at(share, best, load, server, durations.step) for share in SHARES)
            requests, due = load.finish()
            worker_mb, store_mb = server.memory() / 1e6, server.store.info("memory")["used_memory"] / 1e6
            _check_books(server, due)
            load.stop()
            overload = _overload(run, best, server, durations.step) if run.overload else None
        finally:
            server.stop()
    return Report(
        run=run, sustained=best, proved=proved, steps=steps, requests=requests, worker_mb=worker_mb, store_mb=store_mb,
        overload=overload,
    )  # fmt: skip


def _options(run: Run) -> dict[str, object]:
    return {
        "profile": run.profile, "sessions": run.sessions, "accounts": run.accounts, "peers": PEERS, "pace": PACE,
        "run": int(time.time()),
    }  # fmt: skip


def _prove(run: Run, rate: float, durations: Durations) -> float:
    """How many times the rate the generator manages against nobody."""
    with responder("bench.null", run.profile) as (_, port):
        load = Load(port=port, null=True, **_options(run))
        try:
            return PROOF if load.sustains(PROOF * rate, durations.step) else 0.0
        finally:
            load.stop()


def _at(share: int, best: float, load: Load, server: Server, seconds: float) -> Step:
    def used() -> tuple[float, float, float]:
        return server.cpu(), cpu(server.store_pid), cpu(load.pid)

    before, (ran, spent) = used(), calls(server.store)
    result = load.step(best * share / 100, seconds)
    after, (ran_now, spent_now) = used(), calls(server.store)
    answered = max(1, result["answered"])
    worker, store, generator = (1e6 * (now - was) / answered for now, was in zip(after, before, strict=True))
    return Step(
        share=share,
        rate=result["answered"] / result["seconds"],
        ms=result["ms"],
        worker_us=worker,
        store_us=store,
        generator_us=generator,
        calls=(ran_now - ran) / answered,
        script_us=(spent_now - spent) / answered,
    )


def _overload(run: Run, best: float, server: Server, seconds: float) -> Overload:
    """By sessions of its own, which nobody closes: what timed out may have been charged or not.

    A rate is sustained if all of it is in time: more may be done if that does not count. ``best`` is the most that is.
    """
    load = Load(port=server.ports["diameter"], null=False, **_options(run))

    def done(rate: float) -> tuple[float, Result]:
        result = load.overload(rate, seconds)
        return result["answered"] / max(result["seconds"], seconds), result

    rate, (goodput, _) = best, done(best)
    while goodput >= _ALL * rate:
        best, rate = goodput, 1.3 * rate
        goodput, _ = done(rate)
    best = max(best, goodput)
    goodput, result = done(2 * best)
    load.stop()
    _check_books(server)
    return Overload(
        best=best,
        goodput=goodput / best,
        refused=result["refused"],
        unanswered=result["unanswered"],
        slowest_ms=result["slowest_ms"],
    )


def _check_books(server: Server, expected: int | None = None) -> None:
    audit = server.audit()
    if not audit["balanced"]:
        raise BenchFailed(f"the books do not close: {audit['findings'][:3]}")
    debited = int(Decimal(str(audit["currencies"]["EUR"]["debited"])) * 1_000_000)
    if expected is not None and debited != expected:
        raise BenchFailed(f"{debited} micro-units were debited, {expected} asked for")
