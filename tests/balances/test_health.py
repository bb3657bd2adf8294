"""That the store fails and is back is told once per change."""

import pytest

from balances.health import CALM, CONNECTION, Health
from balances.ledger import Unavailable
from balances.link import Link
from balances.scripts import all_scripts
from balances.store import StoreLedger
from tests.servers import valkey


def test_each_change_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    health = Health("s")
    health.failed("charge", "MISCONF disk full", 10.0)
    health.failed("charge", "MISCONF disk full", 10.1)
    health.failed("move", "no answer", 10.2)
    health.answered("charge", 10.3)  # too soon: the next may fail
    health.answered("GET", 20.0)  # it never failed
    health.connected()
    assert caplog.messages == ["the store s is unavailable: MISCONF disk full"]
    health.answered("charge", 10.2 + CALM)
    health.answered("charge", 30.0)
    assert caplog.messages[1:] == ["the store s is available again"]
    health.failed(CONNECTION, "it broke", 40.0)
    health.connected()
    assert caplog.messages[2:] == ["the store s is unavailable: it broke", "the store s is available again"]


async def test_a_store_that_takes_no_writes_is_told_with_its_words(caplog: pytest.LogCaptureFixture) -> None:
    with valkey() as url:
        link = Link(url, scripts=all_scripts())
        await link.open()
        await StoreLedger(link).prepare()
        await link.call("CONFIG", "SET", "min-replicas-to-write", "1")
        for _ in range(3):
            with pytest.raises(Unavailable, match="NOREPLICAS"):
                await link.call("SET", "k", "v")
            await link.call("GET", "k")
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "is unavailable: NOREPLICAS" in caplog.text
        await link.close()
        assert len(caplog.records) == 1, "an end that was asked for is no failure"
