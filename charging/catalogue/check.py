"""What a catalogue means: names resolved, figures computed, and everything that does not fit together said at once."""

from collections.abc import Mapping

from charging.catalogue import carriers, counters, decks, geography, meters, offers, plans, rates, services
from charging.catalogue.decks import Deck
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.model import Catalogue, Counter, Offer
from charging.catalogue.plan import Rate
from charging.catalogue.plans import Materials
from charging.catalogue.rates import Services
from charging.catalogue.schema import CounterText, OfferText
from charging.catalogue.source import CatalogueError, Problem, Source


def build(findings: Findings, tables: Mapping[str, str], version: str) -> Catalogue:
    """The catalogue of these tables and CSV files (by name); raises CatalogueError with every problem found.

    ``findings`` comes with what is wrong with the tables' shapes.
    """
    places = geography.places(findings, tables)
    granted = findings.each("services", lambda name, entry: services.service(findings, name, entry))
    by_kind = {terms.kind: terms for terms in granted.values()}
    pays = _payments(findings)
    made = findings.each("rates", lambda name, entry: rates.rate(findings, name, entry, by_kind, pays.get(name, ())))
    all_decks = _decks(findings, by_kind, pays, tables)
    paid = {**{name: found[0] for name, (_, found) in all_decks.items() if found}, **made}
    bundles = findings.each("offers", lambda name, entry: offers.offer(findings, name, entry, paid))
    counted = findings.each("meters", lambda name, entry: meters.meter(findings, name, entry, by_kind))
    meters.check_count(findings)
    meters.check_along(findings, made, counted)
    materials = Materials(
        rates=made,
        decks=all_decks,
        windows=findings.each("times", lambda name, entry: geography.window(findings, name, entry)),
        holidays=findings.each("holidays", lambda name, entry: geography.holidays(findings, name, entry)),
        conversions=findings.each("conversions", lambda name, entry: geography.conversions(findings, name, entry)),
        offers=bundles,
        meters=counted,
        priced={},
    )
    sold = findings.each("plans", lambda name, entry: plans.plan(findings, name, entry, materials))
    sold = plans.succeed(findings, sold)
    policy_counters = findings.each("counters", lambda name, entry: _counter(findings, name, entry, bundles))
    windows, conversions = materials.windows, materials.conversions
    terminating = findings.each(
        "carriers", lambda name, entry: carriers.carrier(findings, name, entry, all_decks, windows, conversions)
    )
    routings = findings.each("routings", lambda name, entry: carriers.routing(findings, name, entry, terminating))
    if findings.problems:
        raise CatalogueError(tuple(sorted(findings.problems, key=lambda each: (each.source.file, each.source.line))))
    return Catalogue(
        version=version, plans=sold, offers=bundles, services=by_kind, places=places, counters=policy_counters,
        carriers=terminating, routings=routings,
        meters=counted,
    )  # fmt: skip


def _payments(findings: Findings) -> dict[str, tuple[str, ...]]:
    """Which offers pay for each rate or deck."""
    pays: dict[str, tuple[str, ...]] = {}
    for offer, entry in findings.entries["offers"].items():
        written: OfferText = entry.written
        for number, rate in enumerate(written.pays):
            if rate not in findings.entries["rates"] and rate not in findings.entries["decks"]:
                findings.unknown(entry.source("pays", number), "rates", rate)
            pays[rate] = (*pays.get(rate, ()), offer)
    return pays


def _decks(
    findings: Findings, by_kind: Services, pays: Mapping[str, tuple[str, ...]], tables: Mapping[str, str]
) -> dict[str, tuple[Deck, tuple[Rate, ...]]]:
    """Each deck of the tables with its file, and each file with its table."""
    made: dict[str, tuple[Deck, tuple[Rate, ...]]] = {}
    for name, entry in findings.entries["decks"].items():
        terms = rates.deck_terms(findings, name, entry, by_kind)
        file = f"decks/{name}.csv"
        if file not in tables:
            findings.problem(entry.source(), f"deck {name!r} has no file", f"write {file}")
        elif name in findings.entries["rates"]:
            findings.problem(entry.source(), f"{name!r} is a rate already", "a deck needs a name of its own")
        elif terms is not None:
            deck = decks.read(file, tables[file], terms[0], findings.problems)
            made[name] = deck, rates.deck_rates(findings, entry, deck, terms[1], pays.get(name, ()))
    for file in tables:
        name = file.removeprefix("decks/").removesuffix(".csv")
        if file != decks.PORTABILITY and name not in findings.entries["decks"]:
            where = Source(file=file, line=1)
            findings.problems.append(
                Problem(source=where, message="no table says what this is", hint=f"[decks.{name}]")
            )
    return made


def _counter(findings: Findings, name: str, entry: Entry, offers: Mapping[str, Offer]) -> Counter | None:
    written: CounterText = entry.written
    if written.offer and written.offer not in findings.entries["offers"]:
        findings.unknown(entry.source("offer"), "offers", written.offer)
    if written.offer and written.offer not in offers:
        return None
    try:
        return counters.counter(name, written, offers.get(written.offer), entry.source())
    except counters.CounterError as error:
        findings.problem(entry.source(*error.path), str(error), error.hint)
        return None
