"""Buckets and accumulated balances: what accounts have, in TMF654's words."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from balances.ledger import Account, Bucket, Identity, IdentityType, Status, Unit
from balances.money import format_amount
from ocs.http.accounts import resolve
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.problems import Kind, Problem
from ocs.http.tmf654.models import (
    BASE,
    TMF_630,
    AccumulatedView,
    BucketStatus,
    Members,
    PeriodView,
    QuantityView,
    RefView,
    Selection,
    TmfBucketView,
    UsageType,
)
from ocs.http.views import moment

IN = "!"
"""Between an account's id and its bucket's; no id of an account has it."""

_USAGES: dict[Unit, UsageType] = {
    Unit.MONEY: "monetary", Unit.SECONDS: "voice", Unit.OCTETS: "data", Unit.EVENTS: "sms",
}  # fmt: skip


def ref(resource: str, id: str) -> RefView:
    return RefView(id=id, href=f"{BASE}/{resource}/{quote(id, safe='')}")


def party(account: str) -> RefView:
    return RefView(id=account, href=f"/v1/accounts/{account}")


def value(unit: Unit, amount: int, currency: str) -> QuantityView:
    if unit is Unit.MONEY:
        return QuantityView(amount=Decimal(format_amount(amount)), units=currency)
    return QuantityView(amount=Decimal(amount), units=unit.value)


def chosen(view: Any, fields: str | None) -> Any:
    """The members asked for, beside ``id`` and ``href``."""
    if not fields:
        return view
    wanted = {"id", "href", *fields.split(",")}
    members = msgspec.to_builtins(view, builtin_types=(Decimal,))
    return {name: member for name, member in members.items() if name in wanted}


async def who(house: House, account: str | None, resource: str | None) -> Account | None:
    """The account meant by its id or by an identity; None: neither is named. Raises Problem."""
    if account is not None:
        return await house.ledger.account(await resolve(house, account.partition(IN)[0]))
    if not resource:
        return None
    kind, separator, name = resource.partition(":")
    if not separator or kind not in set(IdentityType):
        kind, name = "e164", resource.removeprefix("+")
    address = await house.ledger.find(Identity(type=IdentityType(kind), value=name))
    if address is None:
        raise Problem(Kind.NO_SUCH_ACCOUNT, f"No account has the identity {resource!r}.")
    return await house.ledger.account(address)


_STATES: dict[Status, BucketStatus] = {
    Status.PRE_ACTIVE: "suspended", Status.ACTIVE: "active", Status.GRACE: "expired", Status.SUSPENDED: "suspended",
    Status.CLOSED: "expired",
}  # fmt: skip
"""What an account's state is to its buckets: its validity may be over while there is money in it."""


def _over(bucket: Bucket, now: int) -> bool:
    return not bucket.runs(max(now, bucket.starts_at))


def _buckets(account: Account, now: int) -> Iterable[TmfBucketView]:
    """Its money, then its bundles in the order in which they pay."""
    name, currency = account.address.account, account.currency
    yield TmfBucketView(
        **_named("bucket", name),
        name="money",
        usage_type="monetary",
        status=_STATES[account.status],
        is_shared=account.parent is not None,
        remaining_value=value(Unit.MONEY, account.money.remaining, currency),
        reserved_value=value(Unit.MONEY, account.money.reserved, currency),
        party_account=party(name),
        valid_for=PeriodView(
            start_date_time=moment(account.opened_at),
            end_date_time=None if account.validity.until is None else moment(account.validity.until),
        ),
    )
    for bucket in account.buckets:
        yield TmfBucketView(
            **_named("bucket", f"{name}{IN}{bucket.id}"),
            name=bucket.offer,
            usage_type=_USAGES[bucket.unit],
            status="expired" if _over(bucket, now) else _STATES[account.status],
            is_shared=False,
            remaining_value=value(bucket.unit, bucket.counters.remaining, currency),
            reserved_value=value(bucket.unit, bucket.counters.reserved, currency),
            party_account=party(name),
            valid_for=PeriodView(
                start_date_time=moment(bucket.starts_at) if bucket.starts_at else None,
                end_date_time=None if bucket.expires_at is None else moment(bucket.expires_at),
            ),
        )


