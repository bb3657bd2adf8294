"""``ocs catalogue``: what services cost."""

import sys
from typing import Any

import click

from charging.catalogue import Catalogue, CatalogueError, load
from ocs.cli.client import NOT_SO, json_option, show, table


@click.group()
def catalogue() -> None:
    """Catalogues: plans, rates and offers. These commands read files and need no daemon."""


@catalogue.command()
@click.argument("place", default="sample")
@json_option
def check(place: str, as_json: bool) -> None:
    """Check a file or folder ("sample": the one that comes along); exit 1 with every mistake and its line."""
    found = _load(place)
    show(_facts(found), as_json, lambda data: f"{place}: good ({len(data['plans'])} plans, version {data['version']})")


@catalogue.command("show")
@click.argument("place", default="sample")
@json_option
def show_it(place: str, as_json: bool) -> None:
    """Show the plans and offers of a file or folder."""
    show(_facts(_load(place)), as_json, _tables)


def _load(place: str) -> Catalogue:
    try:
        return load(place)
    except CatalogueError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
    except OSError as error:
        click.echo(f"error: {place}: {error.strerror}", err=True)
    sys.exit(NOT_SO)


def _facts(found: Catalogue) -> dict[str, Any]:
    return {
        "version": found.version,
        "plans": [{"name": name, "currency": plan.currency} for name, plan in found.plans.items()],
        "offers": [
            {"name": offer.name, "unit": offer.unit.value, "amount": offer.amount} for offer in found.offers.values()
        ],
    }


def _tables(data: Any) -> object:
    rows = [("plan", plan["name"], plan["currency"]) for plan in data["plans"]]
    rows += [("offer", offer["name"], f"{offer['amount']} {offer['unit']}") for offer in data["offers"]]
    return table(("kind", "name", ""), rows, title=f"catalogue {data['version']}")
