"""Prices per time, volume or event are a matter of the service's unit, whatever the kind of service."""

import pytest

from balances.ledger import Ledger
from charging.catalogue import parse
from charging.event import Phase, RequestItem, Service, ServiceKind, Unit
from tests.charging.desk import Desk

TEXT = """
[services.data]
unit = "{unit}"
quota = "{quota}"
validity = "1 h"
empty = "refuse"
lapse = "release"

[rates.surf]
service = "data"
price = "{price}"
setup = "0.02"

[plans.p]
currency = "EUR"
data = [{{ rate = "surf" }}]
"""


@pytest.mark.parametrize(
    ("unit", "quota", "price", "used", "cost"),
    [
        (Unit.SECONDS, "10 min", "0.06 per min", 90, 20_000 + 90_000),
        (Unit.OCTETS, "10 MB", "0.06 per MB", 1_500_000, 20_000 + 90_000),
        (Unit.EVENTS, "10", "0.06 each", 2, 20_000 + 120_000),
    ],
)
async def test_data_by_time_by_volume_or_by_event_beside_a_fee(
    ledger: Ledger, unit: Unit, quota: str, price: str, used: int, cost: int
) -> None:
    desk = Desk(ledger, parse({"c.toml": TEXT.format(unit=unit, quota=quota, price=price).encode()}))
    await desk.open(balance="10", plan="p")
    service = Service(kind=ServiceKind.DATA)
    opened = await desk.say(Phase.OPEN, RequestItem(key="k", unit=unit, wanted=used), service=service)
    assert (opened.items[0].unit, opened.items[0].granted, opened.items[0].cost) == (unit, used, cost)
    closed = await desk.say(Phase.CLOSE, RequestItem(key="k", unit=unit, used=used), service=service)
    assert closed.spent == cost
