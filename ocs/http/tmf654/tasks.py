"""Top-ups, adjustments and transfers in TMF654's words: done at once, and kept as entries of the ledger."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from balances.ledger import Account, Entry
from balances.memory import TRANSFER_OUT
from balances.money import format_amount
from ocs.http import movements, transfers, vouchers
from ocs.http.auth import Role
from ocs.http.house import Call, Handler, House, Operation, Reply
from ocs.http.models import AdjustmentCreate, TopUpCreate, TransferCreate
from ocs.http.problems import Kind, Problem, invalid
from ocs.http.tmf654 import views
from ocs.http.tmf654.balances import IN, chosen, who
from ocs.http.tmf654.models import (
    BASE,
    TMF_630,
    AdjustBalanceCreate,
    Members,
    QuantityView,
    Ref,
    Resource,
    Selection,
    Task,
    TaskView,
    TopupBalanceCreate,
    TransferBalanceCreate,
    TransferTaskView,
    micro_units,
)
from ocs.vouchers.redeemer import VOUCHER

PAGE = 1000

CAUSES = {
    "topupBalance": (movements.TOP_UP, VOUCHER),
    "adjustBalance": (movements.ADJUSTMENT,),
    "transferBalance": (TRANSFER_OUT,),
}
"""The entries that are tasks of each kind."""


async def _payer(house: House, task: Task) -> Account:
    """Whose money a task is about; raises Problem. Bundles are no target: only the money bucket is."""
    return await _meant(house, "/bucket", task.bucket or task.party_account, task.logical_resource)


async def _meant(house: House, pointer: str, named: Ref | None, resources: Resource | Sequence[Resource]) -> Account:
    if named is not None and IN in named.id:
        raise invalid(f"{pointer}/id", "Only the money bucket of an account is moved, which has the account's id.")
    listed = (resources,) if isinstance(resources, Resource) else resources
    resource = next((one.value or one.id for one in listed), None)
    account = await who(house, named.id if named else None, resource)
    if account is None:
        raise invalid(pointer, "Name a bucket, an account or a logical resource.")
    return account


def _call(call: Call[Any, Any], account: Account, body: Any) -> Call[Any, Any]:
    """The same as a call of our own API."""
    return Call(path={"account": account.address.account}, body=body, query=None, key=call.key, caller=call.caller)


def _because(task: Task) -> str:
    return task.reason or task.description


def _task(kind: str, account: Account, amount: QuantityView, reason: str) -> views.Task:
    """One that is being done."""
    return views.Task(kind=kind, account=account, entry="", amount=amount, reason=reason, at=0)


async def top_up(house: House, call: Call[TopupBalanceCreate, None]) -> Reply:
    task, account = call.body, await _payer(house, call.body)
    if task.recurring_period is not None or task.number_of_periods is not None:
        raise invalid("/recurringPeriod", "A top-up is done once: an auto top-up is a setting of the account's alerts.")
    if task.voucher:
        done = await vouchers.redeem(house, _call(call, account, vouchers.VoucherRedeem(code=task.voucher)))
        worth: Any = done.body
        amount = QuantityView(
            amount=Decimal(worth.amount or 1), units=account.currency if worth.amount else worth.offer
        )
        return await _done(house, done, _task("topupBalance", account, amount, _because(task)))
    money = micro_units(task.amount, task.usage_type, account.currency)
    body = TopUpCreate(amount=format_amount(money), reference=_because(task))
    done = await movements.top_up(house, _call(call, account, body))
    return await _done(house, done, _task("topupBalance", account, views.money(money, account), body.reference))


async def adjust(house: House, call: Call[AdjustBalanceCreate, None]) -> Reply:
    task, account = call.body, await _payer(house, call.body)
    if task.adjust_type != "oneTime":
        raise invalid("/adjustType", "An adjustment is done once.")
    money = micro_units(task.amount, task.usage_type, account.currency)
    body = AdjustmentCreate(amount=format_amount(money), reason=_because(task) or "adjustBalance")
    done = await movements.adjust(house, _call(call, account, body))
    return await _done(house, done, _task("adjustBalance", account, views.money(money, account), body.reason))


async def transfer(house: House, call: Call[TransferBalanceCreate, None]) -> Reply:
    task, account = call.body, await _payer(house, call.body)
    if task.cost_owner != "originator":
        raise invalid("/costOwner", "Whoever sends pays the fee.")
    if task.receiver_bucket_usage_type != "monetary":
        raise invalid("/receiverBucketUsageType", "Only money is sent.")
    named = task.receiver_bucket or task.receiver_party_account or task.receiver
    receiver = await _meant(house, "/receiverBucket", named, task.receiver_logical_resource or ())
    money = micro_units(task.amount, task.usage_type, account.currency)
    body = TransferCreate(to=receiver.address.account, amount=format_amount(money), reference=_because(task))
    done = await transfers.create(house, _call(call, account, body))
    sent = _task("transferBalance", account, views.money(money, account), body.reference)
    return await _done(house, done, replace(sent, receiver=body.to))


async def _done(house: House, done: Reply, task: views.Task) -> Reply:
    """The answer of our own API as a task."""
    body: Any = done.body
    made = await views.view(house, replace(task, entry=body.entry, at=house.clock()))
    return Reply(status=done.status, body=made, headers={"Location": made.href})


async def _tasks(house: House, kind: str, account: Account) -> list[Entry]:
    """The entries of an account that are tasks of a kind, oldest first."""
    found: list[Entry] = []
    after = ""
    while True:
        page = await house.ledger.entries(account.address, after, PAGE)
        found += [entry for entry in page if entry.cause in CAUSES[kind]]
        if len(page) < PAGE:
            return found
        after = page[-1].id


def listing(kind: str) -> Handler:
    """The handler that lists tasks of a kind."""

    async def listed(house: House, call: Call[None, Selection]) -> Reply:
        query = call.query
        account = await who(house, query.account, query.resource)
        if account is None:
            raise Problem(Kind.INVALID_REQUEST, "Name an account: partyAccount.id or logicalResource.id.")
        found = await _tasks(house, kind, account)
        page = found[query.offset : query.offset + query.limit]
        tasks = [await views.view(house, views.task_of(kind, account, entry)) for entry in page]
        counts = {"X-Result-Count": str(len(tasks)), "X-Total-Count": str(len(found))}
        return Reply(body=[chosen(task, query.fields) for task in tasks], headers=counts)

    listed.__name__ = f"list_{kind}"
    return listed


def reading(kind: str) -> Handler:
    """The handler that reads a task of a kind."""

    async def read(house: House, call: Call[None, Members]) -> Reply:
        name, _, id = call.path["id"].partition(IN)
        account = await who(house, name, None)
        assert account is not None
        for entry in await _tasks(house, kind, account):
            if entry.id == id:
                task = await views.view(house, views.task_of(kind, account, entry))
                return Reply(body=chosen(task, call.query.fields))
        raise Problem(Kind.NOT_FOUND, f"There is no {kind} {call.path['id']!r}.")

    read.__name__ = f"read_{kind}"
    return read


def _operations(kind: str, post: Handler, body: Any, role: Role, made: Any = TaskView) -> tuple[Operation, ...]:
    return (
        Operation(
            method="POST",
            path=f"{BASE}/{kind}",
            summary=f"TMF654: {kind}",
            handler=post,
            role=role,
            body=body,
            may_be_keyed=True,
            returns={201: made, 200: made},
            problems=(404, 409, 429),
            dialect=TMF_630,
        ),
        Operation(
            method="GET",
            path=f"{BASE}/{kind}",
            summary=f"TMF654: an account's {kind} tasks, oldest first",
            handler=listing(kind),
            query=Selection,
            returns={200: list[made]},
            problems=(404,),
            dialect=TMF_630,
        ),
        Operation(
            method="GET",
            path=f"{BASE}/{kind}/{{id}}",
            summary=f"TMF654: read a {kind} task",
            handler=reading(kind),
            query=Members,
            returns={200: made},
            problems=(404,),
            dialect=TMF_630,
        ),
    )


OPERATIONS = (
    *_operations("topupBalance", top_up, TopupBalanceCreate, Role.OPERATE),
    *_operations("adjustBalance", adjust, AdjustBalanceCreate, Role.ADMIN),
    *_operations("transferBalance", transfer, TransferBalanceCreate, Role.OPERATE, TransferTaskView),
)
