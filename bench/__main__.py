"""``scripts/bench``: find the rate one worker sustains, then measure at 50, 70 and 90 % of it.

A profile counts only if the books close, the sum debited is what was asked for to the last micro-unit and every request
got its right answer. The generator proves itself against a null responder at three times the rate.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.accounts import open_accounts
from bench.machine import ROOT, BenchFailed, Server, calls, cpu, memory
from bench.messages import PROFILES

SLOWEST = 50.0
"""Milliseconds: the 99th percentile of a rate that is sustained."""

PROOF = 3
"""The generator must manage this many times the rate."""


@dataclass
class Step:
    """What was measured at one rate."""

    share: int
    rate: float
    ms: dict[str, float]
    worker_us: float
    store_us: float
    generator_us: float
    calls: float
    script_us: float


@dataclass
class Report:
    """What was measured of one profile."""

    profile: str
    fsync: str
    sustained: float
    proved: float
    steps: list[Step] = field(default_factory=list)
    requests: int = 0
    worker_mb: float = 0
    store_mb: float = 0


class Load:
    """The generator process."""

    def __init__(self, **options: object) -> None:
        command = [sys.executable, "-m", "bench.generator", json.dumps(options)]
        self._process = subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed("the generator ended")
        found: dict[str, Any] = json.loads(line)
        return found

    def _ask(self, **step: float) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(step) + "\n")
        self._process.stdin.flush()
        return self._read()

    def step(self, rate: float, seconds: float) -> dict[str, Any]:
        result = self._ask(rate=rate, seconds=seconds)
        if result["wrong"] or result["unanswered"]:
            raise BenchFailed(f"not every request got its right answer: {result}")
        return result

    def sustains(self, rate: float, seconds: float) -> bool:
        result = self.step(rate, seconds)
        return not result["given_up"] and result["ms"]["99"] <= SLOWEST

    def finish(self) -> int:
        """Close all sessions; how many requests have settled usage."""
        return int(self._ask()["settled"])

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def search(load: Load, seconds: float) -> float:
    """The highest rate that is sustained, to about 6 %."""
    rate = 1_000.0
    while load.sustains(rate, seconds):
        rate *= 1.5
    low, high = rate / 1.5, rate
    while high / low > 1.06:
        middle = (low + high) / 2
        low, high = (middle, high) if load.sustains(middle, seconds) else (low, middle)
    return low


@contextmanager
def null_responder(profile: str) -> Iterator[int]:
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "bench.null", profile], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def prove(profile: str, rate: float, options: argparse.Namespace) -> float:
    """How many times the rate the generator manages against nobody."""
    with null_responder(profile) as port:
        load = Load(profile=profile, port=port, null=True, **_size(options))
        try:
            return PROOF if load.sustains(PROOF * rate, options.seconds) else 0.0
        finally:
            load.stop()


def _size(options: argparse.Namespace) -> dict[str, int]:
    return {
        "sessions": options.sessions,
        "accounts": options.accounts,
        "peers": options.peers,
        "run": int(time.time()),
    }


def measure(profile: str, options: argparse.Namespace, say: Console) -> Report:
    with tempfile.TemporaryDirectory(prefix="ocs-bench-") as directory:
        server = Server(Path(directory), options.fsync)
        try:
            asyncio.run(open_accounts(server.socket, options.accounts))
            load = Load(profile=profile, port=server.ports["diameter"], null=False, **_size(options))
            say.print(
                f"{profile}: {options.accounts} accounts, {options.sessions} sessions; searching ...", style="dim"
            )
            best = search(load, options.search)
            report = Report(profile, options.fsync, best, prove(profile, best, options))
            for share in (50, 70, 90):
                report.steps.append(_at(share, best, load, server, options.seconds))
            report.requests = load.finish()
            report.worker_mb, report.store_mb = memory(server.pid) / 1e6, memory(server.store_pid) / 1e6
            _check_books(server, PROFILES[profile].price * report.requests)
            load.stop()
        finally:
            server.stop()
    return report


def _at(share: int, best: float, load: Load, server: Server, seconds: float) -> Step:
    pids = (server.pid, server.store_pid, load.pid)
    before, ran, spent = [cpu(pid) for pid in pids], *calls(server.store)
    result = load.step(best * share / 100, seconds)
    used = [cpu(pid) - was for pid, was in zip(pids, before, strict=True)]
    ran_now, spent_now = calls(server.store)
    answered = max(1, result["answered"])
    worker, store, generator = (1e6 * seconds / answered for seconds in used)
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


def _check_books(server: Server, expected: int) -> None:
    audit = server.audit()
    if not audit["balanced"]:
        raise BenchFailed(f"the books do not close: {audit['findings'][:3]}")
    debited = int(Decimal(str(audit["currencies"]["EUR"]["debited"])) * 1_000_000)
    if debited != expected:
        raise BenchFailed(f"{debited} micro-units were debited, {expected} asked for")


def show(reports: list[Report], say: Console) -> None:
    table = Table(title="one worker, embedded store; CPU in microseconds per request, latency in milliseconds")
    for name in ("profile", "fsync", "at", "req/s", "p50", "p95", "p99", "p99.9", "worker", "store", "generator",
                 "calls", "script"):  # fmt: skip
        table.add_column(name, justify="left" if name in ("profile", "fsync") else "right")
    for report in reports:
        for step in report.steps:
            table.add_row(
                report.profile, report.fsync, f"{step.share} %", f"{step.rate:,.0f}",
                *[f"{step.ms[p]:.1f}" for p in ("50", "95", "99", "99.9")],
                f"{step.worker_us:.0f}", f"{step.store_us:.0f}", f"{step.generator_us:.0f}",
                f"{step.calls:.3f}", f"{step.script_us:.0f}",
            )  # fmt: skip
    say.print(table)
    for report in reports:
        proof = f"proved at {report.proved:g} times that" if report.proved else f"NOT proved at {PROOF} times that"
        say.print(
            f"{report.profile}, {report.fsync}: sustains {report.sustained:,.0f}/s, generator {proof}; "
            f"{report.requests:,} requests charged, books close; worker {report.worker_mb:.0f} MB, "
            f"store {report.store_mb:.0f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--profiles", default="data-1,data-3,sms", help=f"of {', '.join(PROFILES)}")
    parser.add_argument("--fsync", choices=("everysec", "always"), default="everysec")
    parser.add_argument("--accounts", type=int, default=5_000)
    parser.add_argument("--sessions", type=int, default=5_000)
    parser.add_argument("--peers", type=int, default=4)
    parser.add_argument("--search", type=float, default=2.0, help="seconds for each rate tried")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds for each rate measured")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    say = Console(width=int(os.environ.get("COLUMNS", "130")))
    try:
        reports = [measure(profile, options, say) for profile in options.profiles.split(",")]
    except BenchFailed as failure:
        sys.exit(f"bench: this run does not count: {failure}")
    show(reports, say)
    if options.json:
        options.json.write_text(json.dumps([asdict(report) for report in reports], indent=2) + "\n")
    if any(not report.proved for report in reports):
        sys.exit("bench: the generator was not proved: its latencies may be its own")


if __name__ == "__main__":
    main()
