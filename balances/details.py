"""Charge detail records: what a finished file of the journal says was debited and credited, as CSV beside it.

A pure function of the journal's file, put in place whole: if it is missing it is made again, and it never says anything
twice.
It is made in a process of its own (``python -m balances.details FILE``): the daemon has better things to do.
docs/journal.md is the schema.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

COLUMNS = (
    "time",
    "account",
    "door",
    "session",
    "operation",
    "cause",
    "reference",
    "bucket",
    "asset",
    "debited",
    "credited",
    "overrun",
    "shard",
    "entry",
    "level",
    "margin",
)
"""A row for each bucket debited or credited; amounts in micro-units of a currency, or units of an allowance.

The margin stands in the entry's first row, alone in one without bucket if nothing else is to be said.
"""


def details_of(journal: Path) -> Path:
    """``journal-000001.csv`` beside ``journal-000001.jsonl``."""
    return journal.with_suffix(".csv")


def make_details(journal: Path) -> str:
    """Have the records of a finished file made, if they are not there; returns what was wrong, which loses nothing."""
    if details_of(journal).exists():
        return ""
    command = [sys.executable, "-m", "balances.details", str(journal)]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    except OSError as problem:
        return str(problem)
    return made.stderr.strip().rpartition("\n")[2] if made.returncode else ""


def write_details(journal: Path) -> None:
    """Write them; raises OSError, and ValueError for a damaged file."""
    path = details_of(journal)
    fresh = path.with_name(f".{path.name}.new")
    with journal.open("rb") as lines, fresh.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for line in lines:
            writer.writerows(_rows(json.loads(line)))
    fresh.chmod(0o600)
    fresh.replace(path)


def _rows(entry: dict[str, Any]) -> Iterator[list[object]]:
    at = datetime.fromtimestamp(entry["at"] // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    head = [f"{at}.{entry['at'] % 1000:03d}Z", entry["account"], entry["door"], entry["session"]]
    head += [entry["operation"], entry["cause"], entry["reference"]]
    margin = entry.get("margin") or ""
    tail = [entry["shard"], entry["id"], entry.get("level", 0)]
    for line in entry["lines"]:
        if line["debited"] or line["credited"] or line["overrun"]:
            amounts = [line["debited"], line["credited"], line["overrun"]]
            yield [*head, line["bucket"], line["asset"], *amounts, *tail, margin]
            margin = ""
    if margin:
        yield [*head, "", "", 0, 0, 0, *tail, margin]


if __name__ == "__main__":
    write_details(Path(sys.argv[1]))
