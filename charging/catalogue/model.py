"""The catalogue as the engine uses it: everything resolved, checked and immutable."""

from collections.abc import Hashable, Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from balances.ledger import Record, Unit
from charging.catalogue import times
from charging.catalogue.carriers import Carrier, Routing
from charging.catalogue.periods import Meter
from charging.catalogue.places import Places, apn_name
from charging.catalogue.plan import Plan, Rate, ServiceTerms
from charging.catalogue.prefixes import Prefixes
from charging.catalogue.recurrence import Recurrence
from charging.catalogue.selectors import Selectors, Usage
from charging.catalogue.source import Source
from charging.catalogue.thresholds import UseThreshold
from charging.event import Service, ServiceKind
from charging.numbering import normalise

EMERGENCY_URN = "urn:service:sos"
"""Prefix of the emergency service URNs (RFC 5031 section 4.2)."""


class Span(Record, frozen=True, kw_only=True):
    """The life of a bucket, in milliseconds: see ``balances.ledger.Gift``."""

    starts_at: int
    expires_at: int | None
    lasts: int | None


class Beyond(Record, frozen=True, kw_only=True):
    """What holds while a used-up bucket runs: another rate (None: free), or nothing more; perhaps slowed down."""

    rate: Rate | None
    throttle: str
    stop: bool
    source: Source


class Offer(Record, frozen=True, kw_only=True):
    """A bundle: an allowance of one unit, or bonus money, that pays for certain rates before the main balance does."""

    name: str
    unit: Unit
    amount: int
    currency: str
    """Of bonus money: only accounts in it can be given the offer."""
    validity: int
    """Seconds; 0: for ever, or by the calendar."""
    first_use: bool
    """They count from the first use on, not from the gift."""
    period: str
    """Until the calendar ``day``, ``week`` or ``month`` in which it begins is over."""
    since: date | None
    """The first day on which it pays."""
    until: date | None
    """The last day on which it does."""
    zone: ZoneInfo | None
    """Of its days; None: the plan's."""
    priority: int
    filters: Selectors
    """For which uses it pays, of those whose rate it names."""
    warn_at: tuple[UseThreshold, ...]
    """When that much of a bucket is used, it is told; beside its depletion."""
    beyond: Beyond | None
    recurrence: Recurrence | None
    """How it renews for who subscribes; None: it is given once."""
    source: Source

    def span(self, now: int, plan_zone: ZoneInfo) -> Span:
        """The life of a bucket given at ``now`` (milliseconds) to somebody whose plan is in that time zone."""
        zone = self.zone or plan_zone
        start = max(now, times.midnight(self.since, zone)) if self.since else now
        ends = [times.after(self.until, zone)] if self.until else []
        if self.validity and not self.first_use:
            ends.append(start + self.validity * 1000)
        if self.period:
            ends.append(times.next_period(start, self.period, zone))
        if self.recurrence:  # without a subscription it is good for one period
            ends.append(self.recurrence.next(start, start, zone))
        return Span(
            starts_at=start, expires_at=min(ends, default=None), lasts=self.validity * 1000 if self.first_use else None
        )


class Threshold(Record, frozen=True, kw_only=True):
    """Where the next status begins: with ``at`` units (or per cent) of an offer used; with money below ``at``."""

    at: int
    status: str


class Counter(Record, frozen=True, kw_only=True):
    """A policy counter (TS 29.219): what a policy server may know of how much a subscriber has spent."""

    name: str
    status: str
    """Before the first threshold."""
    thresholds: tuple[Threshold, ...]
    """In the order in which spending meets them."""
    offer: str = ""
    """The offer whose buckets are counted; empty: money."""
    percent: bool = False
    """The thresholds of an offer are in per cent of what the buckets held at first."""
    currency: str = ""
    """Of money: only accounts in this currency have the counter."""
    without: str = ""
    """The status of who has no bucket of the offer; empty: they have no such counter."""
    source: Source


class Catalogue:
    """All of it. ``version`` changes with the content of the files."""

    def __init__(
        self,
        *,
        version: str,
        plans: Mapping[str, Plan],
        offers: Mapping[str, Offer],
        services: Mapping[ServiceKind, ServiceTerms],
        places: Places,
        counters: Mapping[str, Counter],
        carriers: Mapping[str, Carrier],
        routings: Mapping[str, Routing],
        meters: Mapping[str, Meter],
    ) -> None:
        self.version = version
        self.plans = plans
        self.offers = offers
        self.services = services
        self.places = places
        self.counters = counters
        self.carriers = carriers
        self.routings = routings
        self.meters = meters
        self.filtered = frozenset(name for name, offer in offers.items() if offer.filters != Selectors())
        """Offers that do not pay for every use of their rates."""
        self.remembered: dict[Hashable, Any] = {}
        """What was found out by it before (``charging.matching``): right as long as it is, and gone with it."""

    @property
    def destinations(self) -> Prefixes[str]:
        return self.places.destinations

    def __repr__(self) -> str:
        return f"<Catalogue {self.version}: {len(self.plans)} plans, {len(self.offers)} offers>"

    def follow(self, moved: Mapping[str, str]) -> None:
        """Look into ``moved`` first where a number was ported to; it may change while the catalogue is in use."""
        self.places = replace(self.places, moved=moved)

    def find(self, plan: str, at: int | None = None) -> Plan | None:
        """The plan of that name, as it is at a time (milliseconds); None: as it is without its replacements."""
        found = self.plans.get(plan)
        return found if found is None or at is None else found.at(at)

    def offer(self, name: str) -> Offer | None:
        """The offer of that name."""
        return self.offers.get(name)

    def paying(self, offers: tuple[str, ...], use: Usage) -> tuple[str, ...]:
        """Those of a rate's offers that pay for this use."""
        if self.filtered.isdisjoint(offers):
            return offers
        return tuple([name for name in offers if name not in self.filtered or self.offers[name].filters.fits(use)])

    def is_emergency(self, dialled: str) -> bool:
        """Emergency calls are free and always allowed: the countries' numbers, and RFC 5031's service URNs."""
        return dialled.lower().startswith(EMERGENCY_URN) or normalise(dialled) in self.places.emergency

    def is_emergency_use(self, service: Service) -> bool:
        """Is it an outgoing emergency call, or data of an emergency APN?"""
        if service.kind is ServiceKind.DATA:
            return bool(self.places.emergency_apns) and apn_name(service.apn) in self.places.emergency_apns
        return service.kind is ServiceKind.VOICE and not service.incoming and self.is_emergency(service.called)
