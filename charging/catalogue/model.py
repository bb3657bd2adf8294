"""The catalogue as the engine uses it: everything resolved, checked and immutable."""

from collections.abc import Mapping

from balances.ledger import Empty, Lapse, Quote, Record, Unit
from charging.event import FinalUnits, ServiceKind
from charging.numbering import normalise

EMERGENCY_URN = "urn:service:sos"
"""Prefix of the emergency service URNs (RFC 5031 section 4.2)."""


class Source(Record, frozen=True, kw_only=True):
    """Where in the catalogue's files something is said."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Problem(Record, frozen=True, kw_only=True):
    """What is wrong with a catalogue, where, and what would help."""

    source: Source
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.source}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class CatalogueError(Exception):
    """The catalogue cannot be used; ``problems`` says all that was found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ServiceTerms(Record, frozen=True, kw_only=True):
    """How a kind of service is granted. Times in seconds, quotas in ``unit``."""

    kind: ServiceKind
    unit: Unit
    quota: int
    """Granted when the client leaves the size to us."""
    least: int
    """A grant below this is no use to the client, hence refused."""
    most: int
    """No grant is larger."""
    validity: int
    retry: int
    """Validity of an answer that grants nothing and redirects or restricts."""
    threshold_percent: int
    threshold_units: int
    holding: int
    final: FinalUnits
    empty: Empty
    lapse: Lapse


class Rate(Record, frozen=True, kw_only=True):
    """A price for a service, and the offers whose buckets pay before money does."""

    name: str
    service: ServiceTerms
    currency: str
    """Empty: whichever the plan has."""
    quote: Quote
    """What the ledger is told: the price, the offers that pay first, and the terms of the answer."""
    source: Source


class Usage(Record, frozen=True, kw_only=True):
    """What is known of a use when its rate is looked for."""

    kind: ServiceKind
    rating_group: int | None = None
    service_id: int | None = None
    zone: str | None = None
    incoming: bool = False


class Rule(Record, frozen=True, kw_only=True):
    """One line of a plan: all that it names must fit, what it does not name may be anything."""

    rate: Rate
    source: Source
    rating_group: int | None = None
    service_id: int | None = None
    to: str | None = None
    """Zone of the other party."""
    incoming: bool = False

    def fits(self, use: "Usage") -> bool:
        return (
            (self.rating_group is None or self.rating_group == use.rating_group)
            and (self.service_id is None or self.service_id == use.service_id)
            and (self.to is None or self.to == use.zone)
            and self.incoming == use.incoming
        )

    def covers(self, other: "Rule") -> bool:
        """Does nothing reach ``other`` where this rule stands before it?"""
        return (
            self.rating_group in (None, other.rating_group)
            and self.service_id in (None, other.service_id)
            and self.to in (None, other.to)
            and self.incoming == other.incoming
        )


class Plan(Record, frozen=True, kw_only=True):
    """What a subscriber may use and at which rates: for each kind of service, the first rule that fits."""

    name: str
    currency: str
    country: str
    """Country code (E.164) that national numbers belong to."""
    rules: Mapping[ServiceKind, tuple[Rule, ...]]
    source: Source

    def rule(self, use: Usage) -> Rule | None:
        """The rule that decides; None: the plan has no price for it."""
        for rule in self.rules.get(use.kind, ()):
            if rule.fits(use):
                return rule
        return None


class Offer(Record, frozen=True, kw_only=True):
    """A bundle: an allowance of one unit that pays for certain rates before money does."""

    name: str
    unit: Unit
    amount: int
    validity: int
    """Seconds from the gift on; 0: for ever."""
    priority: int
    source: Source

    def expires_at(self, now: int) -> int | None:
        """When a bucket given at ``now`` (milliseconds) ends."""
        return now + self.validity * 1000 if self.validity else None


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


class Destinations:
    """Called numbers -> zones by longest prefix; what it costs to ask does not grow with the number of prefixes."""

    def __init__(self, zones: Mapping[str, str]) -> None:
        self._zones = dict(zones)
        self._lengths = sorted({len(prefix) for prefix in self._zones}, reverse=True)

    def zone(self, number: str) -> str | None:
        """The zone of a number in E.164 digits; None: no prefix fits."""
        for length in self._lengths:
            found = self._zones.get(number[:length]) if length <= len(number) else None
            if found is not None:
                return found
        return None


class Catalogue:
    """All of it. ``version`` changes with the content of the files."""

    def __init__(
        self,
        *,
        version: str,
        plans: Mapping[str, Plan],
        offers: Mapping[str, Offer],
        services: Mapping[ServiceKind, ServiceTerms],
        destinations: Destinations,
        emergency: frozenset[str],
        counters: Mapping[str, Counter] | None = None,
    ) -> None:
        self.version = version
        self.plans = plans
        self.offers = offers
        self.services = services
        self.destinations = destinations
        self.emergency = emergency
        self.counters: Mapping[str, Counter] = counters or {}

    def __repr__(self) -> str:
        return f"<Catalogue {self.version}: {len(self.plans)} plans, {len(self.offers)} offers>"

    def find(self, plan: str) -> Plan | None:
        """The plan of that name."""
        return self.plans.get(plan)

    def offer(self, name: str) -> Offer | None:
        """The offer of that name."""
        return self.offers.get(name)

    def is_emergency(self, dialled: str) -> bool:
        """Emergency calls are free and always allowed: the countries' numbers, and RFC 5031's service URNs."""
        return dialled.lower().startswith(EMERGENCY_URN) or normalise(dialled) in self.emergency
