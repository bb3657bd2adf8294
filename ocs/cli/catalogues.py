"""``ocs catalogue``: what services cost, in files and as published."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Group
from rich.markup import escape

from charging.catalogue import Catalogue, CatalogueError, load, parse, read_files
from charging.catalogue.diff import Change, changes
from charging.catalogue.unused import unused
from ocs.cli.client import NOT_SO, Session, fail, json_option, show, table

PUBLISHED = "published"
"""Names what was published last, among versions and places."""

_PATIENCE = 180.0
"""Seconds that publishing may take: every process loads the catalogue first."""

_SHOWN = 20
"""Details of one table that people are shown; JSON has them all."""


@click.group()
def catalogue() -> None:
    """Catalogues: plans, rates and offers. check, show and diff of files need no daemon."""


@catalogue.command()
@click.argument("place", default="sample")
@json_option
def check(place: str, as_json: bool) -> None:
    """Check a file or folder ("sample": the one that comes along); exit 1 with every mistake and its line.

    What nothing names is noted, and is no mistake.
    """
    found = load_or_end(place)
    for note in unused(read_files(place)):
        click.echo(f"note: {note}", err=True)
    show(_facts(found), as_json, lambda data: f"{place}: good ({_plans(data)}, version {data['version']})")


@catalogue.command("show")
@click.argument("place", default="sample")
@json_option
@click.pass_obj
def show_it(session: Session, place: str, as_json: bool) -> None:
    """Show the plans and offers of a file, a folder, a version, or "published"."""
    show(_facts(parse(_files(session, place))), as_json, _tables)


@catalogue.command()
@click.argument("place")
@click.option("--comment", default="", help="Why; kept with the publication.")
@json_option
@click.pass_obj
def publish(session: Session, place: str, comment: str, as_json: bool) -> None:
    """Check a file or folder and put it in force, in all processes at one moment."""
    load_or_end(place)
    try:
        files = {name: content.decode() for name, content in read_files(place).items()}
    except OSError as error:
        fail(f"{place}: {error.strerror}", NOT_SO)
    body = {"files": files, "comment": comment}
    show(session.call("POST", "v1", "catalogues", body=body, timeout=_PATIENCE), as_json, _published)


@catalogue.command("list")
@json_option
@click.pass_obj
def list_them(session: Session, as_json: bool) -> None:
    """What was published, newest first, and which process rates by which version."""
    show(session.call("GET", "v1", "catalogues"), as_json, _history)


@catalogue.command()
@click.argument("version", required=False)
@click.option("--comment", default="", help="Why; kept with the publication.")
@json_option
@click.pass_obj
def rollback(session: Session, version: str | None, comment: str, as_json: bool) -> None:
    """Publish VERSION again; without one, the version before the one in force."""
    if version is None:
        listed = [each["version"] for each in session.call("GET", "v1", "catalogues")["publications"]]
        version = next((each for each in listed if each != listed[0]), None)
        if version is None:
            fail("nothing else was published before", NOT_SO)
    path = ("v1", "catalogues", version, "publications")
    show(session.call("POST", *path, body={"comment": comment}, timeout=_PATIENCE), as_json, _published)


@catalogue.command()
@click.argument("new")
@click.argument("old", default=PUBLISHED)
@json_option
@click.pass_obj
def diff(session: Session, new: str, old: str, as_json: bool) -> None:
    """What NEW would change, compared with OLD. Each is a file, a folder, a version, or "published" (last)."""
    files = {which: _files(session, which) for which in (old, new)}
    found = changes(files[old], files[new])
    show(msgspec.to_builtins(found), as_json, lambda _: Group(*map(_change, found)) if found else "no difference")


def load_or_end(place: str) -> Catalogue:
    """The catalogue of a place; ends the program with its mistakes, each with its line."""
    try:
        return load(place)
    except CatalogueError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
    except OSError as error:
        click.echo(f"error: {place}: {error.strerror}", err=True)
    sys.exit(NOT_SO)


def _files(session: Session, which: str) -> dict[str, bytes]:
    """The files of a place or a version, checked where they come from a place."""
    if which == "sample" or Path(which).exists():
        load_or_end(which)
        return read_files(which)
    if which == PUBLISHED:
        listed = session.call("GET", "v1", "catalogues")["publications"]
        if not listed:
            fail("nothing is published yet", NOT_SO)
        which = listed[0]["version"]
    found = session.call("GET", "v1", "catalogues", which)["files"]
    return {name: text.encode() for name, text in found.items()}


def _facts(found: Catalogue) -> dict[str, Any]:
    return {
        "version": found.version,
        "plans": [{"name": name, "currency": plan.currency} for name, plan in found.plans.items()],
        "offers": [
            {"name": offer.name, "unit": offer.unit.value, "amount": offer.amount} for offer in found.offers.values()
        ],
    }


def _plans(data: Any) -> str:
    number = len(data["plans"])
    return f"{number} plan" + "s" * (number != 1)


def _tables(data: Any) -> object:
    rows = [("plan", plan["name"], plan["currency"]) for plan in data["plans"]]
    rows += [("offer", offer["name"], f"{offer['amount']} {offer['unit']}") for offer in data["offers"]]
    return table(("kind", "name", ""), rows, title=f"catalogue {data['version']}")


def _published(data: Any) -> object:
    return f"catalogue {data['version']} is in force from {_local(data['since'])} on"


def _history(data: Any) -> object:
    current = data["current"] or {}
    rows = [
        (each["version"], _local(each["since"]), "in force" if each == current else "", each["by"], each["comment"])
        for each in data["publications"]
    ]
    processes = [(each["name"], each["version"], each["problem"] or "good") for each in data["processes"]]
    return Group(
        table(("version", "since", "", "by", "comment"), rows, title="published"),
        table(("process", "version", ""), processes),
    )


def _local(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().isoformat(sep=" ", timespec="seconds")


def _change(change: Change) -> str:
    lines = [f"  {escape(detail)}" for detail in change.details[:_SHOWN]]
    if len(change.details) > _SHOWN:
        lines.append(f"  and {len(change.details) - _SHOWN} more")
    return "\n".join([f"[bold]{change}[/bold]", *lines])
