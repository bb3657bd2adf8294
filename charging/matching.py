"""Which line of a plan holds for a use, who pays first, and until when that stays so. Pure."""

from collections.abc import Hashable
from functools import cached_property

from msgspec.structs import replace

from balances.ledger import Record
from charging.catalogue.model import Catalogue
from charging.catalogue.places import apn_name
from charging.catalogue.plan import Match, Plan
from charging.catalogue.selectors import Usage
from charging.event import Service, ServiceKind
from charging.numbering import normalise

MOST_REMEMBERED = 4096
"""Kinds of use whose rate is kept in mind; with more of them all are looked for anew."""


class Held(Record, frozen=True, kw_only=True):
    """The rate that holds, the offers that pay before money does, and the plan it is by."""

    plan: Plan
    match: Match
    offers: tuple[str, ...]


class Matcher:
    """Matches the uses of one request by one subscriber's plan."""

    def __init__(
        self, catalogue: Catalogue, name: str, currency: str, service: Service | None, door: str, at: int
    ) -> None:
        self.catalogue = catalogue
        self.root = catalogue.find(name)
        self.currency = currency
        self.at = at
        self.plan = self._plan(at)
        self._service = service
        self._door = door
        self.number = ""
        """The other party's."""
        if service is not None and service.kind is not ServiceKind.DATA:
            country = self.plan.country if self.plan else ""
            self.number = normalise(service.calling if service.incoming else service.called, country)

    def _plan(self, at: int) -> Plan | None:
        plan = self.root.at(at) if self.root is not None else None
        return plan if plan is not None and self.currency in plan.currencies else None

    @cached_property
    def usage(self) -> Usage:
        """All that is known of the use, but for the rating group and service identifier of an item."""
        service = self._service
        if service is None:
            return Usage(kind=ServiceKind.OTHER)
        places, plan = self.catalogue.places, self.plan
        country = plan.country if plan else ""
        calling = normalise(service.calling, country) if service.calling else ""
        number = self.number
        return Usage(
            kind=service.kind,
            zone=places.destinations.zone(number) if number else None,
            caller=places.destinations.zone(calling) if calling else None,
            incoming=service.incoming,
            visited=places.roaming.zone(service.visited) if service.visited else None,
            location=places.locations.zone(service.location) if service.location else None,
            context=service.context,
            apn=apn_name(service.apn),
            rat=service.rat,
            qos=service.qos,
            origin=service.origin,
            door=self._door,
            call=places.call_types(service, number, country) if number else _NONE,
            when=plan.clock.segment(self.at).holding if plan else _NONE,
            number=number,
            at=self.at,
        )

    def find(self, rating_group: int | None, service_id: int | None) -> Held | None:
        """What holds for an item; None: the plan has no price for it."""
        key = self._recurring(rating_group, service_id)
        if key is None:
            return self._held(self._of(rating_group, service_id), self.plan)
        known = self.catalogue.remembered
        held: Held | None = known.get(key)
        if held is None:
            held = self._held(self._of(rating_group, service_id), self.plan)
            if held is not None and not any(rule.deck for rule in held.plan.rules[ServiceKind.DATA]):
                if len(known) >= MOST_REMEMBERED:
                    known.clear()
                known[key] = held
        return held

    def _recurring(self, rating_group: int | None, service_id: int | None) -> Hashable:
        """All that decides what holds for data, of which few kinds are used again and again; None: for other uses."""
        service, plan = self._service, self.plan
        if plan is None or service is None or service.kind is not ServiceKind.DATA:
            return None
        return (
            id(plan),  # the catalogue has it as long as it has this
            self.currency,
            rating_group,
            service_id,
            plan.clock.segment(self.at).holding,
            service.visited,
            service.location,
            service.apn,
            service.rat,
            service.context,
            service.qos,
            service.origin,
            service.incoming,
            service.calling,
            self._door,
        )

    def is_steady(self, held: Held) -> bool:
        """Does it hold whatever the time?"""
        return not (held.plan.timed or (self.root and self.root.successors))

    def changes_at(
        self, held: Held, rating_group: int | None, service_id: int | None, horizon: int, since: int | None = None
    ) -> int | None:
        """When another price or other offers will hold, if that is before ``horizon`` (both in milliseconds).

        ``since``: when ``held`` holds; None: when it was found.
        """
        if self.root is None or self.is_steady(held):
            return None
        at = self.at if since is None else since
        use, plan = self._of(rating_group, service_id), held.plan
        while True:
            at = min(plan.clock.segment(at).end, self.root.replaced_after(at))
            if at >= horizon:
                return None
            later = self._at(use, at)
            if later is None or not _alike(later, held):
                return at
            plan = later.plan

    def changed_at(self, held: Held, rating_group: int | None, service_id: int | None, horizon: int) -> int | None:
        """Since when the price and the offers hold, if that is after ``horizon``."""
        if self.root is None or self.is_steady(held):
            return None
        use, at, plan = self._of(rating_group, service_id), self.at, held.plan
        while True:
            began = max(plan.clock.segment(at).start, self.root.began(at))
            if began <= horizon:
                return None
            at = began - 1
            earlier = self._at(use, at)
            if earlier is None or not _alike(earlier, held):
                return began
            plan = earlier.plan

    def at_time(self, rating_group: int | None, service_id: int | None, at: int) -> Held | None:
        """What holds for an item at another time."""
        return self._at(self._of(rating_group, service_id), at)

    def _at(self, use: Usage, at: int) -> Held | None:
        plan = self._plan(at)
        return None if plan is None else self._held(replace(use, at=at, when=plan.clock.segment(at).holding), plan)

    def _of(self, rating_group: int | None, service_id: int | None) -> Usage:
        return replace(self.usage, rating_group=rating_group, service_id=service_id)

    def _held(self, use: Usage, plan: Plan | None) -> Held | None:
        match = plan.match(use, self.currency) if plan is not None else None
        if plan is None or match is None:
            return None
        return Held(plan=plan, match=match, offers=self.catalogue.paying(match.rate.quote.offers, use))


def _alike(one: Held, other: Held) -> bool:
    return _conditions(one) == _conditions(other)


def _conditions(held: Held) -> tuple[object, ...]:
    return held.match.rate.quote, held.match.rate.along, held.match.rule.meters, held.offers


_NONE: frozenset[str] = frozenset()
