"""Recorded messages, octet for octet: what Kamailio 5.6.3 sends to a credit server, and what it must get for it."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sip_credit.call import session_of

RECORD = Path(__file__).with_name("kamailio-5.6.3.txt")
Bench = Any  # the fixture's class lives in conftest, which is no module to import from


class Datagram(NamedTuple):
    to_us: bool
    data: bytes


def scenarios() -> Iterator[tuple[str, list[Datagram]]]:
    for section in re.split(r"^== ", RECORD.read_text(), flags=re.MULTILINE)[1:]:
        title, _, rest = section.partition("\n")
        parts = re.split(r"^(RX|TX).*\n", rest, flags=re.MULTILINE)[1:]
        pairs = zip(parts[::2], parts[1::2], strict=True)
        yield (
            title[1 : title.index(")")],
            [
                Datagram(way == "RX", text.strip("\n").replace("\n", "\r\n").encode() + b"\r\n\r\n")
                for way, text in pairs
            ],
        )


RECORDED = dict(scenarios())
INVITE = RECORDED["a"][0].data


def invite_of(datagram: bytes, caller: bytes = b"+491700001", *more: bytes) -> bytes:
    """The INVITE that was not recorded but must have been sent, by the Call-ID of what was."""
    call_id = field(datagram, b"X-OCS-Call-ID") or field(datagram, b"Call-ID")
    text = INVITE.replace(b"1-1107@127.0.10.1", call_id).replace(b"+491700001", caller)
    for name in (b"From", b"CSeq"):
        if b"INVITE" in field(datagram, b"CSeq"):
            text = text.replace(name + b": " + field(INVITE, name), name + b": " + field(datagram, name))
    if b"INVITE" in field(datagram, b"CSeq"):
        vias = re.findall(rb"Via: .*\r\n", datagram)
        text = re.sub(rb"(Via: .*\r\n)+", lambda _: b"".join(vias), text, count=1)
    return text.replace(b"Content-Length", b"\r\n".join([*more, b""]) + b"Content-Length") if more else text


def field(datagram: bytes, name: bytes) -> bytes:
    found = re.search(rb"^" + name + rb": *(.*)\r$", datagram, re.MULTILINE)
    return found[1] if found else b""


def as_recorded(sent: bytes, recorded: bytes) -> bytes:
    """What we sent, with the recorded tag and session id in place of ours."""
    sent = re.sub(rb"(?m)^(To: .*;tag=)[0-9a-f]{16}\r$", rb"\1ocs1\r", sent)
    return re.sub(rb"(?m)^(X-OCS-Session: )[a-z2-7]{16}\r$", rb"\1" + field(recorded, b"X-OCS-Session") + rb"\r", sent)


async def play(bench: Bench, scenario: list[Datagram]) -> None:
    for to_us, data in scenario:
        if to_us:
            bench.receive(data)
        else:
            assert as_recorded(await bench.sent(), data) == data
    await asyncio.sleep(0.01)
    assert bench.wire.sent.empty()


async def test_the_record_is_complete() -> None:
    assert list(RECORDED) == ["a", "b", "c", "d", "d2", "e", "g"]
    assert sum(len(scenario) for scenario in RECORDED.values()) == 21


@pytest.mark.rfc("3261", "8.2.6.2")
@pytest.mark.rfc("3261", "8.3")
async def test_allowed_and_hung_up(bench: Bench) -> None:
    await bench.open("491700001", 10_000_000)
    await play(bench, RECORDED["a"][:5])
    bench.now += 2504
    await play(bench, RECORDED["a"][5:])
    account = await bench.ledger.account(await bench.ledger.address("491700001"))
    assert (account.money.debited, account.money.reserved) == (3000, 0)


@pytest.mark.parametrize("name", ["b", "d", "e"])
async def test_cut_at_the_cap_cancelled_while_ringing_busy(bench: Bench, name: str) -> None:
    await bench.open("491700001", 10_000_000)
    report = RECORDED[name][0].data
    assert b" 302 " in await bench.ask(invite_of(report))
    bench.receive(RECORDED["a"][2].data.replace(b"1-1107@127.0.10.1", field(report, b"X-OCS-Call-ID")))
    bench.now += 2774
    answer = RECORDED["d"][1].data if name == "e" else RECORDED[name][1].data
    if name == "e":
        for header in (b"Via", b"From", b"Call-ID"):
            answer = answer.replace(field(answer, header), field(report, header))
    await play(bench, [RECORDED[name][0], Datagram(False, answer)])
    account = await bench.ledger.account(await bench.ledger.address("491700001"))
    assert (account.money.debited, account.money.reserved) == (3000 if name == "b" else 0, 0)


@pytest.mark.rfc("3261", "17.1.1.3")
async def test_refused(bench: Bench) -> None:
    await bench.open("491700002", 0)
    refusal, ack = RECORDED["c"]
    await play(bench, [Datagram(True, invite_of(refusal.data, b"+491700002")), refusal, ack])


@pytest.mark.rfc("3261", "9.2")
async def test_cancelled_during_the_check(bench: Bench) -> None:
    await bench.open("491700001", 10_000_000)
    bench.held.clear()
    await play(bench, [Datagram(True, invite_of(RECORDED["d2"][0].data)), *RECORDED["d2"]])
    bench.held.set()
    await asyncio.sleep(0.01)
    account = await bench.ledger.account(await bench.ledger.address("491700001"))
    assert (account.money.debited, account.money.reserved) == (0, 0)


async def test_extended_in_mid_call(bench: Bench) -> None:
    await bench.open("491700001", 10_000_000)
    update = RECORDED["g"][0].data
    first = await bench.ask(invite_of(update, b"+491700001", b"X-OCS-Supports: refresh"))
    assert field(first, b"X-OCS-Max-Duration") == b"5"
    assert field(first, b"X-OCS-Session") == session_of("1-1123@127.0.10.1").encode()
    bench.receive(RECORDED["a"][2].data.replace(b"1-1107@127.0.10.1", b"1-1123@127.0.10.1"))
    await bench.ask(RECORDED["a"][3].data.replace(b"1-1107@127.0.10.1", b"1-1123@127.0.10.1"))
    bench.now += 4000
    await play(bench, RECORDED["g"])
