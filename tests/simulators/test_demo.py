"""The whole thing in a few seconds: a real daemon, both networks, faults, and everybody's books."""

import asyncio
import json
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from simulators.api import Api, ApiError
from simulators.books import Books, Item
from simulators.cli import simulate_command
from simulators.demo import Server, demonstrate
from simulators.gateway import PROFILES
from simulators.mno import simulate_mno
from simulators.reconcile import compare, prepare
from simulators.settings import Mix, MnoOptions, Settings
from simulators.traffic import make_subscribers

FAULTY = Settings(
    rate=25,
    duration=4,
    seed=11,
    subscribers=12,
    duplicate=0.05,
    drop=0.05,
    delay=0.05,
    reorder=0.05,
    cut=0.01,
    overuse=0.3,
    tx=0.4,
    t1=0.1,
    attempts=10,
)


async def test_with_many_faults_the_clients_books_equal_the_ledger():
    verdict = await demonstrate(FAULTY, 6.0, False, Console(quiet=True))
    comparison = verdict.comparison
    assert verdict.balanced, comparison
    assert verdict.audit["balanced"]
    assert verdict.audit["sessions"] == 0
    assert verdict.server_exit == 0
    assert comparison.strange == 0
    for line in (*comparison.services, comparison.total):
        assert line.agrees, line
        assert line.charged > 0, line
    diameter = [line for line in comparison.services if line.name != "sip calls"]
    assert all(line.exact for line in diameter)
    events = verdict.runs[0].summary.events
    assert events["retransmissions"] > 0
    assert events["repeats answered alike"] > 0
    assert "repeats answered differently" not in events
    assert {"drop", "duplicate"} <= set(verdict.runs[0].faults) & set(verdict.runs[1].faults)


@pytest.fixture
async def server(tmp_path: Path):
    running = Server(tmp_path)
    ports = await running.start()
    yield ports
    assert await running.stop() == 0


async def test_books_that_differ_from_the_ledger_are_found(server):
    api = Api(f"http://127.0.0.1:{server.http}")
    subscribers = make_subscribers(2)
    marks = await prepare(api, subscribers, "1.00", "test")
    assert (await api.account("sim-0001"))["money"]["balance"] == "1.00"
    assert (await compare(api, Books(), marks)).exact
    books = Books()
    books.used(Item("sim-0001", "sms", "never charged", "sms"), 1)
    comparison = await compare(api, books, marks)
    assert not comparison.agrees
    assert [line.agrees for line in comparison.accounts] == [False, True]
    assert (comparison.total.believed, comparison.total.charged) == (90_000, 0)


async def test_preparing_twice_pays_once_and_a_refused_call_says_why(server):
    api = Api(f"http://127.0.0.1:{server.http}")
    for run in ("one", "two"):
        await prepare(api, make_subscribers(1), "1.00", run)
    assert (await api.account("sim-0001"))["money"]["balance"] == "1.00"
    with pytest.raises(ApiError) as caught:
        await api.account("nobody")
    assert caught.value.status == 404


async def test_the_commands_run_and_report_as_json(server):
    common = ["--http", f"http://127.0.0.1:{server.http}", "--duration", "1", "--rate", "10", "--json", "--quiet"]

    async def run(command: str, port: int) -> None:
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("ocs"), "simulate", command, "--port", str(port), "--drop", "2%", *common),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        shown = json.loads(output)["comparison"]["total"]
        assert 0 < shown["least"] <= shown["charged"] <= shown["most"]

    await asyncio.gather(run("mno", server.diameter), run("sip", server.sip))


@pytest.mark.parametrize("profile", sorted(PROFILES))
async def test_each_make_of_gateway_is_charged_to_the_last_octet(server, profile):
    options = MnoOptions(
        settings=Settings(rate=8, duration=3, seed=5, subscribers=4, speed=60, tx=0.5, drop=0.02, attempts=10),
        host="127.0.0.1",
        port=server.diameter,
        http=f"http://127.0.0.1:{server.http}",
        mix=Mix(data=1, voice=0, sms=0),
        profile=profile,
    )
    comparison = (await simulate_mno(options)).comparison
    assert comparison is not None
    assert comparison.exact, comparison
    assert comparison.total.charged > 0
    assert (await Api(options.http).audit())["balanced"]


def _invoke(arguments: list[str]):
    return CliRunner().invoke(simulate_command, arguments)


def test_the_command_line_says_what_makes_no_sense_and_that_nobody_answers():
    assert _invoke(["sip", "--drop", "200%"]).exit_code == 2
    assert _invoke(["mno", "--rate", "0"]).exit_code == 2
    assert _invoke(["sip", "--port", "1", "--http", "http://127.0.0.1:1"]).exit_code == 3


def test_the_configuration_file_holds_the_defaults(tmp_path: Path):
    wrong = tmp_path / "config.toml"
    wrong.write_text("[simulators]\nrate = -1.0\n")
    assert _invoke(["--config", str(wrong), "sip"]).exit_code == 2
    assert msgspec.convert({"rate": 3}, Settings).rate == 3.0
