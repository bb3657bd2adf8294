"""The clients' books against the server's ledger, account by account and service by service."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from simulators.api import Api
from simulators.books import Books, Service
from simulators.traffic import Subscriber

A = TypeVar("A")
T = TypeVar("T")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison: what the clients believe, what the server charged. Money in micro-units."""

    name: str
    sessions: int = 0
    believed: int = 0
    charged: int = 0
    least: int = 0
    most: int = 0
    believed_allowance: int = 0
    charged_allowance: int = 0

    @property
    def exact(self) -> bool:
        """To the last micro-unit and unit."""
        return self.believed == self.charged and self.believed_allowance == self.charged_allowance

    @property
    def agrees(self) -> bool:
        """Exact, or within what late messages and missing answers explain (see ``books.Spent``)."""
        return self.least <= self.charged <= self.most and (
            self.believed_allowance == self.charged_allowance or self.least != self.most
        )


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Both sets of books beside each other."""

    services: tuple[Line, ...]
    accounts: tuple[Line, ...]
    total: Line
    strange: int
    """Micro-units that the server charged to these accounts for sessions that are not in the clients' books."""

    @property
    def exact(self) -> bool:
        """Not a micro-unit of difference anywhere."""
        return all(line.exact for line in (*self.services, *self.accounts, self.total))

    @property
    def agrees(self) -> bool:
        """Every line agrees."""
        return all(line.agrees for line in (*self.services, *self.accounts, self.total))


async def prepare(api: Api, subscribers: tuple[Subscriber, ...], amount: str, run: str) -> dict[str, str]:
    """Open what accounts are missing and put ``amount`` into the new ones; the last entry of each as of now."""

    async def one(subscriber: Subscriber) -> tuple[str, str]:
        if await api.open_account(subscriber):
            await api.top_up(subscriber.account, amount, f"{run}-{subscriber.account}-first")
        entries = await api.movements(subscriber.account)
        return subscriber.account, entries[-1].entry if entries else ""

    return dict(await _in_turns(one, subscribers))


async def compare(api: Api, books: Books, marks: dict[str, str]) -> Comparison:
    """Read the ledger since the marks and hold the books against it."""
    charged: Counter[tuple[str, str]] = Counter()
    units: Counter[tuple[str, str]] = Counter()

    async def one(account: str) -> int:
        unknown = 0
        for movement in await api.movements(account, marks[account]):
            item = books.sessions.get(movement.session)
            if item is None:
                unknown += movement.money if movement.session else 0
                continue
            charged[account, item.service] += movement.money
            units[account, item.service] += movement.allowance
        return unknown

    strange = sum(await _in_turns(one, tuple(marks)))
    counts = books.counts()
    services = tuple(
        _line(books, charged, units, service.value, service=service.value, sessions=counts[service.value])
        for service in Service
        if service.value in counts
    )
    accounts = tuple(_line(books, charged, units, account, account=account) for account in sorted(marks))
    total = _line(books, charged, units, "total", sessions=sum(counts.values()))
    return Comparison(services=services, accounts=accounts, total=total, strange=strange)


def _line(
    books: Books,
    charged: Counter[tuple[str, str]],
    units: Counter[tuple[str, str]],
    name: str,
    *,
    account: str | None = None,
    service: str | None = None,
    sessions: int = 0,
) -> Line:
    def of(amounts: Counter[tuple[str, str]]) -> int:
        return sum(
            amount
            for (of_account, of_service), amount in amounts.items()
            if account in (None, of_account) and service in (None, of_service)
        )

    spent = books.spent(account, service)
    return Line(
        name=name,
        sessions=sessions,
        believed=spent.money,
        charged=of(charged),
        least=spent.least,
        most=spent.most,
        believed_allowance=spent.allowance,
        charged_allowance=of(units),
    )


async def _in_turns(work: Callable[[A], Awaitable[T]], about: Sequence[A]) -> list[T]:
    """All results, a few at a time: the API is asked, not flooded."""
    gate = asyncio.Semaphore(8)

    async def gated(one: A) -> T:
        async with gate:
            return await work(one)

    return await asyncio.gather(*(gated(one) for one in about))
