"""The demonstration: a server of its own, a mobile core and a SIP proxy on the same accounts, faults, top-ups, and the
books of everybody compared at the end. Only public interfaces are used: the command line, ``ports.json``, Diameter,
SIP and HTTP.

Exit status: 0 the books balance; 1 they do not, or the server failed.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from rich.console import Console

from simulators.api import Api, ApiError, euros, micro
from simulators.books import Books, Service
from simulators.display import comparison_table, latency_table, print_events, show_live
from simulators.mno import Mno
from simulators.reconcile import Comparison, compare, prepare
from simulators.report import Outcomes
from simulators.run import Result, interruptible, play
from simulators.settings import MnoOptions, Settings, SipOptions
from simulators.sip import Sip
from simulators.traffic import make_subscribers

START_SECONDS = 30.0
"""How long the server may take to be ready."""
FIRST_AMOUNT = "1.00"
"""What each account begins with: little enough that some run dry, so that final units, refusals and top-ups happen."""
OFFER = "data-1gb"
BUNDLE_SECONDS = 60
"""One bundle lasts an account longer than this at the usual load; a longer run gives more of them."""
SLICE_SECONDS = 4
"""SIP calls are short here, and so is the slice: calls ask for more before they end."""


class Ports(msgspec.Struct, frozen=True):
    """What a ready server writes into ``ports.json``."""

    diameter: int
    sip: int
    http: int
    pid: int


class Server:
    """``ocs serve --sample`` in a process and a directory of its own, on free ports."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None
        self.log = directory / "serve.log"

    async def start(self) -> Ports:
        """Start it and wait until it is ready; raises RuntimeError with the end of its log."""
        environment = dict(
            os.environ,
            OCS_DAEMON__DIRECTORY=str(self._directory),
            OCS_DIAMETER__PORT="0",
            OCS_SIP_CREDIT__PORT="0",
            OCS_HTTP__PORT="0",
            OCS_SIP_CREDIT__SLICE=str(SLICE_SECONDS),
        )
        command = Path(sys.executable).with_name("ocs")
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                command,
                "serve",
                "--sample",
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we end the traffic first, then the server
            )
        file = self._directory / "ports.json"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.returncode is None:
            with contextlib.suppress(OSError, msgspec.DecodeError):
                return msgspec.json.decode(file.read_bytes(), type=Ports)
            await asyncio.sleep(0.05)
        raise RuntimeError("the server did not become ready:\n" + self.log.read_text("utf-8", "replace")[-2000:])

    async def stop(self) -> int:
        """Ask it to drain and end; its exit status."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), 20)
            except TimeoutError:
                self._process.kill()
        return await self._process.wait()

    async def wait(self) -> None:
        """Until it ends by itself."""
        if self._process is not None:
            await self._process.wait()


class TopUps:
    """Tops up, while traffic runs, whoever runs low: as subscribers do."""

    def __init__(self, api: Api, accounts: list[str], run: str, seed: int) -> None:
        self._api, self._accounts, self._run = api, accounts, run
        self._random = Random(f"{seed}:topups")
        self.count = 0
        self.amount = 0

    async def run(self) -> None:
        """Look at one account after the other until cancelled; each top-up is sent twice, as impatient people do."""
        while True:
            await asyncio.sleep(0.2)
            account = self._random.choice(self._accounts)
            shown = await self._api.account(account)
            if micro(shown["money"]["available"]) < 300_000 and self._random.random() < 0.5:
                await self._top_up(account, "1.00")

    async def _top_up(self, account: str, amount: str) -> None:
        key = f"{self._run}-{self.count}"
        await self._api.top_up(account, amount, key)
        await self._api.top_up(account, amount, key)
        self.count += 1
        self.amount += micro(amount)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the demonstration claims, for ``--json``."""

    balanced: bool
    seconds: float
    runs: tuple[Result, ...]
    comparison: Comparison
    topups: int
    server_exit: int | None
    audit: dict[str, Any]


