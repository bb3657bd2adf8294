"""The sample accounts of ``ocs serve --sample``, for an empty embedded store; README names them."""

from collections.abc import Callable

from balances.ledger import Identity, IdentityType, Ledger, Movement, NewAccount
from balances.money import parse_amount

PLAN = "prepaid-basic"
CURRENCY = "EUR"

ACCOUNTS = (
    ("alice", "491701234567", "262011234567890", "alice@example.net", "10.00"),
    ("bob", "491701234568", "262011234567891", "bob@example.net", "5.00"),
)
"""Id, E.164, IMSI, SIP address, credit in EUR."""


async def open_sample_accounts(ledger: Ledger, clock: Callable[[], int]) -> bool:
    """Open them if the store has no account at all; says whether it did. Raises Unavailable."""
    if await ledger.accounts(limit=1):
        return False
    for account, e164, imsi, sip, credit in ACCOUNTS:
        identities = (
            Identity(type=IdentityType.E164, value=e164),
            Identity(type=IdentityType.IMSI, value=imsi),
            Identity(type=IdentityType.SIP, value=sip),
        )
        new = NewAccount(id=account, plan=PLAN, currency=CURRENCY, identities=identities)
        opened = await ledger.open_account(new, clock())
        await ledger.move(
            Movement(
                address=opened.address,
                operation=f"sample-{account}",
                amount=parse_amount(credit),
                cause="topup",
                reference="sample",
                now=clock(),
            )
        )
    return True
