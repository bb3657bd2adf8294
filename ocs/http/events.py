"""Server-sent events: the overview and the refusals as they come, and one subscriber's requests over both doors."""

from collections.abc import AsyncIterator
from time import monotonic

import msgspec
from starlette.responses import StreamingResponse

from balances.ledger import Account, Identity, IdentityType
from ocs.http.accounts import resolve
from ocs.http.feed import Feed, Subject
from ocs.http.handled import handled_view
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import FollowingView, HandledView, OverviewView, TraceQuery
from ocs.http.overview import read_overview
from ocs.http.problems import Kind, Problem, invalid_parameter
from ocs.telling import is_refusal

EVERY = 2.0
"""Seconds between two overviews."""

PULSE = 10.0
"""Seconds of silence after which a comment shows that the stream lives."""

MEDIA_TYPE = "text/event-stream"


def event(name: str, data: object) -> bytes:
    """One event of the stream."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))


async def events(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    return _stream(_whole(house, house.feed), house.feed)


async def trace(house: House, call: Call[None, TraceQuery]) -> Reply:
    subject, account = await _subject(house, call.query)
    return _stream(_traced(house.feed, subject, account), house.feed)


def _stream(content: AsyncIterator[bytes], feed: Feed) -> Reply:
    if feed.full:
        raise Problem(Kind.TOO_MANY_STREAMS, headers={"Retry-After": "10"})
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Reply(body=StreamingResponse(content, media_type=MEDIA_TYPE, headers=headers))


async def _subject(house: House, query: TraceQuery) -> tuple[Subject, str | None]:
    """Whom to follow, and the account that is; an identity may be nobody's yet."""
    if (query.account is None) == (query.identity is None):
        raise invalid_parameter("account", "Either an account or an identity is needed.")
    if query.account is not None:
        return _of(await house.ledger.account(await resolve(house, query.account)))
    kind, _, value = (query.identity or "").partition(":")
    identity = Identity(type=IdentityType(kind), value=value)
    address = await house.ledger.find(identity)
    if address is not None:
        return _of(await house.ledger.account(address))
    return Subject("", (identity,)), None


def _of(account: Account) -> tuple[Subject, str]:
    name = account.address.account
    return Subject(name, account.identities), name


async def _whole(house: House, feed: Feed) -> AsyncIterator[bytes]:
    with feed.listen() as listener:
        for word in tuple(feed.refusals):
            yield event("refused", handled_view(word))
        due = monotonic()
        while not listener.ended:
            if monotonic() >= due:
                yield event("overview", await read_overview(house))
                due = monotonic() + EVERY
            news = await listener.next(max(0.0, due - monotonic()))
            if news is not None and is_refusal(news):
                yield event("refused", handled_view(news))


async def _traced(feed: Feed, subject: Subject, account: str | None) -> AsyncIterator[bytes]:
    with feed.listen() as listener:
        identities = tuple(f"{one.type.value}:{one.value}" for one in subject.identities)
        yield event("following", FollowingView(account=account, identities=identities))
        async for word in feed.follow(listener, subject, PULSE):
            yield b": still here\n\n" if word is None else event("handled", handled_view(word))


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/events",
        summary="Follow the overview (every 2 s) and refused requests, as server-sent events",
        handler=events,
        events={"overview": OverviewView, "refused": HandledView},
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/v1/trace",
        summary="Follow one subscriber's requests over both doors, as server-sent events",
        handler=trace,
        query=TraceQuery,
        events={"following": FollowingView, "handled": HandledView},
        problems=(404, 503),
    ),
)
