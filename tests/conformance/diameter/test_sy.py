"""Sy over TCP (TS 29.219): a policy server subscribes, is told of changes, and leaves. Real store, real journal."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from balances.journal import Journal
from balances.ledger import Gift, Identity, IdentityType, Movement, NewAccount, Unit
from balances.link import Link
from balances.scripts import all_scripts
from balances.store import StoreLedger
from balances.watches import Watch, Watches
from charging.catalogue import load, parse
from charging.catalogue.load import SAMPLE
from charging.engine import Engine
from charging.settings import ChargingSettings
from ocs.diameter import avps
from ocs.diameter.answer import Answer
from ocs.diameter.codes import Command
from ocs.diameter.message import Message
from ocs.diameter.settings import DiameterSettings
from ocs.doors import by_application
from ocs.metrics import Metrics
from ocs.server import DiameterServer, PeerInfo
from ocs.sy.changes import Changes
from ocs.sy.door import SpendingLimitDoor
from ocs.sy.reporter import Reporter
from tests.gateway import Gateway, result, subscriber
from tests.servers import valkey

SY = 16777302
PCRF, REALM = "pcrf.epc.example.net", "epc.example.net"
INITIAL, INTERMEDIATE = 0, 1
EURO = 1_000_000

_numbers = itertools.count(491_711_000_000)
_sessions = itertools.count(1)


def clock() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with valkey() as url:
        yield url


class Node:
    """A charging server's Sy door over a store that outlives it."""

    def __init__(self, link: Link, ledger: StoreLedger, directory: Path) -> None:
        self.link, self.ledger = link, ledger
        self.watches = Watches(link, ledger.keys)
        self.engine = Engine(ledger, load("sample"), ChargingSettings())
        self._directory = directory
        self.server: DiameterServer

    @asynccontextmanager
    async def serve(self, journal: bool = True) -> AsyncIterator["Node"]:
        door = SpendingLimitDoor(self.ledger, self.link, self.engine, clock)

        async def credit_control(_request: Message, _peer: PeerInfo) -> Answer:
            return Answer()

        settings = DiameterSettings(port=0, sy=True, own_request_timeout=0.5)
        self.server = DiameterServer(settings, by_application(credit_control, door.answer))
        await self.server.start()
        changes = Changes(Metrics("test"), self.watches, clock)
        following = Journal(self.link, self.ledger.keys, self._directory, observer=changes)
        reporter = Reporter(
            self.ledger, self.watches, lambda: self.engine.catalogue.counters, self.server, clock, retry=0.3
        )
        tasks = [
            asyncio.create_task(changes.run(0.05)),
            asyncio.create_task(reporter.run(0.05)),
            *([asyncio.create_task(following.run(0.05))] if journal else []),
        ]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.server.close()

    @asynccontextmanager
    async def pcrf(self, host: str = PCRF) -> AsyncIterator[Gateway]:
        async with Gateway("127.0.0.1", self.server.port, host, applications=(SY,)) as pcrf:
            yield pcrf

    async def subscriber(self, euro: int = 5) -> "Subscriber":
        number = str(next(_numbers))
        identity = Identity(type=IdentityType.E164, value=number)
        account = await self.ledger.open_account(
            NewAccount(id=f"a{number}", plan="prepaid-basic", currency="EUR", identities=(identity,)), clock()
        )
        found = Subscriber(self.ledger, account.address, number)
        await found.pay(euro * EURO)
        return found


class Subscriber:
    def __init__(self, ledger: StoreLedger, address: Any, number: str) -> None:
        self._ledger, self._address, self.number = ledger, address, number

    async def pay(self, amount: int) -> None:
        """Put money in, or take it out."""
        operation = f"m{next(_sessions)}"
        await self._ledger.move(
            Movement(address=self._address, operation=operation, amount=amount, cause="test", now=clock())
        )

    async def bundle(self) -> None:
        gift = Gift(
            address=self._address, operation="gift", offer="data-1gb", unit=Unit.OCTETS, amount=10**9, now=clock()
        )
        await self._ledger.give(gift)


