"""Hand-computed cases: what is charged, who pays and what is granted, on the pure functions and on both ledgers.

A line of ``golden/*.csv``: ``plan`` and ``currency`` of an account that holds ``money`` and the ``bundles`` (given at
``given``, else at the time of use). It opens a session ``at`` a local time, wants ``units`` and reports them used.
``cost`` is what money pays, ``pays`` what bundles pay, ``granted`` what the opening got, ``validity`` seconds.
"""

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from balances.ledger import Gift, Ledger, NewAccount
from balances.money import format_amount, parse_amount
from charging import explain
from charging.catalogue import Catalogue, load
from charging.catalogue.quantities import quantity
from charging.event import Phase, RequestItem, Result, Service, ServiceKind, Unit
from charging.quoting import Quoter
from charging.subscribers import subscriber
from tests.charging.desk import MAIN, Desk

FOLDER = Path(__file__).parent / "golden"
UNITS = {ServiceKind.DATA: Unit.OCTETS, ServiceKind.VOICE: Unit.SECONDS, ServiceKind.SMS: Unit.EVENTS}
WORDS = {"from": "calling", "to": "called"}
Case = dict[str, str]


def cases() -> Iterator[object]:
    for file in sorted(FOLDER.glob("*.csv")):
        with file.open(newline="") as lines:
            reader = csv.DictReader(lines)
            for case in reader:
                yield pytest.param(case, id=f"{file.stem}:{reader.line_num}:{case['case'].replace(' ', '-')}")


CASES = list(cases())


@pytest.fixture(scope="module")
def golden() -> Catalogue:
    return load(FOLDER / "catalogue")


def milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000


def asked(case: Case) -> tuple[Service, RequestItem, str]:
    """``voice to=+49… visited=26201``: the service, the item and the door."""
    kind, *words = case["use"].split()
    facts = dict(word.split("=", 1) for word in words)
    item = RequestItem(
        key="k",
        rating_group=int(facts.pop("rg")) if "rg" in facts else None,
        service_id=int(facts.pop("si")) if "si" in facts else None,
        wanted=quantity(case["units"], UNITS[ServiceKind(kind)]),
    )
    door = facts.pop("door", "test")
    incoming = bool(facts.pop("incoming", ""))
    named = {WORDS.get(key, key): value for key, value in facts.items()}
    return Service(kind=ServiceKind(kind), incoming=incoming, **named), item, door  # type: ignore[arg-type]


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 150


@pytest.mark.parametrize("case", CASES)
async def test_golden(case: Case, ledger: Ledger, golden: Catalogue) -> None:
    desk = Desk(ledger, golden)
    desk.now = milliseconds(case["at"])
    new = NewAccount(id="a", plan=case["plan"], currency=case["currency"] or "EUR", identities=(MAIN,))
    account = await ledger.open_account(new, desk.now)
    if case["money"] != "0":
        await desk.top_up(account.address, case["money"] or "100")
    for number, name in enumerate(case["bundles"].split()):
        offer = golden.offer(name)
        assert offer is not None
        given = milliseconds(case["given"] or case["at"])
        await ledger.give(
            Gift(
                address=account.address,
                operation=f"gift{number}",
                offer=name,
                unit=offer.unit,
                amount=offer.amount,
                priority=offer.priority,
                expires_at=offer.expires_at(given),
                now=given,
            )
        )
    service, item, door = asked(case)
    event = replace(desk.event(Phase.OPEN, item, service=service, session="s"), door=door)
    before = await ledger.account(account.address)
    if golden.is_emergency_use(service):
        assert (await desk.engine.explain(event)).price == 0
    elif case["cost"] not in ("unrateable", "barred"):
        quoted = Quoter(golden, subscriber(before), event).quote(item)
        (priced,) = explain.items(replace(event, phase=Phase.EVENT), (quoted,), before)
        if not case["pays"]:
            assert format_amount(priced.price) == format_amount(parse_amount(case["cost"])), priced
    opened = await desk.engine.handle(event)
    if case["cost"] in ("unrateable", "barred"):
        assert opened.result is Result(case["cost"]), opened
        return
    (got,) = opened.items
    unit = UNITS[service.kind]
    assert got.granted == quantity(case["granted"] or case["units"], unit), got
    if case["validity"]:
        assert got.validity == int(case["validity"])
    used = RequestItem(key="k", rating_group=item.rating_group, service_id=item.service_id, used=item.wanted or 0)
    closed = await desk.engine.handle(replace(desk.event(Phase.CLOSE, used, service=service, session="s"), door=door))
    assert format_amount(closed.spent) == format_amount(parse_amount(case["cost"]))
    after = await ledger.account(account.address)
    paid = {bucket.offer: bucket.counters.debited for bucket in after.buckets if bucket.counters.debited}
    words = [word.split("=") for word in case["pays"].split()]
    assert paid == {name: quantity(amount, unit) for name, amount in words}
    assert (await ledger.audit()).balanced
