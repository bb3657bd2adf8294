"""A soak drawn: what was watched, over time, as an SVG that needs nothing to be looked at."""

from collections.abc import Sequence
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP, GAP = 880, 120, 90, 34, 46
INK, FAINT, LINES = "#1f2933", "#cbd2d9", ("#0b7285", "#d9480f")


def draw(path: Path, title: str, minutes: Sequence[float], panels: dict[str, dict[str, Sequence[float]]]) -> None:
    """Write the panels under each other: name -> line -> a value for each of ``minutes``."""
    height = TOP + len(panels) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        '  font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="15" fill="{INK}">{title}</text>',
    ]
    for place, (name, lines) in enumerate(panels.items()):
        parts += _panel(TOP + place * (HEIGHT + GAP) + 18, name, minutes, lines)
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def _panel(top: int, name: str, minutes: Sequence[float], lines: dict[str, Sequence[float]]) -> list[str]:
    most = max((value for values in lines.values() for value in values), default=0) or 1
    last = max(minutes, default=0) or 1
    span = WIDTH - LEFT - 20
    parts = [f'<text x="{LEFT}" y="{top - 4}" fill="{INK}">{name}</text>']
    for share in (0, 0.5, 1):
        y = top + HEIGHT - share * HEIGHT
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="{INK}">{most * share:,.0f}</text>')
    for tick in range(0, int(last) + 1, max(1, int(last) // 9)):
        x = LEFT + span * tick / last
        parts.append(f'<text x="{x:.1f}" y="{top + HEIGHT + 15}" text-anchor="middle" fill="{INK}">{tick} min</text>')
    for colour, (label, values) in zip(LINES, lines.items(), strict=False):
        points = " ".join(
            f"{LEFT + span * at / last:.1f},{top + HEIGHT - HEIGHT * value / most:.1f}"
            for at, value in zip(minutes, values, strict=True)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if len(lines) > 1:
            x = LEFT + 220 + 110 * list(lines).index(label)
            parts.append(f'<text x="{x}" y="{top - 4}" fill="{colour}">{label}</text>')
    return parts
