"""``scripts/bench-decks``: what a catalogue of real size costs to load and to ask, and that a use's size is no matter.

Writes a catalogue of many plans and a deck of many prefixes into a fresh folder, loads it in a fresh process, and asks
it for rates by random numbers. The same is done with a hundredth of it: a look-up must not cost more for the size.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from balances.price import cost, reach
from bench.machine import ROOT, memory
from charging.catalogue import Catalogue, load
from charging.event import Service, ServiceKind
from charging.matching import Matcher

NOON = 1_768_471_200_000
HEAD = (ROOT / "charging" / "sample" / "catalogue.toml").read_text()
PLAN = """
[plans.plan-{number}]
currency = "EUR"
country = "germany"
timezone = "Europe/Berlin"
tax = "19 %"
data = [
    {{ rating_group = 20, rate = "data-premium" }},
    {{ rating_group = 99, rate = "data-zero" }},
    {{ visited = "abroad", rate = "data-standard", surcharge = "{percent} %" }},
    {{ rate = "data-standard" }},
]
voice = [
    {{ call = "on-net", rate = "voice-national", discount = "50 %" }},
    {{ when = "night", to = "national", rate = "voice-national", discount = "10 %" }},
    {{ to = "national", rate = "voice-national" }},
    {{ deck = "world", surcharge = "{percent} %" }},
]
sms = [{{ rate = "sms" }}]
"""
TABLES = """
[roaming]
abroad = ["2", "3"]
[networks.ours]
own = true
prefixes = ["49152"]
[times.night]
hours = "22:00-06:00"
[decks.world]
service = "voice"
currency = "EUR"
per = "min"
blocks = "60/1"
"""


def write(folder: Path, prefixes: int, plans: int) -> None:
    """A catalogue of this size. Prices repeat, as they do in real decks; each prefix has one of some hundreds."""
    chance = Random(4)
    text = [HEAD, TABLES]
    text += [PLAN.format(number=number, percent=number % 20) for number in range(plans)]
    (folder / "catalogue.toml").write_text("".join(text))
    (folder / "decks").mkdir()
    seen: set[str] = set()
    while len(seen) < prefixes:
        seen.add(str(chance.randint(1, 10 ** chance.randint(3, 9))))
    lines = [f"{prefix},0.{chance.randint(1, 600):04d},\n" for prefix in sorted(seen)]
    (folder / "decks" / "world.csv").write_text("prefix,price,name\n" + "".join(lines))


def per_second(action: Callable[[], object], seconds: float) -> float:
    """How often it can be done: the best of batches of a thousand, which other work on the machine disturbs least."""
    end = time.perf_counter() + seconds
    best = float("inf")
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(1_000):
            action()
        best = min(best, time.perf_counter() - start)
    return 1_000 / best


def measure(folder: Path, seconds: float) -> dict[str, float]:
    """In a process of its own: load, then ask."""
    before, start = memory(os.getpid()), time.perf_counter()
    catalogue = load(folder)
    loaded = time.perf_counter() - start
    megabytes = (memory(os.getpid()) - before) / 1e6
    chance = Random(7)
    names = list(catalogue.plans)
    calls = [str(chance.randint(10**10, 10**11)) for _ in range(1_000)]

    def call() -> None:
        service = Service(kind=ServiceKind.VOICE, called=calls[chance.randrange(1_000)])
        Matcher(catalogue, names[chance.randrange(len(names))], "EUR", service, "sip", NOON).find(None, None)

    def data() -> None:
        service = Service(kind=ServiceKind.DATA, apn="internet")
        Matcher(catalogue, names[chance.randrange(len(names))], "EUR", service, "diameter", NOON).find(10, None)

    for name in names:  # each plan's day is cut into its times once
        Matcher(catalogue, name, "EUR", Service(kind=ServiceKind.VOICE, called=calls[0]), "sip", NOON)
    return {
        "load_seconds": loaded,
        "memory_mb": megabytes,
        "calls_per_second": per_second(call, seconds),
        "data_per_second": per_second(data, seconds),
        **prices(catalogue, seconds),
    }


def prices(catalogue: Catalogue, seconds: float) -> dict[str, float]:
    """Microseconds to price one block and 10 GB, and to find what a budget buys of either."""
    found = Matcher(catalogue, "plan-0", "EUR", Service(kind=ServiceKind.DATA), "diameter", NOON).find(10, None)
    assert found is not None
    price = found.match.rate.quote.price
    sizes = {"block": 100_000, "10_gb": 10**10}
    return {
        f"{what}_{name}_us": 1e6 / per_second(action, seconds)
        for name, size in sizes.items()
        for what, action in (
            ("cost", lambda size=size: cost(price, size)),
            ("reach", lambda size=size: reach(price, 0, size, 50_000_000)),
        )
    }


def run(prefixes: int, plans: int, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="ocs-decks-") as directory:
        write(Path(directory), prefixes, plans)
        command = [sys.executable, "-m", "bench.decks", "--measure", directory, "--seconds", str(seconds)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own module
        found: dict[str, float] = json.loads(done.stdout)
    return found


def show(sizes: list[tuple[int, int]], found: list[dict[str, float]], say: Console) -> None:
    table = Table(title="catalogue of real size, one process")
    table.add_column("")
    for prefixes, plans in sizes:
        table.add_column(f"{prefixes:,} prefixes, {plans:,} plans", justify="right")
    for name in found[0]:
        table.add_row(name.replace("_", " "), *(f"{each[name]:,.2f}" for each in found))
    say.print(table)
    large = found[-1]
    say.print(
        f"pricing 10 GB takes {large['cost_10_gb_us'] / large['cost_block_us']:.2f} times as long as one block, "
        f"finding what a budget buys {large['reach_10_gb_us'] / large['reach_block_us']:.2f} times"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench-decks", description=__doc__)
    parser.add_argument("--prefixes", type=int, default=200_000)
    parser.add_argument("--plans", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        json.dump(measure(options.measure, options.seconds), sys.stdout)
        return
    sizes = [(options.prefixes // 100, max(1, options.plans // 100)), (options.prefixes, options.plans)]
    found = [run(*size, options.seconds) for size in sizes]
    show(sizes, found, Console(width=int(os.environ.get("COLUMNS", "110"))))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
