"""Amounts of money: integers of 10^-6 currency units, and their decimal form at the outside.

No float touches money. The bound is 2^53, up to which the store's Lua counts exactly; it stands for nine thousand
million currency units, so whatever goes beyond it is a mistake and is refused.
"""

import re
from decimal import Decimal

MICRO = 1_000_000
"""Micro-units in one currency unit."""

LIMIT = 2**53
"""No amount and no counter of units may reach it: Lua's numbers are doubles, exact below."""

_DECIMAL = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,6})?", re.ASCII)


class AmountError(ValueError):
    """Not an amount: bad notation, too many decimals or out of range."""


def parse_amount(text: str) -> int:
    """Read a decimal string such as ``"-1.50"`` as micro-units; raises AmountError."""
    if not _DECIMAL.fullmatch(text):
        raise AmountError(f"{text!r} is not a decimal amount with at most 6 decimals")
    micro = int(Decimal(text) * MICRO)
    if abs(micro) >= LIMIT:
        raise AmountError(f"{text} is out of range")
    return micro


def format_amount(micro: int) -> str:
    """Write micro-units as a decimal string with at least two decimals and no superfluous zeros after them."""
    sign = "-" if micro < 0 else ""
    whole, fraction = divmod(abs(micro), MICRO)
    decimals = f"{fraction:06d}"
    kept = decimals[:2] + decimals[2:].rstrip("0")
    return f"{sign}{whole}.{kept}"
