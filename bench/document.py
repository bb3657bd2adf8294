"""Puts the figures of a JSON into ``docs/performance.md``, between its marks, and the plot beside it."""

from pathlib import Path

from bench import plot, show
from bench.machine import ROOT, BenchFailed
from bench.results import Results

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- figures: scripts/bench --document -->", "<!-- end of figures -->"


def document(results: Results, page: Path = PAGE, picture: Path = PLOT) -> None:
    text = page.read_text()
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise BenchFailed(f"{page.name} has no place for figures: {BEGIN} and {END}")
    figures = [
        *show.head(results), "", "### Targets", *show.targets(results), "", "### Runs", *show.sums(results), "",
        *show.runs(results), "", f"![latency over rate]({picture.name})",
    ]  # fmt: skip
    page.write_text(before + BEGIN + "\n" + "\n".join(figures) + "\n" + END + after)
    picture.write_text(plot.draw(results))