def _named(resource: str, id: str) -> dict[str, str]:
    named = ref(resource, id)
    return {"id": named.id, "href": named.href}


def _accumulated(account: Account, now: int) -> Iterable[AccumulatedView]:
    """A sum for each kind of bucket that runs."""
    running = [bucket for bucket in account.buckets if not _over(bucket, now)]
    views = list(_buckets(msgspec.structs.replace(account, buckets=tuple(running)), now))
    for usage in dict.fromkeys(view.usage_type for view in views):
        summed = [view for view in views if view.usage_type == usage]
        yield AccumulatedView(
            **_named("accumulatedBalance", f"{account.address.account}{IN}{usage}"),
            name=usage,
            total_balance=QuantityView(
                amount=sum((view.remaining_value.amount for view in summed), Decimal(0)),
                units=summed[0].remaining_value.units,
            ),
            bucket=tuple(ref("bucket", view.id) for view in summed),
            party_account=party(account.address.account),
        )


async def _accounts(house: House, query: Selection) -> Sequence[Account]:
    account = await who(house, query.account, query.resource)
    if account is not None:
        return (account,)
    return await house.ledger.accounts("", query.offset + query.limit)


async def buckets(house: House, call: Call[None, Selection]) -> Reply:
    now, query = house.clock(), call.query
    found = [view for account in await _accounts(house, query) for view in _buckets(account, now)]
    return _page(found, query)


async def accumulated(house: House, call: Call[None, Selection]) -> Reply:
    now, query = house.clock(), call.query
    found = [view for account in await _accounts(house, query) for view in _accumulated(account, now)]
    return _page(found, query)


def _page(found: Sequence[Any], query: Selection) -> Reply:
    page = found[query.offset : query.offset + query.limit]
    return Reply(body=[chosen(view, query.fields) for view in page], headers={"X-Result-Count": str(len(page))})


async def bucket(house: House, call: Call[None, Members]) -> Reply:
    return await _one(house, call, _buckets)


async def accumulated_balance(house: House, call: Call[None, Members]) -> Reply:
    return await _one(house, call, _accumulated)


async def _one(house: House, call: Call[None, Members], views: Any) -> Reply:
    id = call.path["id"]
    account = await house.ledger.account(await resolve(house, id.partition(IN)[0]))
    for view in views(account, house.clock()):
        if view.id == id:
            return Reply(body=chosen(view, call.query.fields))
    raise Problem(Kind.NOT_FOUND, f"Account {account.address.account!r} has no {id!r}.")


OPERATIONS = (
    Operation(
        method="GET",
        path=f"{BASE}/bucket",
        summary="TMF654: list buckets",
        handler=buckets,
        query=Selection,
        returns={200: list[TmfBucketView]},
        problems=(404,),
        dialect=TMF_630,
    ),
    Operation(
        method="GET",
        path=f"{BASE}/bucket/{{id}}",
        summary="TMF654: read a bucket",
        handler=bucket,
        query=Members,
        returns={200: TmfBucketView},
        problems=(404,),
        dialect=TMF_630,
    ),
    Operation(
        method="GET",
        path=f"{BASE}/accumulatedBalance",
        summary="TMF654: list accumulated balances",
        handler=accumulated,
        query=Selection,
        returns={200: list[AccumulatedView]},
        problems=(404,),
        dialect=TMF_630,
    ),
    Operation(
        method="GET",
        path=f"{BASE}/accumulatedBalance/{{id}}",
        summary="TMF654: read an accumulated balance",
        handler=accumulated_balance,
        query=Members,
        returns={200: AccumulatedView},
        problems=(404,),
        dialect=TMF_630,
    ),
)
