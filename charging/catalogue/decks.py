"""Rate decks and the portability table: CSV files of many lines, read at once and looked up by hash."""

import csv
import io
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from balances.ledger import Record, Unit
from charging.catalogue import quantities
from charging.catalogue.prefixes import Prefixes
from charging.catalogue.quantities import QuantityError
from charging.catalogue.source import Problem, Source
from charging.rating import Rounding, Tariff, Tier

PORTABILITY = "portability.csv"

COLUMNS = ("prefix", "price", "setup", "blocks", "from", "name")
"""The columns of a deck; the first two are needed, ``name`` is for people."""

BITS = 20
"""A line and the number of its tariff share an integer: a deck has fewer than 2^20 different tariffs."""

Packed = int | tuple[tuple[date, int], ...]


class Found(NamedTuple):
    """A deck's answer: the number of the tariff, the line of the file and the prefix."""

    tariff: int
    line: int
    prefix: str


class Deck(Record, frozen=True, kw_only=True):
    """A deck: prefixes, each with a tariff, or with several that follow each other in time."""

    name: str
    file: str
    table: dict[str, Packed]
    prefixes: Prefixes[Packed]
    tariffs: tuple[Tariff, ...]
    dated: bool

    def find(self, number: str, day: date) -> Found | None:
        """What the longest prefix says on a day; a prefix that is not in effect yet is as if it were not there."""
        for prefix, packed in self.prefixes.all(number):
            value = (
                packed if isinstance(packed, int) else next((v for since, v in reversed(packed) if since <= day), None)
            )
            if value is not None:
                tariff, line = self.unpack(value)
                return Found(tariff, line, prefix)
        return None

    @staticmethod
    def unpack(value: int) -> tuple[int, int]:
        """The number of the tariff and the line."""
        return value & ((1 << BITS) - 1), value >> BITS


class DeckTerms(Record, frozen=True, kw_only=True):
    """What holds for all lines of a deck."""

    name: str
    unit: Unit
    per: int
    currency: str
    blocks: tuple[int, int]
    setup: int
    rounding: Rounding


class _Reader:
    def __init__(self, file: str, terms: DeckTerms, problems: list[Problem]) -> None:
        self.file = file
        self.terms = terms
        self.problems = problems
        self.tariffs: dict[tuple[str, str, str], int] = {}
        self.made: list[Tariff] = []

    def problem(self, line: int, message: str, hint: str = "") -> None:
        self.problems.append(Problem(source=Source(file=self.file, line=line), message=message, hint=hint))

    def read(self, text: str) -> Deck:
        table: dict[str, Packed] = {}
        dated = False
        for line, row in _rows(self.file, text, COLUMNS, 2, self.problems):
            prefix = row[0]
            if not (prefix.isascii() and prefix.isdigit()):
                self.problem(line, f"{prefix!r} is no prefix", "digits, without + or 00")
                continue
            number = self.tariff(line, row[1], row[2], row[3])
            if number is None:
                continue
            value = line << BITS | number
            if not row[4] and prefix not in table:
                table[prefix] = value
                continue
            dated = True
            since = self.day(line, row[4])
            if since is not None:
                table[prefix] = self.dated(line, prefix, table.get(prefix), since, value)
        if not table and not self.problems:
            self.problem(1, "the deck is empty", "prefix,price")
        return Deck(
            name=self.terms.name, file=self.file, table=table, prefixes=Prefixes(table), tariffs=tuple(self.made),
            dated=dated,
        )  # fmt: skip

    def day(self, line: int, text: str) -> date | None:
        try:
            return date.fromisoformat(text) if text else date.min
        except ValueError:
            self.problem(line, f"from: {text!r} is no date", "write 2026-01-31")
            return None

    def dated(self, line: int, prefix: str, before: Packed | None, since: date, value: int) -> Packed:
        known = before if isinstance(before, tuple) else () if before is None else ((date.min, before),)
        twin = next((packed for day, packed in known if day == since), None)
        if twin is not None:
            self.problem(
                line, f"prefix {prefix} stands in line {twin >> BITS} already", "duplicate: remove one of them"
            )
            return known
        return tuple(sorted((*known, (since, value))))

    def tariff(self, line: int, price: str, setup: str, blocks: str) -> int | None:
        key = (price, setup, blocks)
        number = self.tariffs.get(key)
        if number is None:
            try:
                tariff = self.make(price, setup, blocks)
            except QuantityError as error:
                self.problem(line, str(error))
                return None
            number = self.tariffs[key] = len(self.made)
            self.made.append(tariff)
        return number

    def make(self, price: str, setup: str, blocks: str) -> Tariff:
        terms = self.terms
        amount, currency = quantities.money(price)
        fee, fee_currency = quantities.money(setup) if setup else (terms.setup, "")
        for named in (currency, fee_currency):
            if named not in ("", terms.currency):
                raise QuantityError(f"priced in {named}, the deck in {terms.currency}")
        if amount < 0 or fee < 0:
            raise QuantityError(f"{price!r}: a price is at least 0")
        first, block = quantities.blocks(blocks, terms.unit) if blocks else terms.blocks
        tiers = (Tier(amount=amount, per=terms.per),) if amount else ()
        return Tariff(tiers=tiers, block=block, first=first, setup=fee, rounding=terms.rounding)


def read(file: str, text: str, terms: DeckTerms, problems: list[Problem]) -> Deck:
    """A deck from its file; everything wrong with it is added to ``problems``."""
    return _Reader(file, terms, problems).read(text)


def portability(file: str, text: str, networks: frozenset[str], problems: list[Problem]) -> dict[str, str]:
    """Number -> network, of the numbers that have moved; later lines hold, so that updates are appended."""
    ported: dict[str, str] = {}
    names = {name: name for name in networks}
    for line, row in _rows(file, text, ("number", "network"), 2, problems):
        number, network = row[0], names.get(row[1])
        if not (number.isascii() and number.isdigit()):
            problems.append(Problem(source=Source(file=file, line=line), message=f"{number!r} is no number"))
        elif network is None:
            known = ", ".join(sorted(networks)) or "none"
            message = f"no such entry of networks: {row[1]!r}"
            problems.append(Problem(source=Source(file=file, line=line), message=message, hint=f"known: {known}"))
        else:
            ported[number] = network
    return ported


def _rows(
    file: str, text: str, columns: tuple[str, ...], needed: int, problems: list[Problem]
) -> Iterator[tuple[int, list[str]]]:
    """The lines of a table with a header, their cells in the order of ``columns``, missing ones empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)

    def problem(message: str, hint: str = "") -> None:
        source = Source(file=file, line=max(1, reader.line_num))
        problems.append(Problem(source=source, message=message, hint=hint))

    try:
        header = [name.strip() for name in next(reader, [])]
        if (
            not header
            or any(name not in columns for name in header)
            or any(name not in header for name in columns[:needed])
        ):
            problem(f"the first line names the columns: {','.join(header)!r}", f"known: {', '.join(columns)}")
            return
        places = [header.index(name) if name in header else len(header) for name in columns]
        for row in reader:
            if not row or row[0].startswith("#"):
                continue
            if len(row) != len(header):
                problem(f"{len(row)} cells where the header has {len(header)}")
                continue
            row.append("")
            yield reader.line_num, [row[place].strip() for place in places]
    except csv.Error as error:
        problem(str(error))
