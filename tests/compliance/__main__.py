"""Write docs/compliance.md from docs/compliance.toml and the ``rfc`` marks of the tests; see ``scripts/compliance``."""

import argparse
import contextlib
import io
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).parents[2]
SOURCE, PAGE = ROOT / "docs/compliance.toml", ROOT / "docs/compliance.md"
STATUSES = ("compliant", "partly", "not", "n/a")
MOST_NAMED = 2
"""Tests named in a row, the numbered checks first: all of them would make the page change with every test."""
HEAD = """# What is kept of the standards

Written by `scripts/compliance` from `docs/compliance.toml` and the marks of the tests: change those, not this page.
A test may stand under several sections; tests of a subsection count for its section.
"""


class Standard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A standard and its rows: section, what it is about, status, why or how."""

    number: str
    title: str
    rows: list[tuple[str, str, str, str]]


class Real(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of deviations: what, whose, what we do, test or reason."""

    rows: list[tuple[str, str, str, str]]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    standard: list[Standard]
    real: Real


class Marks:
    """A pytest plugin: which tests there are, and which of them carry which mark."""

    def __init__(self) -> None:
        self.tests: dict[str, str] = {}
        """Name without parameters to file."""
        self.marked: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)

    def pytest_collection_finish(self, session: Any) -> None:
        for item in session.items:
            name = item.originalname
            self.tests[name] = str(Path(item.fspath).relative_to(ROOT))
            for mark in item.iter_markers("rfc"):
                self.marked[mark.args].setdefault(name)

    def under(self, number: str, section: str) -> list[str]:
        """Tests of a section and of those below it."""
        names: dict[str, None] = {}
        for (standard, place), tests in sorted(self.marked.items()):
            if standard == number and (place == section or place.startswith(section + ".")):
                names.update(tests)
        return sorted(names, key=lambda name: (not name.startswith("test_check_"), name))


def collect() -> Marks:
    """Have pytest collect all tests, without running any."""
    marks = Marks()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[marks])
    if status != pytest.ExitCode.OK:
        sys.exit(said.getvalue()[-3000:])
    return marks


def read() -> Source:
    """The rows, checked."""
    return msgspec.convert(tomllib.loads(SOURCE.read_text()), Source)


def problems(source: Source, marks: Marks) -> list[str]:
    """What does not hold: a status that is none, a compliant row without a test, a mark without a row."""
    found = []
    for standard in source.standard:
        for section, about, status, why in standard.rows:
            place = f"{standard.title}, {section} {about}"
            if status not in STATUSES:
                found.append(f"{place}: status {status!r}")
            if status == "compliant" and not marks.under(standard.number, section):
                found.append(f"{place}: compliant, without a test")
            if status != "compliant" and not why:
                found.append(f"{place}: no reason")
        sections = [row[0] for row in standard.rows]
        for number, place in marks.marked:
            covered = any(place == section or place.startswith(section + ".") for section in sections)
            if number == standard.number and not covered:
                found.append(f"{standard.title}: tests of section {place}, and no row")
    for deviation, _, _, test in source.real.rows:
        if test.startswith("test_") and test not in marks.tests:
            found.append(f"{deviation}: there is no {test}")
    return found


def page(source: Source, marks: Marks) -> str:
    """The page."""
    lines = [HEAD]
    for standard in source.standard:
        lines += [
            f"## {standard.title}\n",
            "| § | about | status | how, or why not | such as |",
            "|---|---|---|---|---|",
        ]
        for section, about, status, why in standard.rows:
            tests = marks.under(standard.number, section)
            named = ", ".join(f"`{name.removeprefix('test_')}`" for name in tests[:MOST_NAMED])
            lines.append(f"| {section} | {about} | {status} | {why} | {named} |")
        lines.append("")
    lines += ["## Real clients\n", "| what they do | who | what we do | test |", "|---|---|---|---|"]
    for deviation, who, done, test in source.real.rows:
        shown = f"`{test.removeprefix('test_')}`, {marks.tests.get(test, '')}" if test.startswith("test_") else test
        lines.append(f"| {deviation} | {who} | {done} | {shown} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/compliance", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not what it should be")
    given = parser.parse_args()
    source, marks = read(), collect()
    found = problems(source, marks)
    written = page(source, marks)
    if given.check:
        if PAGE.read_text() != written:
            found.append(f"{PAGE.name} is out of date: run scripts/compliance")
    else:
        PAGE.write_text(written)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