@pytest.fixture
async def node(store_url: str, tmp_path: Path) -> AsyncIterator[Node]:
    link = Link(store_url, scripts=all_scripts())
    await link.open()
    await link.call("FLUSHALL")
    ledger = StoreLedger(link)
    await ledger.prepare()
    async with Node(link, ledger, tmp_path).serve() as node:
        yield node
    await link.close()


def new_session() -> str:
    return f"{PCRF};sy;{next(_sessions)}"


def head(session: str, host: str = PCRF) -> list[bytes]:
    return [
        avps.SESSION_ID.encode(session),
        avps.AUTH_APPLICATION_ID.encode(SY),
        avps.ORIGIN_HOST.encode(host),
        avps.ORIGIN_REALM.encode(REALM),
        avps.DESTINATION_REALM.encode("example.net"),
    ]


async def slr(
    pcrf: Gateway, session: str, *counters: str, kind: int = INITIAL, number: str = "", host: str = PCRF
) -> Message:
    parts = [*head(session, host), avps.SL_REQUEST_TYPE.encode(kind)]
    if number:
        parts.append(subscriber(number))
    parts += [avps.POLICY_COUNTER_IDENTIFIER.encode(counter) for counter in counters]
    return await pcrf.send(Command.SPENDING_LIMIT, parts, SY, 0xC0)


async def leave(pcrf: Gateway, session: str) -> Message:
    parts = [*head(session), avps.TERMINATION_CAUSE.encode(1)]
    return await pcrf.send(Command.SESSION_TERMINATION, parts, SY, 0xC0)


def told(message: Message) -> dict[str, str]:
    return {
        report.require(avps.POLICY_COUNTER_IDENTIFIER): report.require(avps.POLICY_COUNTER_STATUS)
        for report in message.all(avps.POLICY_COUNTER_STATUS_REPORT)
    }


def experimental(answer: Message) -> tuple[int | None, int | None]:
    assert avps.RESULT_CODE not in answer
    group = answer.require(avps.EXPERIMENTAL_RESULT)
    return group.get(avps.VENDOR_ID), group.get(avps.EXPERIMENTAL_RESULT_CODE)


async def silence(pcrf: Gateway, seconds: float = 0.9) -> None:
    with pytest.raises(TimeoutError):
        await pcrf.asked(seconds)


# ---------------------------------------------------------------- capabilities


async def test_sy_is_advertised_as_an_application_of_3gpp(node: Node) -> None:
    async with node.pcrf() as pcrf:
        cea = pcrf.cea
        assert cea is not None
        assert cea.all(avps.AUTH_APPLICATION_ID) == [4]
        groups = cea.all(avps.VENDOR_SPECIFIC_APPLICATION_ID)
        assert [(group.get(avps.VENDOR_ID), group.get(avps.AUTH_APPLICATION_ID)) for group in groups] == [
            (10415, 4),
            (10415, SY),
        ]


async def test_where_it_is_off_nobody_hears_of_it(make_door: Any, build: Any) -> None:
    door = await make_door()
    client = await door.connect()
    cea = await client.introduce(build.cer())
    groups = cea.all(avps.VENDOR_SPECIFIC_APPLICATION_ID)
    assert [group.get(avps.AUTH_APPLICATION_ID) for group in groups] == [4]
    request = [*head("s"), avps.SL_REQUEST_TYPE.encode(0), subscriber("49")]
    answer = await client.ask(request, command=8388635, application=SY)
    assert (answer.get(avps.RESULT_CODE), answer.is_error) == (3007, True)
    answer = await client.ask([*head("s"), avps.TERMINATION_CAUSE.encode(1)], command=275, application=SY)
    assert answer.get(avps.RESULT_CODE) == 3007
    assert door.handled == []


async def test_where_it_is_off_who_speaks_nothing_else_has_nothing_in_common(make_door: Any, build: Any) -> None:
    door = await make_door()
    client = await door.connect()
    cea = await client.introduce(build.cer(applications=[avps.AUTH_APPLICATION_ID.encode(SY)]))
    assert cea.get(avps.RESULT_CODE) == 5010


