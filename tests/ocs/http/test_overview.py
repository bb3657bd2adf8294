"""Audit, peers, overview, health and prices."""

import asyncio

import pytest

from balances.ledger import Audit, Phase, Unavailable
from balances.memory import MemoryLedger
from ocs.http.books import Books
from ocs.http.views import readable
from tests.ocs.http.http_desk import Desk, problem


async def test_the_books_close(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("10.00")
    await desk.post("/v1/accounts/alice/buckets", {"offer": "data-1gb"}, "g1")
    await desk.charge(Phase.OPEN, wanted=10_000_000)
    await desk.post("/v1/accounts/alice/adjustments", {"amount": "-0.25", "reason": "fee"}, "a1")
    assert await desk.get("/v1/audit") == {
        "balanced": True,
        "accounts": 1,
        "sessions": 1,
        "currencies": {
            "EUR": {
                "credited": "10.00",
                "debited": "0.25",
                "reserved": "0.00",
                "available": "9.75",
                "overrun": "0.00",
                "in_transit": "0.00",
            }
        },
        "allowances": {"octets": {"credited": 10**9, "debited": 0, "reserved": 10**7, "available": 99 * 10**7}},
        "findings": [],
    }


async def test_peers_are_shown_as_the_house_knows_them(quick: Desk) -> None:
    [peer] = (await quick.get("/v1/peers"))["peers"]
    assert (peer["name"], peer["door"], peer["state"], peer["counters"]) == (
        "pgw.example.net",
        "diameter",
        "open",
        {"requests": 7},
    )


async def test_the_overview_shows_traffic_books_and_peers(desk: Desk) -> None:
    assert (await desk.get("/v1/overview"))["books"] is None
    await desk.open()
    await desk.top_up("10.00")
    await desk.charge(Phase.OPEN, wanted=10_000_000)
    desk.metrics.requests.labels("diameter", "initial", "ok").inc(3)
    desk.metrics.requests.labels("diameter", "update", "ok").inc(2)
    desk.metrics.requests.labels("diameter", "update", "refused").inc()
    desk.metrics.result_codes.labels("diameter", "4012").inc()
    desk.metrics.protocol_errors.labels("diameter", "report-capped").inc()
    desk.metrics.request_duration.labels("diameter", "initial").observe(0.003)
    desk.metrics.request_duration.labels("diameter", "update").observe(0.03)
    desk.metrics.store_errors.labels("timeout").inc(2)
    await desk.low.round()
    desk.metrics.requests_in_flight.labels("diameter").set(4)
    desk.metrics.duplicates.labels("sip").inc(5)
    desk.metrics.outbox_entries.set(6)
    desk.metrics.trunk_channels.labels("north").set(7)
    desk.metrics.trunk_channel_limit.labels("north").set(30)
    await desk.books.refresh()
    overview = await desk.get("/v1/overview")
    assert overview["version"] == "1.2.3"
    assert overview["ready"] is True
    durations = {one["seconds"]: one["count"] for one in overview["doors"]["diameter"].pop("durations")}
    assert (durations[0.0025], durations[0.005], durations[0.05], durations[None]) == (0, 1, 2, 2)
    assert overview["store"]["errors"] == {"timeout": 2}
    assert overview["doors"]["diameter"] == {
        "sessions": 1,
        "in_flight": 4,
        "duplicates": 0,
        "lapsed": 0,
        "requests": {"ok": 5, "refused": 1},
        "codes": {"4012": 1},
        "faults": {"report-capped": 1},
    }
    assert overview["doors"]["sip"]["duplicates"] == 5
    assert overview["outbox_entries"] == 6
    assert overview["books"]["balanced"] is True
    assert overview["books"]["currencies"]["EUR"]["reserved"] == "0.10"
    assert [peer["name"] for peer in overview["peers"]] == ["pgw.example.net"]
    assert overview["trunks"] == [{"name": "north", "channels": 7, "limit": 30}]


async def test_a_session_that_ended_is_not_counted_on(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("10.00")
    await desk.charge(Phase.OPEN, wanted=10_000_000)
    await desk.books.refresh()
    await desk.charge(Phase.CLOSE, operation="1", used=1_000_000)
    await desk.books.refresh()
    samples = {(one.name, *one.labels.values()): one.value for one in desk.metrics.samples()}
    assert samples["ocs_sessions", "diameter"] == 0
    assert samples["ocs_reserved_amount", "EUR"] == 0
    assert samples["ocs_audit_imbalance", "EUR"] == 0


async def test_books_that_do_not_close_are_seen() -> None:
    ledger = MemoryLedger()
    desk = Desk(ledger)
    await desk.open()
    await desk.top_up("10.00")
    shard = next(shard for shard in ledger.shards if shard.accounts)
    shard.house["EUR"].credited -= 1_500_000
    await desk.books.refresh()
    samples = {(one.name, *one.labels.values()): one.value for one in desk.metrics.samples()}
    assert samples["ocs_audit_imbalance", "EUR"] == 1.5
    audit = await desk.get("/v1/audit")
    assert audit["balanced"] is False
    assert audit["findings"]


async def test_the_last_sums_stay_while_the_store_is_away() -> None:
    enough = asyncio.Event()

    class Flaky(MemoryLedger):
        calls = 0

        async def audit(self) -> Audit:
            self.calls += 1
            if self.calls == 5:
                enough.set()
            if self.calls % 2 == 0:
                raise Unavailable("no answer")
            return await super().audit()

    ledger = Flaky()
    desk = Desk(ledger)
    books = Books(ledger, desk.metrics, lambda: ledger.calls, 0.001)
    running = asyncio.create_task(books.run())
    await asyncio.wait_for(enough.wait(), 5)
    running.cancel()
    assert books.audit is not None
    assert books.at % 2 == 1


async def test_health_and_readiness(desk: Desk) -> None:
    assert await desk.get("/healthz") == {"status": "ok"}
    assert await desk.get("/readyz") == {"status": "ready", "reasons": []}
    desk.reasons.append("draining")
    answer = await desk.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "reasons": ["draining"]}
    assert await desk.get("/healthz") == {"status": "ok"}


async def test_not_ready_without_the_store() -> None:
    class Away(MemoryLedger):
        async def probe(self) -> None:
            raise Unavailable("connection refused")

    answer = await Desk(Away()).client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["the store is unavailable: connection refused"]


async def test_what_a_call_would_cost_and_why(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("0.10")
    before = await desk.get("/v1/accounts/alice")
    body = {"service": {"kind": "voice", "called": "493012345678"}, "units": 125, "account": "alice"}
    price = (await desk.post("/v1/price", body)).json()
    assert (price["result"], price["price"], price["cost"], price["available"]) == ("ok", "0.125", "0.10", "0.00")
    [item] = price["items"]
    assert (item["unit"], item["units"], item["granted"], item["zone"], item["rate"]) == (
        "seconds",
        125,
        100,
        "national",
        "voice-national",
    )
    assert "The balance is enough for 1:40 min." in price["reasons"]
    assert await desk.get("/v1/accounts/alice") == before


async def test_a_bundle_pays_first(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("10.00")
    await desk.post("/v1/accounts/alice/buckets", {"offer": "data-1gb"}, "g1")
    body = {"service": {"kind": "data"}, "rating_group": 10, "units": 1_100_000_000, "account": "alice"}
    price = (await desk.post("/v1/price", body)).json()
    assert (price["price"], price["cost"]) == ("11.00", "1.00")
    assert price["items"][0]["payments"] == [
        {"bucket": "data-1gb#1", "offer": "data-1gb", "unit": "octets", "units": 10**9, "left": 0}
    ]


async def test_a_price_on_nobodys_balance(quick: Desk) -> None:
    body = {"service": {"kind": "data"}, "rating_group": 20, "units": 10_000_000, "plan": "prepaid-basic"}
    price = (await quick.post("/v1/price", body)).json()
    assert (price["result"], price["price"], price["cost"], price["account"]) == ("ok", "1.00", None, None)
    assert price["items"][0]["granted"] is None


async def test_what_has_no_price(quick: Desk) -> None:
    call = {"kind": "voice", "called": "3312345678"}
    price = (await quick.post("/v1/price", {"service": call, "plan": "prepaid-basic"})).json()
    assert price["result"] == "unrateable"
    assert any("no rate" in reason for reason in price["reasons"])
    problem(await quick.post("/v1/price", {"service": call, "plan": "gold"}), 422, "unknown-plan")
    problem(await quick.post("/v1/price", {"service": call, "account": "alice"}), 404, "no-such-account")
    problem(await quick.post("/v1/price", {"service": call}), 422, "invalid-request")
    await quick.open(identities=[])
    problem(await quick.post("/v1/price", {"service": call, "account": "alice"}), 422, "not-reasonable")


@pytest.mark.parametrize(
    ("asset", "amount", "text"),
    [
        ("octets", 999, "999 octets"),
        ("octets", 1_500, "1.5 kB"),
        ("octets", 10_000_000, "10 MB"),
        ("octets", 1_999_999_999, "1.999 GB"),
        ("seconds", 59, "59 s"),
        ("seconds", 125, "2:05 min"),
        ("events", 1, "1 event"),
        ("events", 2, "2 events"),
        ("EUR", 100_000, "0.10 EUR"),
        ("money", 1_234_567, "1.234567"),
    ],
)
def test_amounts_for_people(asset: str, amount: int, text: str) -> None:
    assert readable(asset, amount) == text
