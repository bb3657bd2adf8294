"""How the accounts of a plan begin, and what a credit makes of their validity."""

from fractions import Fraction
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from balances.ledger import Account, Extension, Ledger, Movement, Receipt, Stale, Status, Validity
from charging.catalogue import Catalogue
from charging.catalogue.life import Life
from charging.catalogue.plan import Plan

ATTEMPTS = 4
"""How often a credit is tried whose account changes meanwhile."""


def opening(plan: Plan, now: int) -> tuple[Status, Validity]:
    """The state in which an account is opened now (milliseconds), and how long it lasts."""
    if plan.life is None:
        return Status.ACTIVE, Validity()
    if plan.life.waits:
        return Status.PRE_ACTIVE, Validity()
    return Status.ACTIVE, plan.life.first(now, plan.clock.zone)


def activation(plan: Plan | None, status: Status, now: int) -> Validity | None:
    """How long an account lives from its first use on, if that is what begins its life; None: it does not."""
    if status is not Status.PRE_ACTIVE or plan is None or plan.life is None or plan.life.begins != "first use":
        return None
    return plan.life.first(now, plan.clock.zone)


def extension(catalogue: Catalogue, account: Account, amount: int, now: int) -> Extension | None:
    """What a credit of so much makes of an account's life; None: nothing."""
    plan = catalogue.find(account.plan, now)
    if plan is None or plan.life is None or account.status is Status.CLOSED:
        return None
    factor = plan.currencies.get(account.currency, Fraction(1))
    validity = _credited(plan.life, account, amount, factor, now, plan.clock.zone)
    return None if validity is None else Extension(version=account.version, validity=validity)


def _credited(life: Life, account: Account, amount: int, factor: Fraction, now: int, zone: ZoneInfo) -> Validity | None:
    if account.status is not Status.PRE_ACTIVE:
        return life.extended(amount, factor, account.validity, now, zone)
    if life.begins != "top-up":
        return None
    first = life.first(now, zone)
    return life.extended(amount, factor, first, now, zone) or first


async def credit(ledger: Ledger, catalogue: Catalogue, movement: Movement) -> Receipt:
    """Put money in, and let the account live as long as its plan says of that. Raises what ``Ledger.credit`` does."""
    for _ in range(ATTEMPTS):
        account = await ledger.account(movement.address)
        extended = extension(catalogue, account, movement.amount, movement.now)
        try:
            return await ledger.credit(replace(movement, extension=extended))
        except Stale:
            continue
    raise Stale(movement.address.account)
