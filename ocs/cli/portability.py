"""``ocs portability``: numbers that were ported since the catalogue was written."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ocs.cli.client import NOT_SO, Session, fail, json_option, show

_BATCH = 10_000
"""Numbers in one request."""


@click.group()
def portability() -> None:
    """Ported numbers: changed without publishing a catalogue, in force in all processes within a second."""


@portability.command()
@click.argument("number")
@click.argument("network", required=False)
@json_option
@click.pass_obj
def put(session: Session, number: str, network: str | None, as_json: bool) -> None:
    """NUMBER was ported to NETWORK; without one, what the catalogue says of it holds again."""
    body = {"numbers": {number: network}}
    show(session.call("PUT", "v1", "portability", body=body), as_json, _changed)


@portability.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@click.pass_obj
def load(session: Session, file: Path, as_json: bool) -> None:
    """Change all numbers of a CSV FILE (number,network; an empty network takes a number out). May be repeated."""
    data: dict[str, Any] = {"changed": 0, "ported": 0}
    for batch in _batches(file):
        told = session.call("PUT", "v1", "portability", body={"numbers": batch})
        data = {"changed": data["changed"] + told["changed"], "ported": told["ported"]}
    show(data, as_json, _changed)


@portability.command("show")
@click.argument("number")
@json_option
@click.pass_obj
def show_it(session: Session, number: str, as_json: bool) -> None:
    """To which network NUMBER belongs, and what says so."""
    show(session.call("GET", "v1", "portability", number), as_json, _number)


def _batches(file: Path) -> Iterator[dict[str, str | None]]:
    with file.open(newline="") as lines:
        reader = csv.DictReader(lines, skipinitialspace=True)
        if reader.fieldnames is None or not {"number", "network"} <= set(reader.fieldnames):
            fail(f"{file}:1: the first line names the columns: number,network", NOT_SO)
        batch: dict[str, str | None] = {}
        for row in reader:
            if row["number"]:
                batch[row["number"].strip()] = (row["network"] or "").strip() or None
            if len(batch) >= _BATCH:
                yield batch
                batch = {}
        if batch:
            yield batch


def _changed(data: Any) -> object:
    return f"{data['changed']} changed, {data['ported']} numbers are ported by updates"


def _number(data: Any) -> object:
    return f"{data['number']}: {data['network'] or 'no network'}" + (
        f" (by {data['source']})" if data["source"] else ""
    )
