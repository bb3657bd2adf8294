"""How long the chaos lasts, and what came of it, told at the end."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from balances.confirmation import Confirmation
from balances.link import Link
from balances.scripts import all_scripts
from balances.server import Durability
from balances.store import StoreLedger
from balances.topology import link_to

LENGTH = float(os.environ.get("OCS_CHAOS_LENGTH", "1"))
"""1 for the short version in scripts/test; scripts/chaos takes longer."""

_told: list[str] = []


@asynccontextmanager
async def ledger_on(url: str, durability: Durability = Durability.PROCESS) -> AsyncIterator[StoreLedger]:
    """A ledger on the store at ``url``, with credits as safe as asked for."""
    options = {"scripts": all_scripts(), "timeout": 0.5}
    links: list[Link] = [link_to(url, **options)]
    await links[0].open(30)
    confirmation = None
    if durability is not Durability.PROCESS:
        links.append(link_to(url, timeout=4.0))
        await links[1].open(30)
        confirmation = Confirmation(links[1], durability)
    ledger = StoreLedger(links[0], confirmation=confirmation)
    await ledger.prepare(durability)
    yield ledger
    for link in links:
        await link.close()


@pytest.fixture
def tell(request: pytest.FixtureRequest):
    """Have a line printed at the end of the run."""
    return lambda line: _told.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _told:
        terminalreporter.section("chaos")
        for line in _told:
            terminalreporter.line(line)
