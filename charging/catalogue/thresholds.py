"""How much of an offer is used: ``"800 MB"``, or ``"80 %"`` of what its buckets held at first. Exact."""

import re

from balances.ledger import Record, Unit
from charging.catalogue import quantities
from charging.catalogue.quantities import QuantityError

_SHARE = re.compile(r"([0-9]{1,3}) ?%", re.ASCII)


class UseThreshold(Record, frozen=True, kw_only=True):
    """``at`` units (micro-units of bonus money), or per cent of what a bucket held at first."""

    at: int
    percent: bool

    def units(self, initial: int) -> int:
        """How much of a bucket that held so much at first is used when it is reached."""
        return -(-self.at * initial // 100) if self.percent else self.at


def use_threshold(text: str, unit: Unit, currency: str) -> UseThreshold:
    """Of an offer of this unit, bonus money in this currency; raises QuantityError."""
    if share := _SHARE.fullmatch(text.strip()):
        percent = int(share[1])
        if not 1 <= percent <= 100:
            raise QuantityError("a share is from 1 % to 100 %")
        return UseThreshold(at=percent, percent=True)
    if unit is Unit.MONEY:
        amount, named = quantities.money(text)
        if named not in ("", currency):
            raise QuantityError(f"{text!r} is not in {currency}, as the offer is")
    else:
        amount = quantities.quantity(text, unit)
    if not amount:
        raise QuantityError("a threshold is above 0")
    return UseThreshold(at=amount, percent=False)
