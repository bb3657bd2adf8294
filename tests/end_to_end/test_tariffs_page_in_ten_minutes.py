"""The beginning of docs/tariffs.md, done as it is written: in an empty folder, with the real commands."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.house import ROOT, House

PAGE = (ROOT / "docs" / "tariffs.md").read_text()
QUICK = PAGE[PAGE.index("## In ten minutes") : PAGE.index("## What makes a catalogue")]
PLAN = re.findall(r"```toml quick\n(.*?)```", QUICK, re.DOTALL)
CONSOLES = re.findall(r"```console\n(.*?)```", QUICK, re.DOTALL)
SERVE = re.findall(r"```sh\n(.*?)```", QUICK, re.DOTALL)


def follow(console: str, folder: Path, directory: Path) -> None:
    """Run each command; each line that stands below it must be said, in that order, ``...`` being anything."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "200", "OCS_DAEMON__DIRECTORY": str(directory)}
    for step in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, *expected = step.splitlines()
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        said = [line.rstrip() for line in done.stdout.splitlines()]
        for line in expected:
            pattern = ".*".join(map(re.escape, line.split("...")))
            found = next((number for number, text in enumerate(said) if re.fullmatch(pattern, text)), None)
            assert found is not None, f"{command} does not say {line!r} but\n{done.stdout}"
            said = said[found + 1 :]


def test_from_an_empty_folder_to_a_working_plan(tmp_path: Path) -> None:
    (plan,) = PLAN
    folder = tmp_path / "desk"
    (folder / "my-catalogue").mkdir(parents=True)
    (folder / "my-catalogue" / "plan.toml").write_text(plan)
    alone, *served = CONSOLES
    follow(alone, folder, folder / "no-daemon-here")
    assert SERVE == ["OCS_CHARGING__CATALOGUE=my-catalogue ocs serve\n"]
    house = tmp_path / "house"
    house.mkdir()
    with House(house, OCS_CHARGING__CATALOGUE=str(folder / "my-catalogue")):
        for console in served:
            follow(console, folder, house / "var")
    assert len(served) == 2
