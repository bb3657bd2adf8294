"""The hand-computed cases, as read from ``golden/*.csv``, and the account each begins with.

A line: ``plan`` and ``currency`` of an account that holds ``money`` and the ``bundles`` (given at ``given``, else at
the time of use; ``name/10MB``: 10 MB of it were used then). It opens a session ``at`` a local time, wants ``units``
of the ``use`` and reports them used. ``cost`` is what the main balance pays (or why nothing is allowed), ``pays`` what
bundles pay, ``granted`` what the opening got, ``validity`` seconds, ``throttle`` what it is slowed down to.
``before``: units that the same use had come to ``given`` before, as meters remember.
"""

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from balances.ledger import (
    Account,
    Charge,
    Identity,
    Ledger,
    Movement,
    NewAccount,
    Phase,
    Quote,
    Use,
    Verdict,
)
from balances.money import format_amount, parse_amount
from balances.price import Price
from charging.catalogue import Catalogue
from charging.catalogue.quantities import quantity
from charging.event import ChargingEvent, RequestItem, Service, ServiceKind, Unit
from charging.gifts import gift
from charging.quoting import Quoter
from charging.subscribers import subscriber

FOLDER = Path(__file__).parent / "golden"
UNITS = {ServiceKind.DATA: Unit.OCTETS, ServiceKind.VOICE: Unit.SECONDS}
REFUSED = ("unrateable", "barred", "no-credit", "spending-limit")
WORDS = {"from": "calling", "to": "called"}


class Case:
    """One line."""

    def __init__(self, file: str, number: int, row: dict[str, str]) -> None:
        self.row = row
        self.id = f"{file}:{number}:{row['case'].replace(' ', '-')}"
        kind, *words = row["use"].split()
        self.facts = dict(word.split("=", 1) for word in words)
        """``to``, ``from``, ``visited`` and so on, as written."""
        self.kind = ServiceKind(kind)
        self.unit = UNITS.get(self.kind, Unit.EVENTS)
        self.at = milliseconds(row["at"])
        self.units = quantity(row["units"], self.unit)
        self.granted = quantity(row["granted"] or row["units"], self.unit)
        self.refused = row["cost"] if row["cost"] in REFUSED else ""
        self.cost = 0 if self.refused else parse_amount(row["cost"])
        self.validity = int(row["validity"] or 0)
        self.throttle = row.get("throttle", "")
        self.door = self.facts.get("door", "")

    def __repr__(self) -> str:
        return f"<Case {self.id}>"

    @property
    def rating_group(self) -> int | None:
        return int(self.facts["rg"]) if "rg" in self.facts else None

    @property
    def service_id(self) -> int | None:
        return int(self.facts["si"]) if "si" in self.facts else None

    def item(self, used: int = 0, wanted: int | None = None) -> RequestItem:
        return RequestItem(
            key="k", rating_group=self.rating_group, service_id=self.service_id, used=used, wanted=wanted
        )

    def service(self) -> Service:
        """The rating input, as a door would say it that knows everything."""
        own = ("rg", "si", "door", "incoming")
        named = {WORDS.get(key, key): value for key, value in self.facts.items() if key not in own}
        return Service(kind=self.kind, incoming="incoming" in self.facts, **named)  # type: ignore[arg-type]

    async def account(self, ledger: Ledger, catalogue: Catalogue, *identities: Identity, name: str = "a") -> Account:
        """A fresh account that holds what the case begins with."""
        row = self.row
        new = NewAccount(id=name, plan=row["plan"], currency=row["currency"] or "EUR", identities=identities)
        address = (await ledger.open_account(new, self.at)).address
        if row["money"] != "0":
            amount = parse_amount(row["money"] or "100")
            await ledger.move(Movement(address=address, operation="money", amount=amount, cause="topup", now=self.at))
        given = milliseconds(row["given"] or row["at"])
        for number, bundle in enumerate(row["bundles"].split()):
            offer_name, _, used = bundle.partition("/")
            offer = catalogue.offer(offer_name)
            assert offer is not None, bundle
            account = await ledger.account(address)
            await ledger.give(gift(catalogue, offer, account, f"gift{number}", given))
            if used:
                quote = Quote(price=Price(), offers=(offer.name,))
                await self._use(ledger, account, quote, offer.unit, quantity(used, offer.unit), given)
        if row.get("before"):
            account = await ledger.account(address)
            before = quantity(row["before"], self.unit)
            await self._use(ledger, account, self._quote(catalogue, account, given), self.unit, before, given)
        return await ledger.account(address)

    def _quote(self, catalogue: Catalogue, account: Account, now: int) -> Quote:
        event = ChargingEvent(
            session="before",
            operation="1",
            fingerprint=0,
            phase=Phase.EVENT,
            door=self.door or "test",
            at=now,
            now=now,
            identities=(),
            service=self.service(),
        )
        quote = Quoter(catalogue, subscriber(account), event).quote(self.item()).quote
        assert quote is not None
        return quote

    async def _use(self, ledger: Ledger, account: Account, quote: Quote, unit: Unit, units: int, now: int) -> None:
        """So much was used before."""
        charged = await ledger.charge(
            Charge(
                address=account.address,
                version=account.version,
                session=f"before {quote.offers}",
                operation="1",
                fingerprint=0,
                phase=Phase.EVENT,
                door="test",
                now=now,
                deadline=now,
                uses=(Use(key="k", unit=unit, wanted=units, quote=quote),),
            )
        )
        assert charged.verdict is Verdict.DONE

    async def is_charged(self, ledger: Ledger, before: Account) -> None:
        """Money and bundles have paid what the case says, and nothing is held any more."""
        after = await ledger.account(before.address)
        assert after.money.reserved == 0
        spent = before.money.balance - after.money.balance
        assert format_amount(spent) == format_amount(self.cost), self
        paid = {bucket.offer: bucket.counters.debited for bucket in after.buckets if bucket.counters.debited}
        units = {bucket.offer: bucket.unit for bucket in after.buckets}
        words = [word.split("=") for word in self.row["pays"].split()]
        assert paid == {name: _amount(amount, units[name]) for name, amount in words}, self
        audit = await ledger.audit()
        assert audit.balanced, audit.findings


def _amount(text: str, unit: Unit) -> int:
    return parse_amount(text) if unit is Unit.MONEY else quantity(text, unit)


def milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000


def read() -> Iterator[Case]:
    """Every line of every file."""
    for file in sorted(FOLDER.glob("*.csv")):
        with file.open(newline="") as lines:
            reader = csv.DictReader(lines)
            for row in reader:
                yield Case(file.stem, reader.line_num, row)


CASES = tuple(read())
