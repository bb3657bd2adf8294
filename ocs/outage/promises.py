"""What was answered on trust and is not settled: on disk before anybody hears of it, and in mind."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from balances.money import MICRO, parse_amount
from charging.trust import Exposure, OnTrust, Payer, Promise
from ocs.metrics import Metrics
from ocs.outage.files import Name, PromiseFile, name_of
from ocs.outage.settings import OutageSettings

log = logging.getLogger(__name__)

KEPT = 300.0
"""Seconds for which the answer to a request is repeated after it was settled: longer than any client repeats one."""

Answered = tuple[int, OnTrust]
"""Fingerprint of the request, and its answer."""


class Promises:
    """By session, each session's in the order in which they were made."""

    def __init__(self, settings: OutageSettings, files: Sequence[PromiseFile], metrics: Metrics) -> None:
        """``settings`` are this process's share, ``files`` its own and then those that nobody else has."""
        self._exposure = Exposure(parse_amount(settings.per_subscriber), parse_amount(settings.per_node))
        self._files = files
        self._metrics = metrics
        self._pending: dict[str, list[Promise]] = {}
        self._homes: dict[Name, PromiseFile] = {}
        """Which file has a promise that is not settled."""
        self._answers: dict[Name, Answered] = {}
        self._settled: OrderedDict[Name, float] = OrderedDict()
        """When it was, by the loop's clock, of the answers that are still kept."""
        self._writing = 0

    def load(self) -> None:
        """Read what an earlier process has promised, once that has ended. Blocks; raises OSError."""
        for file in self._files:
            file.hold()
            for promise in file.read():
                self._exposure.add(_payer(promise), promise.amount)
                self._remember(promise, file)
        if self._homes:
            log.warning("%d requests that were answered on trust are still to be settled", len(self._homes))

    async def close(self) -> None:
        """End what is being written."""
        for file in self._files:
            await file.close()

    def __len__(self) -> int:
        return len(self._homes)

    def __iter__(self) -> Iterator[str]:
        """The sessions; who was put off comes last."""
        return iter(self._pending)

    def of(self, session: str) -> Sequence[Promise]:
        """Those to a session, empty if there are none."""
        return self._pending.get(session, ())

    def answer(self, name: Name) -> Answered | None:
        """What was answered to this request on trust."""
        return self._answers.get(name)

    def room(self, payer: Payer) -> int:
        """How much more may be granted to this payer."""
        return self._exposure.room(payer)

    async def add(self, promise: Promise) -> None:
        """Return when it is on the disk; raises OSError if it cannot be, or may take no more of it."""
        file = self._files[0]
        if not file.has_room(promise.event.phase):
            raise OSError("the journal of promises is full")
        self._exposure.add(_payer(promise), promise.amount)
        self._writing += 1
        try:
            await file.promise(promise)
        except OSError:
            self._exposure.release(_payer(promise), promise.amount)
            raise
        finally:
            self._writing -= 1
        self._remember(promise, file)

    def done(self, promise: Promise) -> None:
        """It is settled: the first of its session."""
        name = name_of(promise)
        promises = self._pending[name[0]]
        promises.remove(promise)
        if not promises:
            del self._pending[name[0]]
        self._homes.pop(name).settle(name)
        self._exposure.release(_payer(promise), promise.amount)
        self._settled[name] = asyncio.get_running_loop().time()
        self._show()

    def put_off(self, session: str) -> None:
        """Let the others have their turn."""
        if session in self._pending:
            self._pending[session] = self._pending.pop(session)

    def tidy(self) -> None:
        """Forget answers that nobody asks for any more; empty the files when all is settled."""
        before = asyncio.get_running_loop().time() - KEPT
        while self._settled and next(iter(self._settled.values())) < before:
            name, _ = self._settled.popitem(last=False)
            del self._answers[name]
        if not self._homes and not self._writing:
            for file in self._files:
                file.clear()

    def _remember(self, promise: Promise, file: PromiseFile) -> None:
        name = name_of(promise)
        self._pending.setdefault(name[0], []).append(promise)
        self._homes[name] = file
        self._answers[name] = promise.event.fingerprint, promise.answer
        self._show()

    def _show(self) -> None:
        self._metrics.promises_unsettled.set(len(self._homes))
        for currency, amount in self._exposure.total.items():
            self._metrics.promised_amount.labels(currency).set(amount / MICRO)


def _payer(promise: Promise) -> Payer:
    return Payer(account=promise.payer, currency=promise.currency)


def files(directory: Path, settings: OutageSettings, number: int, workers: int) -> list[PromiseFile]:
    """The file of worker ``number``, and those of numbers that no worker has any more."""
    own = directory / "outage" / f"promises-{number}.jsonl"
    others = [path for path in own.parent.glob("promises-*.jsonl") if path != own and _falls_to(path, number, workers)]
    return [PromiseFile(path, settings.journal_size // workers) for path in (own, *sorted(others))]


def _falls_to(path: Path, number: int, workers: int) -> bool:
    last = path.stem.rpartition("-")[2]
    return last.isdigit() and int(last) >= workers and int(last) % workers == number
