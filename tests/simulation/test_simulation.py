"""Seeds of the simulation without a violation, the same each time; and every planted bug found by some of them."""

import subprocess
import sys

import pytest

from charging.catalogue import Catalogue, load
from tests.house import ROOT
from tests.simulation.bugs import BUGS
from tests.simulation.world import Violation, World

SEEDS = 150
"""Seeds in scripts/test; scripts/simulation runs ten thousand."""

HUNT = 400


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load("sample")


def test_no_seed_breaks_a_promise(catalogue: Catalogue) -> None:
    faults = sum(
        (World(seed, catalogue).run().faults for seed in range(SEEDS)), start=World(0, catalogue).figures.faults
    )
    assert min(faults.values()) > 0
    assert len(faults) == 6, "every kind of fault was there"


def test_a_seed_is_the_same_life_each_time() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--first", "7", "--seeds", "3", "--figures"]
    lives = {
        subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": hashes}
        ).stdout
        for hashes in ("1", "2")
    }
    assert len(lives) == 1


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(catalogue: Catalogue, bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[bug](monkeypatch)

    def hunt() -> None:
        for seed in range(HUNT):
            World(seed, catalogue).run()

    with pytest.raises(Violation):
        hunt()
