"""Emergency calls and traffic: granted whoever it is, never charged, and without a trace in the books. Pure."""

from charging.catalogue import Catalogue
from charging.event import ChargingEvent, ItemOutcome, Outcome, Phase, Result, ServiceKind, Unit

WHY = "emergency: free and always allowed"

GRANTS = {Unit.SECONDS: 3_600, Unit.OCTETS: 10**8}
"""Granted at once where the catalogue knows no such service."""

VALIDITY = 3_600


def outcome(catalogue: Catalogue, event: ChargingEvent, kind: ServiceKind) -> Outcome:
    """The answer to a request of an emergency: what is wanted, as much as the service grants at most."""
    service = catalogue.services.get(kind)
    unit = Unit.OCTETS if kind is ServiceKind.DATA else Unit.SECONDS
    items = []
    for item in event.items:
        counted = item.unit or (service.unit if service else unit)
        size = service.most if service and counted is service.unit else GRANTS.get(counted, 1)
        wants = item.wanted is not None and event.phase is not Phase.CLOSE
        items.append(
            ItemOutcome(
                key=item.key,
                unit=counted,
                granted=min(item.wanted or size, size) if wants else None,
                validity=(service.validity if service else VALIDITY) if wants else 0,
            )
        )
    return Outcome(result=Result.OK, items=tuple(items), reason=WHY)
