"""A call that nobody asked for is reported to have ended: it is kept, and seen over HTTP, by whoever looks."""

from tests.house import House
from tests.sip_caller import Caller


async def test_an_orphan_is_kept_with_what_it_takes_to_charge_it_by_hand(house: House) -> None:
    assert house.get("/v1/orphans") == {"orphans": [], "kept": 0}
    async with Caller(house.ports["sip"]) as caller:
        for _ in range(2):  # a proxy that hears no, or nothing, may ask again
            assert (await caller.report("stop", "", "unheard-of", 61_000)).status == 481
        assert (await caller.report("stop", "", "unheard-of-too", 2_000)).status == 481
    found = house.get("/v1/orphans?limit=10")
    assert found["kept"] == 2
    newest, first = found["orphans"]
    assert (newest["call_id"], newest["duration_ms"]) == ("unheard-of-too", 2_000)
    assert (first["call_id"], first["duration_ms"], first["peer"]) == ("unheard-of", 61_000, "proxy")
    assert first["caller"] == "sip:proxy@127.0.0.1"
    assert first["at"].endswith("Z")
    assert first["at"] <= newest["at"]
