"""Vouchers: batches are made and switched, codes are redeemed. Codes are shown once, when they are made."""

from typing import Annotated, Literal

from msgspec import Meta

from balances.ledger import Record
from balances.money import format_amount
from balances.vouchers import Batch, BatchState, Refused, Worth, readable
from ocs.http.accounts import read_amount, read_moment, resolve
from ocs.http.auth import Role
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import Amount, Currency, Moment, MoneyView, Name, Request, Time
from ocs.http.problems import Kind, Problem, invalid
from ocs.http.views import moment, money_view
from ocs.vouchers.redeemer import Locked, NotForIt, NotRedeemed, Redeemer

BatchId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Letters, digits and . _ -")]

SAID = {
    Refused.MISTYPED: "This is no code: was a digit mistyped?",
    Refused.UNKNOWN: "Nobody knows this code.",
    Refused.USED: "The voucher has been used.",
    Refused.CREATED: "The voucher is not active yet.",
    Refused.BLOCKED: "The voucher is blocked.",
    Refused.EXPIRED: "The voucher has expired.",
}


class BatchCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Vouchers to be made: each worth ``amount`` in ``currency``, or a bundle ``offer``."""

    id: BatchId
    count: Annotated[int, Meta(ge=1, le=10_000)]
    amount: Amount | None = None
    currency: Currency | None = None
    offer: Name | None = None
    expires_at: Time | None = None


class BatchPatch(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether its vouchers can be redeemed."""

    state: Literal["active", "blocked"]


