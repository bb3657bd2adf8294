"""What a process tells of what it handles, and what it keeps to itself."""

import asyncio

from balances.ledger import Address, Identity, IdentityType, Phase
from charging.event import ChargingEvent, Outcome, Result
from ocs.bus import Follow, Handled
from ocs.http.handled import explain
from ocs.telling import RATE, STRANGERS, Allowance, Teller, is_refusal
from tests.air import Air

ALICE = Identity(type=IdentityType.E164, value="491701234567")
BOB = Identity(type=IdentityType.E164, value="491701234568")


def request(who: Identity | None = ALICE) -> ChargingEvent:
    return ChargingEvent(
        session="s",
        operation="1",
        fingerprint=0,
        phase=Phase.OPEN,
        door="sip",
        at=0,
        now=0,
        identities=(who,) if who else (),
        service=None,
    )


def answer(result: Result = Result.OK, account: str = "alice") -> Outcome:
    return Outcome(result=result, account=Address(shard=0, account=account))


async def told(air: Air) -> list[Handled]:
    await asyncio.sleep(0.01)
    return [word for word in air.said if isinstance(word, Handled)]


async def test_good_answers_are_nobodys_business() -> None:
    air = Air()
    teller = Teller(air)
    teller.handled(request(), answer())
    teller.handled(request(), answer(Result.SESSION_CLOSED))
    assert await told(air) == []


async def test_refusals_are_told_always() -> None:
    air = Air()
    Teller(air).handled(request(), answer(Result.NO_CREDIT))
    [word] = await told(air)
    assert (word.result, word.account, word.identities) == ("no-credit", "alice", ("e164:491701234567",))


async def test_the_followed_are_told_by_account_or_identity_and_no_others() -> None:
    air = Air()
    teller = Teller(air)
    await air.say(Follow(account="alice", identities=(ALICE,), seconds=60))
    teller.handled(request(None), answer())
    teller.handled(request(ALICE), answer(account="other"))
    teller.handled(request(BOB), answer(account="bob"))
    assert [word.account for word in await told(air)] == ["alice", "other"]


async def test_who_looks_no_more_is_told_no_more() -> None:
    air = Air()
    teller = Teller(air)
    await air.say(Follow(account="alice", identities=(), seconds=-1))
    teller.handled(request(), answer())
    assert await told(air) == []


async def test_a_flood_is_cut_off_and_counted() -> None:
    air = Air()
    teller = Teller(air)
    flood = 10 * int(RATE)
    for _ in range(flood):
        teller.handled(request(), answer(Result.NO_CREDIT))
    words = await told(air)
    assert RATE <= len(words) < flood
    assert sum(word.untold for word in words) + len(words) + teller._untold == flood


def test_an_allowance_fills_again() -> None:
    now = 0.0
    allowance = Allowance(2, lambda: now)
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now = 0.5
    assert [allowance.take() for _ in range(2)] == [True, False]


async def test_what_is_turned_away_at_a_door_is_told_within_limits() -> None:
    air = Air()
    teller = Teller(air)
    for _ in range(20):
        teller.turned_away("sip", "stranger", "192.0.2.1")
    words = await told(air)
    assert len(words) == STRANGERS
    assert (words[0].door, words[0].reason, words[0].service) == ("sip", "stranger", "from 192.0.2.1")
    assert is_refusal(words[0])
    teller.handled(request(), answer(Result.NO_CREDIT))  # noise takes no place from it
    assert (await told(air))[-1].untold == 15
    assert explain(words[0]) == "Turned away over sip (from 192.0.2.1): refused: stranger."
