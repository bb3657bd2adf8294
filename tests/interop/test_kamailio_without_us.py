"""Kamailio while we are away: what it was told beforehand (``on_failure``) comes before its own FAIL_OPEN."""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.interop.daemon import Daemon
from tests.interop.kamailio import redirect_proxy
from tests.interop.network import Network
from tests.interop.phones import Phones
from tests.interop.programs import Program

CALLED = "+493012345678"
FREE = 3
"""Seconds of a call that is let through."""

pytestmark = pytest.mark.needs("kamailio", "sipp")


@pytest.fixture(params=["allow", "refuse", "none"])
def hint(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def daemon(network: Network, directory: Path, hint: str) -> Iterator[Daemon]:
    told = "" if hint == "none" else f', on_failure = "{hint}", on_failure_seconds = {FREE}'
    peer = f'[{{ name = "proxy"{told} }}]'
    daemon = Daemon(network, directory / hint, OCS_SIP_CREDIT__PEERS=peer)
    (directory / hint).mkdir(exist_ok=True)
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
def proxy(network: Network, directory: Path, daemon: Daemon, hint: str) -> Iterator[Program]:
    defines = () if hint == "allow" else ("FAIL_OPEN",)  # the hint must be what decides
    proxy = redirect_proxy(network, directory / hint, *defines, FAIL_OPEN_SECONDS=str(FREE))
    yield proxy
    proxy.stop()


def test_a_call_while_the_server_is_away(daemon: Daemon, proxy: Program, phones: Phones, hint: str) -> None:
    account = daemon.account("4917100301", "1.00")
    callee = phones.callee("callee-answers")
    assert phones.caller("caller-hangs-up", "tel:+4917100301", CALLED, talk=0.3).wait() == 0
    assert callee.wait() == 0
    daemon.settled(account)
    assert daemon.stop() == 0
    if hint == "refuse":
        assert phones.caller("caller-gets-503", "tel:+4917100301", CALLED).wait() == 0
    else:
        callee = phones.callee("callee-answers")
        begun = time.monotonic()
        assert phones.caller("caller-is-cut", "tel:+4917100301", CALLED).wait() == 0
        assert FREE - 1 <= time.monotonic() - begun < FREE + 20
    daemon.start()
    assert Decimal(daemon.money(account)["balance"]) == Decimal("0.999")
    assert daemon.audit()["balanced"] is True
