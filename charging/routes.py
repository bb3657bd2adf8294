"""Least-cost routing: which carriers a call is offered to, in which order, and what it leaves. Pure.

Costs and price are compared as those of a call of the routing's ``length``. Among carriers that are otherwise alike the
calls are shared by weight; which one a call gets depends on the call alone, so that the same request gets the same
routes again.
"""

import hashlib
import math

from balances.ledger import Record
from balances.price import Price, cost
from charging.catalogue.carriers import Carrier, Order, Routing


class Route(Record, frozen=True, kw_only=True):
    """A carrier to try. ``cost``: micro-units of a call of the routing's length, in the account's currency."""

    carrier: str
    contact: str
    cost: int


class Routes(Record, frozen=True, kw_only=True):
    """What there is for a call, best first; ``why`` says what is wrong if there is nothing."""

    routes: tuple[Route, ...] = ()
    why: str = ""


class Carriage(Record, frozen=True, kw_only=True):
    """What a call cost and left, in micro-units of ``currency``; ``margin`` is the subscriber's price less ``cost``."""

    carrier: str
    cost: int
    margin: int
    currency: str

    def __str__(self) -> str:
        return f"carrier={self.carrier};cost={self.cost};margin={self.margin};currency={self.currency}"


NO_ROUTE = "no-route"
"""No carrier goes there now."""
NO_MARGIN = "no-profitable-route"
"""Those that go there take more than the call brings."""


def choose(routing: Routing, number: str, at: int, sale: Price, currency: str, seed: str) -> Routes:
    """The routes of a call to ``number`` at a time (milliseconds), sold at a price; ``seed`` is the call's name."""
    going = [
        (carrier, cost(price, routing.length))
        for carrier in routing.carriers
        if carrier.quality >= routing.least_quality
        and carrier.open(at)
        and (price := carrier.price(number, at, currency)) is not None
    ]
    if not going:
        return Routes(why=NO_ROUTE)
    brings = cost(sale, routing.length)
    fitting = [(carrier, takes) for carrier, takes in going if routing.at_a_loss or takes <= brings]
    if not fitting:
        return Routes(why=NO_MARGIN)
    best = sorted(fitting, key=lambda each: _rank(routing.order, each[0], each[1], seed))[: routing.most]
    return Routes(routes=tuple(Route(carrier=each.name, contact=each.contact, cost=takes) for each, takes in best))


def _rank(order: Order, carrier: Carrier, takes: int, seed: str) -> tuple[float, ...]:
    """Lower is better."""
    draw = _draw(carrier, seed)
    if order is Order.COST:
        return takes, -carrier.quality, draw
    if order is Order.QUALITY:
        return -carrier.quality, takes, draw
    return draw, takes, -carrier.quality


def _draw(carrier: Carrier, seed: str) -> float:
    """Weighted rendezvous hashing: each carrier has the least draw for its share of the calls."""
    digest = hashlib.blake2b(f"{seed}\n{carrier.name}".encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return -math.log((int.from_bytes(digest, "big") + 1) / (2**48 + 1)) / carrier.weight
