"""The catalogue in force, in words."""

from balances.ledger import Unit
from charging.rating import Tariff, Tier
from ocs.http.tariffs import describe
from tests.ocs.http.http_desk import Desk


async def test_the_sample_plan_can_be_read(quick: Desk) -> None:
    found = await quick.get("/v1/tariffs")
    [plan] = found["plans"]
    assert (plan["name"], plan["currency"]) == ("prepaid-basic", "EUR")
    said = {(line["service"], line["incoming"], line["conditions"]): line["price"] for line in plan["lines"]}
    assert said["data", False, "rating_group = 10"] == "0.01 EUR per MB, in blocks of 100 kB"
    assert said["data", False, "rating_group = 99"] == "free"
    assert said["voice", False, "to = national"] == "0.06 EUR per minute"
    assert said["voice", True, ""] == "free"
    assert said["sms", False, ""] == "0.09 EUR each"
    first = plan["lines"][0]
    assert first["offers"] == ["data-1gb"]
    assert first["source"].startswith("catalogue.toml:")
    [offer] = found["offers"]
    assert (offer["name"], offer["text"], offer["validity"]) == ("data-1gb", "1 GB", 30 * 86_400)
    assert offer["renews"] == ""


def test_a_price_with_everything() -> None:
    tariff = Tariff(
        tiers=(Tier(amount=60_000, per=60, upto=600), Tier(amount=30_000, per=60)),
        block=30,
        first=60,
        setup=50_000,
        free=10,
        minimum=100_000,
    )
    assert describe(tariff, Unit.SECONDS, "EUR") == (
        "0.05 EUR at the start, the first 10 s free, 0.06 EUR per minute up to 10:00 min, 0.03 EUR per minute, "
        "in blocks of 30 s, the first of 1:00 min, at least 0.10 EUR"
    )
