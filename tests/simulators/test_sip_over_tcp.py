"""The simulated proxy over TCP against a real server: its connection breaks now and then, and the books still agree."""

from pathlib import Path

import pytest

from simulators.books import Books
from simulators.report import Outcomes
from simulators.run import simulate
from simulators.settings import Settings, SipOptions
from simulators.sip import Sip
from tests.house import House


@pytest.mark.parametrize("cut", [0.0, 0.05])
async def test_calls_over_tcp_are_charged_as_the_callers_count(tmp_path: Path, cut: float) -> None:
    with House(tmp_path, OCS_SIP_CREDIT__ANSWER_WITHIN_MS="5000", OCS_SIP_CREDIT__CLOCK_TOLERANCE="30") as house:
        options = SipOptions(
            settings=Settings(duration=3, rate=8, cut=cut, subscribers=5),
            port=house.ports["sip"],
            http=f"http://127.0.0.1:{house.ports['http']}",
            transport="tcp",
            wait=10,
            live=False,
        )
        sip = Sip(options, Books(), Outcomes())
        result = await simulate(sip, options, None)
        assert result.agrees, result
        assert bool(sip.outcomes.events["connections lost"]) == bool(cut)
        audit = house.audit()
        assert audit["balanced"], audit["findings"]
