"""``ocs account``: open, look at, top up, correct, suspend."""

from typing import Any

import click
from rich.console import Group

from ocs.cli.client import Session, is_identity, json_option, key_option, once, show, table
from ocs.cli.purse import alerts, loan, transfer
from ocs.cli.subscriptions import subscribe, subscriptions, unsubscribe

STATES = ["suspended", "active", "closed", "grace", "pre-active"]


@click.group()
def account() -> None:
    """Accounts: who pays, and what they have."""


for command in (alerts, loan, subscribe, subscriptions, transfer, unsubscribe):
    account.add_command(command)


@account.command()
@click.argument("id")
@click.option("--plan", default="prepaid-basic", show_default=True, help="A plan of the catalogue.")
@click.option("--currency", default="EUR", show_default=True, help="Of its money; that of its plan.")
@click.option("--credit-limit", default="0", show_default=True, help="What may be spent beyond the balance.")
@click.option(
    "--identity", "identities", multiple=True, metavar="TYPE:VALUE", help="e164:4930123, sip:c@d; imsi, nai, private."
)
@click.option("--parent", help="The account in whose shard it lives.")
@click.option(
    "--billing",
    default="own",
    type=click.Choice(["own", "resold", "shared"]),
    show_default=True,
    help="Whose wallet pays: its own, the parent's beside it, or the parent's.",
)
@click.option("--cap", help="What it may spend a month of a shared wallet.")
@json_option
@click.pass_obj
def create(
    session: Session, /, id: str, plan: str, currency: str, credit_limit: str, identities: tuple[str, ...], **rest: Any
) -> None:
    """Open an account."""
    named = []
    for identity in identities:
        kind, separator, value = identity.partition(":")
        if not separator:
            raise click.BadParameter(f"{identity!r} is not TYPE:VALUE", param_hint="--identity")
        named.append({"type": kind, "value": value.removeprefix("+") if kind == "e164" else value})
    body = {"id": id, "plan": plan, "currency": currency, "credit_limit": credit_limit, "identities": named}
    body |= {name: rest[name] for name in ("parent", "billing", "cap") if rest[name]}
    show(session.call("POST", "v1", "accounts", body=body), rest["as_json"], _one)


@account.command("show")
@click.argument("id")
@json_option
@click.pass_obj
def show_one(session: Session, id: str, as_json: bool) -> None:
    """Show an account, by its id or by an identity (e164:491701234567)."""
    if is_identity(id):
        found = session.call("GET", "v1", "accounts", query={"identity": id})["accounts"]
        if found:
            show(found[0], as_json, _one)
            return
    show(session.call("GET", "v1", "accounts", id), as_json, _one)


@account.command("list")
@click.option("--after", default="", help="Begin after this id.")
@click.option("--limit", default=100, show_default=True)
@json_option
@click.pass_obj
def list_all(session: Session, after: str, limit: int, as_json: bool) -> None:
    """List accounts in the order of their ids."""
    page = session.call("GET", "v1", "accounts", query={"after": after, "limit": limit})
    columns = ("id", "status", "plan", ">balance", ">reserved", ">available", "")
    show(
        page,
        as_json,
        lambda data: table(
            columns,
            ((one["id"], one["status"], one["plan"], *_amounts(one), one["currency"]) for one in data["accounts"]),
        ),
    )
    if page["next"] and not as_json:
        click.echo(f"more: --after {page['next']}", err=True)


@account.command()
@click.argument("id")
@click.option("--after", default="", help="Begin after this entry.")
@click.option("--limit", default=100, show_default=True)
@json_option
@click.pass_obj
def entries(session: Session, id: str, after: str, limit: int, as_json: bool) -> None:
    """What happened to an account's money and bundles, oldest first: what each session and call cost."""
    page = session.call("GET", "v1", "accounts", id, "entries", query={"after": after, "limit": limit})
    columns = ("at", "what", "session")
    rows = ((one["at"], one["explanation"], one["session"]) for one in page["entries"])
    show(page, as_json, lambda _: table(columns, rows, title=id))
    if page["next"] and not as_json:
        click.echo(f"more: --after {page['next']}", err=True)


@account.command()
@click.argument("id")
@click.argument("amount")
@click.option("--reference", default="", help="What the ledger entry says.")
@key_option
@json_option
@click.pass_obj
def topup(session: Session, id: str, amount: str, reference: str, key: str | None, as_json: bool) -> None:
    """Put money into an account."""
    body = {"amount": amount, "reference": reference or "ocs account topup"}
    _move(session, id, "topups", body, key, as_json)


