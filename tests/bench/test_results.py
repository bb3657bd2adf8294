"""Verdicts, the page and the plot from results; nothing is measured here."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest

from bench import plot, show
from bench.document import BEGIN, END, document
from bench.machine import BenchFailed
from bench.messages import PROFILES
from bench.results import Memory, Overload, Report, Results, Run, Step
from bench.targets import TARGETS, verdicts


def report(profile: str, worker_us: float, sustained: float, fsync: str = "everysec", workers: int = 1) -> Report:
    steps = tuple(
        Step(share=share, rate=sustained * share / 100, ms={"50": 1.0, "95": 2.0, "99": 8.0, "99.9": 9.0},
             worker_us=worker_us, store_us=30.0, generator_us=9.0, calls=1.01, script_us=25.0)
        for share in (50, 70, 90)
    )  # fmt: skip
    return Report(
        run=Run(profile=profile, fsync=fsync, workers=workers), sustained=sustained, proved=3, steps=steps, requests=1,
        worker_mb=70, store_mb=10,
        overload=Overload(best=17_000, goodput=0.95, refused=1, unanswered=0, slowest_ms=1200),
    )  # fmt: skip


RESULTS = Results(
    made="2026-01-01 00:00 UTC",
    machine="2 cores",
    load=0.1,
    reports=(
        report("data-1", 90, 50_000, workers=2),
        report("data-1", 50, 15_000),
        report("data-3", 64, 9_000),
        report("hot", 50, 13_000),
        report("data-1", 50, 9_000, fsync="always"),
    ),
    memory=Memory(account_octets=621, session_octets=1_501, ended_octets=1_159, worker_mb=119, sessions=100_000),
    rival=1_000,
)


def test_each_target_has_its_verdict() -> None:
    assert {verdict.target.what: (verdict.figure, verdict.word) for verdict in verdicts(RESULTS)} == {
        "worker's processor per CCR-U, 1 rating group": (50, "met"),
        "each further rating group": (7, "met, stretch too"),
        "store's processor per CCR": (30, "met"),
        "store's calls per CCR, the reaper's included": (1.01, "met"),
        "sustained, whole box, everysec": (15_000, "met"),
        "sustained, whole box, always": (9_000, "missed"),
        "p50 at 70 %": (1.0, "met"),
        "p99 at 70 %": (8.0, "missed"),
        "p99.9 at 70 %": (9.0, "met"),
        "python-diameter's rate per processor second, times": (20, "met, stretch too"),
        "worker's processor per INVITE -> 302": (None, "not measured"),
        "hot account, of the rate of spread ones": (pytest.approx(86.67, abs=0.01), "missed"),
        "store per idle account": (621, "met"),
        "store per open session": (1_501, "missed"),
        "worker with 100,000 open sessions": (119, "met"),
        "deck of 200,000 prefixes against 2,000, per request": (None, "not measured"),
        "goodput at twice the best rate": (95, "met"),
        "slowest answer at twice the best rate": (1_200, "missed"),
        "requests unanswered at twice the best rate": (0, "met"),
        "start to ready with 1,000,000 accounts, beyond the store's load": (None, "not measured"),
    }


def test_what_contradicts_itself_is_not_measured() -> None:
    unproved = msgspec.structs.replace(report("data-1", 50, 15_000), proved=0)
    found = {verdict.word for verdict in verdicts(Results(made="", machine="", load=0, reports=(unproved,)))}
    assert found == {"not measured"}
    results = Results(made="", machine="", load=0, reports=(report("data-1", 90, 100), report("data-3", 80, 300)))
    words = {verdict.target.what: verdict.word for verdict in verdicts(results)}
    assert words["each further rating group"] == "not measured"


def test_without_results_nothing_is_claimed() -> None:
    nothing = Results(made="", machine="", load=0)
    assert {verdict.word for verdict in verdicts(nothing)} == {"not measured"}
    assert len(show.targets(nothing)) == 2 + len(TARGETS)


def test_results_come_back_from_their_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(RESULTS), type=Results) == RESULTS


def test_the_page_is_renewed_between_its_marks_only(tmp_path: Path) -> None:
    page, picture = tmp_path / "page.md", tmp_path / "page.svg"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        document(RESULTS, page, picture)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\nMeasured 2026-01-01 00:00 UTC on 2 cores")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert text.count("| store per open session | <= 1,500 octets |  | 1,501 octets | missed |") == 1
    assert len(ElementTree.fromstring(picture.read_text()).findall(".//{*}polyline")) == 4 * len(RESULTS.reports)
    assert picture.read_text() == plot.draw(RESULTS)


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no place")
    with pytest.raises(BenchFailed, match="no place for figures"):
        document(RESULTS, page, tmp_path / "page.svg")
    assert page.read_text() == "no place"


def test_the_mix_is_of_all_kinds() -> None:
    mix = PROFILES["mix"]
    assert [mix.of(number).name for number in (0, 7, 9, 10)] == ["data-1", "voice", "sms", "data-1"]
    assert PROFILES["voice"].price == 30_000
