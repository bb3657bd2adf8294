"""Ported numbers: change them without publishing a catalogue, and ask for one."""

from typing import Annotated

from msgspec import Meta

from balances.ledger import Record
from ocs.http.auth import Role
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import Name, Request
from ocs.http.problems import Kind, Problem
from ocs.http.settings import HttpSettings
from ocs.publishing.numbers import Numbers

Number = Annotated[str, Meta(pattern="^[0-9]{3,15}$", description="E.164 in digits, without +.")]


class PortabilityPut(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers and the networks that they were ported to; null: what the catalogue says holds again."""

    numbers: Annotated[dict[Number, Name | None], Meta(min_length=1)]


class PortabilityView(Record, frozen=True, kw_only=True):
    """How many numbers were changed, and how many are ported by updates now."""

    changed: int
    ported: int


class NumberView(Record, frozen=True, kw_only=True):
    """The network a number belongs to, and what says so: an update, the catalogue's own table, its number range."""

    number: str
    network: str | None
    source: str


def _numbers(house: House) -> Numbers:
    if house.numbers is None:
        raise Problem(Kind.NOT_PUBLISHED, "This server reads its catalogue from files (charging.catalogue_from).")
    return house.numbers


async def put(house: House, call: Call[PortabilityPut, None]) -> Reply:
    numbers, carriers = _numbers(house), house.engine.catalogue.places.carriers
    asked = call.body.numbers
    unknown = sorted({network for network in asked.values() if network is not None and network not in carriers})
    if unknown:
        known = ", ".join(sorted(carriers)) or "none"
        raise Problem(Kind.UNKNOWN_NETWORK, f"No network {', '.join(unknown[:5])} (known: {known}).")
    await numbers.put({number: network or "" for number, network in asked.items()})
    return Reply(body=PortabilityView(changed=len(asked), ported=len(numbers.moved)))


async def show(house: House, call: Call[None, None]) -> Reply:
    places, number = house.engine.catalogue.places, call.path["number"]
    if not (number.isascii() and number.isdigit()):
        raise Problem(Kind.INVALID_REQUEST, f"{number!r} is no number in digits.")
    network = places.network(number)
    tables = (("update", places.moved), ("catalogue", places.ported))
    source = next((name for name, table in tables if table.get(number)), "range" if network else "")
    return Reply(body=NumberView(number=number, network=network, source=source))


def _largest(settings: HttpSettings) -> int:
    return settings.largest_catalogue


OPERATIONS = (
    Operation(
        method="PUT",
        path="/v1/portability",
        summary="Change to which networks numbers are ported; the same again changes nothing",
        handler=put,
        role=Role.OPERATE,
        body=PortabilityPut,
        largest=_largest,
        returns={200: PortabilityView},
        problems=(409,),
    ),
    Operation(
        method="GET",
        path="/v1/portability/{number}",
        summary="To which network a number belongs",
        handler=show,
        returns={200: NumberView},
        problems=(422,),
    ),
)
