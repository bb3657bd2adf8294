"""What the HTTP side is given by the house, and how an operation of the API looks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from balances.ledger import Address, Ledger, Record, Session
from balances.orphans import Orphans
from charging.catalogue import Catalogue
from charging.event import ChargingEvent
from charging.explain import Explanation
from ocs.http.auth import Caller, Role
from ocs.http.books import Books
from ocs.http.feed import Feed
from ocs.http.models import PeerView
from ocs.http.problems import RFC_9457, Dialect
from ocs.http.settings import HttpSettings
from ocs.low_balances import LowBalances
from ocs.metrics import Metrics
from ocs.publishing.numbers import Numbers
from ocs.publishing.publisher import Publisher
from ocs.vouchers.redeemer import Redeemer
from ocs.webhooks.alerts import AlertBook
from ocs.webhooks.queue import Queue

B = TypeVar("B")
Q = TypeVar("Q")


class Engine(Protocol):
    """What of the charging engine is needed here."""

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue in force."""
        ...

    async def explain(self, event: ChargingEvent, plan: str = "") -> Explanation:
        """What the event would cost and why; with ``plan`` and no identity, on no account."""
        ...


async def no_peers() -> Sequence[PeerView]:
    return ()


def always_ready() -> Sequence[str]:
    return ()


def tell_nobody(_account: Address) -> None: ...


@dataclass(frozen=True, kw_only=True)
class House:
    """Everything an operation may use; the daemon fills it in.

    ``abort`` ends an open session and tells its peer, if it has one. ``credited`` is told of accounts that can pay more
    than before, ``changed`` of those that pay otherwise, ``barred`` of those that may use nothing more. ``readiness``
    gives the reasons why no traffic should come (still starting, draining); the store and the catalogue are asked here.
    ``clock``: milliseconds since 1970.
    """

    ledger: Ledger
    engine: Engine
    settings: HttpSettings
    metrics: Metrics
    books: Books
    feed: Feed
    low: LowBalances
    abort: Callable[[Session], Awaitable[None]]
    clock: Callable[[], int]
    credited: Callable[[Address], None] = tell_nobody
    changed: Callable[[Address], None] = tell_nobody
    barred: Callable[[Address], None] = tell_nobody
    peers: Callable[[], Awaitable[Sequence[PeerView]]] = no_peers
    readiness: Callable[[], Sequence[str]] = always_ready
    publisher: Publisher | None = None
    """None: catalogues come from files here."""
    numbers: Numbers | None = None
    """Those ported since; None as above."""
    notices: Queue | None = None
    alerts: AlertBook | None = None
    """None, both: nobody is told over webhooks."""
    redeemer: Redeemer | None = None
    """None: there are no vouchers here."""
    orphans: Orphans | None = None
    """Reports of calls nobody knows; None: there is no door that has any."""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """One request, read and checked: path parameters, body, query, Idempotency-Key, and who calls."""

    path: dict[str, str]
    body: B
    query: Q
    key: str
    caller: Caller


class Reply(Record, frozen=True, kw_only=True):
    """What an operation answers."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


Handler = Callable[[House, Call[Any, Any]], Awaitable[Reply]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One row of the API: routes and the OpenAPI document are made from it."""

    method: str
    path: str
    summary: str
    handler: Handler
    role: Role | None = Role.READ
    body: Any = None
    largest: Callable[[HttpSettings], int] = attrgetter("largest_body")
    """The most octets of its body."""
    query: Any = None
    keyed: bool = False
    """Wants an Idempotency-Key."""
    may_be_keyed: bool = False
    """Takes one; without it each request is another."""
    dialect: Dialect = RFC_9457
    returns: dict[int, Any] = field(default_factory=dict)
    events: dict[str, Any] = field(default_factory=dict)
    """Server-sent events by name, with the type of their data: the answer is a stream of them."""
    problems: tuple[int, ...] = ()
    """Statuses of its own problems, beside those every operation has."""
