"""The targets, and what was found of each."""

from collections.abc import Callable
from typing import NamedTuple

from bench.results import Report, Results, Step

Figure = float | None
Find = Callable[[Results], Figure]


class Target(NamedTuple):
    what: str
    bound: float
    stretch: float | None
    unit: str
    find: Find
    least: bool = False
    """The figure must be at least the bound, not at most."""


class Verdict(NamedTuple):
    target: Target
    figure: Figure

    @property
    def word(self) -> str:
        if self.figure is None:
            return "not measured"
        if not _holds(self.target, self.target.bound, self.figure):
            return "missed"
        stretch = self.target.stretch
        return "met, stretch too" if stretch is not None and _holds(self.target, stretch, self.figure) else "met"


def _holds(target: Target, bound: float, figure: float) -> bool:
    return figure >= bound if target.least else figure <= bound


def _report(results: Results, profile: str, fsync: str = "everysec") -> Report | None:
    """The first run of its kind with one worker. Where the generator was not proved, the figures may be its own."""
    fitting = (one for one in results.reports if one.run.profile == profile and one.run.fsync == fsync)
    return next((one for one in fitting if one.run.workers == 1 and one.proved), None)


def _step(pick: Callable[[Step], float], share: int, profile: str = "data-1") -> Find:
    def find(results: Results) -> Figure:
        report = _report(results, profile)
        return pick(report.at(share)) if report else None

    return find


def _whole(pick: Callable[[Report], Figure], profile: str = "data-1", fsync: str = "everysec") -> Find:
    def find(results: Results) -> Figure:
        report = _report(results, profile, fsync)
        return pick(report) if report else None

    return find


def _group(results: Results) -> Figure:
    one, three = _report(results, "data-1"), _report(results, "data-3")
    more = three.at(90).worker_us - one.at(90).worker_us if one and three else 0.0
    return more / 2 if more > 0 else None  # less for more work is what disturbed one of the runs


def _hot(results: Results) -> Figure:
    spread, hot = _report(results, "data-1"), _report(results, "hot")
    return 100 * hot.sustained / spread.sustained if spread and hot else None


def _goodput(report: Report) -> Figure:
    return 100 * report.overload.goodput if report.overload else None


def _rival(results: Results) -> Figure:
    report = _report(results, "data-1")
    return 1e6 / report.at(90).worker_us / results.rival if report and results.rival else None


def _deck(results: Results) -> Figure:
    report = _report(results, "data-1")
    return 100 * results.deck_us / report.at(90).worker_us if report and results.deck_us is not None else None


TARGETS = (
    Target("worker's processor per CCR-U, 1 rating group", 60, 40, "us", _step(lambda step: step.worker_us, 90)),
    Target("each further rating group", 15, 8, "us", _group),
    Target("store's processor per CCR", 32, 22, "us", _step(lambda step: step.store_us, 90)),
    Target("store's calls per CCR, the reaper's included", 1.05, None, "", _step(lambda step: step.calls, 90)),
    Target("sustained, whole box, everysec", 14_000, 25_000, "/s", _whole(lambda report: report.sustained), True),
    Target("sustained, whole box, always", 10_000, 20_000, "/s",
           _whole(lambda report: report.sustained, fsync="always"), True),
    Target("p50 at 70 %", 1.2, None, "ms", _step(lambda step: step.ms["50"], 70)),
    Target("p99 at 70 %", 7, 4, "ms", _step(lambda step: step.ms["99"], 70)),
    Target("p99.9 at 70 %", 20, None, "ms", _step(lambda step: step.ms["99.9"], 70)),
    Target("python-diameter's rate per processor second, times", 10, 20, "", _rival, True),
    Target("worker's processor per INVITE -> 302", 80, 50, "us", lambda all_: all_.sip and all_.sip.worker_us),
    Target("hot account, of the rate of spread ones", 90, None, "%", _hot, True),
    Target("store per idle account", 700, None, "octets", lambda all_: all_.memory and all_.memory.account_octets),
    Target("store per open session", 1_500, None, "octets", lambda all_: all_.memory and all_.memory.session_octets),
    Target("worker with 100,000 open sessions", 120, None, "MB", lambda all_: all_.memory and all_.memory.worker_mb),
    Target("deck of 200,000 prefixes against 2,000, per request", 3, None, "%", _deck),
    Target("goodput at twice the best rate", 90, None, "%",
           _whole(_goodput), True),
    Target("slowest answer at twice the best rate", 1_000, None, "ms",
           _whole(lambda report: report.overload and report.overload.slowest_ms)),
    Target("requests unanswered at twice the best rate", 0, None, "",
           _whole(lambda report: report.overload and report.overload.unanswered)),
    Target("start to ready with 1,000,000 accounts, beyond the store's load", 5, None, "s",
           lambda all_: all_.start_seconds),
)  # fmt: skip


def verdicts(results: Results) -> list[Verdict]:
    return [Verdict(target, target.find(results)) for target in TARGETS]
