"""The report of a scenario as one page of HTML: figures, curves, whether the books agree. Nothing from elsewhere."""

from collections.abc import Callable, Iterable, Sequence
from html import escape

from simulators.api import euros
from simulators.curves import Curve, Sample
from simulators.reconcile import Line
from simulators.report import PERCENTILES
from simulators.run import Result
from simulators.scenario import Story

WIDTH, HEIGHT = 640, 160
COLOURS = ("#1f7a68", "#b35c00", "#5b4bb3", "#b3261e")
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; } td, th { padding: .2rem .9rem .2rem 0; text-align: left; }
td { font-variant-numeric: tabular-nums; border-top: 1px solid #8885; }
figure { margin: 1rem 0; } svg { width: 100%; height: auto; } figcaption { font-weight: 600; }
.axis { fill: currentColor; font-size: 11px; opacity: .7; } .frame { stroke: currentColor; opacity: .25; fill: none; }
"""

Lines = Sequence[tuple[str, Sequence[tuple[float, float]]]]


def render(story: Story) -> str:
    """The page."""
    verdict = "The books agree." if story.good else "THE BOOKS DO NOT AGREE, or the run did not end in order."
    parts = [f"<h1>{escape(story.title)}</h1>", f"<p><strong>{verdict}</strong></p>"]
    parts += [
        _plot("Answers per second", _lines(story.curves, lambda one: one.rate)),
        _plot("Running at one time", _lines(story.curves, lambda one: one.running)),
        _plot("Latency in milliseconds", [*_lines(story.curves, lambda one: one.p50, " p50"),
                                          *_lines(story.curves, lambda one: one.p99, " p99")]),
    ]  # fmt: skip
    parts += [_of(run) for run in story.runs]
    lines = [*story.comparison.services, story.comparison.total]
    parts.append(
        "<h2>Clients' books and the ledger</h2>" + _table(("", "clients EUR", "ledger EUR", ""), map(_compared, lines))
    )
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(story.name)}</title>'
    )
    body = "".join(parts)
    return f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>\n'


def _lines(curves: dict[str, Curve], value: Callable[[Sample], float], suffix: str = "") -> Lines:
    return [(name + suffix, [(one.at, value(one)) for one in curve]) for name, curve in curves.items()]


def _plot(title: str, lines: Lines) -> str:
    """Curves in one frame, from 0 to the highest point."""
    last = max((x for _, points in lines for x, _ in points), default=1.0) or 1.0
    top = max((y for _, points in lines for _, y in points), default=1.0) or 1.0
    drawn = []
    for number, (name, points) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        places = " ".join(f"{x / last * WIDTH:.1f},{HEIGHT - y / top * HEIGHT:.1f}" for x, y in points)
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{places}"/>')
        drawn.append(
            f'<text x="{8 + 110 * number}" y="{HEIGHT + 30}" fill="{colour}" font-size="12">{escape(name)}</text>'
        )
    axis = f'<text class="axis" x="4" y="12">{top:,.0f}</text>'
    axis += f'<text class="axis" x="{WIDTH - 30}" y="{HEIGHT + 14}">{last:.0f} s</text>'
    frame = f'<rect class="frame" width="{WIDTH}" height="{HEIGHT}"/>'
    label = escape(f"{title}; highest {top:,.0f} in {last:.0f} s")
    picture = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 36}" role="img" aria-label="{label}">{frame}{"".join(drawn)}{axis}</svg>'
    )
    return f"<figure><figcaption>{escape(title)}</figcaption>{picture}</figure>"


def _of(run: Result) -> str:
    rows = []
    for kind, summary in run.summary.kinds.items():
        codes = ", ".join(f"{code}: {count}" for code, count in summary.results.items())
        rows.append((kind, str(summary.requests), *(f"{ms:.1f}" for ms in summary.latency_ms.values()), codes))
    heads = ("request", "answered", *(f"p{percent:g} ms" for percent in PERCENTILES), "results")
    told = ", ".join(f"{name}: {count}" for name, count in sorted((run.faults | run.summary.events).items())) or "none"
    title = f"<h2>{escape(run.name)}: {run.started} started in {run.seconds:.1f} s</h2>"
    return f"{title}{_table(heads, rows)}<p>Faults and events: {escape(told)}</p>"


def _compared(line: Line) -> tuple[str, ...]:
    word = "equal" if line.exact else "explained by late messages" if line.agrees else "DIFFERENT"
    return line.name, euros(line.believed), euros(line.charged), word


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
