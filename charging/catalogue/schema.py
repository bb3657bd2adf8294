"""The words of a catalogue file, as written: shapes only, meaning is given to them in ``check``.

docs/tariffs.md explains each for the people who write them.
"""

from typing import Literal

import msgspec


class Written(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a catalogue file; subclasses repeat the words for the sake of type checkers."""


class CountryText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A country: its code, and the numbers that are emergency calls there."""

    code: str
    emergency: tuple[str, ...] = ()


class FinalText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the network does when the last grant is used up."""

    action: Literal["terminate", "redirect", "restrict"]
    redirect: str = ""
    filters: tuple[str, ...] = ()


class ServiceText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a kind of service is granted."""

    quota: str
    validity: str
    unit: Literal["octets", "seconds", "events", ""] = ""
    minimum: str = "1"
    maximum: str = ""
    retry: str = "10 min"
    threshold: str = ""
    holding: str = ""
    final: FinalText = FinalText(action="terminate")
    empty: Literal["keep", "refuse"]
    lapse: Literal["release", "charge"]


class TierText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price that holds up to an amount of use."""

    price: str
    upto: str = ""


class RateText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price for a service: ``price`` alone, or ``tiers``."""

    service: str
    price: str = ""
    tiers: tuple[TierText, ...] = ()
    blocks: str = "1"
    setup: str = ""
    free: str = ""
    rounding: Literal["up", "half-up", "down"] = "half-up"
    quota: str = ""


class RuleText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a plan: what must fit, and the rate that then holds."""

    rate: str
    rating_group: int | None = None
    service_id: int | None = None
    to: str | None = None
    incoming: bool = False


class PlanText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a subscriber may use, per kind of service."""

    currency: str
    country: str = ""
    data: tuple[RuleText, ...] = ()
    voice: tuple[RuleText, ...] = ()
    sms: tuple[RuleText, ...] = ()
    mms: tuple[RuleText, ...] = ()
    other: tuple[RuleText, ...] = ()


class OfferText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bundle."""

    pays: tuple[str, ...]
    amount: str
    validity: str = ""
    priority: int = 100


class ThresholdText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where on a counter has a status: ``used`` of an offer, or money ``below``."""

    status: str
    used: str = ""
    below: str = ""


class CounterText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy counter (TS 29.219): of an ``offer``, or of money."""

    status: str
    thresholds: tuple[ThresholdText, ...]
    offer: str = ""
    without: str = ""


SECTIONS: dict[str, type[Written] | None] = {
    "countries": CountryText,
    "destinations": None,
    "services": ServiceText,
    "rates": RateText,
    "plans": PlanText,
    "offers": OfferText,
    "counters": CounterText,
}
"""The tables of a catalogue; a destination is a plain list of prefixes."""
