"""The proxy and its transactions against a credit server of a few lines."""

import asyncio
import time
from collections.abc import Callable

import pytest

from simulators import sip_proxy
from simulators.books import Books
from simulators.report import Outcomes
from simulators.settings import Settings, SipOptions
from simulators.sip_client import SipClient
from simulators.sip_proxy import Ending, SipProxy
from simulators.traffic import make_subscribers
from sip_credit.message import Request, parse, respond

SUBSCRIBER = make_subscribers(1)[0]
Reply = tuple[int, tuple[tuple[str, str], ...]]


def allow(maximum: int, refresh: int | None = None) -> Reply:
    headers = (("X-OCS-Session", "abc"), ("X-OCS-Max-Duration", str(maximum)))
    return 302, headers if refresh is None else (*headers, ("X-OCS-Refresh", str(refresh)))


class CreditServer(asyncio.DatagramProtocol):
    """Remembers every datagram and answers by a function; None answers nothing."""

    def __init__(self, decide: Callable[[Request], Reply | None]) -> None:
        self.requests: list[tuple[float, Request]] = []
        self.decide = decide
        self.port = 0

    async def __aenter__(self) -> "CreditServer":
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.port = self.transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.close()

    def datagram_received(self, data: bytes, source: object) -> None:
        request = parse(data)
        assert isinstance(request, Request)
        self.requests.append((time.monotonic(), request))
        reply = self.decide(request) if request.method != "ACK" else None
        if reply is not None:
            self.transport.sendto(respond(request, reply[0], tag="t", headers=reply[1]).encode(), source)

    def events(self) -> list[str]:
        return [one.headers.get("X-OCS-Event") or one.method for _, one in self.requests]


async def run_call(server: CreditServer, **options: float) -> tuple[Books, Outcomes]:
    books, outcomes = Books(), Outcomes()
    settings = Settings(t1=0.05)
    client = SipClient(settings, outcomes)
    await client.open("127.0.0.1", server.port)
    proxy = SipProxy(client, books, outcomes, SipOptions(settings=settings, port=server.port, **options))
    await proxy.start(SUBSCRIBER, time.monotonic())
    client.close()
    return books, outcomes


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch):
    """Every call ends so, after so many whole seconds and a half."""

    def choose(ending: Ending, talk: int = 1) -> None:
        monkeypatch.setattr(sip_proxy, "SHARES", {ending: 1.0})
        monkeypatch.setattr(sip_proxy, "RING", (0.01, 0.02))
        monkeypatch.setattr(sip_proxy, "TALK", (talk, talk))

    return choose


async def test_a_call_is_checked_started_and_stopped_and_its_begun_seconds_are_booked(always):
    always(Ending.ANSWERED, 1)
    async with CreditServer(lambda request: allow(60) if request.method == "INVITE" else (200, ())) as server:
        books, _ = await run_call(server)
    assert server.events() == ["INVITE", "ACK", "start", "stop"]
    stop = server.requests[-1][1]
    assert 1500 <= int(stop.headers.get("X-OCS-Duration-Ms")) < 2000
    assert stop.headers.get("X-OCS-Session") == "abc"
    assert books.spent().money == 2_000
    assert (books.spent().least, books.spent().most) == (2_000, 2_000)


async def test_a_call_is_cut_before_its_cap(always):
    always(Ending.ANSWERED, 9)
    async with CreditServer(lambda request: allow(2) if request.method == "INVITE" else (200, ())) as server:
        books, outcomes = await run_call(server)
    assert outcomes.events["calls cut at the cap"] == 1
    assert int(server.requests[-1][1].headers.get("X-OCS-Duration-Ms")) <= 2000
    assert "cause=402" in server.requests[-1][1].headers.get("Reason")
    assert books.spent().money == 2_000


