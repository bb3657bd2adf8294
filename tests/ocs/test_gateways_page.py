"""docs/gateways.md: its examples are configuration that loads, its table is the profile that there is."""

import re
from pathlib import Path

import msgspec
import pytest

from ocs.config import load
from ocs.credit_control.settings import Profile
from ocs.diameter import avps
from simulators.gateway import PROFILES

PAGE = (Path(__file__).parents[2] / "docs" / "gateways.md").read_text()
EXAMPLES = [
    "\n".join(line[4:] for line in block.splitlines())
    for block in re.findall(r"(?:^(?: {4}.*)?\n)+", PAGE, re.MULTILINE)
    if block.lstrip("\n").startswith("    [")
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_each_example_of_configuration_loads(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ocs.toml"
    file.write_text(f'[http]\nauth = "off"\n{text}')
    config = load(file, {})
    assert config.credit_control.profiles or config.credit_control.parameters or config.diameter.profiles


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 3


def test_the_table_names_every_key_of_a_profile_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (\S+) \|$", PAGE, re.MULTILINE))
    fields = {field.name: field for field in msgspec.structs.fields(Profile) if field.name != "peers"}
    assert rows == {name: str(field.default).lower() for name, field in fields.items()}


def test_what_it_shows_of_adding_an_avp_is_how_it_is() -> None:
    found = re.search(r"^ {4}ocs/diameter/avps.py +MY_AVP = (\w+)\(", PAGE, re.MULTILINE)
    assert found
    assert hasattr(avps, found[1])


def test_the_profiles_it_names_are_those_of_the_simulator() -> None:
    assert "`ocs simulate mno --profile open5gs` (or `magma`, `staros`, `plain`)" in PAGE
    assert set(PROFILES) == {"open5gs", "magma", "staros", "plain"}
