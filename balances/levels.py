"""Levels: the accounts that one charge moves together, and what each of them has to do with the grant.

The charged account is level 0, its parent level 1, and so on up the chain. Each level has its own quotes, and what the
session says of it is a book of its own, kept with the session. ``lua/lib/levels.lua`` says the same for the store.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

from msgspec.structs import replace

from balances import holdings
from balances.books import MONEY, AccountBook, KeyBook, SessionBook
from balances.ledger import (
    LEVELS,
    Account,
    Address,
    Billing,
    Charge,
    Grant,
    Ledger,
    Line,
    NewAccount,
    NotChargeable,
    OutOfRange,
    SessionState,
    Use,
    Validity,
)
from balances.money import LIMIT


@dataclass(slots=True)
class Level:
    """A wallet of a charge: the account, what the session says of it, and the uses under its own quotes."""

    account: AccountBook
    book: SessionBook
    uses: tuple[Use, ...]
    activation: Validity | None = None


def new_book(session: SessionBook, address: Address, billing: Billing) -> SessionBook:
    """What a session says of a level that is new to it. Its state and times are the session's: these mean nothing."""
    return SessionBook(
        id=session.id,
        address=address,
        door=session.door,
        state=SessionState.OPEN,
        opened_at=0,
        updated_at=0,
        deadline=0,
        billing=billing,
    )


def of(accounts: Sequence[AccountBook], session: SessionBook, charge: Charge) -> list[Level]:
    """The levels of a charge; the session gets the books it lacks. Chains never change: they match by place."""
    levels = [Level(accounts[0], session, charge.uses, charge.activation)]
    for place, (account, asked) in enumerate(zip(accounts[1:], charge.levels, strict=True)):
        if place == len(session.levels):
            session.levels.append(new_book(session, asked.address, asked.billing))
        terms = zip(charge.uses, asked.quotes, asked.denied, strict=True)
        uses = tuple([replace(use, quote=quote, denied=denied) for use, quote, denied in terms])
        levels.append(Level(account, session.levels[place], uses, asked.activation))
    return levels


def payer(billings: Sequence[Billing]) -> int:
    """Which level the subscriber pays from: the first whose wallet is not shared from above."""
    return next((place for place, billing in enumerate(billings) if billing is not Billing.SHARED), len(billings))


def reserve(levels: list[Level], keys: list[KeyBook], place: int, now: int) -> tuple[list[Grant], Level | None]:
    """Reserve for the use at ``place`` on every level what all of them can pay for.

    Each level is tried on copies with what the levels below it could have, so that the last try is the least of them;
    that much is to be had on each. Returns the grants by level; or refusals, and the level that had too little.
    """
    wanted = levels[0].uses[place].wanted
    for level, key in zip(levels, keys, strict=True) if len(levels) > 1 else ():
        account, trial = deepcopy((level.account, key))
        tried = holdings.reserve(account, trial, replace(level.uses[place], wanted=wanted), now)
        if tried.refused:
            for each in keys:
                each.short = True
            return [tried] * len(levels), level
        wanted = tried.granted
    grants = [
        holdings.reserve(level.account, key, replace(level.uses[place], wanted=wanted), now)
        for level, key in zip(levels, keys, strict=True)
    ]
    short = any(key.short for key in keys)
    for key in keys:
        key.short = short
    return grants, levels[0] if grants[0].refused else None


def joined(grants: list[Grant], payer: int) -> Grant:
    """What the door is told: the payer's grant, which is the last and ends as soon as any level's."""
    ends = [grant.ends_in for grant in grants if grant.ends_in is not None]
    return replace(grants[payer], final=any(grant.final for grant in grants), ends_in=min(ends, default=None))


def margins(billings: Sequence[Billing], lines: Sequence[tuple[Line, ...]]) -> list[int | None]:
    """By level, what a seller's customer was debited in a step, less what the seller was; None: it sells nothing."""
    paid = [sum(line.debited - line.credited for line in each if line.bucket == MONEY) for each in lines]
    sold = [paid[n] - paid[n + 1] if billing is Billing.RESOLD else None for n, billing in enumerate(billings)]
    return [None, *sold]


async def chain(ledger: Ledger, address: Address) -> list[Account]:
    """The account there, and those its use is charged to as well, upwards; raises NoSuchAccount, Unavailable."""
    found = [await ledger.account(address)]
    while found[-1].parent is not None and found[-1].billing is not Billing.OWN:
        found.append(await ledger.account(Address(shard=address.shard, account=found[-1].parent)))
    return found


def check_chain(new: NewAccount, chain: Sequence[Account]) -> None:
    """May the new account be charged with these, its parent first? Raises NotChargeable, OutOfRange."""
    if new.cap is not None and not 0 <= new.cap < LIMIT:
        raise OutOfRange("cap")
    if new.billing is Billing.OWN:
        return
    if not chain:
        raise NotChargeable(f"an account whose billing is {new.billing} needs a parent")
    if len(chain) >= LEVELS:
        raise NotChargeable(f"a chain has at most {LEVELS} accounts")
    if chain[0].currency != new.currency:
        raise NotChargeable(f"the parent's currency is {chain[0].currency}")
