"""Logs: one JSON object per line if asked for, subscriber numbers masked."""

import json
import logging

import pytest
import structlog

from ocs import logs


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call from 491701234567", "call from 49170*****67"),
        ("+491701234567 calls", "+49170*****67 calls"),
        ("imsi 262011234567890.", "imsi 26201*****90."),
        ("sip:alice@example.net", "sip:al***@example.net"),
        ("session pgw.example.net;1795489720;7", "session pgw.example.net;1795489720;7"),
        ("entry 1795489720769-0", "entry 17954*****69-0"),
        ("port 46686, 2048 requests", "port 46686, 2048 requests"),
    ],
)
def test_subscriber_numbers_are_masked(text, masked):
    assert logs.mask(text) == masked


@pytest.fixture
def restored():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_for_both_kinds_of_logger(restored, capsys):
    logs.set_up("json", "info")
    logging.getLogger("a").info("hello %s", "491701234567")
    structlog.get_logger("b").warning("peer", number="491701234567", count=3)
    logging.getLogger("a").debug("not this")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["level"], first["logger"]) == ("hello 49170*****67", "info", "a")
    assert (second["event"], second["number"], second["count"]) == ("peer", "49170*****67", 3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("format", ["console", "json"])
def test_a_traceback_is_masked_and_shows_no_variables(restored, capsys, format):
    logs.set_up(format, "info")

    def fail(number, colour="octarine"):
        raise ValueError(f"no account for {number}")

    for logger in (logging.getLogger("a"), structlog.get_logger("b")):
        try:
            fail("491701234567")
        except ValueError:
            logger.exception("failed")
    said = capsys.readouterr().err
    assert said.count("ValueError: no account for 49170*****67") == 2
    assert said.count("octarine") == 0
