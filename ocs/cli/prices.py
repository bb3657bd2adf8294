"""``ocs price``: what would this cost, and why."""

import asyncio
import time
from typing import Any

import click
import msgspec
from rich.console import Group

from charging.catalogue.quantities import QuantityError, quantity
from charging.catalogue.services import UNITS
from charging.event import ServiceKind
from ocs.cli.catalogues import load_or_end
from ocs.cli.client import Session, json_option, show, table

_SERVICE = (
    "called", "calling", "incoming", "apn", "visited", "rat", "location", "qos", "context", "origin", "access",
)  # fmt: skip
"""The options that describe the service."""


@click.command()
@click.argument("kind", type=click.Choice(["data", "voice", "sms", "mms", "other"]))
@click.option("--units", help='How much, such as 10000, "10 MB" or "90 s". Default: the service\'s usual quota.')
@click.option("--catalogue", help="By this file or folder: then no daemon is asked.")
@click.option("--account", help="For this account, on its balance as it is.")
@click.option("--plan", help="By this plan.")
@click.option("--to", "called", default="", help="Called number.")
@click.option("--from", "calling", default="", help="Calling number.")
@click.option("--incoming", is_flag=True, help="The subscriber is the called party.")
@click.option("--rating-group", type=int, help="Rating-Group.")
@click.option("--service-id", type=int, help="Service-Identifier.")
@click.option("--apn", default="", help="Access point of a data session (Called-Station-Id).")
@click.option("--visited", default="", help="MCC and MNC of the network visited.")
@click.option("--rat", default="", help="3GPP-RAT-Type, as a number.")
@click.option("--location", default="", help="3GPP-User-Location-Info in hexadecimal.")
@click.option("--qos", default="", help="QoS class (QCI, 5QI).")
@click.option("--context", default="", help="Service-Context-Id.")
@click.option("--origin", default="", help="Peer or trunk.")
@click.option("--access", default="", type=click.Choice(["", "wifi", "app"]), help="How the call reaches us.")
@click.option("--door", type=click.Choice(["diameter", "sip"]), help="The door it comes through.")
@click.option("--at", help="When, such as 2026-12-31T22:30+01:00. Default: now.")
@json_option
@click.pass_obj
def price(session: Session, /, kind: str, account: str | None, plan: str | None, as_json: bool, **given: Any) -> None:
    """What would a service cost, what would be granted, and why? Nothing is reserved or debited."""
    if given["catalogue"] and (account or not plan):
        raise click.UsageError("a catalogue that is not in force has no accounts: name a --plan")
    if account is None and plan is None:
        plan = "prepaid-basic"
    service = {"kind": kind} | {name: given[name] for name in _SERVICE if given[name]}
    optional = {
        "account": account,
        "plan": plan,
        "units": _units(kind, given["units"]),
        "rating_group": given["rating_group"],
        "service_id": given["service_id"],
        "door": given["door"],
        "at": given["at"],
    }
    body = {"service": service} | {name: value for name, value in optional.items() if value is not None}
    place = given["catalogue"]
    show(_by_files(place, body) if place else session.call("POST", "v1", "price", body=body), as_json, _human)


def _units(kind: str, text: str | None) -> int | None:
    try:
        return None if text is None else quantity(text, UNITS[ServiceKind(kind)])
    except QuantityError as error:
        raise click.BadParameter(str(error), param_hint="--units") from None


def _by_files(place: str, body: dict[str, Any]) -> Any:
    """What a daemon with these files would say."""
    from balances.memory import MemoryLedger
    from charging.engine import Engine
    from charging.settings import ChargingSettings
    from ocs.http.models import PriceCreate
    from ocs.http.pricing import event_of, price_view
    from ocs.http.problems import Problem

    engine = Engine(MemoryLedger(), load_or_end(place), ChargingSettings())
    if engine.catalogue.find(body["plan"]) is None:
        raise click.BadParameter(f"{place} has no plan {body['plan']!r}", param_hint="--plan")
    try:
        event = event_of(msgspec.convert(body, PriceCreate), (), time.time_ns() // 1_000_000)
    except (msgspec.ValidationError, Problem) as error:
        raise click.UsageError(str(error)) from None
    return msgspec.to_builtins(price_view(asyncio.run(engine.explain(event, body["plan"]))))


def _human(data: Any) -> object:
    columns = ("rate", "unit", ">units", ">granted", ">price", ">cost", "zone", "rule")
    rows = ([item[name.removeprefix(">")] for name in columns] for item in data["items"])
    title = f"{data['result']}: {data['price']} {data['currency']} by {data['plan']}"
    return Group(table(columns, rows, title=title), *data["reasons"])
