"""Server-sent events: what a stream brings, and that it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from balances.ledger import Phase
from balances.memory import MemoryLedger
from charging.event import ServiceKind
from ocs.http import feed
from tests.ocs.http.http_desk import Desk, problem
from tests.ocs.http.test_server import served


async def read(answer: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """The events of a stream: name and data."""
    name = ""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


@asynccontextmanager
async def following(desk: Desk, path: str, **query: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """A stream on a real socket."""
    async with (
        served(desk) as (_, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        client.stream("GET", path, params=query) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield read(answer)


async def ready(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("1.00")


async def test_a_trace_tells_each_request_of_a_subscriber_in_a_sentence(quick: Desk) -> None:
    await ready(quick)
    async with following(quick, "/v1/trace", account="alice") as events:
        name, whom = await anext(events)
        assert (name, whom["account"]) == ("following", "alice")
        assert "e164:491701234567" in whom["identities"]
        await quick.charge(Phase.OPEN, wanted=10_000_000)
        name, handled = await anext(events)
        assert (name, handled["account"], handled["phase"], handled["refused"]) == (
            "handled",
            "alice",
            "open",
            False,
        )
        assert handled["items"][0]["granted"] == 10_000_000
        assert handled["explanation"] == (
            "Session opened over diameter (data 493012345678): rg:10 granted 10 MB for 0.10 EUR. 0.90 EUR left."
        )
        await quick.charge(Phase.CLOSE, operation="1", service=None, used=2_000_000)
        _, handled = await anext(events)
        assert "used 2 MB for 0.02 EUR" in handled["explanation"]


async def test_an_identity_that_nobody_has_can_be_followed_too(quick: Desk) -> None:
    async with following(quick, "/v1/trace", identity="e164:491701234567") as events:
        assert (await anext(events))[1] == {"account": None, "identities": ["e164:491701234567"]}
        await quick.charge(Phase.OPEN, wanted=1)
        _, handled = await anext(events)
        assert (handled["result"], handled["refused"]) == ("unknown-subscriber", True)
        assert "nobody is known as e164:491701234567" in handled["explanation"]


async def test_whom_to_follow_must_be_said_and_be_known(quick: Desk) -> None:
    problem(await quick.client.get("/v1/trace"), 422, "invalid-request")
    both = {"account": "alice", "identity": "e164:1"}
    problem(await quick.client.get("/v1/trace", params=both), 422, "invalid-request")
    problem(await quick.client.get("/v1/trace", params={"account": "alice"}), 404, "no-such-account")


async def test_events_bring_refusals_old_and_new_and_the_overview(quick: Desk) -> None:
    await quick.open()
    await quick.charge(Phase.EVENT, session="s1", service=ServiceKind.SMS, wanted=1)
    await asyncio.sleep(0)
    async with following(quick, "/v1/events") as events:
        name, refused = await anext(events)
        assert (name, refused["session"], refused["account"]) == ("refused", "s1", "alice")
        assert (await anext(events))[0] == "overview"
        await quick.charge(Phase.EVENT, session="s2", service=ServiceKind.SMS, wanted=1)
        name, refused = await anext(events)
        assert (name, refused["session"]) == ("refused", "s2")


async def test_the_end_of_the_server_ends_the_streams(quick: Desk) -> None:
    async with served(quick) as (_, port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        async with client.stream("GET", "/v1/events") as answer:
            events = read(answer)
            assert (await anext(events))[0] == "overview"
            quick.feed.close()
            assert [name async for name, _ in events] == []
        head = await client.head("/v1/events")
        assert (head.status_code, head.content) == (200, b"")


async def test_no_more_streams_than_can_be_served(monkeypatch: Any) -> None:
    monkeypatch.setattr(feed, "MOST_LISTENERS", 0)
    desk = Desk(MemoryLedger())
    problem(await desk.client.get("/v1/events"), 503, "too-many-streams")
    await desk.client.aclose()


async def test_who_calls(quick: Desk) -> None:
    assert await quick.get("/v1/caller") == {"name": "", "role": "admin"}
