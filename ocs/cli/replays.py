"""``ocs audit --replay``: the journal against the store."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from balances.embedded import EmbeddedStore
from balances.journal_files import DamagedJournal
from balances.ledger import Unavailable
from balances.replay import Replayed, replay
from balances.scripts import all_scripts
from balances.server import StoreRefused
from balances.settings import EMBEDDED
from balances.store import StoreLedger
from balances.target import BadUrl
from balances.topology import link_to
from ocs.cli.client import NOT_SO, UNREACHABLE, fail, show
from ocs.config import Config

_PATIENCE = 60.0
"""Seconds a shard's books may take to be read: nobody else waits for this."""


def replay_journal(config: Config, directory: Path, journals: Sequence[Path], as_json: bool) -> None:
    """Compare and show; exit 1 if anything is different."""
    try:
        found = asyncio.run(_replay(config, directory, journals or [directory / "journal"]))
    except Unavailable as problem:
        fail(str(problem), UNREACHABLE)
    except (BadUrl, DamagedJournal, OSError, StoreRefused) as problem:
        fail(str(problem), NOT_SO)
    data = {"balanced": not found.findings, "entries": found.entries, "accounts": found.accounts}
    show({**data, "findings": found.findings}, as_json, lambda _: _say(found))
    if found.findings:
        sys.exit(NOT_SO)


async def _replay(config: Config, directory: Path, journals: Sequence[Path]) -> Replayed:
    from ocs.daemon import store_target

    embedded = config.balances.url == EMBEDDED
    target = EmbeddedStore(directory / "store").url if embedded else store_target(config.balances)
    link = link_to(target, scripts=all_scripts(), name="ocs-replay", timeout=_PATIENCE)
    await link.open(patience=0.0 if embedded else config.balances.patience)
    try:
        return await replay(StoreLedger(link), journals)
    finally:
        await link.close()


def _say(found: Replayed) -> str:
    agrees = "yes" if not found.findings else "NO"
    head = f"journal and store agree: {agrees}; {found.entries} entries made {found.accounts} accounts"
    return "\n".join([head, *found.findings])
