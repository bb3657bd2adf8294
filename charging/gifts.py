"""From an offer to the bucket an account is given: who may have it, and how long it lasts for them. Pure."""

from zoneinfo import ZoneInfo

from balances.ledger import Account, Gift, Unit
from charging.catalogue import Catalogue
from charging.catalogue.model import Offer

_UTC = ZoneInfo("UTC")


class WrongCurrency(ValueError):
    """The offer is bonus money in another currency than the account's."""


def gift(catalogue: Catalogue, offer: Offer, account: Account, operation: str, now: int) -> Gift:
    """The offer as a gift to an account at a time (milliseconds), once for the operation; raises WrongCurrency."""
    if offer.unit is Unit.MONEY and offer.currency != account.currency:
        raise WrongCurrency(f"{offer.name} is in {offer.currency}, the account in {account.currency}")
    span = offer.span(now, zone_of(catalogue, account, now))
    return Gift(
        address=account.address,
        operation=operation,
        offer=offer.name,
        unit=offer.unit,
        amount=offer.amount,
        priority=offer.priority,
        starts_at=span.starts_at,
        expires_at=span.expires_at,
        lasts=span.lasts,
        now=now,
    )


def zone_of(catalogue: Catalogue, account: Account, now: int) -> ZoneInfo:
    """By whose clock an account lives: its plan's."""
    plan = catalogue.find(account.plan, now)
    return plan.clock.zone if plan else _UTC
