"""What charges: the engine over the ledger over one link to the store, and both doors before it.

Nothing in here is kept that matters, so any number of processes may run it beside each other.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from balances.backlog import Backlog
from balances.channels import StoreChannels
from balances.confirmation import PATIENCE as CONFIRMED_IN
from balances.confirmation import Confirmation
from balances.ledger import Unavailable
from balances.link import Link
from balances.orphans import Orphans
from balances.scripts import all_scripts
from balances.server import Durability
from balances.settings import BalancesSettings
from balances.store import StoreLedger
from balances.target import Target
from balances.topology import link_to
from charging.catalogue import Catalogue, load, parse, read_files
from charging.catalogue.load import version_of
from charging.engine import Engine
from charging.event import ServiceKind
from ocs.bus import Bus
from ocs.config import Config
from ocs.credit_control.handler import CreditControl
from ocs.credit_control.restarts import Restarts
from ocs.diameter.answer import Answer
from ocs.diameter.codes import SY_APPLICATION
from ocs.diameter.message import Message
from ocs.dispatch import Delivery
from ocs.garbage import settle
from ocs.http.models import PeerView
from ocs.http.views import moment
from ocs.metrics import Metrics
from ocs.observers import ChargingObserver, DiameterDoor, SipDoor, VaultObserver
from ocs.outage.promises import Promises
from ocs.outage.promises import files as promise_files
from ocs.outage.standin import Standin
from ocs.pending import Handler, PeerInfo
from ocs.publishing.archive import Archive, NoSuchVersion, in_force
from ocs.publishing.follower import Follower
from ocs.publishing.numbers import Numbers
from ocs.pulse import Pulse
from ocs.registry import Registry
from ocs.server import DiameterServer
from ocs.sockets import DoorSockets
from ocs.sy.door import SpendingLimitDoor
from ocs.telling import Teller
from ocs.tracing_settings import TracingSettings
from sip_credit.server import SipServer

if TYPE_CHECKING:
    from ocs.tracing import Tracing

log = logging.getLogger(__name__)


def reload_on_hangup(reload: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Call ``reload`` at each SIGHUP, which ends nothing."""
    tasks: set[asyncio.Task[None]] = set()

    def begin() -> None:
        task = asyncio.get_running_loop().create_task(reload(), name="reload")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, begin)


