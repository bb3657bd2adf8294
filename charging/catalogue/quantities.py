"""How a catalogue writes amounts: ``10 MB``, ``1 h``, ``20 %``, ``0.01 EUR per MB``. Exact, or a reason why not."""

import re
from decimal import Decimal
from fractions import Fraction

from balances.ledger import Unit
from balances.money import LIMIT, AmountError, parse_amount
from charging.rating import Tier

SCALES: dict[Unit, dict[str, int]] = {
    Unit.OCTETS: {
        "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
        "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    },
    Unit.SECONDS: {"s": 1, "min": 60, "h": 3_600, "day": 86_400, "days": 86_400},
    Unit.EVENTS: {"event": 1, "events": 1, "message": 1, "messages": 1},
}  # fmt: skip
"""The unit names of each dimension. 1 MB is 10^6 octets, 1 MiB is 2^20."""

_QUANTITY = re.compile(r"(?:([0-9]+(?:\.[0-9]+)?)\s*)?([A-Za-z]*)", re.ASCII)
_PRICE = re.compile(r"([0-9.]+)(?:\s+([A-Z]{3}))?(?:\s+per\s+(.+)|\s+(each))?", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,2})\s*%", re.ASCII)


class QuantityError(ValueError):
    """Not a quantity of the dimension asked for."""


def quantity(text: str, unit: Unit) -> int:
    """``"100 kB"`` as octets, ``"5 min"`` as seconds, ``"3"`` as the bare unit; raises QuantityError."""
    match = _QUANTITY.fullmatch(text.strip())
    scales = SCALES[unit]
    if not match or not text.strip():
        raise QuantityError(f"{text!r} is no quantity: write a number and one of {', '.join(scales)}")
    number, name = match.groups()
    scale = scales.get(name) if name else 1
    if scale is None:
        raise QuantityError(f"{text!r} is not measured in {unit}: use one of {', '.join(scales)}")
    exact = Decimal(number or "1") * scale
    if exact != int(exact) or not 0 <= exact < LIMIT:
        raise QuantityError(f"{text!r} is no whole number of {unit} in range")
    return int(exact)


def seconds(text: str) -> int:
    """A duration in seconds; raises QuantityError."""
    return quantity(text, Unit.SECONDS)


def money(text: str) -> tuple[int, str]:
    """``"0.05"`` or ``"0.05 EUR"`` as micro-units and the currency named, if any; raises QuantityError."""
    amount, _, currency = text.strip().partition(" ")
    if currency and not re.fullmatch(r"[A-Z]{3}", currency.strip()):
        raise QuantityError(f"{text!r} is no amount of money: write 0.05 or 0.05 EUR")
    return _amount(amount), currency.strip()


def is_money(text: str) -> bool:
    """Is it an amount of money with its currency, rather than of a service?"""
    return re.fullmatch(r"[0-9.]+\s+[A-Z]{3}", text.strip(), re.ASCII) is not None


def unit_price(text: str, unit: Unit) -> tuple[Tier | None, str]:
    """``"0.01 EUR per MB"`` as a tier and the currency named, if any; ``"free"`` as None; raises QuantityError."""
    if text.strip() == "free":
        return None, ""
    match = _PRICE.fullmatch(text.strip())
    if not match:
        raise QuantityError(f'{text!r} is no price: write "0.01 EUR per MB", "0.09 each" or "free"')
    amount, currency, per, each = match.groups()
    if each or not per:
        if unit is not Unit.EVENTS:
            raise QuantityError(f"{text!r} does not say per how many {unit}")
        return Tier(amount=_amount(amount), per=1), currency or ""
    size = quantity(per, unit)
    if not size:
        raise QuantityError(f"{text!r} is a price per nothing")
    return Tier(amount=_amount(amount), per=size), currency or ""


def blocks(text: str, unit: Unit) -> tuple[int, int]:
    """``"100 kB"`` or ``"60/1"`` (first block / next blocks) as (first, next) units; raises QuantityError."""
    first, slash, following = text.partition("/")
    sizes = quantity(first, unit), quantity(following if slash else first, unit)
    if not all(sizes):
        raise QuantityError(f"{text!r}: a block is at least one of {unit}")
    return sizes


def share(text: str) -> int | None:
    """``"20 %"`` as 20; None if the text is not a percentage."""
    match = _PERCENT.fullmatch(text.strip())
    return int(match[1]) if match else None


def percent(text: str) -> Fraction:
    """``"19 %"`` or ``"5.5 %"`` as a number of hundredths, exactly; raises QuantityError."""
    match = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,4})?)\s*%", text.strip(), re.ASCII)
    if not match:
        raise QuantityError(f"{text!r} is no percentage: write 10 % or 5.5 %")
    return Fraction(match[1])


def is_currency(text: str) -> bool:
    """Does it look like an ISO 4217 code?"""
    return len(text) == 3 and text.isascii() and text.isupper()


def _amount(text: str) -> int:
    try:
        micro = parse_amount(text)
    except AmountError as error:
        raise QuantityError(str(error)) from error
    return micro
