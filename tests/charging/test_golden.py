"""Hand-computed cases (see ``golden_cases``), on the pure functions and on both ledgers.

``tests/end_to_end/test_golden_doors.py`` runs them through both doors.
"""

import pytest
from msgspec.structs import replace

from balances.ledger import Ledger
from balances.money import format_amount
from charging import explain
from charging.catalogue import Catalogue, load
from charging.event import Phase, Result
from charging.quoting import Quoter
from charging.subscribers import subscriber
from tests.charging.desk import MAIN, Desk
from tests.charging.golden_cases import CASES, FOLDER, Case


@pytest.fixture(scope="module")
def golden() -> Catalogue:
    return load(FOLDER / "catalogue")


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 150


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_golden(case: Case, ledger: Ledger, golden: Catalogue) -> None:
    desk = Desk(ledger, golden)
    desk.now = case.at
    before = await case.account(ledger, golden, MAIN)
    service, item = case.service(), case.item(wanted=case.units)
    event = replace(desk.event(Phase.OPEN, item, service=service, session="s"), door=case.door or "test")
    if golden.is_emergency_use(service):
        assert (await desk.engine.explain(event)).price == 0
    elif not case.refused and not case.row["pays"]:
        quoted = Quoter(golden, subscriber(before), event).quote(item)
        (priced,) = explain.items(replace(event, phase=Phase.EVENT), (quoted,), before)
        assert format_amount(priced.price) == format_amount(case.cost), priced
    opened = await desk.engine.handle(event)
    if case.refused:
        assert opened.result is Result(case.refused), opened
    else:
        (got,) = opened.items
        assert got.granted == case.granted, got
        if case.validity:
            assert got.validity == case.validity
        if case.throttle:
            assert got.throttle == case.throttle.removeprefix("none")
        used = desk.event(Phase.CLOSE, case.item(used=case.units), service=service, session="s")
        closed = await desk.engine.handle(replace(used, door=case.door or "test"))
        assert format_amount(closed.spent) == format_amount(case.cost)
    await case.is_charged(ledger, before)
