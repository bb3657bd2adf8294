"""``ocs voucher``: make, switch, list and redeem vouchers."""

from pathlib import Path
from typing import Any

import click

from ocs.cli.client import Session, json_option, key_option, once, show, table

_COLUMNS = ("id", "state", ">worth", "expires", ">issued", ">redeemed")


@click.group()
def voucher() -> None:
    """Vouchers: codes that are worth money or a bundle once."""


@voucher.command()
@click.argument("id")
@click.option("--count", default=1, show_default=True, help="How many.")
@click.option("--amount", help="What each is worth.")
@click.option("--currency", default="EUR", show_default=True, help="Of the amount.")
@click.option("--offer", help="A bundle of the catalogue, instead of an amount.")
@click.option("--expires", help="When, such as 2027-01-01T00:00:00Z. Default: never.")
@click.option("--export", type=click.Path(path_type=Path, dir_okay=False), help="A new file for the codes.")
@json_option
@click.pass_obj
def generate(session: Session, /, id: str, export: Path | None, as_json: bool, **worth: Any) -> None:
    """Make a batch. Its codes are shown or exported this once; the batch is activated when they have arrived."""
    body = {"id": id, "count": worth["count"]} | ({"expires_at": worth["expires"]} if worth["expires"] else {})
    body |= {"offer": worth["offer"]} if worth["offer"] else {}
    body |= {"amount": worth["amount"], "currency": worth["currency"]} if worth["amount"] else {}
    if export is None:
        made = session.call("POST", "v1", "vouchers", body=body, timeout=300)
        show(made, as_json, lambda data: "\n".join(data["codes"]))
        return
    try:
        export.touch(0o600, exist_ok=False)  # before there is anything that could be lost
    except OSError as error:
        raise click.BadParameter(f"{export}: {error.strerror}", param_hint="--export") from None
    made = session.call("POST", "v1", "vouchers", body=body, timeout=300)
    export.write_text("".join(code + "\n" for code in made["codes"]))
    show(made["batch"], as_json, lambda data: table(_COLUMNS, [_row(data)]))


@voucher.command("list")
@json_option
@click.pass_obj
def list_all(session: Session, as_json: bool) -> None:
    """List batches, the newest first."""
    found = session.call("GET", "v1", "vouchers")
    show(found, as_json, lambda data: table(_COLUMNS, map(_row, data["batches"])))


@voucher.command("show")
@click.argument("id")
@json_option
@click.pass_obj
def show_one(session: Session, id: str, as_json: bool) -> None:
    """Show a batch."""
    show(session.call("GET", "v1", "vouchers", id), as_json, lambda data: table(_COLUMNS, [_row(data)]))


@voucher.command()
@click.argument("id")
@json_option
@click.pass_obj
def activate(session: Session, id: str, as_json: bool) -> None:
    """Let a batch's vouchers be redeemed."""
    _switch(session, id, "active", as_json)


@voucher.command()
@click.argument("id")
@json_option
@click.pass_obj
def block(session: Session, id: str, as_json: bool) -> None:
    """Let no voucher of a batch be redeemed any more."""
    _switch(session, id, "blocked", as_json)


@voucher.command()
@click.argument("account")
@click.argument("code")
@key_option
@json_option
@click.pass_obj
def redeem(session: Session, account: str, code: str, key: str | None, as_json: bool) -> None:
    """Redeem a voucher for an account."""
    done = once(session, (account, "vouchers"), {"code": code}, key)
    show(done, as_json, lambda data: f"{data['account']}: {data['amount'] or data['offer']} (entry {data['entry']})")


def _switch(session: Session, id: str, state: str, as_json: bool) -> None:
    done = session.call("PATCH", "v1", "vouchers", id, body={"state": state})
    show(done, as_json, lambda data: table(_COLUMNS, [_row(data)]))


def _row(one: Any) -> tuple[object, ...]:
    worth = one["offer"] or f"{one['amount']} {one['currency']}"
    return one["id"], one["state"], worth, one["expires_at"] or "never", one["issued"], one["redeemed"]
