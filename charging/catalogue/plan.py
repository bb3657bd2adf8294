"""Plans as they are used: lines of conditions and rates, resolved for a use at a time."""

from collections.abc import Mapping
from fractions import Fraction

from balances.ledger import Empty, Lapse, Metering, Quote, Record, Unit
from charging.catalogue.decks import Deck
from charging.catalogue.life import Life
from charging.catalogue.periods import Meter
from charging.catalogue.selectors import Selectors, Usage
from charging.catalogue.source import Source
from charging.catalogue.times import Clock, local_day
from charging.catalogue.wallets import Wallet, converted
from charging.event import Change, FinalUnits, ServiceKind, TimePeriods
from charging.rating import Rounding, Tariff

NEVER = 2**63


class ServiceTerms(Record, frozen=True, kw_only=True):
    """How a kind of service is granted. Times in seconds, quotas in ``unit``."""

    kind: ServiceKind
    unit: Unit
    quota: int
    """Granted when the client leaves the size to us."""
    share: int = 0
    """Per cent of what is left that one grant takes at most; 0: all of it."""
    floor: int = 0
    """Units a share is never smaller than."""
    throttle: str = ""
    """What the network slows the use down to, by the name it knows it by."""
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
    consumption: int
    periods: TimePeriods | None
    changes: tuple[Change, ...] | None
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
    tariff: Tariff
    rounding: Rounding | None
    """As the rate states it; None: the plan's."""
    along: str = ""
    """The meter along whose units the price's tiers run; empty: along the session's."""


class Match(Record, frozen=True, kw_only=True):
    """The line of a plan that fits a use, and the rate that holds."""

    rule: "Rule"
    rate: Rate
    source: Source
    """Where the rate stands: the line of a deck, or the rate's own."""
    prefix: str = ""
    """The deck's prefix that fits."""


class Rule(Record, frozen=True, kw_only=True):
    """One line of a plan. ``rates`` are those it may lead to: one, or all of a deck, in each currency of account."""

    selectors: Selectors
    rates: Mapping[str, tuple[Rate, ...]]
    source: Source
    incoming: bool = False
    deck: Deck | None = None
    adjustment: str = ""
    """Surcharge or discount, as written."""
    meters: tuple[Meter, ...] = ()
    """What its use is counted into."""

    def match(self, use: Usage, currency: str, clock: Clock) -> Match | None:
        """What holds for a use by this line; None: the line does not fit."""
        if self.incoming != use.incoming or not self.selectors.fits(use):
            return None
        rates = self.rates[currency]
        if self.deck is None:
            return Match(rule=self, rate=rates[0], source=rates[0].source)
        day = local_day(use.at, clock.zone)
        found = self.deck.find(use.number, day)
        if found is None:
            return None
        source = Source(file=self.deck.file, line=found.line)
        return Match(rule=self, rate=rates[found.tariff], source=source, prefix=found.prefix)

    def covers(self, other: "Rule") -> bool:
        """Does nothing reach ``other`` where this rule stands before it?"""
        return self.deck is None and self.incoming == other.incoming and self.selectors.covers(other.selectors)


class Plan(Record, frozen=True, kw_only=True):
    """What a subscriber may use and at which rates: for each kind of service, the first rule that fits."""

    name: str
    currency: str
    currencies: Mapping[str, Fraction]
    """Those in which accounts may be kept: the plan's own and those it converts to, and what its own is worth there."""
    country: str
    """Country code (E.164) that national numbers belong to."""
    rules: Mapping[ServiceKind, tuple[Rule, ...]]
    source: Source
    clock: Clock
    timed: bool
    """Does anything change with time?"""
    tax: tuple[int, int] | None = None
    """The share of every price that is tax, as numerator and denominator."""
    wallet: Wallet = Wallet()
    life: Life | None = None
    """None: its accounts are active until an operator says otherwise."""
    successors: tuple[tuple[int, "Plan"], ...] = ()
    """The plans that replace this one, and from when on (milliseconds), in order."""

    def at(self, at: int) -> "Plan":
        """The plan as it is at a time."""
        for since, plan in reversed(self.successors):
            if at >= since:
                return plan
        return self

    def match(self, use: Usage, currency: str = "") -> Match | None:
        """The line that decides and its rate; None: the plan has no price for it."""
        for rule in self.rules.get(use.kind, ()):
            found = rule.match(use, currency or self.currency, self.clock)
            if found is not None:
                return found
        return None

    def meterings(self, match: Match, at: int, currency: str) -> tuple[Metering, ...]:
        """What counts a use at a time (milliseconds) by an account in this currency."""
        factor, zone = self.currencies[currency], self.clock.zone
        return tuple([meter.metering(at, zone, factor, match.rate.along) for meter in match.rule.meters])

    def warn_below(self, currency: str) -> tuple[int, ...] | None:
        """Amounts of unreserved money that accounts in this currency are warned below; None: the plan says nothing."""
        amounts, factor = self.wallet.warn_below, self.currencies.get(currency, Fraction(1))
        return None if amounts is None else tuple([converted(amount, factor) for amount in amounts])

    def replaced_after(self, at: int) -> int:
        """When the next version of the plan begins after a time; beyond all times if none does."""
        return next((since for since, _ in self.successors if since > at), NEVER)

    def began(self, at: int) -> int:
        """Since when a version of the plan holds that holds at a time; 0: always."""
        return next((since for since, _ in reversed(self.successors) if at >= since), 0)

    def tax_in(self, gross: int) -> int:
        """How much of a price is tax, to the nearest micro-unit."""
        if self.tax is None:
            return 0
        numerator, denominator = self.tax
        return (2 * gross * numerator + denominator) // (2 * denominator)
