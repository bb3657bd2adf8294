"""Each alert fires where its condition is caused: real servers, a real Prometheus, the rules with shorter times.

A table of alert and cause; ``test_monitoring`` holds the rules with their real times against series of numbers.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from redis import Redis

from ocs.diameter import avps
from ocs.diameter.codes import Command
from ocs.diameter.message import Message
from tests.deploy.prometheus import Prometheus
from tests.deploy.test_monitoring import ALERTS
from tests.gateway import CLOSE, OPEN, Gateway, ccr, octets, service, subscriber
from tests.house import House
from tests.sip_caller import Caller

pytestmark = pytest.mark.needs("prometheus")

NUMBER, CALLED = "491712340001", "+493012345678"
SETTINGS = {
    "OCS_HTTP__REFRESH": "0.5",
    "OCS_BALANCES__REAPER_INTERVAL": "2",
    "OCS_DIAMETER__WATCHDOG": "10",
    "OCS_SIP_CREDIT__RING": "2",
    "OCS_SIP_CREDIT__MAX_PENDING": "20",
    "OCS_CHARGING__CATALOGUE_FROM": "store",
    "OCS_OUTAGE__GRANTS": '[{ service = "data" }]',
    "OCS_OUTAGE__AFTER": "0.5",
    "OCS_OUTAGE__PER_SUBSCRIBER": "100.00",
}


class Mute(Gateway):
    """A peer that leaves watchdogs unanswered."""

    def _live(self, watchdog: Message) -> None:
        pass


class Site:
    """A server to be ill-treated, one that had traffic once, and Prometheus over both."""

    def __init__(self, busy: House, quiet: House, prometheus: Prometheus) -> None:
        self.busy = busy
        self.quiet = quiet
        self.prometheus = prometheus
        self.store = Redis(unix_socket_path=str(busy.directory / "var" / "store" / "valkey.sock"))
        self._runs = 0

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The store stands still."""
        pid = int(self.store.info("server")["process_id"])
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    async def ask(self, count: int, number: str = NUMBER, stall: float = 0.0) -> None:
        """So many sessions are begun at once, while the store stands still for some seconds."""
        self._runs += 1
        name = f"run{self._runs}"
        async with Gateway("127.0.0.1", self.busy.ports["diameter"], "gw.example.net") as gateway:
            who, asked = subscriber(number), service(10, wanted=())
            requests = (ccr(f"{name};{each}", OPEN, 0, who, asked) for each in range(count))
            with self.frozen() if stall else contextlib.nullcontext():
                asking = asyncio.gather(*(gateway.ask(request) for request in requests))
                await asyncio.sleep(stall)
            await asking

    async def call(self, count: int) -> None:
        """So many calls are asked for at once and left ringing."""
        self._runs += 1
        name = f"call{self._runs}"
        async with Caller(self.busy.ports["sip"]) as caller:
            invites = (caller.invite(f"u{NUMBER}@example.net", CALLED, f"{name}-{each}") for each in range(count))
            await asyncio.gather(*invites)


async def nothing_more_comes(site: Site) -> None:
    """The quiet server had its traffic before the first test."""


async def books_are_tampered_with(site: Site) -> None:
    key = next(key for key in site.store.scan_iter("house:*") if site.store.hget(key, "EUR:credited"))
    site.store.hincrby(key, "EUR:credited", 1)
    await asyncio.to_thread(site.prometheus.wait, "the alert", lambda: site.prometheus.fired("OcsBooksDoNotClose"))
    site.store.hincrby(key, "EUR:credited", -1)


async def the_store_hangs(site: Site) -> None:
    for _ in range(2):  # what comes but once is no rate
        await site.ask(20, stall=5)
        await asyncio.sleep(2.5)


async def the_store_stalls(site: Site) -> None:
    for _ in range(2):
        await site.ask(20, stall=0.8)
        await asyncio.sleep(2.5)


GONE = 4.0
"""Seconds after which a store that stands still is given up: two time-outs, and `outage.after`."""


async def the_store_is_gone(site: Site) -> None:
    await site.ask(1)  # the subscriber is known
    with site.frozen():
        await asyncio.sleep(GONE)
        await site.ask(5)


async def the_store_stays_away(site: Site) -> None:
    await site.ask(1)
    with site.frozen():
        await asyncio.sleep(GONE)
        await site.ask(5)
        fired = lambda: site.prometheus.fired("OcsPromisesNotSettled")  # noqa: E731
        await asyncio.to_thread(site.prometheus.wait, "the alert", fired)


async def more_come_than_can_be_decided(site: Site) -> None:
    for _ in range(2):
        with site.frozen():
            await site.call(100)
        await asyncio.sleep(2.5)


async def a_peer_goes(site: Site) -> None:
    async with Gateway("127.0.0.1", site.busy.ports["diameter"], "gone.example.net"):
        await asyncio.sleep(2.5)


async def calls_ring_for_ever(site: Site) -> None:
    for _ in range(4):
        await site.call(10)
        await asyncio.sleep(1)


async def usage_goes_beyond_credit(site: Site) -> None:
    site.busy.open_account("491712340002", "1.00")
    who = subscriber("491712340002")
    async with Gateway("127.0.0.1", site.busy.ports["diameter"], "gw.example.net") as gateway:
        await gateway.ask(ccr("beyond", OPEN, 0, who, service(10, wanted=())))
        await asyncio.sleep(2.5)
        await gateway.ask(ccr("beyond", CLOSE, 1, who, service(10, used=[octets(3_000_000_000)])))


