"""The JSON schema of a catalogue file, for editors: ``python -m charging.catalogue.editors`` prints it."""

import json
import sys
from typing import Any

import msgspec

from charging.catalogue.schema import SECTIONS


def schema() -> dict[str, Any]:
    """The schema, made from the shapes that the check itself uses."""
    shapes, components = msgspec.json.schema_components(SECTIONS.values(), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Catalogue",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            section: {"type": "object", "additionalProperties": shape}
            for section, shape in zip(SECTIONS, shapes, strict=True)
        },
        "$defs": components,
    }


def text() -> str:
    """The schema as a file."""
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
