"""Results as text: tables of Markdown, which a terminal shows as well as a page does."""

from collections.abc import Iterable, Sequence

from bench.results import Results
from bench.targets import Verdict, verdicts


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> list[str]:
    """``left``: so many columns are words, the others numbers."""
    rule = ["---" if place < left else "--:" for place in range(len(head))]
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]


def runs(results: Results) -> list[str]:
    """What each run came to, and at which rates."""
    head = ("run", "at", "req/s", "p50 ms", "p95", "p99", "p99.9", "worker us", "store us", "generator us", "calls",
            "script us")  # fmt: skip
    rows = [
        (
            report.run.name, f"{step.share} %", f"{step.rate:,.0f}",
            *[f"{step.ms[p]:.1f}" for p in ("50", "95", "99", "99.9")],
            f"{step.worker_us:.0f}", f"{step.store_us:.0f}", f"{step.generator_us:.0f}", f"{step.calls:.3f}",
            f"{step.script_us:.0f}",
        )
        for report in results.reports
        for step in report.steps
    ]  # fmt: skip
    return _table(head, rows, 1)


def sums(results: Results) -> list[str]:
    rows = [
        (
            report.run.name,
            f"{report.sustained:,.0f}",
            f"{report.proved:g} times" if report.proved else "no",
            f"{report.requests:,}",
            f"{report.worker_mb:.0f}",
            f"{report.store_mb:.0f}",
        )
        for report in results.reports
    ]
    head = ("run", "sustained /s", "generator proved", "requests charged", "worker MB", "store MB")
    return _table(head, rows, 1)


def targets(results: Results) -> list[str]:
    """Every line of the targets with figure and verdict."""
    return _table(("figure", "target", "stretch", "found", "verdict"), map(_row, verdicts(results)), 1)


def _row(verdict: Verdict) -> tuple[str, ...]:
    target, sign = verdict.target, ">=" if verdict.target.least else "<="
    found = "-" if verdict.figure is None else f"{_number(verdict.figure)} {target.unit}".strip()
    stretch = "" if target.stretch is None else _number(target.stretch)
    return target.what, f"{sign} {_number(target.bound)} {target.unit}".strip(), stretch, found, verdict.word


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}".rstrip("0").rstrip(".")


def head(results: Results) -> list[str]:
    return [
        f"Measured {results.made} on {results.machine}; load average {results.load:.1f} when it began. "
        "In every run here the books closed to the last micro-unit and every request got its right answer.",
        *(f"Did not count: {reason}" for reason in results.uncounted),
    ]
