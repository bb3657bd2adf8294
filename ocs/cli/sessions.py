"""``ocs session``: the live credit sessions of both doors."""

from datetime import datetime
from typing import Any

import click
from rich.console import Group
from rich.table import Table

from ocs.cli.client import Session, json_option, show, table

SLACK = 60_000
"""Milliseconds by which the clocks of server and store may differ: entries are numbered by the store's."""


@click.group()
def session() -> None:
    """Credit sessions."""


@session.command("list")
@click.option("--account", help="Only this account's.")
@click.option("--limit", default=1000, show_default=True)
@json_option
@click.pass_obj
def list_all(client: Session, account: str | None, limit: int, as_json: bool) -> None:
    """List open sessions, those due soonest first."""
    names = ("id", "account", "door", "reserved", "spent", "deadline")
    show(
        client.call("GET", "v1", "sessions", query={"account": account, "limit": limit}),
        as_json,
        lambda data: table(names, ([one[name] for name in names] for one in data["sessions"])),
    )


@session.command("show")
@click.argument("id")
@json_option
@click.pass_obj
def show_one(client: Session, id: str, as_json: bool) -> None:
    """Show a session, open or lately ended, and what happened in it, step by step."""
    found = client.call("GET", "v1", "sessions", id)
    show(found | {"entries": _entries(client, found)}, as_json, lambda data: Group(_one(data), _time_line(data)))


def _entries(client: Session, session: Any) -> list[Any]:
    """The ledger entries of a session; they are looked for from a little before it was opened."""
    opened = datetime.fromisoformat(session["opened_at"])
    after: str | None = f"{int(opened.timestamp() * 1000) - SLACK}-0"
    entries: list[Any] = []
    while after is not None:
        page = client.call(
            "GET", "v1", "accounts", session["account"], "entries", query={"after": after, "limit": 1000}
        )
        entries += [entry for entry in page["entries"] if entry["session"] == session["id"]]
        after = page["next"]
    return entries


def _time_line(data: Any) -> Table | str:
    """Each step with the time since the first one."""
    if not data["entries"]:
        return "no entries in the ledger"
    began = datetime.fromisoformat(data["entries"][0]["at"])
    rows = [
        (
            entry["at"][11:23],
            f"+{(datetime.fromisoformat(entry['at']) - began).total_seconds():.1f} s",
            entry["explanation"],
        )
        for entry in data["entries"]
    ]
    return table(("at", ">since", "what"), rows, title="time line (UTC)")


@session.command()
@click.argument("id")
@json_option
@click.pass_obj
def abort(client: Session, id: str, as_json: bool) -> None:
    """Close an open session now: what it holds is released."""
    show(client.call("POST", "v1", "sessions", id, "abort"), as_json, _one)


def _one(data: Any) -> Group:
    names = ("account", "door", "state", "opened_at", "updated_at", "deadline", "spent", "reserved")
    facts = table(("", ""), [(name.replace("_", " "), data[name]) for name in names], title=data["id"])
    facts.show_header = False
    columns = ("key", "unit", "granted", "cost", "used", "spent")
    return Group(facts, table(columns, ([one[name] for name in columns] for one in data["holdings"])))
