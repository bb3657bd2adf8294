"""Meters: how much an account used and spent in a period, kept with it and moved by the same step that charges.

A meter counts units as they are used, whoever pays for them, and money as it is owed for them, bonus money included;
what sessions hold is counted beside it until it is settled. It moves on when a request of a later period comes: what is
used in one period and reported in the next counts in the next. ``lua/lib/meters.lua`` says the same for the store.
"""

from dataclasses import dataclass

from balances.ledger import Meter, Metering, Unit
from balances.money import LIMIT

METERS = 32
"""Meters an account may have: all are read and written with a request that names one."""

UNLIMITED = 2 * LIMIT
"""So much that a grant takes nothing from it that would be missed."""


@dataclass(slots=True)
class MeterBook:
    """A meter as it changes. ``held`` and ``held_money``: what open sessions hold of it."""

    name: str
    unit: Unit | None
    """Of another unit it counts the money only; None: of every unit."""
    ends_at: int
    used: int = 0
    spent: int = 0
    held: int = 0
    held_money: int = 0
    lifted: bool = False
    """The subscriber consented: its limits do not hold until the period ends."""

    def counts(self, unit: Unit, units: int) -> int:
        return units if unit is self.unit else 0

    def view(self) -> Meter:
        return Meter(
            name=self.name,
            unit=self.unit,
            ends_at=self.ends_at,
            used=self.used,
            spent=self.spent,
            reserved=self.held,
            reserved_money=self.held_money,
            lifted=self.lifted,
        )


@dataclass(slots=True)
class Room:
    """What limits leave of a period, in units and in money."""

    units: int = UNLIMITED
    money: int = UNLIMITED
    stretch: int = UNLIMITED
    """Units to the next limit at which the terms change."""
    beyond: bytes = b""
    """The terms by limits that are reached; empty: the quote's."""


class Meters(dict[str, MeterBook]):
    """The meters of an account by name."""

    def enter(self, meterings: tuple[Metering, ...], now: int) -> bool:
        """Have each meter in the period it is named for, or in a later one; False if there is no room for one."""
        for each in meterings:
            meter = self.get(each.meter)
            if meter is None:
                if not self._make_room(now):
                    return False
                self[each.meter] = MeterBook(each.meter, each.unit, each.ends_at)
            elif each.ends_at > meter.ends_at:
                meter.ends_at, meter.used, meter.spent, meter.lifted = each.ends_at, 0, 0, False
        return True

    def _make_room(self, now: int) -> bool:
        """Forget one whose period is over and of which nothing is held, if there are too many."""
        if len(self) < METERS:
            return True
        idle = (name for name, each in self.items() if each.ends_at <= now and not (each.held or each.held_money))
        name = next(idle, None)
        if name is not None:
            del self[name]
        return name is not None

    def known(self, meterings: tuple[Metering, ...]) -> bool:
        return all(each.meter in self for each in meterings)

    def running(self, meterings: tuple[Metering, ...]) -> tuple[Metering, ...]:
        """Those whose meter is in the period they are named for."""
        return tuple(each for each in meterings if each.meter in self and self[each.meter].ends_at == each.ends_at)

    def hold(self, meterings: tuple[Metering, ...], unit: Unit, units: int, money: int) -> None:
        """So much more is held (below zero: less) by a key under these meterings."""
        for each in meterings:
            meter = self.get(each.meter)
            if meter is not None:
                meter.held += meter.counts(unit, units)
                meter.held_money += money

    def count(self, meterings: tuple[Metering, ...], unit: Unit, units: int, money: int) -> list[str]:
        """So much was used; returns the names of those that have reached their warning by it. Raises OverflowError."""
        warned = []
        for each in meterings:
            meter = self.get(each.meter)
            if meter is None:
                continue
            before = meter.spent
            meter.used = max(0, meter.used + meter.counts(unit, units))
            meter.spent = max(0, meter.spent + money)
            if max(meter.used, meter.spent) >= LIMIT:
                raise OverflowError("more than can be counted")
            if each.warn is not None and before < each.warn <= meter.spent:
                warned.append(each.meter)
        return warned

    def room(self, meterings: tuple[Metering, ...], unit: Unit, least: int) -> Room:
        """What the limits leave; those that were lifted leave all.

        Where the terms change, fewer than ``least`` units are not worth a grant of their own: the limit is reached. Of
        several that are, the last named says the terms.
        """
        room = Room()
        for each in meterings:
            meter = self.get(each.meter)
            if meter is None or meter.lifted:
                continue
            if each.cap is not None:
                room.money = min(room.money, max(0, each.cap - meter.spent - meter.held_money))
            if each.limit is not None and meter.unit is unit:
                left = max(0, each.limit - meter.used - meter.held)
                if not each.beyond:
                    room.units = min(room.units, left)
                elif left < least:
                    room.beyond = each.beyond
                else:
                    room.stretch = min(room.stretch, left)
        return room
