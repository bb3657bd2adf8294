import asyncio
import time
from random import Random

import pytest

from simulators.traffic import Arrival, OpenLoop, arrivals, make_subscribers

SUBSCRIBERS = make_subscribers(5)


def play(seed: int, rate: float = 50, duration: float = 20) -> list[Arrival]:
    return list(arrivals(Random(seed), rate, duration, {"data": 3, "sms": 1}, SUBSCRIBERS))


def test_the_same_seed_gives_the_same_arrivals_and_another_seed_others():
    assert play(1) == play(1)
    assert play(1) != play(2)


def test_arrivals_come_in_order_at_about_the_rate_and_in_about_the_mix():
    found = play(7)
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert all(0 < one.at < 20 for one in found)
    assert len(found) == pytest.approx(1000, rel=0.15)
    assert sum(one.kind == "data" for one in found) / len(found) == pytest.approx(0.75, abs=0.06)
    assert {one.subscriber for one in found} == set(SUBSCRIBERS)


def test_subscribers_have_identities_of_their_own():
    many = make_subscribers(300)
    for attribute in ("account", "e164", "imsi", "sip"):
        assert len({getattr(one, attribute) for one in many}) == 300
    assert all(len(one.imsi) == 15 and one.e164.startswith("49") for one in many)


async def test_an_arrival_does_not_wait_for_the_answer_to_an_earlier_one():
    begun = []
    release = asyncio.Event()

    async def never_answered(arrival: Arrival, due: float) -> None:
        begun.append((arrival, due))
        await release.wait()

    loop = OpenLoop(never_answered)
    schedule = [Arrival(at=n * 0.01, kind="data", subscriber=SUBSCRIBERS[0]) for n in range(10)]
    before = time.monotonic()
    await loop.run(iter(schedule))
    await asyncio.sleep(0)
    assert len(begun) == loop.running == 10
    assert [due - begun[0][1] for _, due in begun] == pytest.approx([one.at for one in schedule])
    assert begun[0][1] >= before
    release.set()
    assert await loop.finish(5)


async def test_stopping_ends_the_arrivals_and_finishing_ends_what_hangs():
    async def hang(_arrival: Arrival, _due: float) -> None:
        await asyncio.sleep(3600)

    loop = OpenLoop(hang)
    schedule = iter(
        [
            Arrival(at=0.0, kind="data", subscriber=SUBSCRIBERS[0]),
            Arrival(at=99.0, kind="data", subscriber=SUBSCRIBERS[0]),
        ]
    )
    running = asyncio.create_task(loop.run(schedule))
    await asyncio.sleep(0.02)
    loop.stop()
    await asyncio.wait_for(running, 5)
    assert loop.started == 1
    assert not await loop.finish(0.01)
    assert loop.running == 0


async def test_an_error_of_the_simulator_itself_is_kept():
    async def fail(_arrival: Arrival, _due: float) -> None:
        raise ZeroDivisionError

    loop = OpenLoop(fail)
    await loop.run(iter([Arrival(at=0.0, kind="data", subscriber=SUBSCRIBERS[0])]))
    await loop.finish(5)
    assert [type(error) for error in loop.failures] == [ZeroDivisionError]
