"""A new catalogue under load: no request fails, none is rated by half of each version, and all workers end with one."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from charging.catalogue.load import SAMPLE
from tests.gateway import CLOSE, OPEN, Gateway, ccr, result, service, services, subscriber
from tests.house import ROOT, House

TEXT = (SAMPLE / "catalogue.toml").read_text()
DEARER = TEXT.replace("0.01 EUR per MB", "0.02 EUR per MB").replace("0.10 EUR per MB", "0.20 EUR per MB")
COSTS = {("0.10", "0.50"), ("0.20", "1.00")}
"""What the quotas of rating groups 10 and 20 cost, by either version; anything else is half of each."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("publishing"), OCS_DAEMON__WORKERS="2") as house:
        yield house


def ocs(house: House, *arguments: str, code: int = 0) -> str:
    variables = {**os.environ, "OCS_DAEMON__DIRECTORY": str(house.directory / "var")}
    command = [sys.executable, "-m", "ocs", "catalogue", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def costs(house: House, session: str) -> tuple[str, str]:
    held = {each["key"]: each["cost"] for each in house.get(f"/v1/sessions/{session}")["holdings"]}
    return held["10"], held["20"]


async def load(house: House, number: int, end: asyncio.Event) -> list[tuple[str, str]]:
    """A gateway that opens and closes sessions until the end; what each had reserved."""
    house.open_account(f"49170100{number}", "1000")
    who = subscriber(f"49170100{number}")
    found: list[tuple[str, str]] = []
    async with Gateway("127.0.0.1", house.ports["diameter"], f"gw{number}.example.net") as gateway:
        while not end.is_set():
            name = f"p;{number};{len(found)}"
            opened = await gateway.ask(ccr(name, OPEN, 0, who, service(10, wanted=()), service(20, wanted=())))
            assert (result(opened), len(services(opened))) == (2001, 2)
            found.append(await asyncio.to_thread(costs, house, name))
            closed = await gateway.ask(ccr(name, CLOSE, 1, who, service(10, used=()), service(20, used=())))
            assert result(closed) == 2001
    return found


async def in_force(house: House, version: str) -> None:
    """Until every process rates by a version."""
    async with asyncio.timeout(60):
        while True:
            seen = await asyncio.to_thread(house.get, "/v1/catalogues")
            if seen["processes"] and all(each["version"] == version for each in seen["processes"]):
                return
            await asyncio.sleep(0.1)


async def test_publishing_under_load(house: House, tmp_path: Path) -> None:
    for name, text in (("first", TEXT), ("second", DEARER)):
        (tmp_path / f"{name}.toml").write_text(text)
    end = asyncio.Event()
    loads = [asyncio.create_task(load(house, number, end)) for number in range(4)]
    try:
        for name in ("first", "second"):
            told = await asyncio.to_thread(ocs, house, "publish", str(tmp_path / f"{name}.toml"), "--json")
            version = json.loads(told)["version"]
            await in_force(house, version)
        await asyncio.sleep(0.5)
    finally:
        end.set()
    for found in await asyncio.gather(*loads):
        assert set(found) <= COSTS
        assert found == sorted(found), "no process goes back"
        assert set(found) == COSTS
    assert len(house.get("/v1/catalogues")["processes"]) == 3
    assert house.audit()["balanced"]


async def test_the_way_back_and_a_new_start(house: House, tmp_path: Path) -> None:
    second = house.get("/v1/catalogues")["current"]["version"]
    first = house.get("/v1/catalogues")["publications"][1]["version"]
    assert "0.10 EUR per MB -> 0.20 EUR per MB" in ocs(house, "diff", second, first)
    assert "nothing" not in ocs(house, "rollback", "--comment", "too dear")
    await in_force(house, first)
    assert "too dear" in ocs(house, "list")
    house.stop()
    house.start()  # the files, "sample", are those of the first: only the log tells
    (tmp_path / "new.toml").write_text(TEXT.replace("0.09 EUR each", "0.08 EUR each"))
    assert "0.09 EUR each -> 0.08 EUR each" in ocs(house, "diff", str(tmp_path / "new.toml"))
    ocs(house, "publish", str(tmp_path / "new.toml"))
    new = house.get("/v1/catalogues")["publications"][0]["version"]
    await in_force(house, new)
    house.stop()
    house.start()
    told = house.post("/v1/price", {"plan": "prepaid-basic", "service": {"kind": "sms", "called": "491"}, "units": 1})
    assert (told["price"], told["catalogue"]) == ("0.08", new)
    assert f"the published catalogue {new} holds, not the files of sample" in house.whole_log


def test_mistakes_are_told_with_file_and_line(house: House, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(TEXT + '\n[rates.oops]\nservice = "data"\nprize = "1"\n')
    assert "did you mean 'price'" in ocs(house, "publish", str(tmp_path / "bad.toml"), code=1)
    body = {"files": {"bad.toml": (tmp_path / "bad.toml").read_text()}}
    answer = httpx.post(f"http://127.0.0.1:{house.ports['http']}/v1/catalogues", json=body, trust_env=False)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == "#/files/bad.toml"
    assert fault["detail"].startswith("bad.toml:")
    assert "none-such" in ocs(house, "rollback", "none-such", code=4)


async def test_ported_numbers_change_without_a_new_catalogue(house: House, tmp_path: Path) -> None:
    networks = '\n[networks.ours]\nown = true\nprefixes = ["49152"]\n[networks.theirs]\nprefixes = ["4917"]\n'
    line = '    { call = "on-net", rate = "voice-incoming" },\n'
    text = TEXT.replace("voice = [\n", "voice = [\n" + line, 1) + networks
    (tmp_path / "net.toml").write_text(text)
    await in_force(house, json.loads(ocs(house, "publish", str(tmp_path / "net.toml"), "--json"))["version"])
    price = {"plan": "prepaid-basic", "service": {"kind": "voice", "called": "491701112223"}, "units": 60}
    assert house.post("/v1/price", price)["price"] == "0.06"
    (tmp_path / "moved.csv").write_text("number,network\n491701112223,ours\n491521112223,theirs\n")

    def portability(*arguments: str, code: int = 0) -> str:
        variables = {**os.environ, "OCS_DAEMON__DIRECTORY": str(house.directory / "var")}
        command = [sys.executable, "-m", "ocs", "portability", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables, timeout=60)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert "2 changed, 2 numbers" in portability("load", str(tmp_path / "moved.csv"))
    assert house.post("/v1/price", price)["price"] == "0.00"
    assert "ours (by update)" in portability("show", "491701112223")
    assert "theirs (by range)" in portability("show", "491701112224")
    assert "no-such" in portability("put", "491701112223", "no-such", code=4)
    house.stop()
    house.start()
    assert house.post("/v1/price", price)["price"] == "0.00"
    portability("put", "491701112223")
    assert house.post("/v1/price", price)["price"] == "0.06"
