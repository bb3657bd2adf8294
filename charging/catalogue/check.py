"""What a catalogue means: names resolved, figures computed, and everything that does not fit together said at once."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from balances.ledger import Empty, Lapse, Quote, Record, Unit
from balances.money import MICRO
from charging import rating
from charging.catalogue import counters, quantities, terms
from charging.catalogue.model import (
    Catalogue,
    CatalogueError,
    Counter,
    Destinations,
    Offer,
    Plan,
    Problem,
    Rate,
    Rule,
    ServiceTerms,
    Source,
)
from charging.catalogue.positions import Path
from charging.catalogue.quantities import QuantityError
from charging.catalogue.schema import (
    CounterText,
    CountryText,
    FinalText,
    OfferText,
    PlanText,
    RateText,
    RuleText,
    ServiceText,
    TierText,
)
from charging.event import FinalAction, FinalUnits, ServiceKind

UNITS = {
    ServiceKind.DATA: Unit.OCTETS,
    ServiceKind.VOICE: Unit.SECONDS,
    ServiceKind.SMS: Unit.EVENTS,
    ServiceKind.MMS: Unit.EVENTS,
    ServiceKind.OTHER: Unit.EVENTS,
}
"""What a service is counted in unless it says otherwise."""

LARGEST = {Unit.OCTETS: 10**15, Unit.SECONDS: 366 * 86_400, Unit.EVENTS: 10**7, Unit.MONEY: 10**6 * MICRO}
"""The most units of one key of one session up to which every price must count exactly; no setting goes beyond."""

T = TypeVar("T")


class Entry(Record, frozen=True, kw_only=True):
    """A table as written, with the lines of its keys."""

    file: str
    lines: Mapping[Path, int]
    written: Any

    def source(self, *path: str | int) -> Source:
        """Where this key stands, or else what it is part of."""
        while path and path not in self.lines:
            path = path[:-1]
        line = self.lines.get(path) or min(self.lines.values(), default=1)
        return Source(file=self.file, line=line)


Entries = Mapping[str, Mapping[str, Entry]]


def build(entries: Entries, version: str) -> Catalogue:
    """The catalogue; raises CatalogueError with every problem found."""
    return _Builder(entries).build(version)


class _Builder:
    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        self.problems: list[Problem] = []
        self.codes: dict[str, str] = {}

    def build(self, version: str) -> Catalogue:
        emergency = frozenset(
            number for name, entry in self.entries["countries"].items() for number in self.country(name, entry)
        )
        destinations = self.destinations()
        services = self.each("services", self.service)
        by_kind = {terms.kind: terms for terms in services.values()}
        pays = self.payments()
        rates = self.each("rates", lambda name, entry: self.rate(name, entry, by_kind, pays.get(name, ())))
        offers = self.each("offers", lambda name, entry: self.offer(name, entry, rates))
        plans = self.each("plans", lambda name, entry: self.plan(name, entry, rates))
        policy_counters = self.each("counters", lambda name, entry: self.counter(name, entry, offers))
        if self.problems:
            raise CatalogueError(tuple(sorted(self.problems, key=lambda each: (each.source.file, each.source.line))))
        return Catalogue(
            version=version,
            plans=plans,
            offers=offers,
            services=by_kind,
            destinations=destinations,
            emergency=emergency,
            counters=policy_counters,
        )

    def problem(self, source: Source, message: str, hint: str = "") -> None:
        self.problems.append(Problem(source=source, message=message, hint=hint))

    def each(self, section: str, make: Callable[[str, Entry], T | None]) -> dict[str, T]:
        made = {name: make(name, entry) for name, entry in self.entries[section].items()}
        return {name: value for name, value in made.items() if value is not None}

    def read(self, entry: Entry, key: str | tuple[str | int, ...], read: Callable[[], T], default: T) -> T:
        """A figure; a problem with file and line, and the default instead, where it cannot be read."""
        try:
            return read()
        except QuantityError as error:
            path = (key,) if isinstance(key, str) else key
            self.problem(entry.source(*path), f"{path[-1]}: {error}")
            return default

    def unknown(self, source: Source, section: str, name: str) -> None:
        known = ", ".join(sorted(self.entries[section])) or "none"
        self.problem(source, f"no such entry of {section}: {name!r}", f"known: {known}")

    def country(self, name: str, entry: Entry) -> set[str]:
        written: CountryText = entry.written
        if not (written.code.isdigit() and written.code.isascii() and 1 <= len(written.code) <= 3):
            self.problem(entry.source("code"), f"{written.code!r} is no country code", "1 to 3 digits, without + or 00")
        for number in written.emergency:
            if not (number.isdigit() and number.isascii()):
                self.problem(entry.source("emergency"), f"{number!r} is no number", "digits only")
        self.codes[name] = written.code
        return {form for number in written.emergency for form in (number, written.code + number)}

    def destinations(self) -> Destinations:
        zones: dict[str, str] = {}
        for zone, entry in self.entries["destinations"].items():
            if not entry.written:
                self.problem(entry.source(), f"destination {zone!r} has no prefix", 'write e.g. ["49"]')
            for number, prefix in enumerate(entry.written):
                if not (prefix.isdigit() and prefix.isascii()):
                    self.problem(entry.source(number), f"{prefix!r} is no prefix", "digits, without + or 00")
                elif prefix in zones:
                    self.problem(
                        entry.source(number), f"prefix {prefix} belongs to {zones[prefix]!r} already", "overlap"
                    )
                else:
                    zones[prefix] = zone
        return Destinations(zones)

    def service(self, name: str, entry: Entry) -> ServiceTerms | None:
        written: ServiceText = entry.written
        if name not in set(ServiceKind):
            self.problem(entry.source(), f"no such service: {name!r}", f"known: {', '.join(ServiceKind)}")
            return None
        kind = ServiceKind(name)
        unit = Unit(written.unit) if written.unit else UNITS[kind]

        def units(key: str, text: str, default: int) -> int:
            return self.read(entry, key, lambda: quantities.quantity(text, unit), default) if text else default

        def time(key: str, text: str) -> int:
            return self.read(entry, key, lambda: quantities.seconds(text), 1) if text else 0

        quota, least = units("quota", written.quota, 1), units("minimum", written.minimum, 1)
        most = units("maximum", written.maximum, quota)
        if not 1 <= least <= quota <= most:
            self.problem(entry.source("quota"), "it must be: 1 <= minimum <= quota <= maximum")
        if most > LARGEST[unit]:
            self.problem(entry.source("maximum"), f"no grant may be larger than {LARGEST[unit]} {unit}")
        percent = quantities.share(written.threshold)
        threshold = units("threshold", written.threshold if percent is None else "", 0)
        validity = time("validity", written.validity)
        if not 1 <= validity < 2**31:
            self.problem(entry.source("validity"), "validity is at least one second")
        return ServiceTerms(
            kind=kind,
            unit=unit,
            quota=quota,
            least=least,
            most=most,
            validity=validity,
            retry=time("retry", written.retry),
            threshold_percent=percent or 0,
            threshold_units=threshold,
            holding=time("holding", written.holding),
            final=self.final(entry, written.final),
            empty=Empty(written.empty),
            lapse=Lapse(written.lapse),
        )

    def final(self, entry: Entry, written: FinalText) -> FinalUnits:
        action = FinalAction(written.action)
        where = entry.source("final")
        if (action is FinalAction.REDIRECT) != bool(written.redirect):
            self.problem(
                where, "redirect stands with action = 'redirect', and only there", "an URL, SIP URI or address"
            )
        if action is FinalAction.RESTRICT and not written.filters:
            self.problem(where, "restrict needs filters", 'e.g. "permit out ip from 198.51.100.10 to assigned"')
        if action is FinalAction.TERMINATE and written.filters:
            self.problem(where, "terminate has no filters: nothing stays open", "use redirect or restrict")
        return FinalUnits(action=action, redirect=written.redirect, filters=written.filters)

    def payments(self) -> dict[str, tuple[str, ...]]:
        """Which offers pay for each rate."""
        pays: dict[str, tuple[str, ...]] = {}
        for offer, entry in self.entries["offers"].items():
            written: OfferText = entry.written
            for number, rate in enumerate(written.pays):
                if rate not in self.entries["rates"]:
                    self.unknown(entry.source("pays", number), "rates", rate)
                pays[rate] = (*pays.get(rate, ()), offer)
        return pays

    def rate(
        self, name: str, entry: Entry, services: Mapping[ServiceKind, ServiceTerms], offers: tuple[str, ...]
    ) -> Rate | None:
        written: RateText = entry.written
        service = services.get(ServiceKind(written.service)) if written.service in set(ServiceKind) else None
        if service is None:
            if written.service not in self.entries["services"]:
                self.unknown(entry.source("service"), "services", written.service)
            return None
        unit = service.unit
        tariff, currency = self.tariff(entry, unit)
        quota = written.quota
        if quota:
            size = self.read(entry, "quota", lambda: quantities.quantity(quota, unit), service.quota)
            if not service.least <= size <= service.most:
                self.problem(entry.source("quota"), f"the quota must lie within minimum and maximum of {service.kind}")
            service = ServiceTerms(
                **{key: getattr(service, key) for key in service.__struct_fields__} | {"quota": size}
            )
        try:
            price = rating.price(tariff, LARGEST[unit])
        except rating.RatingError as error:
            self.problem(entry.source("tiers" if written.tiers else "price"), f"{name}: {error}")
            return None
        quote = Quote(price=price, offers=offers, terms=terms.encode(service))
        return Rate(name=name, service=service, currency=currency, quote=quote, source=entry.source())

    def tariff(self, entry: Entry, unit: Unit) -> tuple[rating.Tariff, str]:
        written: RateText = entry.written
        if bool(written.price) == bool(written.tiers):
            self.problem(entry.source(), "a rate has a price, or tiers", 'write price = "0.01 EUR per MB"')
        currencies: set[str] = set()
        tiers: list[rating.Tier] = []
        texts = written.tiers or (TierText(price=written.price),)
        for number, text in enumerate(texts):
            tier = self.tier(entry, number, text, unit, currencies)
            if tier is not None:
                tiers.append(tier)
        self.tier_order(entry, tiers)
        first, block = self.read(entry, "blocks", lambda: quantities.blocks(written.blocks, unit), (1, 1))
        setup = 0
        if written.setup:
            setup, currency = self.read(entry, "setup", lambda: quantities.money(written.setup), (0, ""))
            currencies |= {currency} - {""}
        free = self.read(entry, "free", lambda: quantities.quantity(written.free, unit), 0) if written.free else 0
        if len(currencies) > 1:
            self.problem(entry.source(), f"one rate, several currencies: {', '.join(sorted(currencies))}")
        gratis = len(tiers) == 1 and not tiers[0].amount
        tariff = rating.Tariff(
            tiers=() if gratis else tuple(tiers),
            block=block,
            first=first,
            setup=max(0, setup),
            free=free,
            rounding=rating.Rounding(written.rounding),
        )
        return tariff, next(iter(currencies), "")

    def tier(self, entry: Entry, number: int, text: TierText, unit: Unit, currencies: set[str]) -> rating.Tier | None:
        key = ("tiers", number, "price") if entry.written.tiers else ("price",)
        if not text.price:
            return None
        unread: tuple[rating.Tier | None, str] = (None, "")
        tier, currency = self.read(entry, key, lambda: quantities.unit_price(text.price, unit), unread)
        currencies |= {currency} - {""}
        upto = None
        if text.upto:
            upto = self.read(entry, ("tiers", number, "upto"), lambda: quantities.quantity(text.upto, unit), 1)
        return rating.Tier(amount=tier.amount if tier else 0, per=tier.per if tier else 1, upto=upto)

    def tier_order(self, entry: Entry, tiers: list[rating.Tier]) -> None:
        """Each tier begins where the one before it ends: no gap, no overlap."""
        reached = 0
        for number, tier in enumerate(tiers):
            where = entry.source("tiers", number)
            last = number == len(tiers) - 1
            if last and tier.upto is not None:
                self.problem(where, f"gap: nothing is said beyond {tier.upto}", "the last tier has no upto")
            elif not last and tier.upto is None:
                self.problem(
                    where, "overlap: this tier has no end, those after it are never reached", "give it an upto"
                )
            elif tier.upto is not None and tier.upto <= reached:
                self.problem(where, "overlap: this tier ends before it begins", "write tiers in order of use")
            reached = tier.upto or reached

    def offer(self, name: str, entry: Entry, rates: Mapping[str, Rate]) -> Offer | None:
        written: OfferText = entry.written
        paid = [rates[rate] for rate in written.pays if rate in rates]
        if not written.pays:
            self.problem(entry.source("pays"), f"offer {name!r} pays for nothing", "name at least one rate")
        if not paid:
            return None
        unit = paid[0].service.unit
        if any(rate.service.unit is not unit for rate in paid):
            self.problem(entry.source("pays"), "the rates of an offer are all counted in the same unit")
        amount = self.read(entry, "amount", lambda: quantities.quantity(written.amount, unit), 1)
        validity = (
            self.read(entry, "validity", lambda: quantities.seconds(written.validity), 1) if written.validity else 0
        )
        if amount < 1:
            self.problem(entry.source("amount"), "an offer gives at least one unit")
        return Offer(
            name=name, unit=unit, amount=amount, validity=validity, priority=written.priority, source=entry.source()
        )

    def counter(self, name: str, entry: Entry, offers: Mapping[str, Offer]) -> Counter | None:
        written: CounterText = entry.written
        if written.offer and written.offer not in self.entries["offers"]:
            self.unknown(entry.source("offer"), "offers", written.offer)
        if written.offer and written.offer not in offers:
            return None
        try:
            return counters.counter(name, written, offers.get(written.offer), entry.source())
        except counters.CounterError as error:
            self.problem(entry.source(*error.path), str(error), error.hint)
            return None

    def plan(self, name: str, entry: Entry, rates: Mapping[str, Rate]) -> Plan:
        written: PlanText = entry.written
        if not (len(written.currency) == 3 and written.currency.isascii() and written.currency.isupper()):
            self.problem(entry.source("currency"), f"{written.currency!r} is no currency", "ISO 4217, such as EUR")
        if written.country and written.country not in self.entries["countries"]:
            self.unknown(entry.source("country"), "countries", written.country)
        rules: dict[ServiceKind, tuple[Rule, ...]] = {}
        for kind in ServiceKind:
            texts: tuple[RuleText, ...] = getattr(written, kind.value)
            made = [self.rule(entry, kind, number, text, rates) for number, text in enumerate(texts)]
            rules[kind] = tuple(rule for rule in made if rule is not None)
            self.rule_order(rules[kind])
        data = rules[ServiceKind.DATA]
        if data and not any(rule.rating_group is None and rule.service_id is None for rule in data):
            self.problem(entry.source("data"), "gap: other rating groups have no rate", "end with { rate = … }")
        return Plan(
            name=name,
            currency=written.currency,
            country=self.codes.get(written.country, ""),
            rules=rules,
            source=entry.source(),
        )

    def rule(
        self, entry: Entry, kind: ServiceKind, number: int, text: RuleText, rates: Mapping[str, Rate]
    ) -> Rule | None:
        where = entry.source(kind.value, number)
        for figure in (text.rating_group, text.service_id):
            if figure is not None and not 0 <= figure < 2**32:
                self.problem(where, f"{figure} is no rating group or service identifier", "0 to 4294967295")
        if text.to is not None and text.to not in self.entries["destinations"]:
            self.unknown(where, "destinations", text.to)
        if text.rate not in self.entries["rates"]:
            self.unknown(where, "rates", text.rate)
        rate = rates.get(text.rate)
        if rate is None:
            return None
        if kind is not ServiceKind.OTHER and rate.service.kind is not kind:
            self.problem(where, f"{text.rate!r} is a rate for {rate.service.kind}, not for {kind}")
        if rate.currency and rate.currency != entry.written.currency:
            self.problem(
                where,
                f"{text.rate!r} is priced in {rate.currency}, the plan in {entry.written.currency}",
                "wrong currency",
            )
        return Rule(
            rate=rate,
            source=where,
            rating_group=text.rating_group,
            service_id=text.service_id,
            to=text.to,
            incoming=text.incoming,
        )

    def rule_order(self, rules: tuple[Rule, ...]) -> None:
        for number, rule in enumerate(rules):
            before = next((other for other in rules[:number] if other.covers(rule)), None)
            if before:
                self.problem(
                    rule.source, f"never reached: the line at {before.source} fits first", "put it before that"
                )
