"""``ocs session``: the live credit sessions of both doors."""

from typing import Any

import click
from rich.console import Group

from ocs.cli.client import Session, json_option, show, table


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
    """Show a session, open or lately ended."""
    show(client.call("GET", "v1", "sessions", id), as_json, _one)


@session.command()
@click.argument("id")
@json_option
@click.pass_obj
def abort(client: Session, id: str, as_json: bool) -> None:
    """Close an open session now: what it holds is released."""
    show(client.call("POST", "v1", "sessions", id, "abort"), as_json, _one)


def _one(data: Any) -> object:
    names = ("account", "door", "state", "opened_at", "updated_at", "deadline", "spent", "reserved")
    facts = table(("", ""), [(name.replace("_", " "), data[name]) for name in names], title=data["id"])
    facts.show_header = False
    columns = ("key", "unit", "granted", "cost", "used", "spent")
    return Group(facts, table(columns, ([one[name] for name in columns] for one in data["holdings"])))
