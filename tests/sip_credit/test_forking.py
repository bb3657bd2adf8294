"""A call that is tried in several places, at once or one after the other, is charged once."""

from typing import Any

import pytest

from charging.catalogue import parse
from charging.catalogue.load import SAMPLE
from sip_credit.message import Response
from sip_credit.settings import OnFailure, Peer, Settings

House = Any  # the fixture's class lives in conftest, which is no module to import from

ROUTED = """
[decks.north]
service = "voice"
currency = "EUR"
per = "min"
[carriers.north]
deck = "north"
contact = "sip:{b}@north.example.net"
[carriers.south]
deck = "north"
contact = "sip:{b}@south.example.net"
[routings.both]
carriers = ["north", "south"]
"""

FILES = {
    "c.toml": (SAMPLE / "catalogue.toml").read_bytes() + ROUTED.encode(),
    "decks/north.csv": b"prefix,price\n49,0.03\n",
}


async def said(house: House, session: str, kind: str, milliseconds: int, by: str, carrier: str = "") -> Response:
    """A report on behalf of one branch."""
    headers = [("X-OCS-Event", kind), ("X-OCS-Session", session), ("X-OCS-Duration-Ms", str(milliseconds))]
    if carrier:
        headers.append(("X-OCS-Carrier", carrier))
    answer: Response = await house.proxy.ask(house.request("NOTIFY", f"call-1-{kind}-{by}", *headers))
    return answer


async def debits(house: House) -> list[int]:
    """What each entry debited that debited anything."""
    found = await house.ledger.entries((await house.account()).address)
    return [line.debited for entry in found for line in entry.lines if line.debited]


async def test_two_phones_that_both_answer_are_one_call(house: House) -> None:
    """Parallel forking behind the proxy: it asked once, and the second 200 does not begin the call anew."""
    await house.open("1.00")
    answer = await house.proxy.ask(house.invite())
    session = answer.headers.get("X-OCS-Session")
    assert (await said(house, session, "start", 0, "desk")).status == 200
    house.later(1)
    assert (await said(house, session, "start", 0, "mobile")).status == 200
    house.later(19)
    assert (await said(house, session, "stop", 20_000, "desk")).status == 200
    assert await house.money() == (20, 0)
    assert sum(await debits(house)) == 20_000


async def test_a_branch_that_ends_after_the_call_adds_nothing(house: House) -> None:
    await house.open("1.00")
    answer = await house.proxy.ask(house.invite())
    session = answer.headers.get("X-OCS-Session")
    await said(house, session, "start", 0, "desk")
    house.later(20)
    assert (await said(house, session, "stop", 20_000, "desk")).status == 200
    house.later(3)
    assert (await said(house, session, "stop", 500, "mobile")).status == 200
    assert (await said(house, session, "release", 0, "tablet")).status == 200
    assert await house.money() == (20, 0)
    assert await debits(house) == [20_000]


async def test_branches_forked_before_the_proxy_ask_each_and_only_one_is_charged(house: House) -> None:
    """A proxy upstream forks: each branch is a check of its own, and those that are not answered give back."""
    await house.open("1.00")
    first, second, third = [await house.proxy.ask(house.invite()) for _ in range(3)]
    sessions = [answer.headers.get("X-OCS-Session") for answer in (first, second, third)]
    assert await house.money() == (0, 180)
    await said(house, sessions[1], "start", 0, "b")
    await said(house, sessions[0], "release", 0, "a")
    await said(house, sessions[2], "release", 0, "c")
    assert await house.money() == (0, 60)
    house.later(7)
    await said(house, sessions[1], "stop", 7_000, "b")
    assert await house.money() == (7, 0)
    assert await debits(house) == [7_000]


@pytest.mark.parametrize("late", [False, True])
async def test_carriers_tried_one_after_the_other_are_one_call(house: House, late: bool) -> None:
    """The first fails, the second answers: one check, one charge, at whoever carried it."""
    house.catalogue = parse(FILES)
    await house.restart(Settings(port=0, peers=(Peer(routing="both"),)))
    await house.open("1.00")
    answer = await house.proxy.ask(house.invite())
    session = answer.headers.get("X-OCS-Session")
    house.later(9)  # north rings, then fails
    assert (await said(house, session, "start", 0, "south", "south")).status == 200
    house.later(30)
    assert (await said(house, session, "stop", 30_000, "south", "south")).status == 200
    if late:
        assert (await said(house, session, "release", 0, "north", "north")).status == 200
    assert await house.money() == (30, 0)
    assert await debits(house) == [30_000]
    last = (await house.ledger.entries((await house.account()).address))[-1]
    assert last.reference.startswith("carrier=south;")


@pytest.mark.parametrize(
    ("hint", "told"),
    [(OnFailure.UNSAID, None), (OnFailure.REFUSE, "refuse"), (OnFailure.ALLOW, "allow;max=90")],
)
async def test_the_proxy_is_told_beforehand_what_to_do_without_us(
    house: House, hint: OnFailure, told: str | None
) -> None:
    await house.restart(Settings(port=0, peers=(Peer(on_failure=hint, on_failure_seconds=90),)))
    await house.open("1.00")
    alive = await house.proxy.ask(house.request("OPTIONS"))
    allowed = await house.proxy.ask(house.invite())
    assert (alive.status, allowed.status) == (200, 302)
    for answer in (alive, allowed):
        assert answer.headers.all("X-OCS-On-Failure") == ([told] if told else [])


def test_a_hint_lasts_a_while() -> None:
    with pytest.raises(ValueError, match="on_failure_seconds"):
        Peer(on_failure_seconds=0)