def wall_clock() -> int:
    """Milliseconds since 1970 (UTC)."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Charging:
    """One process's way to the money, and its eye on catalogues and ported numbers (None: the files hold)."""

    link: Link
    ledger: StoreLedger
    engine: Engine
    bus: Bus
    follower: Follower | None
    numbers: Numbers | None
    teller: Teller
    standin: Standin | None
    """None: nothing is granted on trust."""
    tracing: "Tracing | None"
    """None: nobody wants traces."""
    opened: AsyncExitStack

    @classmethod
    async def open(
        cls, config: Config, target: Target, metrics: Metrics, name: str, worker: int | None = None
    ) -> "Charging":
        """Connect, check the store, get the catalogue; raises CatalogueError, StoreRefused, Unavailable, OSError.

        ``worker``: the number of the process among those with doors; None: it has none.
        """
        link = link_to(
            target,
            scripts=all_scripts(),
            name=name,
            timeout=config.balances.timeout,
            limit=config.balances.in_flight,
            observer=VaultObserver(metrics),
        )
        async with AsyncExitStack() as stack:
            await link.open(config.balances.patience)
            stack.push_async_callback(link.close)
            tracing = _tracing(stack, config.tracing)
            traced = tracing.link(link) if tracing else link
            ledger = StoreLedger(
                traced,
                window=config.balances.ended_sessions * 1000,
                confirmation=await _confirmation(stack, config.balances, target, name),
            )
            for warning in await ledger.prepare(config.balances.durability):
                log.warning("%s", warning)
            archive = Archive(link) if config.charging.catalogue_from == "store" else None
            catalogue, position = await _catalogue(archive, config.charging.catalogue)
            bus = Bus(link, target, f"{name}-bus")
            await bus.open(config.balances.patience)
            stack.push_async_callback(bus.close)
            if config.balances.journal:
                _watch_backlog(stack, ledger, config.balances.outbox_entries + config.balances.outbox_backlog)
            teller = Teller(bus)
            observer = ChargingObserver(metrics, teller)
            engine = (tracing.engine if tracing else Engine)(ledger, catalogue, config.charging, observer)
            standin = None
            if worker is not None:
                standin = await _stand_in(stack, config, engine, link, ledger, metrics, worker)
            opened = stack.pop_all()
        numbers = follower = None
        if archive:
            numbers = Numbers(link)
            follower = Follower(archive, engine, wall_clock, metrics, position, numbers.moved)
        return cls(
            link=link,
            ledger=ledger,
            engine=engine,
            bus=bus,
            follower=follower,
            numbers=numbers,
            teller=teller,
            standin=standin,
            tracing=tracing,
            opened=opened,
        )

    def following(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to run beside the traffic so that this process keeps up with the others, by name."""
        found: dict[str, Coroutine[Any, Any, None]] = {}
        if self.follower is not None:
            found["follower"] = self.follower.run()
        if self.numbers is not None:
            found["numbers"] = self.numbers.run()
        return found

    def serves_calls(self) -> bool:
        """Can calls be decided now?"""
        return self.link.connected or (self.standin is not None and self.standin.grants(ServiceKind.VOICE))

    async def close(self) -> None:
        await self.opened.aclose()


async def _stand_in(
    stack: AsyncExitStack, config: Config, engine: Engine, link: Link, ledger: StoreLedger, metrics: Metrics,
    worker: int,
) -> Standin | None:  # fmt: skip
    """Who answers while the store is gone, if anybody shall, or settles what was answered; raises OSError."""
    workers, share = config.daemon.workers, config.outage.share(config.daemon.workers)
    files = promise_files(Path(config.daemon.directory), config.outage, worker, workers)
    if not share.grants and all(file.is_empty for file in files):
        return None
    promises = Promises(share, files, metrics)
    await asyncio.to_thread(promises.load)
    standin = Standin(share, promises, engine, link, ledger.keys, metrics, wall_clock)
    engine.standin = standin
    stack.push_async_callback(standin.close)
    task = asyncio.create_task(standin.run(), name="settlement of promises")

    async def end() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(end)
    return standin


async def _confirmation(
    stack: AsyncExitStack, balances: BalancesSettings, target: Target, name: str
) -> Confirmation | None:
    """What says when a credit is done; None: the store's answer does."""
    if balances.durability is Durability.PROCESS:
        return None
    link = link_to(target, name=f"{name}-credits", timeout=CONFIRMED_IN / 1000 + 1)
    await link.open(balances.patience)
    stack.push_async_callback(link.close)
    return Confirmation(link, balances.durability)


def _tracing(stack: AsyncExitStack, settings: TracingSettings) -> "Tracing | None":
    if not settings.endpoint:
        return None
    from ocs.tracing import Tracing  # packages that only he needs who wants traces

    tracing = Tracing(settings)
    stack.push_async_callback(tracing.close)
    return tracing


def _watch_backlog(stack: AsyncExitStack, ledger: StoreLedger, limit: int) -> None:
    task = asyncio.create_task(Backlog(ledger, limit).run(), name="backlog")

    async def end() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(end)


async def _catalogue(archive: Archive | None, place: str) -> tuple[Catalogue, str]:
    """What is published, or else the files; and the place in the log up to which it is known."""
    listed = await archive.publications() if archive else ()
    current = in_force(listed, wall_clock())
    if archive is None or current is None:
        return load(place), "-"
    try:
        files = await archive.files(current.version)
    except NoSuchVersion as problem:
        raise Unavailable(str(problem)) from None
    _compare(current.version, place)
    return parse(files), current.id


def _compare(version: str, place: str) -> None:
    """Say so where somebody may expect the files to hold."""
    try:
        files = version_of(read_files(place))
    except OSError:
        return  # nobody needs them
    if files != version:
        log.warning("the published catalogue %s holds, not the files of %s (%s)", version, place, files)


class Doors:
    """Both doors of one process, over sockets that are bound already."""

    def __init__(self, config: Config, charging: Charging, metrics: Metrics) -> None:
        self._charging = charging
        observer = DiameterDoor(metrics, charging.teller)
        self._restarts = Restarts(charging.ledger, charging.link, wall_clock)
        credit_control = CreditControl(charging.engine, config.credit_control, observer, seen=self._restarts.seen)
        sy = (
            SpendingLimitDoor(charging.ledger, charging.link, charging.engine, wall_clock)
            if config.diameter.sy
            else None
        )
        handler = by_application(credit_control, sy.answer) if sy else credit_control
        sip_observer = SipDoor(metrics, charging.teller)
        if charging.tracing is not None:
            handler, sip_observer = (
                charging.tracing.handler(handler),
                charging.tracing.sip_door(metrics, charging.teller),
            )
        self._registry = Registry(charging.link, charging.bus, config.diameter.probe_timeout)
        self.diameter = DiameterServer(config.diameter, handler, observer, registry=self._registry)
        self._delivery = Delivery(charging.bus, charging.link, self.diameter)
        self._sy = sy
        self._metrics = metrics
        self._pulse = Pulse(self._beat)
        self.sip = SipServer(
            config.sip_credit,
            charging.engine,
            sip_observer,
            wall_clock,
            ready=charging.serves_calls,
            channels=StoreChannels(charging.link, charging.ledger.keys),
            orphans=Orphans(charging.link),
        )

    async def start(self, sockets: DoorSockets) -> None:
        if self._sy is not None:
            self._sy.start(self.diameter)
        await self.diameter.start(sockets.diameter, sockets.diameter_tls)
        await self.sip.start(sockets.sip_udp, sockets.sip_tcp, sockets.sip_tls)
        settle()
        self._pulse.start()

    def _beat(self, late: float) -> None:
        self._metrics.loop_lag.observe(late)
        self._metrics.settle()

    def peers(self) -> tuple[PeerView, ...]:
        """Who is connected to the Diameter door, and which proxies the SIP door answers."""
        now = wall_clock()
        connected = (
            PeerView(
                name=peer.host,
                door="diameter",
                state=peer.state,
                address=peer.address,
                since=moment(now - int(peer.open_seconds * 1000)) if peer.open_seconds else None,
                counters={"requests": peer.requests, "answers": peer.answers, "in_flight": peer.in_flight},
            )
            for peer in self.diameter.peers()
        )
        proxies = (
            PeerView(
                name=proxy.name,
                door="sip",
                state="allowed",
                address=" ".join(proxy.networks),
                counters=self.sip.counters(proxy.name),
            )
            for proxy in self.sip.settings.peers
        )
        return (*connected, *proxies)

    async def reload(self) -> None:
        """Read certificates again, and connect now to the peers we connect to, also to those that sent us away."""
        await self.diameter.reload()
        self.diameter.allow()

    async def drain(self) -> None:
        """Accept nothing new, tell the peers, finish what is in flight, close."""
        if self._sy is not None:
            await self._sy.stop()
        try:
            await asyncio.gather(self.diameter.drain(), self.sip.drain())
        finally:
            self._pulse.stop()
            self._metrics.settle()
            self._restarts.close()
            self._delivery.close()
            await self._registry.close()


def by_application(credit_control: Handler, sy: Handler) -> Handler:
    """Hand each request to whom its application belongs."""

    def handle(request: Message, peer: PeerInfo) -> Coroutine[Any, Any, Answer]:
        return (sy if request.application == SY_APPLICATION else credit_control)(request, peer)

    return handle
