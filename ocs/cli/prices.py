"""``ocs price``: what would this cost, and why."""

from typing import Any

import click
from rich.console import Group

from ocs.cli.client import Session, json_option, show, table

_SERVICE = (
    "called", "calling", "incoming", "apn", "visited", "rat", "location", "qos", "context", "origin", "access",
)  # fmt: skip
"""The options that describe the service."""


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
@click.option("--rat", default="", help="3GPP-RAT-Type, as a number.")
@click.option("--location", default="", help="3GPP-User-Location-Info in hexadecimal.")
@click.option("--qos", default="", help="QoS class (QCI, 5QI).")
@click.option("--context", default="", help="Service-Context-Id.")
@click.option("--origin", default="", help="Peer or trunk.")
@click.option("--access", default="", type=click.Choice(["", "wifi", "app"]))
@click.option("--door", type=click.Choice(["diameter", "sip"]))
@click.option("--at", help="When, such as 2026-12-31T22:30+01:00. Default: now.")
@json_option
@click.pass_obj
def price(session: Session, /, kind: str, account: str | None, plan: str | None, as_json: bool, **given: Any) -> None:
    """What would a service cost, what would be granted, and why? Nothing is reserved or debited."""
    if account is None and plan is None:
        plan = "prepaid-basic"
    service = {"kind": kind} | {name: given[name] for name in _SERVICE if given[name]}
    optional = {
        "account": account,
        "plan": plan,
        "units": given["units"],
        "rating_group": given["rating_group"],
        "service_id": given["service_id"],
        "door": given["door"],
        "at": given["at"],
    }
    body = {"service": service} | {name: value for name, value in optional.items() if value is not None}
    show(session.call("POST", "v1", "price", body=body), as_json, _human)


def _human(data: Any) -> object:
    columns = ("rate", "unit", ">units", ">granted", ">price", ">cost", "zone", "rule")
    rows = ([item[name.removeprefix(">")] for name in columns] for item in data["items"])
    title = f"{data['result']}: {data['price']} {data['currency']} by {data['plan']}"
    return Group(table(columns, rows, title=title), *data["reasons"])
