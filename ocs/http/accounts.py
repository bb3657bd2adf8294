"""Accounts: open, read, find, list, change."""

import asyncio
from datetime import datetime

from msgspec import UNSET

from balances.ledger import (
    Account,
    AccountChange,
    Address,
    Identity,
    IdentityType,
    NewAccount,
    NoSuchAccount,
    NotChargeable,
    OutOfRange,
    Status,
    Validity,
)
from balances.money import AmountError, parse_amount
from charging.catalogue.plan import Plan
from charging.life import opening
from ocs.http.auth import Role
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.meters import meter_views
from ocs.http.models import (
    AccountCreate,
    AccountList,
    AccountPatch,
    AccountsQuery,
    AccountView,
    EntriesQuery,
    EntryList,
    Identities,
)
from ocs.http.problems import Kind, Problem, invalid
from ocs.http.views import account_view, entry_view


async def resolve(house: House, account: str) -> Address:
    """The address of an account id; raises Problem."""
    address = await house.ledger.address(account)
    if address is None:
        raise Problem(Kind.NO_SUCH_ACCOUNT, f"No account has the id {account!r}.")
    return address


def read_amount(text: str, pointer: str) -> int:
    """Micro-units; raises Problem."""
    try:
        return parse_amount(text)
    except AmountError as error:
        raise invalid(pointer, str(error)) from None


