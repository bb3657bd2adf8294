"""Requests while a real store is gone: granted within bounds, settled once, sessions go on, money to the micro-unit."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from balances.ledger import Address, Identity, IdentityType, Unavailable
from balances.link import Link
from balances.scripts import all_scripts
from balances.store import StoreLedger
from charging.catalogue import Catalogue, load
from charging.event import ChargingEvent, Phase, Reason, RequestItem, Result, ServiceKind, Unit
from charging.trust import Payer
from ocs.metrics import Metrics
from ocs.outage import settlement
from ocs.outage.promises import Promises, files
from ocs.outage.settings import GrantSettings, OutageSettings
from ocs.outage.standin import Standin
from tests.charging.desk import CALL, SMS, Desk
from tests.ocs.outage.disk import full_disk
from tests.stores import Process, single

MB = 10**6
DATA_MB = 10_000
"""Micro-units for a MB of rating group 10."""

GRANTS = tuple(GrantSettings(service=service, amount="0.50") for service in ("data", "voice", "sms"))
BOB = Identity(type=IdentityType.E164, value="491709999999")


class Site:
    """A desk whose store can be killed, and whose process can."""

    def __init__(self, store: Process, directory: Path, catalogue: Catalogue, settings: OutageSettings) -> None:
        self.store = store
        self.directory = directory
        self.settings = settings
        self.metrics = Metrics("1")
        self.link = Link(f"redis://127.0.0.1:{store.port}", scripts=all_scripts(), timeout=0.5)
        self.ledger = StoreLedger(self.link, shards=2)
        self.catalogue = catalogue
        self._start()

    def _start(self) -> None:
        self.desk = Desk(self.ledger, self.catalogue)
        self.promises = Promises(self.settings, files(self.directory, self.settings, 0, 1), self.metrics)
        self.promises.load()
        clock = lambda: self.desk.now  # noqa: E731
        engine = self.desk.engine
        self.standin = Standin(self.settings, self.promises, engine, self.link, self.ledger.keys, self.metrics, clock)
        engine.standin = self.standin

    async def crash(self) -> None:
        """Another process takes over what is on the disk; it remembers nothing else."""
        now, number = self.desk.now, self.desk.number
        await self.standin.close()
        self._start()
        self.desk.now, self.desk.number = now, number

    async def lose_store(self) -> None:
        self.store.kill()
        async with asyncio.timeout(10):
            while self.link.connected:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def find_store(self) -> None:
        await asyncio.to_thread(self.store.start)
        async with asyncio.timeout(20):
            while not self.link.connected:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def settle(self) -> None:
        """As the background does, until nothing is left."""
        run = asyncio.create_task(self.standin.run())
        try:
            async with asyncio.timeout(20):
                while self.value("ocs_promises_unsettled"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.3)  # and the file is emptied
        finally:
            run.cancel()
            await asyncio.wait([run])

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    async def spent(self, address: Address) -> int:
        account = await self.ledger.account(address)
        assert account.money.reserved == 0
        audit = await self.ledger.audit()
        assert audit.findings == ()
        return account.money.debited

    @property
    def on_disk(self) -> int:
        return sum(path.stat().st_size for path in (self.directory / "outage").iterdir())


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load("sample")


@pytest.fixture
def settings() -> OutageSettings:
    return OutageSettings(grants=GRANTS, after=0.0)


@pytest.fixture(scope="module")
def store() -> Iterator[Process]:
    with single("--appendfsync", "always") as store:
        yield store


@pytest.fixture
async def site(store: Process, tmp_path: Path, catalogue: Catalogue, settings: OutageSettings) -> AsyncIterator[Site]:
    if not store.alive:
        await asyncio.to_thread(store.start)
    store.ask("FLUSHALL")
    site = Site(store, tmp_path, catalogue, settings)
    await site.link.open()
    await site.ledger.prepare()
    yield site
    await site.standin.close()
    await site.link.close()


def ten(**more: object) -> RequestItem:
    return RequestItem(key="10", rating_group=10, **({"wanted": 0} | more))  # type: ignore[arg-type]


def used(megabytes: int) -> RequestItem:
    return ten(used=megabytes * MB, wanted=None)


async def known(site: Site, balance: str = "5.00") -> Address:
    """Alice, whom the process has in mind."""
    alice = await site.desk.open(balance=balance)
    assert (await site.desk.say(Phase.OPEN, ten(), session="before")).result is Result.OK
    assert (await site.desk.say(Phase.CLOSE, used(0), session="before")).result is Result.OK
    return alice


async def test_a_session_goes_on_through_an_outage(site: Site) -> None:
    alice = await site.desk.open(balance="5.00")
    await site.desk.say(Phase.OPEN, ten())
    await site.lose_store()
    updated = await site.desk.say(Phase.UPDATE, ten(used=8 * MB))
    assert (updated.result, updated.on_trust) == (Result.OK, True)
    item = updated.items[0]
    assert (item.granted, item.validity, item.threshold, item.reason) == (10 * MB, 3600, 2 * MB, Reason.NONE)
    await site.find_store()
    again = await site.desk.say(Phase.UPDATE, ten(used=7 * MB))
    assert (again.result, again.on_trust, again.spent) == (Result.OK, False, 15 * DATA_MB)
    await site.desk.say(Phase.CLOSE, used(1))
    assert await site.spent(alice) == 16 * DATA_MB


async def test_a_session_that_begins_and_ends_in_it_is_charged_once(site: Site) -> None:
    alice = await known(site)
    await site.lose_store()
    opened = await site.desk.say(Phase.OPEN, ten())
    assert opened.items[0].granted == 10 * MB
    assert (await site.desk.say(Phase.UPDATE, ten(used=9 * MB))).result is Result.OK
    assert (await site.desk.say(Phase.CLOSE, used(2))).result is Result.OK
    assert site.value("ocs_promises_total", service="data", result="granted") == 3
    assert site.value("ocs_promised_amount", currency="EUR") == 0.2
    await site.find_store()
    await site.settle()
    assert await site.spent(alice) == 11 * DATA_MB
    assert site.value("ocs_promises_settled_total", result="settled") == 3
    assert site.value("ocs_promised_amount", currency="EUR") == 0
    assert site.on_disk == 0


async def test_a_session_that_began_in_it_goes_on_when_the_store_is_back(site: Site) -> None:
    alice = await known(site)
    await site.lose_store()
    await site.desk.say(Phase.OPEN, ten())
    await site.find_store()
    updated = await site.desk.say(Phase.UPDATE, ten(used=10 * MB))
    assert (updated.result, updated.items[0].granted, updated.spent) == (Result.OK, 10 * MB, 10 * DATA_MB)
    await site.desk.say(Phase.CLOSE, used(3))
    assert await site.spent(alice) == 13 * DATA_MB


async def test_a_repeat_gets_the_same_answer_before_and_after_it_is_settled(site: Site) -> None:
    alice = await known(site)
    await site.lose_store()
    event = site.desk.event(Phase.OPEN, ten())
    first = await site.desk.engine.handle(event)
    second = await site.desk.engine.handle(event)
    await site.find_store()
    await site.settle()
    third = await site.desk.engine.handle(event)
    assert second.items == third.items == first.items
    assert (first.replayed, second.replayed, third.replayed) == (False, True, True)
    await site.desk.say(Phase.CLOSE, used(1))
    assert await site.spent(alice) == DATA_MB


async def test_a_process_that_is_killed_loses_nothing_that_it_answered(site: Site) -> None:
    alice = await known(site)
    await site.lose_store()
    event = site.desk.event(Phase.OPEN, ten(), operation="1:0")
    first = await site.desk.engine.handle(event)
    await site.desk.say(Phase.UPDATE, ten(used=9 * MB))
    await site.crash()
    assert site.value("ocs_promises_unsettled") == 2
    room = site.promises.room(Payer(account=alice.account, currency="EUR"))
    assert room == 5_000_000 - 20 * DATA_MB, "what was promised before counts"
    await site.find_store()
    assert (await site.desk.engine.handle(event)).items == first.items, "a repeat to the next process"
    await site.desk.say(Phase.CLOSE, used(1))
    assert await site.spent(alice) == 10 * DATA_MB


async def test_what_is_settled_twice_is_charged_once(site: Site) -> None:
    """The process ends after the ledger was told, and before that was noted."""
    alice = await known(site)
    await site.lose_store()
    for session in ("s", "t"):
        await site.desk.say(Phase.OPEN, ten(), session=session)
        await site.desk.say(Phase.CLOSE, used(3), session=session)
    await site.desk.say(Phase.EVENT, RequestItem(key="sms", wanted=1), session="sms", service=SMS)
    shutil.copytree(site.directory / "outage", site.directory / "copy")
    await site.find_store()
    await site.settle()
    before = await site.spent(alice)
    shutil.rmtree(site.directory / "outage")
    (site.directory / "copy").rename(site.directory / "outage")
    await site.crash()
    await site.settle()
    assert await site.spent(alice) == before == 6 * DATA_MB + 90_000


async def test_what_had_reached_the_store_is_not_done_again(site: Site) -> None:
    alice = await known(site)
    event = site.desk.event(Phase.OPEN, ten())
    await site.desk.engine.handle(event)
    report = site.desk.event(Phase.UPDATE, ten(used=4 * MB))
    await site.desk.engine.handle(report)  # and its answer is lost
    await site.lose_store()
    assert (await site.desk.engine.handle(report)).on_trust
    await site.find_store()
    await site.desk.say(Phase.CLOSE, used(0))
    assert await site.spent(alice) == 4 * DATA_MB


async def test_calls_that_no_credit_covers_are_charged_all_the_same(site: Site) -> None:
    """The ledger would refuse the call; it has taken place."""
    alice = await known(site, balance="0.01")
    await site.lose_store()
    call = RequestItem(key="call", unit=Unit.SECONDS, wanted=60)
    total = RequestItem(key="call", unit=Unit.SECONDS, total=55)
    for session in ("c", "d"):
        opened = await site.desk.say(Phase.OPEN, call, session=session, service=CALL)
        assert opened.items[0].granted == 60
        assert (await site.desk.say(Phase.CLOSE, total, session=session, service=None)).result is Result.OK
    await site.find_store()
    await site.settle()
    assert await site.spent(alice) == 110_000
    assert (await site.ledger.account(alice)).money.overrun == 100_000


async def test_what_is_settled_is_not_read_again(site: Site) -> None:
    alice = await known(site)
    await site.lose_store()
    for session in ("s", "t"):
        await site.desk.say(Phase.OPEN, ten(), session=session)
    await site.find_store()
    await site.standin.settled("s")
    await site.crash()
    assert site.value("ocs_promises_unsettled") == 1
    for session in ("s", "t"):
        await site.desk.say(Phase.CLOSE, used(1), session=session)
    assert await site.spent(alice) == 2 * DATA_MB


async def test_a_message_that_no_credit_covers_is_debited_once(site: Site) -> None:
    alice = await known(site, balance="0.01")
    await site.lose_store()
    event = site.desk.event(Phase.EVENT, RequestItem(key="sms", wanted=1), session="m", service=SMS)
    assert (await site.desk.engine.handle(event)).items[0].granted == 1
    await site.find_store()
    await site.settle()
    assert await site.spent(alice) == 90_000
    assert (await site.ledger.account(alice)).money.overrun == 80_000
    assert await site.ledger.sessions() == ()


@pytest.mark.parametrize(
    "settings", [OutageSettings(grants=(GRANTS[0],), after=0.0, per_subscriber="0.25", per_node="0.38")]
)
async def test_bounds_hold_and_reports_are_taken_beyond_them(site: Site) -> None:
    alice = await known(site)
    bob = await site.desk.open("bob", "5.00", identities=(BOB,))
    await site.desk.say(Phase.OPEN, ten(), session="b", identities=(BOB,))
    await site.lose_store()
    first = await site.desk.say(Phase.OPEN, ten(), session="a1")
    second = await site.desk.say(Phase.OPEN, ten(), session="a2")
    third = await site.desk.say(Phase.OPEN, ten(), session="a3")
    assert [each.items[0].granted for each in (first, second, third)] == [10 * MB, 10 * MB, 5 * MB]
    assert (await site.desk.say(Phase.OPEN, ten(), session="a4")).result is Result.UNAVAILABLE
    report = await site.desk.say(Phase.UPDATE, ten(used=10 * MB), session="a1")
    assert (report.result, report.items[0].granted, report.items[0].reason) == (Result.OK, 0, Reason.NO_CREDIT)
    other = await site.desk.say(Phase.UPDATE, ten(used=2 * MB), session="b", identities=(BOB,))
    assert other.items[0].granted == 10 * MB
    last = await site.desk.say(Phase.UPDATE, ten(used=2 * MB), session="b", identities=(BOB,))
    assert last.items[0].granted == 3 * MB, "what all may have together is used up"
    await site.find_store()
    for session, megabytes in (("a1", 0), ("a2", 5), ("a3", 0)):
        await site.desk.say(Phase.CLOSE, used(megabytes), session=session)
    await site.desk.say(Phase.CLOSE, used(3), session="b", identities=(BOB,))
    await site.settle()
    assert await site.spent(alice) == 15 * DATA_MB
    assert await site.spent(bob) == 7 * DATA_MB
    assert site.value("ocs_promised_amount", currency="EUR") == 0


async def test_who_is_not_known_and_what_is_not_named_is_refused(site: Site) -> None:
    await known(site)
    await site.lose_store()
    assert (await site.desk.say(Phase.OPEN, ten(), identities=(BOB,))).result is Result.UNAVAILABLE
    other = RequestItem(key="m", wanted=1)
    mms = SMS.__class__(kind=ServiceKind.MMS, calling="491701234567", called="493012345678")
    assert (await site.desk.say(Phase.EVENT, other, session="m", service=mms)).result is Result.UNAVAILABLE
    assert site.value("ocs_promises_unsettled") == 0


@pytest.mark.parametrize("settings", [OutageSettings(grants=GRANTS, after=3600.0)])
async def test_a_store_that_is_not_gone_for_long_enough_is_waited_for(site: Site) -> None:
    await known(site)
    await site.lose_store()
    assert (await site.desk.say(Phase.OPEN, ten())).result is Result.UNAVAILABLE


async def test_a_slow_store_is_not_gone(site: Site) -> None:
    await known(site)
    site.store.signal(signal.SIGSTOP)
    try:
        assert (await site.desk.say(Phase.OPEN, ten())).result is Result.UNAVAILABLE
    finally:
        site.store.signal(signal.SIGCONT)


async def test_a_journal_that_cannot_be_written_refuses(site: Site) -> None:
    alice = await known(site)
    await site.lose_store()
    with full_disk():
        assert (await site.desk.say(Phase.OPEN, ten())).result is Result.UNAVAILABLE
    assert site.value("ocs_promises_total", service="data", result="refused") == 1
    assert (await site.desk.say(Phase.OPEN, ten())).result is Result.OK
    await site.find_store()
    await site.desk.say(Phase.CLOSE, used(1))
    assert await site.spent(alice) == DATA_MB


@pytest.mark.parametrize("settings", [OutageSettings(grants=GRANTS, after=0.0, journal_size=65_536)])
async def test_a_full_journal_refuses_what_begins_and_then_all(site: Site) -> None:
    alice = await known(site)
    await site.desk.say(Phase.OPEN, ten())
    await site.lose_store()
    free = RequestItem(key="99", rating_group=99, wanted=0)
    opened = 0
    while (await site.desk.say(Phase.OPEN, free, session=f"o{opened}")).result is Result.OK:
        opened += 1
    assert 10 < opened < 200
    reports = 0
    while (await site.desk.say(Phase.UPDATE, used(1))).result is Result.OK:
        reports += 1
    assert 5 < reports < opened
    await site.find_store()
    await site.settle()
    await site.desk.say(Phase.CLOSE, used(0))
    assert (await site.ledger.account(alice)).money.debited == reports * DATA_MB


async def test_a_session_of_another_node_waits_for_its_beginning(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One node promised the beginning, another the rest; the other is the first to settle."""
    alice = await known(site)
    other = Site(site.store, tmp_path_factory.mktemp("other"), site.catalogue, site.settings)
    await other.link.open()
    other.desk.number = 1000
    await other.desk.say(Phase.OPEN, ten(), session="o")  # Alice is known there too
    await other.desk.say(Phase.CLOSE, used(0), session="o")
    await site.lose_store()
    async with asyncio.timeout(10):
        while other.link.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await site.desk.say(Phase.OPEN, ten())
    await other.desk.say(Phase.UPDATE, ten(used=6 * MB))
    await other.desk.say(Phase.CLOSE, used(1))
    await site.find_store()
    async with asyncio.timeout(10):
        while not other.link.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await other.standin.settled("s")
    assert other.value("ocs_promises_unsettled") == 2, "the session is not known yet"
    early = other.desk.event(Phase.CLOSE, used(0))
    assert (await other.desk.engine.handle(early)).result is Result.UNAVAILABLE, "first comes what was promised"
    await site.settle()
    await other.settle()
    assert await site.spent(alice) == 7 * DATA_MB
    await other.standin.close()
    await other.link.close()


