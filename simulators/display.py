"""What a run shows: live figures while it goes on, and tables at its end. Talk goes to standard error."""

import asyncio
from collections.abc import Callable, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table

from simulators.api import euros
from simulators.reconcile import Comparison, Line
from simulators.report import PERCENTILES, Outcomes
from simulators.run import Network, Result
from simulators.scenario import Story

INTERVAL = 0.5
"""Seconds between two pictures."""
PLAIN_INTERVAL = 5.0
"""Seconds between two lines where there is no terminal."""


async def show_live(networks: Sequence[Network], console: Console, more: Callable[[], str] = lambda: "") -> None:
    """Show the networks until cancelled: a moving picture on a terminal, a line now and then elsewhere."""
    if not console.is_terminal:
        while True:
            await asyncio.sleep(PLAIN_INTERVAL)
            told = "; ".join(_line(network) for network in networks)
            console.print(f"{told}; {_spent(networks)} EUR spent{more()}", highlight=False, soft_wrap=True)
    with Live(_picture(networks, more()), console=console, auto_refresh=False, transient=True) as live:
        while True:
            await asyncio.sleep(INTERVAL)
            live.update(_picture(networks, more()), refresh=True)


def latency_table(outcomes: Outcomes, title: str) -> Table:
    """Requests by kind: how many, how answered, how fast."""
    table = Table(title=title, title_justify="left")
    table.add_column("request")
    table.add_column("answered", justify="right")
    for percent in PERCENTILES:
        table.add_column(f"p{percent:g} ms", justify="right")
    table.add_column("results")
    for kind in outcomes.latency.kinds():
        codes = ", ".join(f"{code}: {count}" for (of, code), count in sorted(outcomes.results.items()) if of == kind)
        times = (f"{outcomes.latency.percentile(kind, percent):.1f}" for percent in PERCENTILES)
        table.add_row(kind, str(outcomes.latency.count(kind)), *times, codes)
    return table


def comparison_table(comparison: Comparison, *, accounts: bool = False) -> Table:
    """What the clients believe they spent beside what the ledger says."""
    table = Table(title="client-side spend and ledger", title_justify="left")
    for name in ("", "sessions", "clients EUR", "ledger EUR", "clients octets", "ledger octets", ""):
        table.add_column(name, justify="left" if not name else "right")
    for line in comparison.services:
        table.add_row(*_compared(line))
    if accounts:
        table.add_section()
        for line in comparison.accounts:
            table.add_row(*_compared(line))
    table.add_section()
    table.add_row(*_compared(comparison.total))
    return table


def print_result(console: Console, result: Result, outcomes: Outcomes) -> None:
    """The final report of one run."""
    console.print(latency_table(outcomes, f"{result.name}: {result.started} started in {result.seconds:.1f} s"))
    print_events(console, result)
    if result.comparison is not None:
        console.print(comparison_table(result.comparison))
        same = sum(line.agrees for line in result.comparison.accounts)
        console.print(f"accounts that agree: {same} of {len(result.comparison.accounts)}", highlight=False)
        if result.comparison.strange:
            console.print(f"charged by others meanwhile: {euros(result.comparison.strange)} EUR", highlight=False)


def print_story(console: Console, story: Story) -> None:
    """The final report of a scenario."""
    for run in story.runs:
        console.print(f"{run.name}: {run.started} started in {run.seconds:.1f} s", highlight=False)
        print_events(console, run)
    console.print(comparison_table(story.comparison))
    console.print(f"books balanced: {'yes' if story.good else 'NO'}", highlight=False)


def print_events(console: Console, result: Result) -> None:
    """Faults and what else happened."""
    for title, counts in (("faults injected", result.faults), ("events", result.summary.events)):
        told = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())) or "none"
        console.print(f"{result.name} {title}: {told}", highlight=False)


def _compared(line: Line) -> tuple[str, ...]:
    word = "equal" if line.exact else "explained by late messages" if line.agrees else "DIFFERENT"
    return (
        line.name,
        str(line.sessions) if line.sessions else "",
        euros(line.believed),
        euros(line.charged),
        str(line.believed_allowance),
        str(line.charged_allowance),
        word,
    )


def _line(network: Network) -> str:
    status = network.status()
    return (
        f"{status.name} {status.elapsed:.0f} s: {status.started} started, {status.running} running, "
        f"{network.outcomes.requests()} answered"
    )


def _spent(networks: Sequence[Network]) -> str:
    """What all of them spent; those that spend from the same accounts share their books."""
    books = {id(network.books): network.books for network in networks}
    return euros(sum(one.spent().money for one in books.values()))


def _picture(networks: Sequence[Network], more: str) -> RenderableType:
    tables: list[RenderableType] = []
    for network in networks:
        status = network.status()
        rate = network.outcomes.requests() / max(status.elapsed, 0.1)
        tables.append(
            latency_table(
                network.outcomes,
                f"{status.name}  {status.elapsed:.0f} s  started {status.started}  running {status.running}  "
                f"{rate:.0f} requests/s",
            )
        )
    return Group(*tables, f"spent {_spent(networks)} EUR{more}")
