"""python -m tests.soak: traffic at both doors for as long as asked, watched, and drawn if asked.

Exit status 1 if memory grows, if sessions, reservations or connections are left at the end, or the books do not close.
Linux only: it looks into /proc.
"""

import argparse
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from balances.money import MICRO, parse_amount
from charging.catalogue.load import read_files
from tests.house import ROOT, House
from tests.soak.graph import draw

GROWTH = 1.15
"""How much more memory the last quarter may take than the second: the first one fills caches."""


SUBSCRIBERS, CREDIT = 500, "1000.00"
"""A crowd whose money lasts: from an empty account there is nothing to be seen but refusals."""


LAPSED = 150
"""Seconds in which all sessions have lapsed whose quotas are valid for a minute. A client whose first request was not
answered in time forgets its session (RFC 8506 section 7); the server may have begun it."""

REMEMBERED = 5_000
"""Sessions that the daemon keeps in mind, at least: so few that they do not grow in number for the whole time."""


class Sample(NamedTuple):
    """One look at the daemon."""

    seconds: int
    memory: int
    """Resident, in kB; the store's apart."""
    store_memory: int
    files: int
    """Open descriptors: connections among them."""
    sessions: int
    reserved: str
    requests: int
    """Answered by both doors since the start."""
    busy: int
    """Hundredths of a second of processor time that daemon and store have taken since the start."""


def look(house: House, begun: float) -> Sample:
    store = int((house.directory / "var" / "store" / "pid").read_text())
    audit = house.audit()
    return Sample(
        seconds=round(time.monotonic() - begun),
        memory=_resident(house.ports["pid"]),
        store_memory=_resident(store),
        files=len(os.listdir(f"/proc/{house.ports['pid']}/fd")),
        sessions=len(house.get("/v1/sessions", limit=1000)["sessions"]),
        reserved=audit["currencies"].get("EUR", {}).get("reserved", "0.00"),
        requests=sum(sum(door["requests"].values()) for door in house.get("/v1/overview")["doors"].values()),
        busy=_ticks(house.ports["pid"]) + _ticks(store),
    )


def settings(directory: Path) -> dict[str, str]:
    """Those of the house: the sample catalogue with short quotas, and little that is kept in mind."""
    catalogue = directory / "catalogue"
    catalogue.mkdir()
    for name, octets in read_files("sample").items():
        text = re.sub(r'^validity = "(1 h|120 s)"', 'validity = "1 min"', octets.decode(), flags=re.MULTILINE)
        (catalogue / name).write_text(text)
    return {"OCS_CHARGING__CATALOGUE": str(catalogue), "OCS_CHARGING__SESSIONS": str(REMEMBERED)}


def _ticks(pid: int) -> int:
    """User and system time (proc(5))."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def simulate(house: House, what: str, rate: float, seconds: int) -> subprocess.Popen[bytes]:
    """The simulator of one door, as an operator starts it."""
    load = {"rate": rate, "duration": seconds, "subscribers": SUBSCRIBERS, "credit": CREDIT}
    command = [sys.executable, "-m", "ocs", "simulate", what]
    command += [f"--{option}={value}" for option, value in load.items()]
    environment = {**os.environ, "OCS_DAEMON__DIRECTORY": str(house.directory / "var")}
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)


def say(one: Sample, seconds: int) -> None:
    """How it goes."""
    print(
        f"{one.seconds / 60:5.1f} of {seconds / 60:.0f} min   {one.requests:9,} requests   "
        f"{one.memory / 1000:6.1f} MB, store {one.store_memory / 1000:6.1f} MB   "
        f"{one.sessions:4} sessions   {one.files:3} descriptors",
        file=sys.stderr,
        flush=True,
    )


class Verdict(NamedTuple):
    """A rule with what was found."""

    rule: str
    found: str
    holds: bool

    def __str__(self) -> str:
        return f"{'holds ' if self.holds else 'BROKEN'}  {self.rule}: {self.found}"


def judge(first: Sample, samples: list[Sample], last: Sample, balanced: bool) -> list[Verdict]:
    """Each rule, and whether it holds."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    before, after = (statistics.median(one.memory for one in part) for part in (early, late))
    grown = f"from {before / 1000:.1f} to {after / 1000:.1f} MB"
    flat = f"the daemon's memory, by medians, grows by at most {GROWTH - 1:.0%} from the second quarter to the last"
    return [
        Verdict(flat, grown, after <= before * GROWTH),
        Verdict("no session is left when all must have ended or lapsed", str(last.sessions), not last.sessions),
        Verdict("nothing is left reserved", f"{last.reserved} EUR", not parse_amount(last.reserved)),
        Verdict("no descriptor is left open", f"{first.files} before, {last.files} after", last.files <= first.files),
        Verdict("the books close", "yes" if balanced else "no", balanced),
    ]


def picture(path: Path, samples: list[Sample]) -> None:
    """Draw what was seen."""
    pairs = list(pairwise(samples))
    seen = samples[1:]
    rates = [(now.requests - was.requests) / max(1, now.seconds - was.seconds) for was, now in pairs]
    cores = [(now.busy - was.busy) / max(1, now.seconds - was.seconds) for was, now in pairs]
    draw(
        path,
        f"{seen[-1].seconds // 60} minutes, {seen[-1].requests:,} requests",
        [one.seconds / 60 for one in seen],
        {
            "memory, MB": {
                "daemon": [one.memory / 1000 for one in seen],
                "store": [one.store_memory / 1000 for one in seen],
            },
            "requests a second": {"both doors": rates},
            "processor, % of one core": {"daemon and store": cores},
            "open sessions": {"both doors": [one.sessions for one in seen]},
            "reserved, EUR": {"both doors": [parse_amount(one.reserved) / MICRO for one in seen]},
            "open descriptors, connections among them": {"daemon": [one.files for one in seen]},
        },
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak")
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--rate", type=float, default=20.0, help="new data sessions, calls and messages per second")
    parser.add_argument("--csv", type=Path, help="where to write what was seen, a line every 5 s")
    parser.add_argument("--graph", type=Path, help="where to draw it, as an SVG")
    options = parser.parse_args()
    seconds = round(options.minutes * 60)
    with tempfile.TemporaryDirectory(prefix="ocs-soak-") as name, House(Path(name), **settings(Path(name))) as house:
        begun = time.monotonic()
        first = look(house, begun)
        simulators = [simulate(house, "mno", options.rate, seconds), simulate(house, "sip", options.rate / 4, seconds)]
        samples = []
        while any(one.poll() is None for one in simulators):
            time.sleep(5)
            samples.append(look(house, begun))
            say(samples[-1], seconds)
        failed = [one.returncode for one in simulators if one.returncode]
        end = time.monotonic() + LAPSED
        while (last := look(house, begun)).sessions and time.monotonic() < end:
            time.sleep(5)
        verdicts = judge(first, samples, last, house.audit()["balanced"])
        verdicts.append(Verdict("every simulator ends well", f"{len(failed)} did not", not failed))
    if options.csv:
        with options.csv.open("w", newline="") as file:
            csv.writer(file).writerows([Sample._fields, first, *samples, last])
    if options.graph:
        picture(options.graph, [first, *samples, last])
    print(first, last, *verdicts, sep="\n")
    return 0 if all(verdict.holds for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