async def test_what_was_promised_is_charged_though_another_node_has_ended_the_session(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alice = await site.desk.open(balance="5.00")
    await site.desk.say(Phase.OPEN, ten())
    await site.lose_store()
    await site.desk.say(Phase.UPDATE, ten(used=6 * MB))
    await site.find_store()
    other = Site(site.store, tmp_path_factory.mktemp("other"), site.catalogue, site.settings)
    await other.link.open()
    other.desk.number = 1000
    assert (await other.desk.say(Phase.CLOSE, used(1))).result is Result.OK
    await site.settle()
    assert await site.spent(alice) == 7 * DATA_MB
    assert await site.ledger.sessions() == ()
    await other.standin.close()
    await other.link.close()


async def test_a_session_whose_beginning_never_comes_is_charged_in_the_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "PATIENCE", 0.5)
    alice = await known(site)
    await site.lose_store()
    await site.desk.say(Phase.UPDATE, ten(used=6 * MB), session="never")
    await site.desk.say(Phase.CLOSE, used(1), session="never")
    await site.desk.say(Phase.CLOSE, used(2), session="only its end")
    await site.find_store()
    await site.settle()
    assert await site.spent(alice) == 9 * DATA_MB
    assert await site.ledger.sessions() == ()


async def test_the_store_may_go_and_come_as_it_likes(site: Site) -> None:
    alice = await known(site)
    total = 0
    for turn in range(3):
        session = f"t{turn}"
        assert (await site.desk.say(Phase.OPEN, ten(), session=session)).result is Result.OK
        await site.lose_store()
        assert (await site.desk.say(Phase.UPDATE, ten(used=2 * MB), session=session)).on_trust
        await site.find_store()
        assert not (await site.desk.say(Phase.UPDATE, ten(used=3 * MB), session=session)).on_trust
        await site.lose_store()
        assert (await site.desk.say(Phase.CLOSE, used(1), session=session)).on_trust
        await site.find_store()
        total += 6
    await site.settle()
    assert await site.spent(alice) == total * DATA_MB


async def test_a_door_that_has_forgotten_a_session_is_told_of_it(site: Site) -> None:
    await known(site)
    await site.lose_store()
    event: ChargingEvent = site.desk.event(Phase.OPEN, ten(), context=b"the door's own")
    await site.desk.engine.handle(event)
    memory = await site.desk.engine.recall("s")
    assert memory is not None
    assert (memory.open, memory.context) == (True, b"the door's own")
    await site.desk.say(Phase.CLOSE, used(0))
    closed = await site.desk.engine.recall("s")
    assert closed is not None
    assert not closed.open
    with pytest.raises(Unavailable):
        await site.desk.engine.recall("never heard of")


def test_files_of_workers_that_are_no_more_fall_to_one_of_those_there_are(tmp_path: Path) -> None:
    directory = tmp_path / "outage"
    directory.mkdir()
    for number in range(5):
        (directory / f"promises-{number}.jsonl").touch()
    taken = [[file.path.name for file in files(tmp_path, OutageSettings(), number, 2)] for number in range(2)]
    assert taken == [
        ["promises-0.jsonl", "promises-2.jsonl", "promises-4.jsonl"],
        ["promises-1.jsonl", "promises-3.jsonl"],
    ]