async def demonstrate(settings: Settings, sip_rate: float, keep: bool, console: Console) -> Verdict:
    """Run it all; raises RuntimeError when the server does not start."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ocs-demo-", ignore_cleanup_errors=True) as directory:
        server = Server(Path(directory))
        status: int | None = None
        try:
            ports = await server.start()
            doors = f"Diameter {ports.diameter}, SIP {ports.sip}, HTTP {ports.http}"
            console.print(f"server ready after {time.monotonic() - began:.1f} s: {doors}", highlight=False)
            verdict = await _run(settings, sip_rate, ports, console)
            _print(verdict, console)
            if keep:
                console.print(f"dashboard http://127.0.0.1:{ports.http}/  Diameter {ports.diameter}  SIP {ports.sip}")
                console.print(f"books balanced: {'yes' if verdict.balanced else 'NO'}", highlight=False)
                console.print("the server keeps running; Ctrl-C ends it")
                with interruptible(lambda: os.kill(ports.pid, signal.SIGTERM)):
                    await server.wait()
        except BaseException:
            if server.log.exists():
                console.print(server.log.read_text("utf-8", "replace")[-2000:], highlight=False, markup=False)
            raise
        finally:
            status = await server.stop()
        balanced = verdict.balanced and status == 0
        return msgspec.structs.replace(verdict, seconds=time.monotonic() - began, server_exit=status, balanced=balanced)


async def _run(settings: Settings, sip_rate: float, ports: Ports, console: Console) -> Verdict:
    url = f"http://127.0.0.1:{ports.http}"
    api = Api(url)
    subscribers = make_subscribers(settings.subscribers, "demo")
    run = f"demo-{time.time_ns()}"
    marks = await prepare(api, subscribers, FIRST_AMOUNT, run)
    books, core_outcomes, sip_outcomes = Books(), Outcomes(), Outcomes()
    for subscriber in subscribers[::4]:
        for number in range(1 + int(settings.duration // BUNDLE_SECONDS)):
            await api.give(subscriber.account, OFFER, f"{run}-{subscriber.account}-bundle-{number}")
        books.allow(subscriber.account, OFFER)
    core_options = MnoOptions(settings=settings, port=ports.diameter, http=url)
    sip_options = SipOptions(settings=msgspec.structs.replace(settings, rate=sip_rate), port=ports.sip, http=url)
    core, sip = Mno(core_options, books, core_outcomes), Sip(sip_options, books, sip_outcomes)
    topups = TopUps(api, [subscriber.account for subscriber in subscribers], run, settings.seed)
    await asyncio.gather(core.open(), sip.open())

    def stop() -> None:
        core.loop.stop()
        sip.loop.stop()

    beside = [
        asyncio.create_task(topups.run()),
        asyncio.create_task(show_live([core, sip], console, lambda: f"; top-ups {topups.count}")),
    ]
    try:
        with interruptible(stop):
            runs = await asyncio.gather(play(core, core_options, subscribers), play(sip, sip_options, subscribers))
    finally:
        for task in beside:
            task.cancel()
        failures = [one for one in await asyncio.gather(*beside, return_exceptions=True) if isinstance(one, Exception)]
        await asyncio.gather(core.close(), sip.close())
    for failure in failures:
        raise failure
    comparison = await compare(api, books, marks)
    audit = await api.audit()
    console.print(latency_table(core_outcomes, f"mobile core: {runs[0].started} started"))
    console.print(latency_table(sip_outcomes, f"SIP proxy: {runs[1].started} calls"))
    spent = len(comparison.services) == len(Service) and all(line.charged > 0 for line in comparison.services)
    ended = all(run.finished for run in runs)
    balanced = ended and spent and comparison.agrees and not comparison.strange and bool(audit["balanced"])
    return Verdict(
        balanced=balanced,
        seconds=0.0,
        runs=tuple(runs),
        comparison=comparison,
        topups=topups.count,
        server_exit=None,
        audit=audit,
    )


def _print(verdict: Verdict, console: Console) -> None:
    for run in verdict.runs:
        print_events(console, run)
    console.print(comparison_table(verdict.comparison))
    accounts = verdict.comparison.accounts
    console.print(
        f"accounts compared: {len(accounts)}, equal to the last micro-unit: {sum(line.exact for line in accounts)}, "
        f"explained by late messages: {sum(line.agrees and not line.exact for line in accounts)}, "
        f"different: {sum(not line.agrees for line in accounts)}; top-ups: {verdict.topups}",
        highlight=False,
    )
    if verdict.comparison.strange:
        console.print(f"charged without the clients' knowledge: {euros(verdict.comparison.strange)} EUR")
    audit = verdict.audit
    console.print(
        f"audit: balanced {str(audit['balanced']).lower()}, {audit['accounts']} accounts, "
        f"{audit['sessions']} open sessions, "
        + ", ".join(f"{name} {json.dumps(sums)}" for name, sums in audit["currencies"].items()),
        highlight=False,
    )
    for finding in audit["findings"]:
        console.print(f"  finding: {finding}", highlight=False, markup=False)


def main(arguments: list[str] | None = None) -> int:
    """The command line of the demonstration; the exit status."""
    parser = argparse.ArgumentParser(prog="demo", description="A mobile core and a SIP proxy spend from one balance.")
    parser.add_argument("--keep", action="store_true", help="leave the server running at the end")
    parser.add_argument("--duration", type=float, default=30.0, help="seconds of traffic (30)")
    parser.add_argument("--rate", type=float, default=12.0, help="arrivals per second at the mobile core (12)")
    parser.add_argument("--sip-rate", type=float, default=4.0, help="calls per second at the proxy (4)")
    parser.add_argument("--seed", type=int, default=1, help="seed of traffic and faults (1)")
    parser.add_argument("--json", action="store_true", help="write the verdict as JSON to standard output")
    given = parser.parse_args(arguments)
    console = Console(stderr=given.json)
    settings = Settings(
        subscribers=20,
        rate=given.rate,
        duration=given.duration,
        seed=given.seed,
        duplicate=0.01,
        drop=0.01,
        tx=1.0,
        t1=0.1,
    )
    try:
        verdict = asyncio.run(demonstrate(settings, given.sip_rate, given.keep, console))
    except (RuntimeError, ApiError, OSError, TimeoutError) as error:
        console.print(f"error: {error}", highlight=False, markup=False)
        return 1
    console.print(f"books balanced: {'yes' if verdict.balanced else 'NO'}   ({verdict.seconds:.0f} s)", highlight=False)
    if given.json:
        print(msgspec.json.format(msgspec.json.encode(verdict)).decode())
    return 0 if verdict.balanced else 1


if __name__ == "__main__":
    sys.exit(main())
