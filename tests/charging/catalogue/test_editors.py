"""The JSON schema for editors is current and knows what the check knows."""

from pathlib import Path

import pytest

from charging.catalogue.editors import schema, text
from charging.catalogue.schema import SECTIONS

FILE = Path(__file__).parents[3] / "docs" / "catalogue.schema.json"


def test_the_file_is_current() -> None:
    assert FILE.read_text() == text(), (
        "write it anew: python -m charging.catalogue.editors > docs/catalogue.schema.json"
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_every_table_is_described(section: str) -> None:
    assert section in schema()["properties"]


def test_a_line_of_a_plan_is_described_as_it_is_written() -> None:
    line = schema()["$defs"]["RuleText"]
    assert {"to", "from", "visited", "when", "deck", "surcharge"} <= set(line["properties"])
    assert line["additionalProperties"] is False
