"""Least-cost routing at the door: where a call may go, and what it took."""

import logging
from typing import Protocol

import msgspec

from charging.event import ChargingEvent, Identity, IdentityType, Phase, Unavailable
from charging.routes import Carriage, Routes
from sip_credit.call import Call
from sip_credit.policy import DOOR, Answer, Check, filled, leads_to, service_of

log = logging.getLogger(__name__)


class Router(Protocol):
    """What is needed of the charging engine."""

    async def routes(self, event: ChargingEvent, routing: str) -> Routes | None: ...

    async def carriage(self, event: ChargingEvent, carrier: str, seconds: int) -> Carriage | None: ...


async def route(engine: Router, check: Check, own: frozenset[str]) -> Check | Answer:
    """The check with its routes, or the answer if there is none; raises Unavailable."""
    found = await engine.routes(check.event, check.peer.routing)
    if found is None:
        return check  # the charge will say why the call is not allowed
    if not found.routes:
        return _nowhere(check, found.why)
    routes = tuple(each for each in found.routes if not leads_to(filled(each.contact, check, 0), own))
    if len(routes) < len(found.routes):
        log.warning("routing %s: a carrier's contact leads to ourselves", check.peer.routing)
    return msgspec.structs.replace(check, routes=routes) if routes else _nowhere(check, "no-route")


def _nowhere(check: Check, why: str) -> Answer:
    """404, as RFC 3398 section 8.2.6.1 maps the cause "no route to destination"."""
    text = 'Q.850;cause=3;text="No route to destination"'
    return Answer(status=404, headers=((f"{check.peer.header_prefix}Reason", why), ("Reason", text)))


async def reference(engine: Router, call: Call | None, seconds: int, now: int) -> str:
    """What the ledger shall note of a call that has ended: its carrier, what that took, what is left."""
    if call is None or not call.carrier:
        return ""
    event = ChargingEvent(
        session="", operation="", fingerprint=0, phase=Phase.EVENT, door=DOOR, at=call.started_at or call.invited_at,
        now=now, identities=tuple(Identity(type=IdentityType(kind), value=value) for kind, value in call.identities),
        service=service_of(call),
    )  # fmt: skip
    try:
        carriage = await engine.carriage(event, call.carrier, seconds)
    except Unavailable:
        carriage = None
    if carriage is None:
        log.warning("call %s: what carrier %r took is not known", call.call_id, call.carrier)
        return f"carrier={call.carrier}"
    return str(carriage)
