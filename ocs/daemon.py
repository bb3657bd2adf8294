"""The daemon, top to bottom: store, ledger, catalogue, engine, HTTP, reaper, journal, doors; then serve, then drain."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from socket import socket
from typing import Any

import ocs
from balances.channels import StoreChannels
from balances.embedded import EmbeddedStore, StoreFailed
from balances.journal import Journal
from balances.ledger import Address, Unavailable
from balances.money import parse_amount
from balances.orphans import Orphans
from balances.reaper import Reaper
from balances.server import StoreRefused
from balances.settings import EMBEDDED, BalancesSettings
from balances.target import BadUrl, Target, parse_target
from balances.vouchers import Vouchers
from balances.watches import Watches
from charging.catalogue import CatalogueError
from charging.catalogue.thresholds import UseThreshold
from ocs.abort import aborter, by_door
from ocs.config import Config
from ocs.counter_limits import CounterLimits
from ocs.credit_control.manner import Manners
from ocs.directory import Directory
from ocs.dispatch import Dispatch
from ocs.doors import Charging, Doors, reload_on_hangup, wall_clock
from ocs.http.app import create_app
from ocs.http.books import Books
from ocs.http.feed import Feed
from ocs.http.house import House
from ocs.http.models import PeerView
from ocs.http.server import HttpServer
from ocs.low_balances import LowBalances
from ocs.metrics import Metrics
from ocs.observers import DiameterDoor, VaultObserver
from ocs.publishing.archive import Archive
from ocs.publishing.follower import Follower
from ocs.publishing.publisher import Publisher
from ocs.reauthorisation import DIAMETER, Reauthoriser
from ocs.renewals.scheduler import Scheduler
from ocs.rounds import Rounds
from ocs.sample import open_sample_accounts
from ocs.sockets import CannotListen, DoorSockets, bind_doors, bind_tcp, port_of
from ocs.supervision import Supervisor
from ocs.sy.changes import Changes
from ocs.trunk_groups import TrunkGauge
from ocs.vouchers import redeemer
from ocs.vouchers.redeemer import Redeemer
from ocs.webhooks.alerts import AlertBook
from ocs.webhooks.queue import Queue
from ocs.webhooks.sender import Sender, read_secret
from ocs.workers import WorkerFailed, Workers

log = logging.getLogger(__name__)

CANNOT_START = (
    BadUrl,
    CannotListen,
    CatalogueError,
    OSError,
    StoreFailed,
    StoreRefused,
    Unavailable,
    WorkerFailed,
)
"""What a start may end with; the message says what to change."""

SETTLING = 10.0
"""Seconds after an outage for which nothing lapses, where sessions have gone on meanwhile: they are settled first."""

FORCED = 130
"""Exit code after a second signal."""


class Daemon:
    """One charging server. ``run`` returns when it has drained after SIGTERM or SIGINT; raises CANNOT_START."""

    def __init__(self, config: Config, directory: Directory, *, sample: bool = False) -> None:
        self.config = config
        self.sample = sample
        self.directory = directory
        self.metrics = Metrics(ocs.__version__)
        self._store: EmbeddedStore | None = None
        self._doors: Doors | Workers | None = None
        self._follower: Follower | None = None
        self._state = "starting"
        self._end = asyncio.Event()
        self._ended: list[str] = []

    async def run(self) -> None:
        """Everything is closed in the reverse of the order in which it was opened. The directory is held by then."""
        config = self.config
        self._catch_signals()
        supervisor = Supervisor()
        async with AsyncExitStack() as stack:
            sockets = bind_doors(config, config.daemon.workers)
            for one in sockets:
                stack.callback(one.close)
            http_socket = bind_tcp(config.http.host, config.http.port)
            target = await self._open_store(stack)
            alone = config.daemon.workers == 1
            charging = await Charging.open(config, target, self.metrics, "ocs", 0 if alone else None)
            stack.push_async_callback(charging.close)
            if self.sample and self._store and await open_sample_accounts(charging.ledger, wall_clock):
                log.info("opened the sample accounts")
            low = LowBalances(charging.ledger, parse_amount(config.credit_control.low_balance))
            observer = self._start_chores(stack, charging, low)
            clients = self._open_clients(stack, charging, observer)
            await self._open_http(stack, charging, low, clients, http_socket)
            await self._open_doors(stack, charging, target, sockets)
            self.directory.publish(**sockets[0].ports(), http=port_of(http_socket))
            stack.callback(self.directory.withdraw)
            self._run_beside(stack, supervisor.run(), "supervision")
            supervisor.tell("READY=1", f"MAINPID={os.getpid()}")
            self._state = "ready"
            log.info(
                "ready: diameter %d, sip %d, http %d",
                *(sockets[0].diameter_port, sockets[0].sip_port, port_of(http_socket)),
            )
            await self._end.wait()
            log.info("draining")
            supervisor.tell("STOPPING=1")
            self._state = "draining"

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        reload_on_hangup(self._reload)

    async def _reload(self) -> None:
        if self._doors is not None:
            await self._doors.reload()

    def _stop(self) -> None:
        """The first signal drains; the second ends the process, and the store with it, there and then."""
        if not self._end.is_set():
            self._end.set()
            return
        if self._store and self._store.pid:
            with suppress(ProcessLookupError):
                os.kill(self._store.pid, signal.SIGTERM)
        self.directory.withdraw()
        os._exit(FORCED)

    async def _open_store(self, stack: AsyncExitStack) -> Target:
        balances = self.config.balances
        if balances.url != EMBEDDED:
            return store_target(balances)
        self._store = EmbeddedStore(self.directory.path / "store", fsync=balances.fsync)
        await self._store.start()
        stack.push_async_callback(self._store.stop)
        return parse_target(self._store.url)

    def _start_chores(self, stack: AsyncExitStack, charging: Charging, low: LowBalances) -> VaultObserver:
        """The reaper, the journal, the follower of the catalogues, and who looks for low balances."""
        balances, observer = self.config.balances, self._vault_observer(stack, charging)
        observer.listeners.append(low.heard)
        self._run_beside(stack, low.run(), "search for low balances")
        reaper = Reaper(
            charging.ledger,
            wall_clock,
            interval=balances.reaper_interval,
            batch=balances.reaper_batch,
            grace=SETTLING if self.config.outage.grants else 0.0,
            observer=observer,
        )
        self._run_beside(stack, reaper.run(), "reaper")
        self._follower = charging.follower
        for name, chore in charging.following().items():
            self._run_beside(stack, chore, name)
        if balances.journal:
            journal = Journal(
                charging.link,
                charging.ledger.keys,
                self.directory.path / "journal",
                file_size=balances.journal_file_size,
                file_age=balances.journal_file_age * 1000,
                keep=balances.outbox_entries,
                observer=observer,
            )
            self._run_beside(stack, journal.run(), "journal")
        return observer

    def _start_webhooks(self, stack: AsyncExitStack, charging: Charging) -> tuple[Queue, AlertBook] | None:
        """Who tells others of what happens to accounts, if anybody is to be told; raises OSError for the secret."""
        settings = self.config.webhooks
        if not settings.url:
            return None
        engine, usual = charging.engine, tuple(map(parse_amount, settings.thresholds))

        def of_plan(plan: str, currency: str) -> tuple[int, ...] | None:
            found = engine.catalogue.find(plan, wall_clock())
            return found.warn_below(currency) if found else None

        def of_offer(name: str) -> tuple[UseThreshold, ...]:
            found = engine.catalogue.offer(name)
            return found.warn_at if found else ()

        alerts = AlertBook(charging.link, usual, of_plan, of_offer)
        queue = Queue(charging.link, charging.ledger.keys, alerts)
        sender = Sender(settings, read_secret(settings.secret_file), queue, wall_clock)
        self._run_beside(stack, sender.run(), "sender of notices")
        return queue, alerts

    def _start_vouchers(self, stack: AsyncExitStack, charging: Charging) -> Redeemer | None:
        """Who redeems vouchers, if there are any; raises OSError for the secret."""
        settings = self.config.vouchers
        if not settings.secret_file:
            return None
        vouchers = Vouchers(charging.link, charging.ledger.keys, redeemer.read_secret(settings.secret_file))
        engine = charging.engine
        found = Redeemer(settings, vouchers, charging.ledger, lambda: engine.catalogue, self.metrics, wall_clock)
        self._run_beside(stack, found.run(), "settling of vouchers")
        return found

    def _start_renewals(self, stack: AsyncExitStack, charging: Charging, clients: Reauthoriser) -> Scheduler:
        """Who renews subscriptions; clients that were short of credit are asked to come back for the new bucket."""
        engine, shards = charging.engine, len(charging.ledger.keys)
        scheduler = Scheduler(
            charging.ledger, shards, lambda: engine.catalogue, self.config.renewals, self.metrics, clients.credited,
            wall_clock,
        )  # fmt: skip
        self._run_beside(stack, scheduler.run(), "renewal of subscriptions")
        return scheduler

    def _vault_observer(self, stack: AsyncExitStack, charging: Charging) -> VaultObserver:
        """Who counts what happens in the vault; with Sy it also tells who watches an account."""
        if not self.config.diameter.sy:
            return VaultObserver(self.metrics)
        changes = Changes(self.metrics, Watches(charging.link, charging.ledger.keys), wall_clock)
        self._run_beside(stack, changes.run(), "watches")
        return changes

    def _open_clients(self, stack: AsyncExitStack, charging: Charging, observer: VaultObserver) -> Reauthoriser:
        """Who asks Diameter clients to come back or to end a session, at an operator's word or a counter's."""
        diameter = self.config.diameter
        dispatch = Dispatch(charging.bus, charging.link, diameter.own_request_timeout)
        manners = Manners(self.config.credit_control)
        clients = Reauthoriser(
            charging.ledger,
            dispatch.ask,
            diameter,
            DiameterDoor(self.metrics),
            wall_clock,
            lambda host: manners.of(host).profile,
            Rounds(charging.link),
        )
        stack.push_async_callback(clients.close)
        if diameter.reauthorise:
            self._run_beside(stack, clients.resume(), "rounds of re-authorisation")
        if names := diameter.reauthorise_counters:
            engine = charging.engine
            limits = CounterLimits(
                charging.ledger, names, lambda: engine.catalogue.counters, clients.changed, wall_clock
            )
            observer.listeners.append(limits.heard)
            self._run_beside(stack, limits.run(), "comparison of counters")
        return clients

    async def _open_http(
        self, stack: AsyncExitStack, charging: Charging, low: LowBalances, clients: Reauthoriser, listening: socket
    ) -> None:
        books = Books(charging.ledger, self.metrics, wall_clock, self.config.http.refresh)
        feed = Feed(charging.bus)
        webhooks = self._start_webhooks(stack, charging)
        scheduler = self._start_renewals(stack, charging, clients)
        house = House(
            ledger=charging.ledger,
            engine=charging.engine,
            settings=self.config.http,
            metrics=self.metrics,
            books=books,
            feed=feed,
            low=low,
            abort=by_door({DIAMETER: clients.abort}, aborter(charging.ledger, wall_clock)),
            clock=wall_clock,
            credited=each_of(clients.credited, scheduler.nudge),
            changed=each_of(clients.changed, scheduler.nudge),
            barred=clients.barred,
            peers=self._peers,
            orphans=Orphans(charging.link),
            readiness=self._readiness,
            notices=webhooks and webhooks[0],
            alerts=webhooks and webhooks[1],
            redeemer=self._start_vouchers(stack, charging),
            numbers=charging.numbers,
            publisher=Publisher(Archive(charging.link), wall_clock) if charging.follower else None,
            version=ocs.__version__,
        )
        server = HttpServer(create_app(house))
        await server.start(listening)
        stack.push_async_callback(server.stop)
        stack.callback(feed.close)
        self._run_beside(stack, books.run(), "books")
        if groups := {group.name: group.channels for group in self.config.sip_credit.trunk_groups}:
            channels = StoreChannels(charging.link, charging.ledger.keys)
            self._run_beside(stack, TrunkGauge(channels, groups, self.metrics, wall_clock).run(), "channels")

    async def _open_doors(
        self, stack: AsyncExitStack, charging: Charging, target: Target, sockets: list[DoorSockets]
    ) -> None:
        if self.config.daemon.workers > 1:
            self._doors = workers = Workers(self.config, target, sockets)
            stack.push_async_callback(workers.drain)
            await workers.start()
            return
        self._doors = doors = Doors(self.config, charging, self.metrics)
        await doors.start(sockets[0])
        stack.push_async_callback(self._drain, doors)

    def _run_beside(self, stack: AsyncExitStack, chore: Coroutine[Any, Any, None], name: str) -> None:
        """Run something until the stack is closed. It should not end before; if it does, that is told."""
        task = asyncio.create_task(chore, name=name)
        task.add_done_callback(self._chore_ended)

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        stack.push_async_callback(end)

    def _chore_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            log.error("the %s has ended", task.get_name(), exc_info=task.exception())
            self._ended.append(f"the {task.get_name()} has ended")

    async def _drain(self, doors: Doors) -> None:
        try:
            async with asyncio.timeout(self.config.daemon.drain):
                await doors.drain()
        except TimeoutError:
            log.warning("requests are left unanswered after %g s of draining", self.config.daemon.drain)

    async def _peers(self) -> Sequence[PeerView]:
        if isinstance(self._doors, Workers):
            return await self._doors.peers()
        return self._doors.peers() if self._doors else ()

    def _readiness(self) -> Sequence[str]:
        """Why no traffic should come; the store is asked elsewhere."""
        reasons = [*([] if self._state == "ready" else [self._state]), *self._ended]
        if isinstance(self._doors, Workers) and self._doors.missing:
            reasons.append(f"{self._doors.missing} workers are being started")
        if self._follower is not None:
            reasons += self._follower.problems()
        return reasons


def each_of(*listeners: Callable[[Address], None]) -> Callable[[Address], None]:
    """One that tells each of them."""

    def tell(address: Address) -> None:
        for listener in listeners:
            listener(address)

    return tell


def store_target(balances: BalancesSettings) -> Target:
    """The store the settings name, with its password; raises BadUrl, OSError for the password's file."""
    password = ""
    if balances.password_file:
        password = Path(balances.password_file).read_text().split("\n", 1)[0].strip()
    return parse_target(balances.url, password)
