"""The forty checks run against the real daemon over TCP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ocs.diameter import avps
from tests.conformance.diameter.checks.wire import Wire
from tests.end_to_end.conftest import books_close, gateway, house, subscriber_with  # noqa: F401
from tests.house import House

Connect = Callable[[], Awaitable[Wire]]


@pytest.fixture
async def connect_to() -> AsyncIterator[Callable[[House], Awaitable[Wire]]]:
    """Opens connections, which end with the test."""
    wires: list[Wire] = []

    async def connect(server: House) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", server.ports["diameter"]))
        wires.append(wire)
        return wire

    yield connect
    for wire in wires:
        wire.close()


@pytest.fixture
def connect(house: House, connect_to: Callable[[House], Awaitable[Wire]]) -> Connect:  # noqa: F811
    """Opens connections to the module's server."""
    return lambda: connect_to(house)


@pytest.fixture
async def wire(connect: Connect) -> Wire:
    """A connection with capabilities exchanged."""
    wire = await connect()
    assert (await wire.introduce()).get(avps.RESULT_CODE) == 2001
    return wire
