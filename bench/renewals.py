"""``scripts/bench-renewals``: all accounts are due at one moment; two servers on one store renew them under traffic.

What happened is counted from the ledger: each account was renewed exactly once, and the books close. Latencies are
those of the first server's Diameter door, before, while and after the accounts are renewed.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from balances.keys import SHARDS, Keys
from balances.ledger import Entry, Identity, IdentityType, Movement, NewAccount, NewSubscription, Period, Unit
from balances.link import Link
from balances.renewals import RENEWED
from balances.scripts import all_scripts
from balances.store import StoreLedger
from balances.wire import read_entry
from bench.accounts import CREDIT
from bench.load import Load, Result
from bench.machine import BenchFailed, Server
from bench.messages import e164
from charging.catalogue.load import SAMPLE

OFFER = '[offers.monthly]\npays = ["mms"]\namount = "100"\nrenews = "month"\nprice = "1.00 EUR"\n'
"""None of the load's traffic is paid for by it."""
PRICE = 1_000_000
STEP = 5.0
"""Seconds of a step of the load."""

_AT_ONCE = 300
_PAGE = 5_000


@dataclass
class Found:
    """What became of it. Seconds count from the moment at which all were due."""

    accounts: int
    seconds: float = 0.0
    steps: dict[str, list[Result]] = field(default_factory=lambda: {"before": [], "during": [], "after": []})
    shares: tuple[int, ...] = ()
    """Renewals by server."""

    def __str__(self) -> str:
        lines = [
            f"{self.accounts} accounts, each renewed exactly once, in {self.seconds:.1f} s: "
            f"{self.accounts / self.seconds:.0f} a second, by server {', '.join(map(str, self.shares))}"
        ]
        for name, steps in self.steps.items():
            answered = sum(int(one["answered"]) for one in steps)
            middle, slow = (_spread(steps, percentile) for percentile in ("50", "99"))
            lines.append(f"{name}: p50 {middle} ms, p99 {slow} ms ({answered} requests in {len(steps)} steps)")
        return "\n".join(lines)


def _spread(steps: list[Result], percentile: str) -> str:
    """The median of the steps, and the worst."""
    found = sorted(one["ms"][percentile] for one in steps)
    return f"{found[len(found) // 2]:.2f} (worst {found[-1]:.2f})" if found else "none"


def now() -> int:
    return time.time_ns() // 1_000_000


async def subscribe_all(socket: Path, count: int, due_at: int) -> None:
    """Open the accounts, with money and a subscription whose period ends then."""
    link = Link(f"unix://{socket}", scripts=all_scripts(), timeout=60.0)
    await link.open()
    ledger, begun = StoreLedger(link), now()
    await ledger.prepare()
    period = Period(since=begun, starts_at=begun, ends_at=due_at, fee=PRICE, unit=Unit.EVENTS, amount=100)

    async def one(number: int) -> None:
        identity = Identity(type=IdentityType.E164, value=e164(number))
        new = NewAccount(id=f"bench-{number}", plan="prepaid-basic", currency="EUR", identities=(identity,))
        address = (await ledger.open_account(new, begun)).address
        await ledger.credit(Movement(address=address, operation="t", amount=CREDIT, cause="topup", now=begun))
        await ledger.subscribe(
            NewSubscription(address=address, operation="s", offer="monthly", period=period, now=begun)
        )

    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*[one(number) for number in range(start, min(count, start + _AT_ONCE))])
    await link.close()


def entries(server: Server) -> Iterator[Entry]:
    """All of the ledger that the store holds."""
    for shard in range(SHARDS):
        after = b"-"
        while page := server.store.xrange(Keys(shard).outbox, after, "+", _PAGE):
            for id, fields in page:
                yield read_entry(shard, id, fields[b"e"])
            after = b"(" + page[-1][0]


def waiting(server: Server) -> int:
    """How many are due and not renewed."""
    return sum(int(server.store.zcount(Keys(shard).renewals, "-inf", now())) for shard in range(SHARDS))


def metric(server: Server, name: str) -> float:
    """A sample of a server's metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['http']}/metrics", timeout=60) as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def count_renewals(server: Server, found: Found, due_at: int) -> None:
    """Fill in how long it took; raises BenchFailed unless each account was renewed once."""
    times: Counter[str] = Counter()
    last = due_at
    for entry in entries(server):
        if entry.cause == RENEWED:
            times[entry.account] += 1
            last = max(last, entry.at)
    check(found.accounts, times)
    found.seconds = (last - due_at) / 1000
    if not server.audit()["balanced"]:
        raise BenchFailed("the books do not close")


def check(accounts: int, times: Mapping[str, int]) -> None:
    """Raises BenchFailed unless so many accounts were renewed, once each."""
    if len(times) != accounts or set(times.values()) != {1}:
        raise BenchFailed(f"renewed how often: {Counter(times.values())} of {accounts} accounts")


def run(directory: Path, accounts: int, rate: float, renewals: float) -> Found:
    """The whole of it. Raises BenchFailed."""
    folder = directory / "catalogue"
    shutil.copytree(SAMPLE, folder)
    (folder / "renewals.toml").write_text(OFFER)
    found = Found(accounts)
    due_at = now() + 40_000 + accounts
    settings = {
        "OCS_CHARGING__CATALOGUE": str(folder),
        "OCS_RENEWALS__RATE": str(renewals),
        "OCS_DIAMETER__LONGEST_WAIT": "10",  # so that lateness is measured, and not answered 3004
    }
    for name in ("first", "second"):
        (directory / name).mkdir()
    servers = [Server(directory / "first", "everysec", **settings)]
    try:
        asyncio.run(subscribe_all(servers[0].socket, accounts, due_at))
        settings["OCS_BALANCES__URL"] = f"unix://{servers[0].socket}"
        servers.append(Server(directory / "second", "everysec", **settings))
        while any(metric(server, "ocs_journal_lag_seconds") > 1 for server in servers):
            time.sleep(1)
        load = Load(
            port=servers[0].ports["diameter"], null=False, profile="data-1", sessions=min(1_000, accounts),
            accounts=accounts, peers=4, pace=rate, run=1,
        )  # fmt: skip
        if now() + 2_000 * STEP > due_at:
            raise BenchFailed("the accounts were not open in time")
        while now() + 1_000 * STEP < due_at:
            found.steps["before"].append(load.step(rate, STEP))
        time.sleep(max(0, due_at - now()) / 1000)
        while waiting(servers[0]):
            found.steps["during"].append(load.step(rate, STEP))
        for _ in range(3):
            found.steps["after"].append(load.step(rate, STEP))
        load.finish()
        load.stop()
        found.shares = tuple(int(metric(server, 'ocs_renewals_total{result="renewed"}')) for server in servers)
        count_renewals(servers[0], found, due_at)
    finally:
        for server in reversed(servers):
            server.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench-renewals", description=__doc__)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second beside it")
    parser.add_argument("--renewals", type=float, default=500.0, help="renewals a second and server at most")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="ocs-bench-") as directory:
            print(run(Path(directory), options.accounts, options.rate, options.renewals))
    except BenchFailed as failure:
        sys.exit(f"bench: this run does not count: {failure}")


if __name__ == "__main__":
    main()
