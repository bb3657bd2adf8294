"""``scripts/bench``: the rates the server sustains, what a request costs below them, and which targets are met.

A run counts only if the books close, the sum debited is what was asked for to the last micro-unit and every request
got its right answer. The generator proves itself against a null responder at three times the rate.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bench import extras, plot, show
from bench.document import document
from bench.machine import BenchFailed
from bench.measure import PROOF, Durations, measure, seconds_of
from bench.messages import PROFILES
from bench.results import Results, Run

QUICK = (
    Run(profile="data-1", overload=True),
    Run(profile="data-3"),
    Run(profile="hot"),
)

SPREAD = {"accounts": 100_000, "sessions": 20_000}
FULL = (
    Run(profile="data-1", overload=True, **SPREAD),
    Run(profile="data-3", **SPREAD),
    Run(profile="hot", **SPREAD),
    Run(profile="voice", **SPREAD),
    Run(profile="sms", **SPREAD),
    Run(profile="mix", **SPREAD),
    Run(profile="data-1", fsync="always", **SPREAD),
    Run(profile="data-1", workers=2, **SPREAD),
    Run(profile="data-1", accounts=1_000_000, sessions=20_000),
)

Extra = tuple[str, float, Callable[[], Any]]
"""Name of the field of Results, about how many seconds it takes, and what finds it."""


def extras_of(full: bool, durations: Durations, say: Console) -> list[Extra]:
    found: list[Extra] = [("sip", 15 * durations.search + 4 * durations.step, lambda: extras.invites(durations, say))]
    if full:
        found += [
            ("rival", 12 * durations.search + durations.step, lambda: extras.rival(durations)),
            ("deck_us", 60, lambda: extras.deck_us(2.0)),
            ("memory", 200, lambda: extras.memory(100_000)),
            ("start_seconds", 400, lambda: extras.start(1_000_000)),
        ]
    return found


TRIES = 2
"""What else the machine does may spoil a measurement that takes minutes."""


def perform(
    runs: tuple[Run, ...],
    more: list[Extra],
    durations: Durations,
    say: Console,
    keep: Callable[[Results], None],
    results: Results,
) -> Results:
    """All measurements that ``results`` has not. What is found so far is handed to ``keep``: an hour is long."""
    runs = tuple(run for run in runs if run not in [report.run for report in results.reports])
    more = [extra for extra in more if getattr(results, extra[0]) is None]
    lasts = sum(seconds_of(run, durations) for run in runs) + sum(seconds for _, seconds, _ in more)
    say.print(f"{len(runs) + len(more)} measurements, about {max(1, round(lasts / 60))} minutes", style="bold")
    begun = time.monotonic()

    def attempt(name: str, find: Callable[[], Any]) -> Any:
        """What is found, or why it does not count."""
        for number in range(1, TRIES + 1):
            passed = (time.monotonic() - begun) / 60
            say.print(f"{passed:4.1f} min: {name}{' again' * (number > 1)} ...", style="dim", markup=False)
            try:
                return find()
            except BenchFailed as failure:
                say.print(f"does not count: {failure}", style="red", markup=False)
                reason = f"{name}: {failure}"
        return reason

    def found(field: str, value: Any) -> None:
        nonlocal results
        if isinstance(value, str):
            field, value = "uncounted", (*results.uncounted, value)
        results = msgspec.structs.replace(results, **{field: value})
        keep(results)

    for run in runs:
        report = attempt(run.name, lambda run=run: measure(run, durations))
        found("reports", report if isinstance(report, str) else (*results.reports, report))
    for field, _, find in more:
        found(field, attempt(field, find))
    return results


def _none_yet() -> Results:
    return Results(
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release().split('-')[0]}",
        load=os.getloadavg()[0],
    )


def _choose(options: argparse.Namespace) -> tuple[Run, ...]:
    if options.profiles is None:
        return FULL if options.full else QUICK
    return tuple(
        Run(
            profile=profile, fsync=options.fsync, workers=options.workers, accounts=options.accounts,
            sessions=options.sessions, overload=options.overload,
        )
        for profile in options.profiles.split(",")
    )  # fmt: skip


def _write(path: Path | None, results: Results) -> None:
    if path:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")


def _read(path: Path) -> Results:
    return msgspec.json.decode(path.read_bytes(), type=Results)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--quick", action="store_true", help="the main figures in a few minutes: the default")
    kind.add_argument("--full", action="store_true", help="every figure; about an hour")
    kind.add_argument("--profiles", help=f"only these of {', '.join(PROFILES)}, as the next options say")
    parser.add_argument("--fsync", choices=("everysec", "always"), default="everysec")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--accounts", type=int, default=2_000)
    parser.add_argument("--sessions", type=int, default=2_000)
    parser.add_argument("--overload", action="store_true", help="also twice the most that is done at any rate")
    parser.add_argument("--search", type=float, help="seconds for each rate tried")
    parser.add_argument("--seconds", type=float, help="seconds for each rate measured")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--go-on", action="store_true", help="measure only what that file has not yet")
    parser.add_argument("--plot", type=Path, help="draw latency over rate (SVG)")
    parser.add_argument("--document", type=Path, metavar="JSON", help="measure nothing; renew docs/performance.md")
    options = parser.parse_args()
    if options.go_on and not options.json:
        parser.error("--go-on wants the file of --json")
    say = Console(width=int(os.environ.get("COLUMNS", "200")))
    try:
        if options.document:
            document(_read(options.document))
            return
        durations = Durations(
            search=options.search or (3.0 if options.full else 1.0),
            step=options.seconds or (20.0 if options.full else 3.0),
        )
        os.environ.setdefault("OCS_SIP_CREDIT__ANSWER_WITHIN_MS", "10000")  # lateness is measured, not answered 503
        more = [] if options.profiles else extras_of(options.full, durations, say)
        known = _read(options.json) if options.go_on and options.json.exists() else _none_yet()
        known = msgspec.structs.replace(known, uncounted=())
        results = perform(_choose(options), more, durations, say, lambda found: _write(options.json, found), known)
    except BenchFailed as failure:
        sys.exit(f"bench: this run does not count: {failure}")
    for part in (show.head, show.runs, show.sums, show.targets):
        say.print("\n".join([*part(results), ""]), markup=False, highlight=False, soft_wrap=True)
    if options.plot:
        options.plot.write_text(plot.draw(results))
    if results.uncounted:
        sys.exit("bench: not everything counted")
    if any(not report.proved for report in results.reports):
        sys.exit(f"bench: the generator was not proved at {PROOF} times the rate: its latencies may be its own")


if __name__ == "__main__":
    main()
