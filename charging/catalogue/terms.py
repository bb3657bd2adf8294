"""The terms of an answer, packed into a quote: kept by the ledger, so that a replay says what was said.

Whatever the catalogue says by then, a repeated request is answered with the terms of its first answer.
"""

from functools import lru_cache
from zlib import crc32

import msgspec
from msgspec.structs import replace

from balances.ledger import Quote, Unit
from charging.catalogue.plan import ServiceTerms
from charging.event import Change, FinalAction, FinalUnits, TimePeriods


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What an answer says beside the grant: see ``model.ServiceTerms``."""

    unit: Unit
    validity: int
    retry: int
    threshold_percent: int
    threshold_units: int
    holding: int
    action: FinalAction
    redirect: str
    filters: tuple[str, ...]
    filter_ids: tuple[str, ...] = ()
    consumption: int = 0
    period: int = 0
    continuous: bool = False
    changes: tuple[Change, ...] | None = None
    throttle: str = ""
    switch: int = 0

    def threshold(self, granted: int) -> int:
        """How much of a grant is left when the client should ask again; 0 (never) where the grant is too small."""
        units = self.threshold_units or granted * self.threshold_percent // 100
        return units if units < granted else 0

    def final(self) -> FinalUnits:
        return FinalUnits(action=self.action, redirect=self.redirect, filters=self.filters, filter_ids=self.filter_ids)

    def periods(self) -> TimePeriods | None:
        return TimePeriods(seconds=self.period, continuous=self.continuous) if self.period else None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Terms)


def encode(service: ServiceTerms, unit: Unit | None = None) -> bytes:
    """The terms of a service; ``unit`` where an item is counted otherwise (CC-Money), so that no threshold fits."""
    own = unit in (None, service.unit)
    return _ENCODER.encode(
        Terms(
            unit or service.unit,
            service.validity,
            service.retry,
            service.threshold_percent if own else 0,
            service.threshold_units if own else 0,
            service.holding,
            service.final.action,
            service.final.redirect,
            service.final.filters,
            service.final.filter_ids,
            service.consumption,
            service.periods.seconds if service.periods else 0,
            service.periods is not None and service.periods.continuous,
            service.changes,
            service.throttle,
        )
    )


def outlasting(quote: Quote, validity: int, switch: int) -> Quote:
    """The quote with terms that tell of a change of the tariff (milliseconds) while they hold."""
    said = decode(quote.terms)
    return (
        quote
        if said is None
        else replace(quote, terms=_ENCODER.encode(replace(said, validity=validity, switch=switch)))
    )


def shortened(quote: Quote, validity: int) -> Quote:
    """The quote with terms of this validity (seconds), beyond its offers and its meters' limits too."""
    overage = tuple([replace(each, terms=_valid_for(each.terms, validity)) for each in quote.overage])
    meters = tuple(
        [replace(each, beyond=_valid_for(each.beyond, validity)) if each.beyond else each for each in quote.meters]
    )
    return replace(quote, terms=_valid_for(quote.terms, validity), overage=overage, meters=meters)


def _valid_for(packed: bytes, validity: int) -> bytes:
    said = decode(packed)
    return packed if said is None else _ENCODER.encode(replace(said, validity=validity))


@lru_cache(maxsize=4096)
def decode(packed: bytes) -> Terms | None:
    """The terms again; None where another release packed them in a way not understood here."""
    try:
        return _DECODER.decode(packed)
    except msgspec.DecodeError:
        return None


def jittered(seconds: int, percent: int, session: str) -> int:
    """A validity spread by up to ``percent``, always the same for the same session."""
    if not percent or not seconds:
        return seconds
    spread = crc32(session.encode()) % (2 * percent + 1) - percent
    return max(1, seconds + seconds * spread // 100)
