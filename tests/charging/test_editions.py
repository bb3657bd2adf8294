"""Which catalogue holds when, and that a request is rated by one."""

from msgspec.structs import replace

from balances.ledger import Charge, Charged, Ledger, Verdict
from balances.memory import MemoryLedger
from charging.catalogue import Catalogue, parse
from charging.catalogue.load import SAMPLE
from charging.editions import Editions
from charging.event import Phase, RequestItem
from tests.charging.desk import NOON, Desk

TEXT = (SAMPLE / "catalogue.toml").read_text()
CHEAP = parse({"c.toml": TEXT.encode()})
DEAR = parse({"c.toml": TEXT.replace("0.01 EUR per MB", "0.05 EUR per MB").encode()})
OTHER = parse({"c.toml": TEXT.replace("0.01 EUR per MB", "0.07 EUR per MB").encode()})


def test_the_moment_decides() -> None:
    editions = Editions(CHEAP)
    editions.put(DEAR, 100)
    assert [editions.at(now) for now in (98, 99, 100, 101)] == [CHEAP, CHEAP, DEAR, DEAR]


def test_of_two_whose_moments_came_the_later_put_holds() -> None:
    editions = Editions(CHEAP)
    editions.put(DEAR, 100)
    editions.put(OTHER, 90)
    assert [editions.at(now) for now in (89, 90, 100)] == [CHEAP, OTHER, OTHER]


def test_one_put_at_once_holds_whatever_was_to_come() -> None:
    editions = Editions(CHEAP)
    editions.put(DEAR, 100)
    editions.put(OTHER, 0)
    assert [editions.at(now) for now in (1, 100)] == [OTHER, OTHER]


async def test_the_engine_switches_with_the_request_that_arrives_at_the_moment(ledger: Ledger) -> None:
    desk = Desk(ledger, CHEAP)
    await desk.open(balance="10")
    desk.engine.publish(DEAR, NOON + 2)
    costs = []
    for step in range(4):
        desk.now = NOON + step
        answer = await desk.say(Phase.OPEN, RequestItem(key="10", rating_group=10, wanted=10**6), session=f"{step}")
        costs.append(answer.items[0].cost)
    assert costs == [10_000, 10_000, 50_000, 50_000]


class SwitchingLedger(MemoryLedger):
    """Whatever is charged first is stale, and meanwhile a catalogue is published."""

    desk: Desk
    stale = 2

    async def charge(self, request: Charge) -> Charged:
        if self.stale:
            self.stale -= 1
            self.desk.engine.publish(DEAR)
            return Charged(verdict=Verdict.STALE)
        return await super().charge(request)


async def test_a_request_is_finished_by_the_catalogue_it_began_with() -> None:
    ledger = SwitchingLedger()
    desk = ledger.desk = Desk(ledger, CHEAP)
    await desk.open(balance="10")
    item = RequestItem(key="10", rating_group=10, wanted=10**6)
    first = await desk.say(Phase.OPEN, item, session="a")
    second = await desk.say(Phase.OPEN, replace(item), session="b")
    assert [first.items[0].cost, second.items[0].cost] == [10_000, 50_000]
    assert desk.engine.catalogue is DEAR


def test_what_is_published_for_a_moment_is_in_force_when_it_has_passed() -> None:
    desk = Desk(MemoryLedger(), CHEAP)
    desk.engine.publish(DEAR, 100)
    desk.engine.pass_time(99)
    before: Catalogue = desk.engine.catalogue
    desk.engine.pass_time(100)
    assert (before, desk.engine.catalogue) == (CHEAP, DEAR)