async def test_a_refresh_extends_the_call_and_a_refusal_leaves_the_old_cap(always):
    always(Ending.ANSWERED, 9)
    answers = iter([(200, (("X-OCS-Max-Duration", "2"), ("X-OCS-Refresh", "1"))), (402, ())])

    def decide(request: Request) -> Reply:
        if request.method == "INVITE":
            return allow(2, 1)
        return next(answers) if request.headers.get("X-OCS-Event") == "interim" else (200, ())

    async with CreditServer(decide) as server:
        books, _ = await run_call(server)
    assert server.events() == ["INVITE", "ACK", "start", "interim", "interim", "stop"]
    assert len({one.call_id for _, one in server.requests}) == 5  # the ACK shares the INVITE's
    assert books.spent().money == 3_000  # cap: 2 s from second 1 on, cut half a second before


@pytest.mark.parametrize("ending", [Ending.BUSY, Ending.UNANSWERED, Ending.CANCELLED])
async def test_a_call_that_is_not_answered_is_released_and_costs_nothing(always, ending: Ending):
    always(ending)
    async with CreditServer(lambda request: allow(60) if request.method == "INVITE" else (200, ())) as server:
        books, _ = await run_call(server)
    assert server.events() == ["INVITE", "ACK", "release"]
    assert server.requests[-1][1].headers.get("Reason") == f"SIP;cause={sip_proxy.CAUSES[ending]}"
    assert books.spent().most == 0


async def test_a_refused_call_is_acknowledged_and_never_starts(always):
    always(Ending.ANSWERED)
    async with CreditServer(lambda _request: (402, ())) as server:
        _, outcomes = await run_call(server)
        await asyncio.sleep(0.05)
    assert server.events() == ["INVITE", "ACK"]
    assert outcomes.results["sip invite", "402"] == 1


@pytest.mark.rfc("3261", "17.1.1.2")
async def test_a_silent_server_turns_the_call_away_in_time_and_gets_a_release(always):
    always(Ending.ANSWERED)
    async with CreditServer(lambda request: None if request.method == "INVITE" else (200, ())) as server:
        _, outcomes = await run_call(server, wait=0.4)
    invites = [at for at, one in server.requests if one.method == "INVITE"]
    assert 3 <= len(invites) <= 5  # timer A: 50 ms, doubled each time; at a steady 50 ms it would be eight
    assert server.events()[-1] == "release"
    assert len({one.via.branch for _, one in server.requests if one.method == "INVITE"}) == 1
    assert outcomes.events["calls turned away unchecked"] == 1


async def test_a_report_the_server_does_not_take_is_queued_and_sent_again_unchanged(always):
    always(Ending.BUSY)
    away = iter([503, 503, 200])
    async with CreditServer(lambda request: allow(60) if request.method == "INVITE" else (next(away), ())) as server:
        _, outcomes = await run_call(server, resend=0.02)
    reports = [one for _, one in server.requests if one.headers.get("X-OCS-Event") == "release"]
    assert len(reports) == 3
    assert len({one.call_id for one in reports}) == 1
    assert len({one.via.branch for one in reports}) == 3
    assert outcomes.events["reports queued"] == 2


@pytest.mark.rfc("3261", "9.1")
async def test_cancel_waits_for_a_provisional_answer(always):
    always(Ending.HASTY)

    def provisional(request: Request) -> Reply | None:
        if request.method == "INVITE":
            return 100, ()
        return 200, ()

    async with CreditServer(provisional) as server:
        await run_call(server, wait=1.5)
    assert "CANCEL" in server.events()
    async with CreditServer(lambda request: allow(60) if request.method == "INVITE" else (200, ())) as server:
        await run_call(server)
    assert list(dict.fromkeys(server.events())) == ["INVITE", "ACK", "release"]  # each perhaps repeated


@pytest.mark.rfc("3261", "17.1.1.3")
async def test_a_repeated_final_answer_is_acknowledged_again():
    async with CreditServer(lambda request: (402, ())) as server:
        books, outcomes = Books(), Outcomes()
        client = SipClient(Settings(t1=0.05), outcomes)
        await client.open("127.0.0.1", server.port)
        proxy = SipProxy(client, books, outcomes, SipOptions(port=server.port))
        await proxy.start(SUBSCRIBER, time.monotonic())
        invite = server.requests[0][1]
        answer = respond(invite, 402, tag="t").encode()
        server.transport.sendto(answer, (client.host, client.port))
        await asyncio.sleep(0.1)
        client.close()
    assert server.events() == ["INVITE", "ACK", "ACK"]
