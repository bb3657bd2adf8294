"""Opens the accounts, many at a time, over a link of its own to the server's store."""

import asyncio
import time
from pathlib import Path

from balances.ledger import Identity, IdentityType, Movement, NewAccount
from balances.link import Link
from balances.scripts import all_scripts
from balances.store import StoreLedger
from bench.messages import e164

CREDIT = 10**13
"""Micro-units: ten million, which no run spends."""

_AT_ONCE = 500


async def open_accounts(socket: Path, count: int) -> None:
    """Accounts ``bench-0`` and so on, each with money and a number."""
    link = Link(f"unix://{socket}", scripts=all_scripts(), timeout=30.0)
    await link.open()
    ledger = StoreLedger(link)
    now = time.time_ns() // 1_000_000

    async def one(number: int) -> None:
        identity = Identity(type=IdentityType.E164, value=e164(number))
        account = await ledger.open_account(
            NewAccount(id=f"bench-{number}", plan="prepaid-basic", currency="EUR", identities=(identity,)), now
        )
        await ledger.move(
            Movement(
                address=account.address, operation="bench", amount=CREDIT, cause="topup", reference="bench", now=now
            )
        )

    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*[one(number) for number in range(start, min(count, start + _AT_ONCE))])
    await link.close()
