"""Entries of the ledger as TMF654's tasks."""

from decimal import Decimal
from typing import Any

from balances.books import MONEY
from balances.ledger import Account, Entry, Identity, IdentityType, NoSuchAccount, Record
from balances.memory import TRANSFER_OUT
from balances.money import format_amount
from ocs.http.accounts import resolve
from ocs.http.house import House
from ocs.http.problems import Problem
from ocs.http.tmf654.balances import IN, party, ref
from ocs.http.tmf654.models import QuantityView, ResourceView, TaskView, TransferTaskView
from ocs.http.views import moment


class Task(Record, frozen=True, kw_only=True):
    """What was done: an entry of the account's. ``amount`` may be a bundle; ``at`` in milliseconds."""

    kind: str
    account: Account
    entry: str
    amount: QuantityView
    reason: str
    at: int
    receiver: str = ""
    """Account that a transfer went to."""


def money(amount: int, account: Account) -> QuantityView:
    """Micro-units of the account's currency."""
    return QuantityView(amount=Decimal(format_amount(amount)), units=account.currency)


def task_of(kind: str, account: Account, entry: Entry) -> Task:
    """The task that an entry is."""
    moved = sum(line.credited - line.debited for line in entry.lines if line.bucket == MONEY)
    receiver, reason = "", entry.reference
    if entry.cause == TRANSFER_OUT:
        _, receiver, reason = f"{entry.reference} ".split(" ", 2)
    return Task(
        kind=kind,
        account=account,
        entry=entry.id,
        amount=money(moved if kind == "adjustBalance" else abs(moved), account),
        reason=reason.strip(),
        at=entry.at,
        receiver=receiver,
    )


async def view(house: House, task: Task) -> TaskView:
    """As it is answered; raises Unavailable."""
    name, at = task.account.address.account, moment(task.at)
    named = ref(task.kind, f"{name}{IN}{task.entry}")
    said: dict[str, Any] = {
        "id": named.id,
        "href": named.href,
        "type": task.kind[0].upper() + task.kind[1:],
        "status": "completed",
        "amount": task.amount,
        "usage_type": "monetary",
        "bucket": ref("bucket", name),
        "party_account": party(name),
        "reason": task.reason,
        "requested_date": at,
        "confirmation_date": at,
        "logical_resource": _resources(task.account),
    }
    if not task.receiver:
        return TaskView(**said)
    return TransferTaskView(
        **said,
        receiver_bucket=ref("bucket", task.receiver),
        receiver_logical_resource=await _receiving(house, task.receiver),
    )


def _resources(account: Account) -> tuple[ResourceView, ...]:
    return tuple(map(_resource, account.identities))


def _resource(identity: Identity) -> ResourceView:
    """What a request may name it by: a number as it is, another identity with its type."""
    name = f"{identity.type}:{identity.value}"
    return ResourceView(id=name, value=identity.value if identity.type is IdentityType.E164 else name)


async def _receiving(house: House, name: str) -> ResourceView:
    """The first identity of an account; its id, where it has none."""
    try:
        known = _resources(await house.ledger.account(await resolve(house, name)))
    except (NoSuchAccount, Problem):
        known = ()
    return known[0] if known else ResourceView(id=name, value="")
