"""Transfers between accounts, which may live in different shards: debited there, in transit, credited here.

What was debited is in transit until it is known to have been credited, and whoever looks carries it on: the credit has
one operation id, so that it happens once however often it is tried. A crash at any point loses nothing and doubles
nothing.
"""

from balances.ledger import OPERATIONS_KEPT, InTransit, Ledger, LedgerError, Movement, Receipt, Transfer

TRANSFER_IN = "transfer-in"
"""Cause of the entry of who gets it."""

PATIENCE = 10_000
"""Milliseconds for which whoever sent it is left to carry it itself."""

TOO_LATE = OPERATIONS_KEPT * 9 // 10
"""Milliseconds after which nobody carries it on: the ledger may soon have forgotten whether it was credited. The audit
shows it, and a person decides."""


def transfer_name(transfer: Transfer | InTransit) -> str:
    """What a transfer is called, and its credit's operation: no key of a client's has a space in it."""
    sender = transfer.address if isinstance(transfer, Transfer) else transfer.sender
    return f"transfer {sender.account} {transfer.operation}"


def on_its_way(transfer: Transfer, currency: str) -> InTransit:
    """The transfer as it is once it was sent."""
    return InTransit(
        sender=transfer.address,
        operation=transfer.operation,
        to=transfer.to,
        amount=transfer.amount,
        currency=currency,
        reference=transfer.reference,
        sent_at=transfer.now,
    )


def order(transfer: InTransit) -> tuple[int, str, str]:
    """Those sent first come first."""
    return transfer.sent_at, transfer.sender.account, transfer.operation


def landing(transfer: InTransit, now: int) -> Movement:
    """The credit it ends with."""
    return Movement(
        address=transfer.to,
        operation=transfer_name(transfer),
        amount=transfer.amount,
        cause=TRANSFER_IN,
        reference=f"from {transfer.sender.account} {transfer.reference}".strip(),
        now=now,
    )


async def carry(ledger: Ledger, transfer: InTransit, now: int) -> Receipt:
    """Credit what was sent, once, and note it; raises LedgerError: then it stays in transit."""
    receipt = await ledger.credit(landing(transfer, now))
    await ledger.arrived(transfer)
    return receipt


async def carry_stranded(ledger: Ledger, now: int) -> tuple[InTransit, ...]:
    """Carry on what others left lying; returns what could not be. Raises Unavailable."""
    left = []
    for transfer in await ledger.in_transit():
        if now - transfer.sent_at < PATIENCE:
            continue
        try:
            if now - transfer.sent_at > TOO_LATE:
                raise LedgerError("it was sent too long ago")
            await carry(ledger, transfer, now)
        except LedgerError:
            left.append(transfer)
    return tuple(left)
