"""``ocs price``: what would this cost, and why."""

from typing import Any

import click
from rich.console import Group

from ocs.cli.client import Session, json_option, show, table


@click.command()
@click.argument("kind", type=click.Choice(["data", "voice", "sms", "mms", "other"]))
@click.option("--units", type=int, help="Octets, seconds or messages. Default: the service's usual quota.")
@click.option("--account", help="For this account, on its balance as it is.")
@click.option("--plan", help="By this plan.")
@click.option("--to", "called", default="", help="Called number.")
@click.option("--from", "calling", default="", help="Calling number.")
@click.option("--incoming", is_flag=True, help="The subscriber is the called party.")
@click.option("--rating-group", type=int)
@click.option("--service-id", type=int)
@click.option("--apn", default="")
@click.option("--visited", default="", help="MCC and MNC of the network visited.")
@json_option
@click.pass_obj
def price(session: Session, /, kind: str, account: str | None, plan: str | None, as_json: bool, **given: Any) -> None:
    """What would a service cost, what would be granted, and why? Nothing is reserved or debited."""
    if account is None and plan is None:
        plan = "prepaid-basic"
    service = {"kind": kind} | {
        name: given[name] for name in ("called", "calling", "incoming", "apn", "visited") if given[name]
    }
    optional = {
        "account": account,
        "plan": plan,
        "units": given["units"],
        "rating_group": given["rating_group"],
        "service_id": given["service_id"],
    }
    body = {"service": service} | {name: value for name, value in optional.items() if value is not None}
    show(session.call("POST", "v1", "price", body=body), as_json, _human)


def _human(data: Any) -> object:
    columns = ("rate", "unit", ">units", ">granted", ">price", ">cost", "zone", "rule")
    rows = ([item[name.removeprefix(">")] for name in columns] for item in data["items"])
    title = f"{data['result']}: {data['price']} {data['currency']} by {data['plan']}"
    return Group(table(columns, rows, title=title), *data["reasons"])
