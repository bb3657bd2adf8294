"""What is not a matter of rates: memory, the start with many accounts, a rival, the large deck, SIP."""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from balances.embedded import EmbeddedStore
from bench import sip
from bench.accounts import open_accounts
from bench.load import Load, responder, search
from bench.machine import ROOT, Server, cpu
from bench.measure import PACE, PEERS, Durations
from bench.results import Memory, Sip


def memory(count: int) -> Memory:
    """Of so many accounts, and of a session of each."""
    with tempfile.TemporaryDirectory(prefix="ocs-bench-") as directory:
        # What matters here is how much is kept: whoever comes late is answered all the same.
        server = Server(Path(directory), "everysec", OCS_DIAMETER__LONGEST_WAIT="1.9")
        try:
            empty = server.stored()
            asyncio.run(open_accounts(server.socket, count))
            idle = server.stored()
            load = Load(
                port=server.ports["diameter"], null=False, profile="data-1", sessions=count, accounts=count,
                peers=PEERS, pace=PACE, run=int(time.time()),
            )  # fmt: skip
            load.step(PACE, count / PACE)
            time.sleep(2)  # until what was written is journalled
            open_octets, worker_mb = (server.stored() - idle) / count, server.memory() / 1e6
            load.finish()
            time.sleep(2)
            found = Memory(
                account_octets=(idle - empty) / count,
                session_octets=open_octets,
                ended_octets=(server.stored() - idle) / count,
                worker_mb=worker_mb,
                sessions=count,
            )
            load.stop()
        finally:
            server.stop()
    return found


def start(count: int) -> float:
    """Seconds from a start to its being ready with so many accounts stored, less what the store takes to load them."""
    with tempfile.TemporaryDirectory(prefix="ocs-bench-") as directory:
        server = Server(Path(directory), "everysec")
        store = server.socket.parent
        try:
            asyncio.run(open_accounts(server.socket, count))
        finally:
            server.stop()
        alone = asyncio.run(_start_of_store(store))
        begun = time.monotonic()
        server = Server(Path(directory), "everysec")
        took = time.monotonic() - begun
        server.stop()
    return took - alone


async def _start_of_store(directory: Path) -> float:
    embedded, begun = EmbeddedStore(directory), time.monotonic()
    await embedded.start()
    took = time.monotonic() - begun
    await embedded.stop()
    return took


def rival(durations: Durations) -> float:
    """Requests that python-diameter's Node answers in a second of processor, near the rate it sustains."""
    with responder("bench.rival") as (pid, port):
        load = Load(
            port=port, null=True, profile="data-1", sessions=1_000, accounts=1_000, peers=PEERS, pace=PACE, run=1
        )
        try:
            rate = 0.7 * search(load, durations.search, first=100.0)
            before = cpu(pid)
            answered = int(load.step(rate, durations.step)["answered"])
            return answered / (cpu(pid) - before)
        finally:
            load.stop()


def deck_us(seconds: float) -> float:
    """Microseconds that the rate of a call takes more in a deck of 200,000 prefixes than in one of 2,000."""
    with tempfile.TemporaryDirectory(prefix="ocs-bench-") as directory:
        file = Path(directory) / "decks.json"
        command = [sys.executable, "-m", "bench.decks", "--seconds", str(seconds), "--json", str(file)]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own module
        small, large = json.loads(file.read_text())
    return 1e6 / large["calls_per_second"] - 1e6 / small["calls_per_second"]


def invites(durations: Durations, say: Console) -> Sip:
    options = argparse.Namespace(
        fsync="everysec", accounts=2_000, rate=None, search=durations.search, seconds=durations.step
    )
    steps = asyncio.run(sip.measure("udp", options, say))
    at = {step["share"]: step for step in steps}
    return Sip(
        sustained=at[70]["sustained"], worker_us=at[90]["worker_us"], store_us=at[90]["store_us"], ms=at[70]["ms"]
    )
