"""The words of a catalogue file, as written: shapes only, meaning is given to them in ``check``.

docs/tariffs.md explains each for the people who write them.
"""

from datetime import date
from typing import Any, Literal

import msgspec

Words = str | tuple[str, ...]
Numbers = int | tuple[int, ...]
ChangeText = Literal[
    "sgsn-address", "qos", "location", "rat", "timezone", "bit-rate", "mcc", "mnc", "rac", "lac", "cell", "tac", "ecgi",
    "media", "node", "access", "csg", "presence-area",
]  # fmt: skip
CallType = Literal["national", "international", "premium", "on-net", "off-net", "short", "wifi", "app"]


class Written(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a catalogue file; subclasses repeat the words for the sake of type checkers."""


class CountryText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A country: its code, the numbers and APNs that are emergency there, and its premium numbers (national form)."""

    code: str
    emergency: tuple[str, ...] = ()
    emergency_apns: tuple[str, ...] = ()
    premium: tuple[str, ...] = ()


class NetworkText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network and its number ranges; ``own`` makes calls to it on-net."""

    prefixes: tuple[str, ...] = ()
    own: bool = False


class TimeText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named time, in the time zone of the plan that uses it."""

    days: Words = ()
    hours: Words = ()
    since: date | None = None
    until: date | None = None


class FinalText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the network does when the last grant is used up."""

    action: Literal["terminate", "redirect", "restrict"]
    redirect: str = ""
    filters: tuple[str, ...] = ()
    filter_ids: tuple[str, ...] = ()


class PeriodsText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Time is used in whole periods; continuous ones are joined while traffic goes on."""

    kind: Literal["discrete", "continuous"]
    length: str


class ServiceText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a kind of service is granted."""

    quota: str
    share: str = ""
    floor: str = ""
    validity: str
    unit: Literal["octets", "seconds", "events", ""] = ""
    minimum: str = "1"
    maximum: str = ""
    retry: str = "10 min"
    threshold: str = ""
    holding: str = ""
    consumption: str = ""
    periods: PeriodsText | None = None
    report_changes: tuple[ChangeText, ...] | None = None
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
    minimum: str = ""
    free: str = ""
    rounding: Literal["up", "half-up", "down", ""] = ""
    quota: str = ""
    share: str = ""
    floor: str = ""
    along: str = ""


class DeckText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rate deck: what holds for all lines of ``decks/<name>.csv``."""

    service: str
    currency: str
    per: str = ""
    blocks: str = "1"
    setup: str = ""
    rounding: Literal["up", "half-up", "down", ""] = ""


class SelectorText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a use must be like. Each takes one value or a list of which one must do."""

    rating_group: Numbers = ()
    service_id: Numbers = ()
    to: Words = ()
    caller: Words = msgspec.field(name="from", default=())
    visited: Words = ()
    location: Words = ()
    context: Words = ()
    apn: Words = ()
    rat: Words = ()
    qos: Numbers = ()
    origin: Words = ()
    door: Words = ()
    call: CallType | tuple[CallType, ...] = ()
    when: Words = ()


class RuleText(SelectorText, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a plan: what must fit, and the rate or deck that then holds."""

    rate: str = ""
    deck: str = ""
    incoming: bool = False
    surcharge: str = ""
    discount: str = ""
    meters: Words = ()


class MeterText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is counted by period, and how far it may go."""

    period: str
    service: str = ""
    cap: str = ""
    warn: str = ""
    limit: str = ""
    throttle: str = ""


class LoanText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An emergency credit: how much, what it costs, and how little must be left."""

    amount: str
    fee: str = "0"
    when_below: str = ""


class TransferText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How money may be sent to another subscriber."""

    fee: str = "0"
    minimum: str = "0"
    maximum: str = ""
    daily: int | None = None


class ExtendingText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A top-up of so much lets an account live on for so long."""

    topup: str
    by: str


class LifeText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long accounts live, and from when on."""

    begins: Literal["opening", "first use", "top-up"] = "opening"
    active: str = ""
    grace: str = ""
    extends: tuple[ExtendingText, ...] = ()


class PlanText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a subscriber may use, per kind of service."""

    currency: str
    country: str = ""
    timezone: str = "UTC"
    holidays: str = ""
    rounding: Literal["up", "half-up", "down"] = "half-up"
    tax: str = ""
    replaces: str = ""
    since: date | None = None
    life: LifeText | None = None
    loan: LoanText | None = None
    transfer: TransferText | None = None
    warn_below: Words = ()
    data: tuple[RuleText, ...] = ()
    voice: tuple[RuleText, ...] = ()
    sms: tuple[RuleText, ...] = ()
    mms: tuple[RuleText, ...] = ()
    other: tuple[RuleText, ...] = ()


class OverageText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What use costs when a bundle is used up, and under which name it is slowed down; without a rate it is free."""

    rate: str = ""
    throttle: str = ""


class OfferText(SelectorText, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bundle."""

    pays: tuple[str, ...]
    amount: str
    validity: str = ""
    begins: Literal["gift", "first use"] = "gift"
    since: date | None = None
    until: date | None = None
    timezone: str = ""
    renews: str = ""
    price: str = ""
    unpaid: Literal["wait", "stop", ""] = ""
    rollover: str = ""
    first: Literal["whole", "pro-rata", ""] = ""
    missed: Literal["skip", "charge", ""] = ""
    priority: int = 100
    warn_at: Words = ()
    overage: Literal["stop"] | OverageText | None = None


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


class CarrierText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A carrier that terminates calls: where, and what it takes by which deck."""

    deck: str
    contact: str
    quality: int = 100
    weight: int = 1
    when: str | tuple[str, ...] = ()
    timezone: str = "UTC"


class RoutingText(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which carriers calls are offered to, and by what they are chosen."""

    carriers: tuple[str, ...]
    order: Literal["cost", "quality", "weight"] = "cost"
    least_quality: int = 0
    most: int = 3
    length: str = "1 min"
    at_a_loss: bool = False


SECTIONS: dict[str, Any] = {
    "countries": CountryText,
    "destinations": tuple[str, ...],
    "roaming": tuple[str, ...],
    "locations": tuple[str, ...],
    "networks": NetworkText,
    "times": TimeText,
    "holidays": tuple[date, ...],
    "conversions": dict[str, str],
    "services": ServiceText,
    "rates": RateText,
    "decks": DeckText,
    "meters": MeterText,
    "plans": PlanText,
    "offers": OfferText,
    "counters": CounterText,
    "carriers": CarrierText,
    "routings": RoutingText,
}
"""The tables of a catalogue and the shape of what stands in each."""
