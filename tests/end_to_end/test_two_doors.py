"""One balance, two doors: what one reserves the other cannot have."""

from collections.abc import Callable

from tests.gateway import CLOSE, OPEN, UPDATE, Gateway, ccr, granted, octets, result, service, services, subscriber
from tests.house import House
from tests.sip_caller import Caller

Make = Callable[[str], tuple[str, str]]
MB = 1_000_000


async def test_a_call_is_granted_only_what_a_data_session_left_and_gives_it_back(
    house: House, gateway: Gateway, subscriber_with: Make
) -> None:
    number, account = subscriber_with("0.13")
    who = subscriber(number)
    data = await gateway.ask(ccr("gw;both;1", OPEN, 0, who, service(10, wanted=())))
    assert granted(services(data)[10]) == 10 * MB  # 0.10 of 0.13

    async with Caller(house.ports["sip"]) as caller:
        answer = await caller.invite(f"u{number}@example.net", "+493012345678", "both-1")
        assert answer.status == 302
        assert answer.headers.get("X-OCS-Max-Duration") == "30"  # 0.03 at 0.001 a second
        assert house.money(account) == {"balance": 130_000, "reserved": 130_000, "available": 0, "overrun": 0}

        blocked = await gateway.ask(ccr("gw;both;2", OPEN, 0, who, service(10, wanted=())))
        assert granted(services(blocked)[10]) is None
        refused = await caller.invite(f"u{number}@example.net", "+493012345678", "both-2")
        assert refused.status == 402

        session = answer.headers.get("X-OCS-Session")
        assert (await caller.report("start", session, "both-1", 0)).status == 200
        assert (await caller.report("stop", session, "both-1", 900)).status == 200
        assert (await caller.report("stop", session, "both-1", 900)).status == 200
    assert house.money(account)["balance"] == 129_000

    more = await gateway.ask(ccr("gw;both;1", UPDATE, 1, who, service(10, wanted=(), used=[octets(10 * MB)])))
    assert granted(services(more)[10]) == 2_900_000  # 0.029 left
    assert result(await gateway.ask(ccr("gw;both;1", CLOSE, 2, who, service(10, used=[octets(2_900_000)])))) == 2001
    assert house.money(account) == {"balance": 0, "reserved": 0, "available": 0, "overrun": 0}
