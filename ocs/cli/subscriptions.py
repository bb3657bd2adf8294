"""``ocs account subscribe``, ``unsubscribe`` and ``subscriptions``: offers that renew."""

import uuid

import click

from ocs.cli.client import Session, json_option, key_option, once, show, table


@click.command()
@click.argument("id")
@click.argument("offer")
@key_option
@json_option
@click.pass_obj
def subscribe(session: Session, id: str, offer: str, key: str | None, as_json: bool) -> None:
    """Subscribe an account to an offer that renews; its first period is paid at once."""
    done = once(session, (id, "subscriptions"), {"offer": offer}, key)
    show(done, as_json, lambda data: f"{data['account']}: {data['offer']} for {data['fee']} (entry {data['entry']})")


@click.command()
@click.argument("id")
@click.argument("offer")
@key_option
@json_option
@click.pass_obj
def unsubscribe(session: Session, id: str, offer: str, key: str | None, as_json: bool) -> None:
    """End a subscription. What is paid for may be used up."""
    key = key or f"cli-{uuid.uuid4()}"
    click.echo(f"Idempotency-Key: {key}", err=True)
    done = session.call("DELETE", "v1", "accounts", id, "subscriptions", offer, key=key)
    show(done, as_json, lambda data: f"{data['account']}: {data['offer']} ended (entry {data['entry']})")


@click.command()
@click.argument("id")
@json_option
@click.pass_obj
def subscriptions(session: Session, id: str, as_json: bool) -> None:
    """Show what an account has subscribed to, and when it renews."""
    columns = ("offer", "state", ">price", "starts_at", "ends_at", "renews_at")
    names = [name.removeprefix(">") for name in columns]
    show(
        session.call("GET", "v1", "accounts", id, "subscriptions"),
        as_json,
        lambda data: table(columns, ([one[name] for name in names] for one in data["subscriptions"])),
    )