def read_moment(text: str, pointer: str) -> int:
    """Milliseconds since 1970; raises Problem."""
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError("no offset")
        return int(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise invalid(pointer, "A time with its offset, such as 2027-01-01T00:00:00Z.") from None


def _validity(terms: AccountPatch) -> Validity | None:
    """None: it stays as it is; raises Problem."""
    if (terms.valid_until is UNSET) != (terms.grace_until is UNSET):
        raise invalid("/valid_until", "valid_until and grace_until stand together; either may be null.")
    if terms.valid_until is UNSET or terms.grace_until is UNSET:
        return None
    until = None if terms.valid_until is None else read_moment(terms.valid_until, "/valid_until")
    grace_until = None if terms.grace_until is None else read_moment(terms.grace_until, "/grace_until")
    try:
        return Validity(until=until, grace_until=grace_until)
    except OutOfRange:
        raise invalid(
            "/grace_until", "Grace ends after the validity, which has an end, and before the year 10000."
        ) from None


def _credit_limit(text: str) -> int:
    limit = read_amount(text, "/credit_limit")
    if limit < 0:
        raise invalid("/credit_limit", "A credit limit is not below zero.")
    return limit


def _cap(text: str | None, no_cap: int | None = None) -> int | None:
    if text is None:
        return no_cap
    cap = read_amount(text, "/cap")
    if cap < 0:
        raise invalid("/cap", "A cap is not below zero; null is none.")
    return cap


def _identities(given: Identities) -> tuple[Identity, ...]:
    """Raises Problem for a repeated one and for digits that are none."""
    for place, one in enumerate(given):
        if one.type in (IdentityType.E164, IdentityType.IMSI) and not (one.value.isascii() and one.value.isdigit()):
            raise invalid(f"/identities/{place}/value", f"{one.type.value} is digits only.")
        if one in given[:place]:
            raise invalid(f"/identities/{place}", "The identity is there twice.")
    return tuple(Identity(type=one.type, value=one.value) for one in given)


def _check_plan(house: House, name: str, currency: str) -> Plan:
    plan = house.engine.catalogue.find(name)
    if plan is None:
        raise Problem(Kind.UNKNOWN_PLAN, f"The catalogue has no plan {name!r}.")
    if currency not in plan.currencies:
        raise Problem(Kind.WRONG_CURRENCY, f"Plan {name!r} is in {plan.currency}, and not converted to {currency}.")
    return plan.at(house.clock())


async def _view(house: House, account: Account) -> AccountView:
    running = meter_views(house.engine.catalogue, account, house.clock())
    return account_view(account, await house.ledger.sessions(account.address), running)


async def create(house: House, call: Call[AccountCreate, None]) -> Reply:
    new = call.body
    status, validity = opening(_check_plan(house, new.plan, new.currency), house.clock())
    try:
        account = await house.ledger.open_account(
            NewAccount(
                id=new.id,
                plan=new.plan,
                currency=new.currency,
                credit_limit=_credit_limit(new.credit_limit),
                identities=_identities(new.identities),
                parent=new.parent,
                billing=new.billing,
                cap=_cap(new.cap),
                status=status,
                validity=validity,
            ),
            house.clock(),
        )
    except NotChargeable as error:
        raise Problem(Kind.NOT_CHARGEABLE, f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    except NoSuchAccount:
        raise Problem(Kind.NO_SUCH_ACCOUNT, f"There is no parent account {new.parent!r}.") from None
    return Reply(status=201, body=account_view(account, ()), headers={"Location": f"/v1/accounts/{new.id}"})


async def show(house: House, call: Call[None, None]) -> Reply:
    account = await house.ledger.account(await resolve(house, call.path["account"]))
    return Reply(body=await _view(house, account))


async def listing(house: House, call: Call[None, AccountsQuery]) -> Reply:
    query = call.query
    if query.identity is not None:
        kind, _, value = query.identity.partition(":")
        address = await house.ledger.find(Identity(type=IdentityType(kind), value=value))
        found = () if address is None else (await _view(house, await house.ledger.account(address)),)
        return Reply(body=AccountList(accounts=found, next=None))
    accounts = await house.ledger.accounts(query.after, query.limit)
    views = await asyncio.gather(*(_view(house, account) for account in accounts))
    more = len(accounts) == query.limit
    return Reply(body=AccountList(accounts=tuple(views), next=accounts[-1].address.account if more else None))


async def change(house: House, call: Call[AccountPatch, None]) -> Reply:
    terms = call.body
    validity = _validity(terms)
    address = await resolve(house, call.path["account"])
    if terms.plan is not UNSET:
        _check_plan(house, terms.plan, (await house.ledger.account(address)).currency)
    account = await house.ledger.change_account(
        address,
        AccountChange(
            plan=None if terms.plan is UNSET else terms.plan,
            status=None if terms.status is UNSET else terms.status,
            credit_limit=None if terms.credit_limit is UNSET else _credit_limit(terms.credit_limit),
            identities=None if terms.identities is UNSET else _identities(terms.identities),
            cap=None if terms.cap is UNSET else _cap(terms.cap, no_cap=-1),
            validity=validity,
        ),
        house.clock(),
    )
    if terms.status in (Status.SUSPENDED, Status.CLOSED):
        house.barred(address)
    elif validity or (terms.plan, terms.status, terms.cap) != (UNSET, UNSET, UNSET):
        house.changed(address)
    elif terms.credit_limit is not UNSET:
        house.credited(address)
    return Reply(body=await _view(house, account))


async def entries(house: House, call: Call[None, EntriesQuery]) -> Reply:
    address = await resolve(house, call.path["account"])
    found = await house.ledger.entries(address, call.query.after, call.query.limit)
    more = len(found) == call.query.limit
    return Reply(body=EntryList(entries=tuple(map(entry_view, found)), next=found[-1].id if more else None))


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/accounts",
        summary="Open an account",
        handler=create,
        role=Role.OPERATE,
        body=AccountCreate,
        returns={201: AccountView},
        problems=(404, 409),
    ),
    Operation(
        method="GET",
        path="/v1/accounts",
        summary="Find an account by an identity, or list accounts",
        handler=listing,
        query=AccountsQuery,
        returns={200: AccountList},
    ),
    Operation(
        method="GET",
        path="/v1/accounts/{account}",
        summary="Read an account",
        handler=show,
        returns={200: AccountView},
        problems=(404,),
    ),
    Operation(
        method="PATCH",
        path="/v1/accounts/{account}",
        summary="Change an account's plan, status, validity, credit limit or identities",
        handler=change,
        role=Role.OPERATE,
        body=AccountPatch,
        returns={200: AccountView},
        problems=(404, 409),
    ),
    Operation(
        method="GET",
        path="/v1/accounts/{account}/entries",
        summary="Read an account's ledger entries, oldest first",
        handler=entries,
        query=EntriesQuery,
        returns={200: EntryList},
        problems=(404,),
    ),
)