class VoucherRedeem(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code as typed; spaces and dashes do not matter."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]


class BatchView(Record, frozen=True, kw_only=True):
    """A batch: what each of its vouchers is worth, and how many were issued and redeemed."""

    id: str
    state: BatchState
    amount: Amount | None
    currency: str | None
    offer: str | None
    created_at: Moment
    expires_at: Moment | None
    issued: int
    redeemed: int


class BatchCreated(Record, frozen=True, kw_only=True):
    """A new batch and its codes. Nobody can read them again: keep them now, or block the batch and make another."""

    batch: BatchView
    codes: tuple[str, ...]


class BatchList(Record, frozen=True, kw_only=True):
    """All batches, the newest first."""

    batches: tuple[BatchView, ...]


class VoucherRedeemed(Record, frozen=True, kw_only=True):
    """A voucher redeemed: its ledger entry, and the account's money as it was right after."""

    entry: str
    account: str
    batch: str
    amount: Amount | None
    offer: str | None
    repaid: Amount
    money: MoneyView


def _redeemer(house: House) -> Redeemer:
    if house.redeemer is None:
        raise Problem(Kind.NOT_OFFERED, "There are no vouchers here: vouchers.secret_file names no secret.")
    return house.redeemer


def _view(batch: Batch) -> BatchView:
    return BatchView(
        id=batch.id,
        state=batch.state,
        amount=None if batch.worth.offer else format_amount(batch.worth.amount),
        currency=batch.worth.currency or None,
        offer=batch.worth.offer or None,
        created_at=moment(batch.created_at),
        expires_at=None if batch.expires_at is None else moment(batch.expires_at),
        issued=batch.issued,
        redeemed=batch.redeemed,
    )


def _worth(house: House, body: BatchCreate) -> Worth:
    if (body.amount is None) == (body.offer is None):
        raise invalid("/amount", "A voucher is worth an amount, or else a bundle.")
    if body.offer is not None:
        if house.engine.catalogue.offer(body.offer) is None:
            raise Problem(Kind.UNKNOWN_OFFER, f"The catalogue has no offer {body.offer!r}.")
        return Worth(offer=body.offer)
    if body.currency is None:
        raise invalid("/currency", "An amount has a currency.")
    amount = read_amount(body.amount or "", "/amount")
    if amount <= 0:
        raise invalid("/amount", "A voucher is worth more than nothing.")
    return Worth(amount=amount, currency=body.currency)


def _expiry(house: House, body: BatchCreate) -> int | None:
    if body.expires_at is None:
        return None
    expires_at = read_moment(body.expires_at, "/expires_at")
    if expires_at <= house.clock():
        raise invalid("/expires_at", "That is over already.")
    return expires_at


async def generate(house: House, call: Call[BatchCreate, None]) -> Reply:
    vouchers, body = _redeemer(house).vouchers, call.body
    batch = Batch(
        id=body.id,
        worth=_worth(house, body),
        state=BatchState.CREATED,
        created_at=house.clock(),
        expires_at=_expiry(house, body),
        issued=body.count,
        redeemed=0,
    )
    codes = await vouchers.generate(batch)
    return Reply(status=201, body=BatchCreated(batch=_view(batch), codes=tuple(map(readable, codes))))


async def listing(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    found = await _redeemer(house).vouchers.batches(house.clock())
    return Reply(body=BatchList(batches=tuple(map(_view, found))))


async def _find(house: House, id: str) -> Batch:
    batch = await _redeemer(house).vouchers.batch(id, house.clock())
    if batch is None:
        raise Problem(Kind.NO_SUCH_BATCH, f"No batch of vouchers has the id {id!r}.")
    return batch


async def show(house: House, call: Call[None, None]) -> Reply:
    return Reply(body=_view(await _find(house, call.path["batch"])))


async def switch(house: House, call: Call[BatchPatch, None]) -> Reply:
    batch = await _find(house, call.path["batch"])
    await _redeemer(house).vouchers.set_state(batch.id, BatchState(call.body.state))
    return Reply(body=_view(await _find(house, batch.id)))


async def redeem(house: House, call: Call[VoucherRedeem, None]) -> Reply:
    account = await house.ledger.account(await resolve(house, call.path["account"]))
    try:
        done = await _redeemer(house).redeem(account, call.body.code, call.key)
    except NotRedeemed as refused:
        raise Problem(Kind.NOT_REDEEMED, SAID[refused.reason]) from None
    except NotForIt as refused:
        raise Problem(Kind.NOT_REDEEMED, f"{str(refused)[0].upper()}{str(refused)[1:]}.") from None
    except Locked as locked:
        wait = str(-(-locked.wait // 1000))
        raise Problem(Kind.TOO_MANY_TRIES, f"Try again in {wait} s.", headers={"Retry-After": wait}) from None
    if not done.again:
        house.credited(account.address)
    worth, receipt = done.batch.worth, done.receipt
    return Reply(
        status=200 if done.again else 201,
        body=VoucherRedeemed(
            entry=receipt.entry,
            account=account.address.account,
            batch=done.batch.id,
            amount=None if worth.offer else format_amount(worth.amount),
            offer=worth.offer or None,
            repaid=format_amount(receipt.deducted),
            money=money_view(receipt.account),
        ),
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/vouchers",
        summary="Make a batch of vouchers; its codes are shown this once",
        handler=generate,
        role=Role.ADMIN,
        body=BatchCreate,
        returns={201: BatchCreated},
        problems=(409,),
    ),
    Operation(
        method="GET",
        path="/v1/vouchers",
        summary="Batches of vouchers, the newest first",
        handler=listing,
        returns={200: BatchList},
        problems=(422,),
    ),
    Operation(
        method="GET",
        path="/v1/vouchers/{batch}",
        summary="Read a batch of vouchers",
        handler=show,
        returns={200: BatchView},
        problems=(404, 422),
    ),
    Operation(
        method="PATCH",
        path="/v1/vouchers/{batch}",
        summary="Activate or block a batch of vouchers",
        handler=switch,
        role=Role.ADMIN,
        body=BatchPatch,
        returns={200: BatchView},
        problems=(404,),
    ),
    Operation(
        method="POST",
        path="/v1/accounts/{account}/vouchers",
        summary="Redeem a voucher",
        handler=redeem,
        role=Role.OPERATE,
        body=VoucherRedeem,
        keyed=True,
        returns={201: VoucherRedeemed, 200: VoucherRedeemed},
        problems=(404, 409, 429),
    ),
)