async def the_disk_is_full(site: Site) -> None:
    pid = site.busy.ports["pid"]
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        await site.ask(5)
        await asyncio.to_thread(site.prometheus.wait, "the alert", lambda: site.prometheus.fired("OcsJournalBehind"))
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def noise_comes(site: Site) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(30):
            for _ in range(20):
                sender.sendto(b"GET / HTTP/1.1\r\n\r\n", ("127.0.0.1", site.busy.ports["sip"]))
            await asyncio.sleep(0.1)


async def strangers_ask(site: Site) -> None:
    for _ in range(4):
        await site.ask(50, "491999999999")
        await asyncio.sleep(1)


async def a_call_ends_that_was_never_asked_for(site: Site) -> None:
    async with Caller(site.busy.ports["sip"]) as caller:
        assert (await caller.report("stop", "abcdefghijklmnop", "never", 5_000)).status == 481


async def a_catalogue_is_lost(site: Site) -> None:
    site.store.set("catalogue:proposed", "0" * 16, px=20_000)


async def it_is_killed(site: Site) -> None:
    site.quiet.kill()


CAUSES: dict[str, Callable[[Site], object]] = {
    "OcsUnchargedCalls": a_call_ends_that_was_never_asked_for,
    "OcsCatalogueNotLoaded": a_catalogue_is_lost,
    "OcsOverrun": usage_goes_beyond_credit,
    "OcsPeerDown": a_peer_goes,
    "OcsBooksDoNotClose": books_are_tampered_with,
    "OcsSessionsLapse": calls_ring_for_ever,
    "OcsSlow": the_store_stalls,
    "OcsErrors": the_store_hangs,
    "OcsStoreErrors": the_store_hangs,
    "OcsReaperBehind": the_store_hangs,
    "OcsGrantingOnTrust": the_store_is_gone,
    "OcsPromisesNotSettled": the_store_stays_away,
    "OcsRenewalsBehind": the_store_hangs,
    "OcsOverloaded": more_come_than_can_be_decided,
    "OcsProtocolErrors": noise_comes,
    "OcsUnknownSubscribers": strangers_ask,
    "OcsJournalBehind": the_disk_is_full,
    "OcsWatchdogTimeouts": nothing_more_comes,
    "OcsNoTraffic": nothing_more_comes,
    "OcsDown": it_is_killed,
}
"""For each alert what brings it about; a peer of the quiet server has been mute from the start."""


GAP = 14.0
"""Seconds between two signs of life of the mute peer: longer than the longest interval of the watchdog (12), after
which it is suspected, and shorter than two of the shortest (8 each), after which it would be given up."""


def mute(port: int, end: threading.Event) -> None:
    """A peer that never answers a watchdog and yet lives: it stalls, so that it is suspected again and again."""

    async def run() -> None:
        async with Mute("127.0.0.1", port, "mute.example.net") as gateway:
            parts = avps.ORIGIN_HOST.encode(gateway.identity), avps.ORIGIN_REALM.encode("example.net")
            while not await asyncio.to_thread(end.wait, GAP):
                await gateway.send(Command.DEVICE_WATCHDOG, parts, 0, 0x80)

    with contextlib.suppress(OSError, TimeoutError):
        asyncio.run(run())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directories = [tmp_path_factory.mktemp(name) for name in ("busy", "quiet", "prometheus")]
    end = threading.Event()
    with House(directories[0], **SETTINGS) as busy, House(directories[1], **SETTINGS) as quiet:
        prometheus = Prometheus(directories[2], [busy.ports["http"], quiet.ports["http"]])
        muting = threading.Thread(target=mute, args=(quiet.ports["diameter"], end))
        muting.start()
        try:
            for house in (busy, quiet):
                house.open_account(NUMBER, "100000.00", sip=f"u{NUMBER}@example.net")
            yield Site(busy, quiet, prometheus)
        finally:
            end.set()
            muting.join()
            prometheus.close()


def test_each_alert_is_caused_here() -> None:
    assert set(CAUSES) == set(ALERTS)


async def test_while_all_is_well_none_fires(site: Site) -> None:
    """Also the traffic of which later there is no more."""
    async with Gateway("127.0.0.1", site.quiet.ports["diameter"], "well.example.net") as gateway:
        end = time.monotonic() + 12
        turn = 0
        while time.monotonic() < end:
            turn += 1
            who = subscriber(NUMBER)
            await gateway.ask(ccr(f"well;{turn}", OPEN, 0, who, service(10, wanted=())))
            await gateway.ask(ccr(f"well;{turn}", CLOSE, 1, who, service(10, used=[octets(10)])))
            await asyncio.sleep(0.05)
        assert [name for name in ALERTS if site.prometheus.fired(name)] == []


@pytest.mark.parametrize("alert", CAUSES)
async def test_an_alert_fires_once_its_condition_is_caused(site: Site, alert: str) -> None:
    await CAUSES[alert](site)  # type: ignore[misc]
    await asyncio.to_thread(site.prometheus.wait, alert, lambda: site.prometheus.fired(alert), 90)