async def test_commands_belong_to_their_application(node: Node) -> None:
    async with node.pcrf() as pcrf:
        wrong = await pcrf.send(Command.CREDIT_CONTROL, head("s"), SY, 0xC0)
        assert result(wrong) == 3001
        wrong = await pcrf.send(Command.SPENDING_LIMIT, head("s"), 4, 0xC0)
        assert result(wrong) == 3001
        wrong = await pcrf.send(Command.SPENDING_STATUS_NOTIFICATION, head("s"), SY, 0xC0)
        assert result(wrong) == 3001


# ---------------------------------------------------------------- clause 4.5.1: initial and intermediate requests


async def test_all_counters_where_none_is_named(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        session = new_session()
        answer = await slr(pcrf, session, number=who.number)
        assert (answer.command, answer.application, answer.flags_octet) == (8388635, SY, 0x40)
        assert result(answer) == 2001
        assert answer.get(avps.SESSION_ID) == session
        assert answer.get(avps.AUTH_APPLICATION_ID) == SY
        assert answer.get(avps.ORIGIN_HOST) == "ocs.example.net"
        assert told(answer) == {"data-80-percent": "none", "money-low": "enough"}


async def test_only_the_named_counters(node: Node) -> None:
    who = await node.subscriber(euro=1)
    async with node.pcrf() as pcrf:
        answer = await slr(pcrf, new_session(), "money-low", number=who.number)
        assert told(answer) == {"money-low": "low"}


async def test_nobodys_identity_is_unknown(node: Node) -> None:
    async with node.pcrf() as pcrf:
        session = new_session()
        assert result(await slr(pcrf, session, number="490000000000")) == 5030
        assert result(await slr(pcrf, session)) == 5030
        assert result(await leave(pcrf, session)) == 5002


async def test_unknown_counters_are_shown_and_nothing_is_subscribed(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        session = new_session()
        answer = await slr(pcrf, session, "money-low", "minutes", "gold", number=who.number)
        assert experimental(answer) == (10415, 5570)
        failed = answer.require(avps.FAILED_AVP)
        assert failed.all(avps.POLICY_COUNTER_IDENTIFIER) == ["minutes", "gold"]
        assert told(answer) == {}
        assert result(await leave(pcrf, session)) == 5002


async def test_who_has_no_counter_at_all(node: Node) -> None:
    text = (SAMPLE / "catalogue.toml").read_text()
    node.engine.publish(parse({"c.toml": text[: text.index("[counters")].encode()}))
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        assert experimental(await slr(pcrf, new_session(), number=who.number)) == (10415, 4241)


async def test_an_intermediate_request_changes_what_is_subscribed(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        session = new_session()
        assert told(await slr(pcrf, session, "money-low", number=who.number)) == {"money-low": "enough"}
        answer = await slr(pcrf, session, "data-80-percent", kind=INTERMEDIATE)
        assert told(answer) == {"data-80-percent": "none"}
        await who.pay(-4 * EURO)
        await silence(pcrf)
        await who.bundle()
        assert told(await pcrf.asked()) == {"data-80-percent": "below"}


async def test_an_intermediate_request_needs_its_session(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        answer = await slr(pcrf, new_session(), kind=INTERMEDIATE, number=who.number)
        assert result(answer) == 5002
        assert told(answer) == {}


async def test_grammar_is_checked(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        missing = await pcrf.send(Command.SPENDING_LIMIT, [*head("s"), subscriber(who.number)], SY, 0xC0)
        assert result(missing) == 5005
        assert missing.require(avps.FAILED_AVP).positions(avps.SL_REQUEST_TYPE.key)
        wrong = await slr(pcrf, new_session(), kind=7, number=who.number)
        assert result(wrong) == 5004
        twice = [*head("s"), avps.SL_REQUEST_TYPE.encode(0), avps.SL_REQUEST_TYPE.encode(0)]
        assert result(await pcrf.send(Command.SPENDING_LIMIT, twice, SY, 0xC0)) == 5009


async def test_a_session_taken_over_by_another_subscriber_watches_only_that_one(node: Node) -> None:
    one, two = await node.subscriber(), await node.subscriber()
    async with node.pcrf() as pcrf:
        session = new_session()
        await slr(pcrf, session, number=one.number)
        assert result(await slr(pcrf, session, number=two.number)) == 2001
        await one.pay(-4 * EURO)
        await silence(pcrf)
        await two.pay(-4 * EURO)
        assert told(await pcrf.asked(2)) == {"money-low": "low"}


@pytest.mark.rfc("6733", "3")
async def test_the_requests_of_a_session_are_told_apart_and_run_in_their_order(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        session = new_session()
        answers = await asyncio.gather(
            slr(pcrf, session, "money-low", number=who.number),
            slr(pcrf, session, "data-80-percent", kind=INTERMEDIATE),
            leave(pcrf, session),
            leave(pcrf, session),
        )
        assert [result(answer) for answer in answers] == [2001, 2001, 2001, 5002]
        assert [told(answer) for answer in answers[:2]] == [{"money-low": "enough"}, {"data-80-percent": "none"}]


# ---------------------------------------------------------------- clause 4.5.2: reports


async def test_a_changed_status_is_reported_once(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        session = new_session()
        await slr(pcrf, session, number=who.number)
        await who.pay(-4 * EURO)
        report = await pcrf.asked(2)
        assert (report.command, report.application, report.flags_octet) == (8388636, SY, 0xC0)
        assert report.get(avps.SESSION_ID) == session
        assert report.get(avps.DESTINATION_HOST) == PCRF
        assert report.get(avps.DESTINATION_REALM) == REALM
        assert report.get(avps.ORIGIN_HOST) == "ocs.example.net"
        assert report.get(avps.AUTH_APPLICATION_ID) == SY
        assert told(report) == {"money-low": "low"}
        pcrf.reply(report)
        await silence(pcrf)
        await who.pay(-EURO + 1)
        report = await pcrf.asked(2)
        assert told(report) == {"money-low": "empty"}
        pcrf.reply(report)
        await who.pay(10 * EURO)
        assert told(await pcrf.asked(2)) == {"money-low": "enough"}


async def test_what_changes_no_status_is_not_reported(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        await slr(pcrf, new_session(), number=who.number)
        await who.pay(-EURO)
        await silence(pcrf)


async def test_an_unanswered_report_is_repeated_with_the_status_of_then(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        await slr(pcrf, new_session(), number=who.number)
        await who.pay(-4 * EURO)
        assert told(await pcrf.asked(2)) == {"money-low": "low"}
        busy = await pcrf.asked(3)
        assert told(busy) == {"money-low": "low"}
        await who.pay(-EURO + 1)
        pcrf.reply(busy, 3004)
        report = await pcrf.asked(3)
        assert told(report) == {"money-low": "empty"}
        pcrf.reply(report)
        await silence(pcrf)


async def test_a_policy_server_that_knows_no_such_session_is_left_alone(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        session = new_session()
        await slr(pcrf, session, number=who.number)
        await who.pay(-4 * EURO)
        pcrf.reply(await pcrf.asked(2), 5002)
        await who.pay(10 * EURO)
        await silence(pcrf)
        assert await node.watches.find(session) is None
        assert result(await leave(pcrf, session)) == 5002


async def test_each_subscriber_of_an_account_is_told_what_it_asked_for(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as one, node.pcrf("pcrf2.epc.example.net") as two:
        await slr(one, new_session(), "money-low", number=who.number)
        await slr(two, new_session(), "data-80-percent", number=who.number, host="pcrf2.epc.example.net")
        await who.pay(-4 * EURO)
        assert told(await one.asked(2)) == {"money-low": "low"}
        await silence(two)


async def test_a_policy_server_that_was_away_is_told_when_it_is_back(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        await slr(pcrf, new_session(), number=who.number)
    await who.pay(-4 * EURO)
    await asyncio.sleep(0.5)
    async with node.pcrf() as pcrf:
        assert told(await pcrf.asked(3)) == {"money-low": "low"}


async def test_subscriptions_outlive_the_server(node: Node, tmp_path: Path) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        session = new_session()
        await slr(pcrf, session, number=who.number)
    other = Node(node.link, node.ledger, tmp_path / "other")
    async with other.serve(), other.pcrf() as pcrf:
        answer = await slr(pcrf, session, kind=INTERMEDIATE)
        assert told(answer) == {"data-80-percent": "none", "money-low": "enough"}
        await who.pay(-4 * EURO)
        assert told(await pcrf.asked(3)) == {"money-low": "low"}


async def test_changes_while_no_server_ran_are_told_at_the_start(store_url: str, tmp_path: Path) -> None:
    link = Link(store_url, scripts=all_scripts())
    await link.open()
    await link.call("FLUSHALL")
    ledger = StoreLedger(link)
    await ledger.prepare()
    node = Node(link, ledger, tmp_path)
    async with node.serve():
        who = await node.subscriber()
        async with node.pcrf() as pcrf:
            await slr(pcrf, new_session(), number=who.number)
            await asyncio.sleep(1.0)  # the second look after the answer is over
    # The last process wrote the journal to its end and was gone before it marked anything.
    await who.pay(-4 * EURO)
    journal = Journal(link, ledger.keys, tmp_path)
    assert await journal.round() == 1
    async with node.serve(), node.pcrf() as pcrf:
        assert told(await pcrf.asked(3)) == {"money-low": "low"}
    await link.close()


async def test_a_subscription_that_cannot_be_read_is_in_nobodys_way(node: Node) -> None:
    who = await node.subscriber()
    session = new_session()
    async with node.pcrf() as pcrf:
        await slr(pcrf, session, number=who.number)
        good = await node.watches.find(session)
        assert good is not None
        for number in range(3):
            bad = Watch(id=f"bad{number}", address=good.address, context=b"\xc1")
            await node.watches.put(bad, clock(), clock())
        await who.pay(-4 * EURO)
        assert told(await pcrf.asked(2)) == {"money-low": "low"}
        assert await node.watches.find("bad0") is None


async def test_a_policy_server_behind_an_agent_is_told_through_it(node: Node) -> None:
    who = await node.subscriber()
    async with Gateway("127.0.0.1", node.server.port, "dra1.epc.example.net", applications=(0xFFFFFFFF,)) as agent:
        await slr(agent, new_session(), number=who.number)
        await who.pay(-4 * EURO)
        report = await agent.asked(2)
        assert (report.get(avps.DESTINATION_HOST), told(report)) == (PCRF, {"money-low": "low"})


async def test_of_two_servers_with_a_way_one_tells(node: Node, tmp_path: Path) -> None:
    """Which one follows the journal does not matter; the other one only serves."""
    other = Node(node.link, node.ledger, tmp_path / "other")
    async with other.serve(journal=False):
        agents = [
            Gateway("127.0.0.1", each.server.port, "dra1.epc.example.net", applications=(0xFFFFFFFF,))
            for each in (node, other)
        ]
        async with agents[0] as one, agents[1] as two:
            for _ in range(5):
                who = await node.subscriber()
                await slr(two, new_session(), number=who.number)
                await who.pay(-4 * EURO)
                waiting = [asyncio.create_task(agent.requests.get()) for agent in (one, two)]
                done, idle = await asyncio.wait(waiting, timeout=3, return_when=asyncio.FIRST_COMPLETED)
                [report] = [task.result() for task in done]
                assert told(report) == {"money-low": "low"}
                (one if waiting[0] in done else two).reply(report)
                late, idle = await asyncio.wait(idle, timeout=0.5)
                assert not late
                for task in idle:
                    task.cancel()


async def test_an_agent_that_cannot_deliver_is_asked_again(node: Node) -> None:
    who = await node.subscriber()
    async with Gateway("127.0.0.1", node.server.port, "dra1.epc.example.net", applications=(0xFFFFFFFF,)) as agent:
        await slr(agent, new_session(), number=who.number)
        await who.pay(-4 * EURO)
        agent.reply(await agent.asked(2), 3002)
        report = await agent.asked(2)
        assert told(report) == {"money-low": "low"}
        agent.reply(report)
        await silence(agent)


# ---------------------------------------------------------------- clause 4.5.3: the end


async def test_session_termination_ends_the_reports(node: Node) -> None:
    who = await node.subscriber()
    async with node.pcrf() as pcrf:
        session = new_session()
        await slr(pcrf, session, number=who.number)
        answer = await leave(pcrf, session)
        assert (answer.command, answer.application, result(answer)) == (275, SY, 2001)
        assert answer.get(avps.SESSION_ID) == session
        await who.pay(-4 * EURO)
        await silence(pcrf)
        assert result(await leave(pcrf, session)) == 5002
