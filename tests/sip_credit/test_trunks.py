"""Trunk groups: who gets a channel, what the others are told, and when it is free again."""

from typing import Any

import pytest

from sip_credit.message import Response, cancel
from sip_credit.settings import Peer, Settings, TrunkGroup

House = Any  # the fixture's class lives in conftest, which is no module to import from

IN_TRUNK = Peer(trunk_group="trunk")


def limited(**limits: int) -> Settings:
    return Settings(port=0, slice=5, peers=(IN_TRUNK,), trunk_groups=(TrunkGroup(name="trunk", **limits),))


@pytest.fixture
async def one_channel(house: House) -> House:
    """A trunk of one channel, and somebody with money."""
    await house.restart(limited(channels=1))
    await house.open("1.00")
    return house


async def call(house: House, call_id: str) -> Response:
    answer: Response = await house.proxy.ask(house.invite(call_id))
    return answer


async def occupied(house: House) -> int:
    found: int = await house.channels.occupied("trunk", house.now)
    return found


async def test_a_call_beyond_the_channels_is_refused_and_reserves_nothing(one_channel: House) -> None:
    assert (await call(one_channel, "a")).status == 302
    answer = await call(one_channel, "b")
    assert (answer.status, answer.headers.get("X-OCS-Reason")) == (480, "channel-limit")
    assert answer.headers.get("Reason") == 'Q.850;cause=34;text="No circuit/channel available"'
    assert "Retry-After" not in answer.headers
    assert await one_channel.money() == (0, 5)


@pytest.mark.parametrize("end", ["stop", "release"])
async def test_a_call_that_ends_frees_its_channel_once(one_channel: House, end: str) -> None:
    await call(one_channel, "a")
    assert (await one_channel.tell(end, 0, call_id="a")).status == 200
    assert (await call(one_channel, "b")).status == 302
    assert (await one_channel.tell(end, 0, call_id="a", attempt="again")).status == 200
    assert (await call(one_channel, "c")).status == 480


async def test_a_retransmitted_check_has_the_channel_it_has(one_channel: House) -> None:
    request = one_channel.invite("a")
    assert (await one_channel.proxy.ask(request)).status == 302
    await one_channel.restart(limited(channels=1))  # which has forgotten its transactions
    assert (await one_channel.proxy.ask(request)).status == 302
    assert await occupied(one_channel) == 1


async def test_refused_calls_keep_no_channel(house: House) -> None:
    await house.restart(limited(channels=1))
    await house.open("0")
    assert (await call(house, "a")).status == 402
    assert await occupied(house) == 0


async def test_a_cancelled_check_keeps_no_channel(one_channel: House) -> None:
    one_channel.gate.opened.clear()
    request = one_channel.invite("a")
    one_channel.proxy.send(request)
    while not one_channel.gate.events:
        await one_channel.proxy.silence(0.001)
    one_channel.proxy.send(cancel(request))
    assert {(await one_channel.proxy.receive()).status for _ in range(2)} == {200, 487}
    one_channel.gate.opened.set()
    while one_channel.server.in_flight:
        await one_channel.proxy.silence(0.001)
    assert await occupied(one_channel) == 0


async def test_a_ringing_call_of_which_nothing_is_heard_frees_its_channel_with_its_session(one_channel: House) -> None:
    await call(one_channel, "a")
    one_channel.later(Settings().ring + 6)
    await one_channel.ledger.expire(one_channel.now)
    assert (await call(one_channel, "b")).status == 302


async def test_a_call_that_goes_on_keeps_its_channel_and_one_that_falls_silent_loses_it(one_channel: House) -> None:
    await call(one_channel, "a")
    await one_channel.tell("start", 0, call_id="a")
    for turn in range(1, 4):
        one_channel.later(4)
        assert (await one_channel.tell("interim", 4000 * turn, call_id="a", attempt=str(turn))).status == 200
    one_channel.later(14)
    assert (await call(one_channel, "b")).status == 480
    one_channel.later(10)  # beyond cap, liveness and leeway
    await one_channel.ledger.expire(one_channel.now)
    assert (await call(one_channel, "c")).status == 302


async def test_another_process_frees_the_channel_too(one_channel: House) -> None:
    await call(one_channel, "a")
    await one_channel.restart(limited(channels=1))
    assert (await one_channel.tell("stop", 0, call_id="a")).status == 200
    assert await occupied(one_channel) == 0


async def test_calls_a_second_are_limited_and_the_next_second_is_a_new_one(house: House) -> None:
    await house.restart(limited(calls_per_second=2))
    await house.open("1.00")
    assert [(await call(house, name)).status for name in "abc"] == [302, 302, 480]
    answer = await call(house, "d")
    assert (answer.headers.get("X-OCS-Reason"), answer.headers.get("Retry-After")) == ("call-rate-limit", "1")
    assert answer.headers.get("Reason").startswith("Q.850;cause=42")
    house.later(1)
    assert [(await call(house, name)).status for name in "efg"] == [302, 302, 480]


async def test_emergency_calls_are_neither_counted_nor_refused(one_channel: House) -> None:
    assert (await call(one_channel, "a")).status == 302
    assert (await one_channel.proxy.ask(one_channel.invite("b", uri="sip:112@h"))).status == 302
    assert await occupied(one_channel) == 1


async def test_without_the_store_a_limited_call_is_not_let_through(one_channel: House) -> None:
    one_channel.gate.away = True
    assert (await call(one_channel, "a")).status == 503
    assert await occupied(one_channel) == 0


def test_groups_are_known_and_have_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="unknown trunk_group"):
        Settings(peers=(IN_TRUNK,))
    with pytest.raises(ValueError, match="different names"):
        Settings(trunk_groups=(TrunkGroup(name="a"), TrunkGroup(name="a")))
    with pytest.raises(ValueError, match="negative"):
        TrunkGroup(name="a", channels=-1)
