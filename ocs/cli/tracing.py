"""``ocs trace``: one subscriber's requests over both doors, as they come."""

import json
from typing import Any

import click

from ocs.cli.client import UNREACHABLE, Session, fail, is_identity


@click.command()
@click.argument("id")
@click.option("--count", type=click.IntRange(min=1), help="End after so many requests. Default: run until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a line.")
@click.pass_obj
def trace(session: Session, id: str, count: int | None, as_json: bool) -> None:
    """Follow a subscriber live: an account's id, or an identity (e164:491701234567), even one that nobody has."""
    seen = 0
    try:
        for name, data in session.events("v1", "trace", query={"identity" if is_identity(id) else "account": id}):
            if name == "following":
                click.echo(f"following {data['account'] or 'nobody yet'}: {', '.join(data['identities'])}", err=True)
                continue
            click.echo(json.dumps(data, ensure_ascii=False) if as_json else _line(data))
            seen += 1
            if seen == count:
                return
    except KeyboardInterrupt:
        return
    fail("the daemon has ended the stream", UNREACHABLE)


def _line(data: Any) -> str:
    """A request for people: when, what of which session, and what came of it."""
    left_out = f"({data['untold']} left out) " if data["untold"] else ""
    text = f"{data['at'][11:23]}  {left_out}{data['explanation']}  [{data['session']}]"
    return click.style(text, fg="red") if data["refused"] else text
