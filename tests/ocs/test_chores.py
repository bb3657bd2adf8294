"""What runs beside the doors: an end by mistake is told, and one bad round ends nothing."""

import asyncio
from contextlib import AsyncExitStack

from balances.ledger import Unavailable
from balances.link import ReplyError
from balances.memory import MemoryLedger
from ocs.chores import repeat
from ocs.config import load
from ocs.daemon import Daemon
from ocs.directory import Directory
from ocs.http.books import Books
from ocs.metrics import Metrics
from tests.house import ROOT


async def test_a_chore_that_ends_is_told_and_readiness_says_so(tmp_path, caplog):
    daemon = Daemon(load(ROOT / "config.toml", {}), Directory(tmp_path))
    before = list(daemon._readiness())

    async def broken():
        raise OSError("no space left")

    async with AsyncExitStack() as stack:
        daemon._run_beside(stack, broken(), "journal")
        daemon._run_beside(stack, asyncio.sleep(60), "reaper")
        await asyncio.sleep(0.01)
    assert daemon._readiness() == [*before, "the journal has ended"]
    assert [(record.levelname, record.message) for record in caplog.records] == [("ERROR", "the journal has ended")]
    assert "no space left" in caplog.text


async def test_a_round_that_fails_only_delays_the_work(caplog):
    caplog.set_level("DEBUG", "ocs.chores")
    faults = [Unavailable("gone"), ReplyError("READONLY"), OSError("no descriptors")]
    done = asyncio.Event()

    async def work():
        if faults:
            raise faults.pop(0)
        done.set()

    task = asyncio.create_task(repeat(work, 0.001, "counting"))
    await asyncio.wait_for(done.wait(), 10)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("DEBUG", "counting: the store is away: gone"),
        ("WARNING", "counting: the store refuses: READONLY"),
        ("ERROR", "counting failed; trying again"),
    ]


class Moody(MemoryLedger):
    rounds = 0

    async def audit(self):
        self.rounds += 1
        if self.rounds == 1:
            raise OSError("no descriptors")
        return await super().audit()


async def test_the_books_are_summed_again_after_a_bad_round(caplog):
    ledger = Moody()
    books = Books(ledger, Metrics("1"), lambda: 5, 0.01)
    task = asyncio.create_task(books.run())
    async with asyncio.timeout(5):
        while books.audit is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    assert "no descriptors" in caplog.text
    assert books.audit.balanced
