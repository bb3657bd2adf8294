"""Latency over rate, as an SVG that needs nothing to be looked at."""

from collections.abc import Sequence

from bench.results import Report, Results

WIDTH, HEIGHT, LEFT, TOP, GAP = 880, 150, 70, 40, 60
INK, FAINT = "#1f2933", "#cbd2d9"
LINES = {"50": "#0b7285", "95": "#2b8a3e", "99": "#d9480f", "99.9": "#862e9c"}


def draw(results: Results) -> str:
    """A panel for each run: its percentiles at the rates that were measured."""
    height = TOP + len(results.reports) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        '  font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for place, (name, colour) in enumerate(LINES.items()):
        parts.append(f'<text x="{LEFT + 90 * place}" y="18" fill="{colour}">p{name} (ms)</text>')
    for place, report in enumerate(results.reports):
        parts += _panel(TOP + place * (HEIGHT + GAP) + 18, report)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(top: int, report: Report) -> list[str]:
    most = max(step.ms["99.9"] for step in report.steps) or 1.0
    fastest = max(step.rate for step in report.steps) or 1.0
    parts = [f'<text x="{LEFT}" y="{top - 6}" fill="{INK}">{report.run.name}</text>']
    for share in (0, 0.5, 1):
        y = top + HEIGHT * (1 - share)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 30}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="{INK}">{most * share:.1f}</text>')
    for step in report.steps:
        x = _across(step.rate, fastest)
        parts.append(f'<text x="{x:.1f}" y="{top + HEIGHT + 16}" text-anchor="middle">{step.rate:,.0f}/s</text>')
    for name, colour in LINES.items():
        points = [(_across(step.rate, fastest), top + HEIGHT * (1 - step.ms[name] / most)) for step in report.steps]
        parts.append(_line(points, colour))
    return parts


def _across(rate: float, fastest: float) -> float:
    return LEFT + (WIDTH - LEFT - 60) * rate / fastest


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
