"""``ocs account loan``, ``transfer`` and ``alerts``: what subscribers may do with money, and hear of it."""

from typing import Any

import click

from ocs.cli.client import Session, json_option, key_option, once, show, table


@click.command()
@click.argument("id")
@click.option("--take", is_flag=True, help="Take the loan that the plan offers.")
@click.option("--reference", default="", help="What the ledger entry says.")
@key_option
@json_option
@click.pass_obj
def loan(session: Session, id: str, take: bool, reference: str, key: str | None, as_json: bool) -> None:
    """Show what is still to be repaid and what the plan offers, or take it."""
    if take:
        done = once(session, (id, "loans"), {"reference": reference or "ocs account loan"}, key)
        show(done, as_json, lambda data: f"{data['account']}: available {data['money']['available']}")
        return
    show(session.call("GET", "v1", "accounts", id, "loans"), as_json, _loan)


def _loan(data: Any) -> object:
    columns = ("", ">amount", ">fee", ">outstanding", "when available is below")
    rows = []
    if data["loan"]:
        rows.append(("taken", *(data["loan"][name] for name in ("amount", "fee", "outstanding")), ""))
    if data["offer"]:
        rows.append(("offered", data["offer"]["amount"], data["offer"]["fee"], "", data["offer"]["when_below"] or ""))
    return table(columns, rows)


@click.command()
@click.argument("id")
@click.argument("to")
@click.argument("amount")
@click.option("--reference", default="", help="What the ledger entries say.")
@key_option
@json_option
@click.pass_obj
def transfer(session: Session, id: str, to: str, amount: str, reference: str, key: str | None, as_json: bool) -> None:
    """Send money to another account, as the plan allows."""
    done = once(session, (id, "transfers"), {"to": to, "amount": amount, "reference": reference}, key)
    show(
        done,
        as_json,
        lambda data: f"{data['account']}: {data['amount']} to {data['to']}, fee {data['fee']} (entry {data['entry']})",
    )


@click.command()
@click.argument("id")
@click.option("--threshold", "thresholds", multiple=True, help="Told when less is unreserved; may be given again.")
@click.option("--auto-topup", nargs=2, metavar="BELOW AMOUNT", help="Ask for a top-up when less is unreserved.")
@click.option("--reset", is_flag=True, help="None of its own any more.")
@json_option
@click.pass_obj
def alerts(
    session: Session, id: str, thresholds: tuple[str, ...], auto_topup: tuple[str, str] | None, reset: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Show or set what is told of an account's money over webhooks. What is set replaces what was."""
    if thresholds or auto_topup or reset:
        auto = {"below": auto_topup[0], "amount": auto_topup[1]} if auto_topup else None
        body = {"thresholds": list(thresholds) or None, "auto_topup": auto}
        done = session.call("PUT", "v1", "accounts", id, "alerts", body=body)
    else:
        done = session.call("GET", "v1", "accounts", id, "alerts")
    show(done, as_json, _alerts)


def _alerts(data: Any) -> object:
    usual = "those of the plan or the configuration"
    said = usual if data["thresholds"] is None else ", ".join(data["thresholds"])
    auto = data["auto_topup"]
    rows = [("thresholds", said), ("auto top-up", f"by {auto['amount']} below {auto['below']}" if auto else "none")]
    return table(("", ""), rows)
