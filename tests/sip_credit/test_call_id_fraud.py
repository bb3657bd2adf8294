"""A caller chooses Call-ID, tag and CSeq. Whatever it repeats, each call let through is reserved and charged."""

from charging.event import Identity, IdentityType
from sip_credit.message import Request, Response
from tests.sip_credit.conftest import House

OTHER = Identity(type=IdentityType.E164, value="491700002")


def changed(request: Request, name: str, value: str) -> Request:
    request.headers = type(request.headers)((n, value if n == name else v) for n, v in request.headers)
    return request


async def by_session(house: House, answer: Response, kind: str, milliseconds: int) -> int:
    """Report as a proxy does that copies the session."""
    report = house.report(kind, milliseconds, attempt=answer.headers.get("X-OCS-Session"))
    session = ("X-OCS-Session", answer.headers.get("X-OCS-Session"))
    report.headers = type(report.headers)([*report.headers, session])
    return (await house.proxy.ask(report)).status


async def call(house: House, answer: Response, seconds: int) -> None:
    assert answer.status == 302
    assert await by_session(house, answer, "start", 0) == 200
    house.later(seconds)
    assert await by_session(house, answer, "stop", seconds * 1000) == 200


async def test_the_very_same_invite_after_its_call_is_another_call(house: House) -> None:
    await house.open("1.00")
    invite = house.invite()
    await call(house, await house.proxy.ask(invite), 10)
    house.later(40)
    await house.restart()  # the transaction is forgotten, the branch the same
    again = await house.proxy.ask(invite)
    assert await house.money() == (10, 60)
    await call(house, again, 10)
    assert await house.money() == (20, 0)


async def test_the_same_invite_to_another_destination_is_rated_anew(house: House) -> None:
    await house.open("1.00")
    await call(house, await house.proxy.ask(house.invite()), 10)
    assert (await house.proxy.ask(house.invite(uri="sip:+1900555@127.0.0.1"))).status == 404
    assert await house.money() == (10, 0)


async def test_a_refused_second_invite_leaves_the_running_call_as_it_is(house: House) -> None:
    await house.open("1.00")
    first = await house.proxy.ask(house.invite())
    assert await by_session(house, first, "start", 0) == 200
    second = changed(house.invite(uri="sip:+1900555@127.0.0.1"), "From", "<sip:alice@example.net>;tag=b2")
    assert (await house.proxy.ask(second)).status == 404
    assert await house.money() == (0, 60)
    house.later(30)
    assert await by_session(house, first, "stop", 30_000) == 200
    assert await house.money() == (30, 0)


async def test_two_calls_at_once_under_one_call_id_are_two_reservations(house: House) -> None:
    await house.open("0.12")
    first = await house.proxy.ask(house.invite())
    second = await house.proxy.ask(house.invite())
    assert first.headers.get("X-OCS-Session") != second.headers.get("X-OCS-Session")
    assert await house.money() == (0, 120)
    assert (await house.proxy.ask(house.invite())).status == 402
    await call(house, first, 20)
    await call(house, second, 20)
    assert await house.money() == (40, 0)


async def test_one_call_id_of_two_subscribers_is_two_calls(house: House) -> None:
    await house.open("1.00")
    await house.open("1.00", "bob", OTHER)
    mine = await house.proxy.ask(house.invite())
    theirs = await house.proxy.ask(
        house.request("INVITE", "call-1", ("P-Asserted-Identity", "<sip:+491700002@example.net>"))
    )
    assert mine.headers.get("X-OCS-Session") != theirs.headers.get("X-OCS-Session")
    await call(house, mine, 10)
    await call(house, theirs, 10)
    assert [(await house.account(name)).money.balance for name in ("alice", "bob")] == [990_000, 990_000]


async def test_asking_again_early_is_no_lack_of_credit(house: House) -> None:
    await house.talk("5.00")
    house.later(1.2)
    assert (await house.tell("interim", 1200)).status == 200
    house.later(0.05)
    again = await house.tell("interim", 1250, attempt="2")
    assert (again.status, again.headers.get("X-OCS-Max-Duration")) == (200, "60")


async def test_nobody_has_talked_longer_than_since_the_check(house: House) -> None:
    await house.talk("1.00")
    assert (await house.tell("stop", 366 * 86_400_000)).status == 200
    assert await house.money() == (0, 0)  # our own clock counts


async def test_a_stop_after_a_release_settles_only_what_no_interim_had_settled(house: House) -> None:
    await house.talk("5.00")
    house.later(60)
    assert (await house.tell("interim", 60_000)).status == 200
    house.later(30)
    await house.tell("release", 0)
    assert await house.money() == (60, 0)
    for attempt in ("", "2"):
        assert (await house.tell("stop", 90_000, attempt=attempt)).status == 200
    assert await house.money() == (90, 0)


async def test_parallel_stops_after_a_release_are_charged_once(house: House) -> None:
    await house.talk("5.00")
    await house.tell("release", 0)
    house.later(60)
    for attempt in range(8):
        house.proxy.send(house.report("stop", 60_000, attempt=str(attempt)))
    assert {(await house.proxy.receive()).status for _ in range(8)} == {200}
    assert await house.money() == (60, 0)