@account.command(context_settings={"ignore_unknown_options": True})
@click.argument("id")
@click.argument("amount")
@click.option("--reason", required=True, help="Why; it stays in the ledger.")
@key_option
@json_option
@click.pass_obj
def adjust(session: Session, id: str, amount: str, reason: str, key: str | None, as_json: bool) -> None:
    """Correct a balance; the amount may be below zero."""
    _move(session, id, "adjustments", {"amount": amount, "reason": reason}, key, as_json)


@account.command()
@click.argument("id")
@click.argument("offer")
@key_option
@json_option
@click.pass_obj
def give(session: Session, id: str, offer: str, key: str | None, as_json: bool) -> None:
    """Give an account a bundle of the catalogue."""
    done = once(session, (id, "buckets"), {"offer": offer}, key)
    show(done, as_json, lambda data: table(_BUCKET, [_bucket(data["bucket"])], title=data["account"]))


@account.command()
@click.argument("id")
@click.option("--status", default="suspended", type=click.Choice(STATES), show_default=True)
@json_option
@click.pass_obj
def suspend(session: Session, id: str, status: str, as_json: bool) -> None:
    """Suspend an account: nothing is granted to it any more. ``--status active`` takes it back."""
    show(session.call("PATCH", "v1", "accounts", id, body={"status": status}), as_json, _one)


@account.command()
@click.argument("id")
@click.option("--until", required=True, help="Active until then (RFC 3339), or never to have it last for ever.")
@click.option("--grace", default="never", show_default=True, help="In grace until then, and closed after that.")
@json_option
@click.pass_obj
def extend(session: Session, id: str, until: str, grace: str, as_json: bool) -> None:
    """Give an account another validity; one in grace is active again."""
    ends = {name: None if at == "never" else at for name, at in (("valid_until", until), ("grace_until", grace))}
    show(session.call("PATCH", "v1", "accounts", id, body=ends), as_json, _one)


@account.command()
@click.argument("id")
@click.argument("meter")
@click.option("--reference", default="", help="How consent was given; it stays in the ledger.")
@key_option
@json_option
@click.pass_obj
def lift(session: Session, id: str, meter: str, reference: str, key: str | None, as_json: bool) -> None:
    """Lift a meter's limits until its period ends: the subscriber consents to spend more."""
    body = {"reference": reference or "ocs account lift"}
    done = once(session, (id, "meters", meter, "lift"), body, key)
    show(done, as_json, lambda data: f"{data['account']}: {data['meter']} lifted until {data['ends_at']}")


def _move(session: Session, id: str, kind: str, body: object, key: str | None, as_json: bool) -> None:
    done = once(session, (id, kind), body, key)
    show(done, as_json, lambda data: f"{data['account']}: {data['amount']} (entry {data['entry']})")


_BUCKET = ("offer", "unit", ">initial", ">remaining", ">reserved", "starts", "ends")


def _bucket(one: Any) -> list[Any]:
    """A bucket as a row."""
    used = f"{one['good_for']} s after its first use" if one["good_for"] is not None else ""
    ends = ", at the latest ".join(part for part in (used, one["expires_at"] or "") if part) or "never"
    return [*(one[name.removeprefix(">")] for name in _BUCKET[:5]), one["starts_at"] or "at once", ends]


def _amounts(one: Any) -> tuple[str, ...]:
    return tuple(one["money"][name] for name in ("balance", "reserved", "available"))


def _one(data: Any) -> object:
    """An account for people."""
    currency = data["currency"]
    facts = table(
        ("", ""),
        [
            ("status", data["status"]),
            *([("valid until", data["valid_until"])] if data["valid_until"] else []),
            *([("grace until", data["grace_until"])] if data["grace_until"] else []),
            ("plan", data["plan"]),
            *([("parent", f"{data['parent']} ({data['billing']})")] if data["parent"] else []),
            *([("cap a month", f"{data['cap']} {currency}")] if data["cap"] else []),
            ("identities", "\n".join(f"{one['type']}:{one['value']}" for one in data["identities"])),
            *((name, f"{data['money'][name]} {currency}") for name in ("balance", "reserved", "available", "overrun")),
            ("credit limit", f"{data['credit_limit']} {currency}"),
        ],
        title=data["id"],
    )
    facts.show_header = False
    parts: list[object] = [facts]
    if data["buckets"]:
        parts.append(table(_BUCKET, map(_bucket, data["buckets"]), title="buckets"))
    if data["meters"]:
        names = ("name", "unit", "used", "limit", "spent", "cap", "lifted", "ends_at")
        parts.append(table(names, ([one[name] for name in names] for one in data["meters"]), title="meters"))
    if data["sessions"]:
        live = ("id", "door", "reserved", "spent", "deadline")
        parts.append(table(live, ([one[name] for name in live] for one in data["sessions"]), title="open sessions"))
    return Group(*parts)  # type: ignore[arg-type]
