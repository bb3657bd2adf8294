"""docs/logs.md is what the source can say, and what a server says is in it."""

import json
from pathlib import Path

from tests.gateway import OPEN, Gateway, ccr, service, subscriber
from tests.house import House
from tests.log_schema.__main__ import PAGE, Event, events, page

COMMON = {"timestamp", "level", "logger", "event", "exception"}


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "scripts/log-schema writes it anew"


def test_a_sentence_is_recognised_with_its_values_filled_in() -> None:
    event = Event("ocs.a", "info", "session %s reported %d %s (at %.1f) at once: capped")
    assert event.fits("ocs.a", "session x;1 reported 5 octets (at 0.5) at once: capped")
    assert not event.fits("ocs.a", "session x;1 reported 5 octets")
    assert not event.fits("ocs.b", "session x;1 reported 5 octets (at 0.5) at once: capped")


async def test_what_a_server_says_is_on_the_page(tmp_path: Path) -> None:
    settings = {"OCS_DAEMON__LOG_FORMAT": "json", "OCS_DAEMON__LOG_LEVEL": "debug"}
    with House(tmp_path, **settings) as house:
        house.open_account("491712340001", "1.00")
        async with Gateway("127.0.0.1", house.ports["diameter"], "gw.example.net") as gateway:
            await gateway.ask(ccr("gw;1", OPEN, 0, subscriber("491712340001"), service(10, wanted=())))
        house.kill()
        house.start()
        assert house.stop() == 0
        said = [json.loads(line) for line in house.whole_log.splitlines()]
    known = events()
    ours = [line for line in said if line["logger"].split(".")[0] in ("balances", "charging", "ocs", "sip_credit")]
    assert {line["logger"] for line in ours} > {"ocs.operators", "ocs.daemon"}
    for line in ours:
        assert {"timestamp", "level", "logger", "event"} <= set(line)
        fitting = [event for event in known if event.fits(line["logger"], line["event"])]
        assert any(event.level == line["level"] and set(event.fields) >= set(line) - COMMON for event in fitting), line
