"""A loop that stalls is seen to."""

import asyncio
import time

from ocs.pulse import INTERVAL, Pulse


async def test_a_stall_is_told_with_what_was_left_of_it_at_the_beat() -> None:
    told: asyncio.Queue[float] = asyncio.Queue()
    pulse = Pulse(told.put_nowait)
    pulse.start()
    time.sleep(3 * INTERVAL)  # noqa: ASYNC251 - the stall
    assert await asyncio.wait_for(told.get(), 30) >= 2 * INTERVAL
    assert await asyncio.wait_for(told.get(), 30) >= 0, "it beats on"
    pulse.stop()


async def test_a_stopped_pulse_beats_no_more() -> None:
    told: list[float] = []
    pulse = Pulse(told.append)
    pulse.start()
    pulse.stop()
    pulse.stop()
    await asyncio.sleep(2 * INTERVAL)
    assert not told
