"""Transfers: money sent from one subscriber to another, as the sender's plan allows."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from balances.ledger import Account, InTransit, Receipt, Status, Transfer
from balances.money import format_amount
from balances.transfers import carry, on_its_way
from charging.catalogue.wallets import TransferTerms, converted
from ocs.http.accounts import read_amount, resolve
from ocs.http.auth import Role
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.loans import active_account
from ocs.http.models import InTransitList, InTransitView, TransferCreate, TransferView
from ocs.http.problems import Kind, Problem, invalid
from ocs.http.views import moment, money_view


@dataclass(frozen=True, slots=True)
class Wish:
    """A transfer somebody asks for; ``amount`` in micro-units."""

    sender: str
    to: str
    amount: int
    reference: str
    key: str


async def create(house: House, call: Call[TransferCreate, None]) -> Reply:
    amount = read_amount(call.body.amount, "/amount")
    if amount <= 0:
        raise invalid("/amount", "A transfer is above zero.")
    wish = Wish(call.path["account"], call.body.to, amount, call.body.reference, call.key)
    receipt = await send(house, wish)
    return Reply(
        status=200 if receipt.repeated else 201,
        body=TransferView(
            entry=receipt.entry,
            account=wish.sender,
            to=wish.to,
            amount=format_amount(amount),
            fee=format_amount(receipt.deducted),
            reference=wish.reference,
            money=money_view(receipt.account),
        ),
    )


async def send(house: House, wish: Wish) -> Receipt:
    """Send and credit it; raises Problem, LedgerError, Unavailable: then whoever looks carries on what was sent."""
    account, plan = await active_account(house, wish.sender)
    receiver = await _receiver(house, wish, account)
    terms, factor = plan.wallet.transfer, plan.currencies.get(account.currency)
    if terms is None or factor is None:
        raise Problem(Kind.NOT_OFFERED, f"Plan {plan.name!r} offers no transfers.")
    now = house.clock()
    _check_amount(wish.amount, terms, factor)
    transfer = Transfer(
        address=account.address,
        operation=wish.key,
        to=receiver.address,
        amount=wish.amount,
        fee=converted(terms.fee, factor),
        day=datetime.fromtimestamp(now // 1000, plan.clock.zone).date().isoformat(),
        daily=terms.daily,
        reference=wish.reference,
        now=now,
    )
    receipt = await house.ledger.send(transfer)
    await carry(house.ledger, on_its_way(transfer, account.currency), now)
    if not receipt.repeated:
        house.credited(receiver.address)
    return receipt


async def _receiver(house: House, wish: Wish, sender: Account) -> Account:
    if wish.to == wish.sender:
        raise invalid("/to", "Nobody sends money to oneself.")
    receiver = await house.ledger.account(await resolve(house, wish.to))
    if receiver.status is Status.CLOSED:
        raise Problem(Kind.NOT_ACTIVE, f"Account {wish.to!r} is closed.")
    if receiver.currency != sender.currency:
        raise Problem(Kind.WRONG_CURRENCY, f"Account {wish.to!r} is in {receiver.currency}, not {sender.currency}.")
    return receiver


def _check_amount(amount: int, terms: TransferTerms, factor: Fraction) -> None:
    minimum = converted(terms.minimum, factor)
    maximum = amount if terms.maximum is None else converted(terms.maximum, factor)
    if amount < minimum:
        raise invalid("/amount", f"A transfer is at least {format_amount(minimum)}.")
    if amount > maximum:
        raise invalid("/amount", f"A transfer is at most {format_amount(maximum)}.")


async def in_transit(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    return Reply(body=InTransitList(transfers=tuple(map(_view, await house.ledger.in_transit()))))


def _view(transfer: InTransit) -> InTransitView:
    return InTransitView(
        account=transfer.sender.account,
        to=transfer.to.account,
        amount=format_amount(transfer.amount),
        currency=transfer.currency,
        reference=transfer.reference,
        sent_at=moment(transfer.sent_at),
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/accounts/{account}/transfers",
        summary="Send money to another account",
        handler=create,
        role=Role.OPERATE,
        body=TransferCreate,
        keyed=True,
        returns={201: TransferView, 200: TransferView},
        problems=(404, 409, 429),
    ),
    Operation(
        method="GET",
        path="/v1/transfers",
        summary="Transfers that were sent and are not known to have been credited",
        handler=in_transit,
        returns={200: InTransitList},
    ),
)
