"""Scenarios: each file can be read, and one of them is played against a real server."""

import json
from pathlib import Path
from random import Random

import pytest

from simulators.scenario import names, read
from simulators.traffic import arrivals, make_subscribers
from tests.house import House, run_ocs

PROMISED = {
    "faults", "gateway-restart", "low-balance-crowd", "morning-peak", "retransmission-storm", "roaming-storm",
}  # fmt: skip


def test_all_that_come_along_can_be_read_and_share_no_subscriber() -> None:
    assert set(names()) == PROMISED
    taken: set[int] = set()
    for name in names():
        scenario = read(name)
        numbers = set(range(scenario.first, scenario.first + scenario.load.subscribers))
        assert taken.isdisjoint(numbers)
        taken |= numbers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('title = "x"\nfirst = 1\nspeed = 3\n', "unknown field `speed`"),
        ('title = "x"\nfirst = 1\nshape = [2.0]\n', "shares from 0 to 1"),
        ('title = "x"\n', "required field `first`"),
    ],
)
def test_a_file_with_mistakes_says_them(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read(str(file))


def test_arrivals_follow_the_shape() -> None:
    found = [one.at for one in arrivals(Random(1), 100, 100, {"sms": 1}, make_subscribers(3), (0.0, 0.5, 1.0, 0.5))]
    quarters = [sum(25 * n <= at < 25 * (n + 1) for at in found) for n in range(4)]
    assert quarters[0] == 0
    assert quarters[1] < quarters[2] > quarters[3]
    assert 1_000 < quarters[1] < 1_500


def test_faults_on_both_doors_leave_the_books_right_and_a_report(tmp_path: Path) -> None:
    with House(tmp_path) as house:
        page = tmp_path / "report.html"
        done = run_ocs(
            house, "simulate", "faults", "--duration", "4", "--report", str(page), "--json", "--quiet", code=0
        )
        story = json.loads(done.stdout)
        assert story["balanced"] is True
        assert [run["name"] for run in story["runs"]] == ["mno", "sip"]
        assert all(run["finished"] and run["faults"] for run in story["runs"])
        assert sum(one["rate"] for one in story["curves"]["mno"]) > 0
        html = page.read_text()
        assert html.count("<svg") == 3
        assert html.count("<polyline") == 8
        assert "The books agree." in html
        assert "http://" not in html
        assert "https://" not in html
        assert "morning-peak" in run_ocs(house, "simulate", "scenario", code=0).stdout
        assert "nowhere.toml" in run_ocs(house, "simulate", "scenario", "nowhere.toml", code=2).stderr
