"""The reaper: sessions nobody renews lapse, however many reapers run, and whatever the store does meanwhile."""

import asyncio
from collections import Counter

import pytest

from balances.ledger import Charge, Lapsed, Movement, NewAccount, Phase, Quote, Unavailable, Unit, Use
from balances.memory import MemoryLedger
from balances.observer import Unobserved
from balances.price import Price, Step
from balances.reaper import Reaper

NOW = 1_700_000_000_000


class Watched(Unobserved):
    def __init__(self) -> None:
        self.doors: Counter[str] = Counter()
        self.lags: list[float] = []

    def lapsed(self, door: str) -> None:
        self.doors[door] += 1

    def reaper_lag(self, seconds: float) -> None:
        self.lags.append(seconds)


@pytest.fixture
async def ledger():
    ledger = MemoryLedger()
    account = await ledger.open_account(NewAccount(id="a", plan="p", currency="EUR"), NOW)
    await ledger.move(Movement(address=account.address, operation="m", amount=1000, cause="topup", now=NOW))
    quote = Quote(price=Price(steps=(Step(upto=None, block=1, amount=1, per=1),)))
    for number in range(7):
        await ledger.charge(
            Charge(
                address=account.address,
                version=1,
                session=f"s{number}",
                operation="1",
                fingerprint=0,
                phase=Phase.OPEN,
                door="sip" if number % 2 else "diameter",
                now=NOW,
                deadline=NOW + 1000 * number,
                uses=(Use(key="k", unit=Unit.SECONDS, wanted=10, quote=quote),),
            )
        )
    return ledger


async def test_lapses_what_is_due_and_reports_the_doors(ledger):
    watched = Watched()
    assert await Reaper(ledger, lambda: NOW + 3500, observer=watched).reap() == 4
    assert watched.doors == {"diameter": 2, "sip": 2}
    assert len(await ledger.sessions()) == 3


async def test_goes_on_without_a_pause_while_there_is_more(ledger):
    running = asyncio.create_task(Reaper(ledger, lambda: NOW + 60_000, interval=3600, batch=1).run())
    async with asyncio.timeout(10):
        while await ledger.sessions():  # noqa: ASYNC110
            await asyncio.sleep(0)
    running.cancel()
    (account,) = await ledger.accounts()
    assert account.money.reserved == 0


class Moody(MemoryLedger):
    """Fails at first, in both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = [Unavailable("away"), RuntimeError("a mistake")]

    async def expire(self, now: int, limit: int = 100) -> tuple[Lapsed, ...]:
        if self.failures:
            raise self.failures.pop()
        return await super().expire(now, limit)


async def test_outlives_failures_and_reports_how_late_it_is():
    watched, ledger = Watched(), Moody()
    running = asyncio.create_task(Reaper(ledger, lambda: NOW, interval=0.02, observer=watched).run())
    async with asyncio.timeout(10):
        while len(watched.lags) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    running.cancel()
    assert not running.done()
    assert watched.lags[1] > watched.lags[2]


async def test_after_the_store_was_away_others_may_settle_first_before_anything_lapses(ledger, monkeypatch):
    """The grace runs from the moment the store answers again, as it does from the start."""
    slept, away = [], [True, True]

    class Flaky(MemoryLedger):
        async def expire(self, now, limit=100):
            if away:
                raise Unavailable("away")
            return await ledger.expire(now, limit)

        async def probe(self):
            if away:
                away.pop()
                raise Unavailable("still away")

    async def sleep(seconds):
        slept.append(seconds)
        if len(slept) > 4:
            raise asyncio.CancelledError

    reaper = Reaper(Flaky(), lambda: NOW + 3500, interval=0.5, grace=10.0)
    monkeypatch.setattr("balances.reaper.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await reaper.run()
    assert slept == [10.0, 0.5, 0.5, 10.0, 0.5]
    assert len(await ledger.sessions()) == 7
