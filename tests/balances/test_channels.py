"""Channels of trunk groups, in memory and in the store: the same steps, the same answers."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.channels import Channels, Limits, MemoryChannels, Room, StoreChannels
from balances.keys import Keys
from balances.link import Link
from tests.ledgers import empty_store

NOW = 1_700_000_000_000
CALLS = st.sampled_from(["a", "b", "c", "d", "\udcff"])

STEPS = st.one_of(
    st.tuples(
        st.just("occupy"),
        st.sampled_from(["g", "h"]),
        CALLS,
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 3000),
    ),
    st.tuples(st.just("keep"), st.sampled_from(["g", "h"]), CALLS, st.integers(0, 3000)),
    st.tuples(st.just("free"), st.sampled_from(["g", "h"]), CALLS),
    st.tuples(st.just("wait"), st.integers(0, 1500)),
)


async def play(channels: Channels, steps: list[tuple[Any, ...]]) -> list[object]:
    now, seen = NOW, []
    for verb, *rest in steps:
        if verb == "wait":
            now += rest[0]
        elif verb == "occupy":
            group, call, most, rate, life = rest
            seen.append(await channels.occupy(group, call, Limits(channels=most, rate=rate), now, now + life))
        elif verb == "keep":
            await channels.keep(rest[0], rest[1], now + rest[2])
        else:
            await channels.free(rest[0], rest[1])
        seen.append((await channels.occupied("g", now), await channels.occupied("h", now)))
    return seen


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=25))
def test_the_store_says_what_the_specification_says(store_url: str, steps: list[tuple[Any, ...]]) -> None:
    async def compare() -> None:
        async with empty_store(store_url) as link:
            expected = await play(MemoryChannels(), steps)
            assert await play(StoreChannels(link, [Keys(shard) for shard in range(4)]), steps) == expected

    asyncio.run(compare())


async def test_many_at_once_get_as_many_channels_as_there_are(link: Link) -> None:
    keys = [Keys(shard) for shard in range(4)]
    workers = [StoreChannels(link, keys), StoreChannels(link, keys)]
    limits = Limits(channels=10)
    rooms = await asyncio.gather(
        *[workers[call % 2].occupy("g", f"call-{call}", limits, NOW, NOW + 1000) for call in range(200)]
    )
    assert rooms.count(Room.FREE) == 10
    assert rooms.count(Room.CHANNELS) == 190


@pytest.mark.parametrize("rate", [1, 5])
async def test_no_second_sees_more_beginnings_than_allowed(link: Link, rate: int) -> None:
    channels = StoreChannels(link, [Keys(0)])
    begun = []
    for step in range(60):
        now = NOW + step * 50
        if await channels.occupy("g", f"call-{step}", Limits(rate=rate), now, now + 10_000) is Room.FREE:
            begun.append(now)
    assert len(begun) == 3 * rate
    assert all(sum(at - 1000 < other <= at for other in begun) <= rate for at in begun)
