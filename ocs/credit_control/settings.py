"""Settings of credit control, ``[credit_control]``: what clients are told, and profiles of their makes."""

from typing import Literal

import msgspec

from balances.money import parse_amount


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[credit_control.profiles]]``: how clients of one make are treated."""

    peers: tuple[str, ...] = ("*",)
    """Patterns of the Origin-Host of requests (``mme*.epc.example.net``); the first profile that fits holds."""

    units_unasked: bool = False
    """An update without Requested-Service-Unit is granted quota all the same, unless it reports the end of its use."""

    thresholds: bool = True
    """Send the thresholds at which the client asks again."""

    longest_validity: int = 0
    """Seconds beyond which no Validity-Time goes; 0: as the catalogue says. Shorten it for clients that take no RAR."""

    remaining_balance: bool = False
    """Send Remaining-Balance and Low-Balance-Indication (TS 32.299)."""

    qos_final_units: bool = False
    """Send QoS-Final-Unit-Indication beside Final-Unit-Indication (RFC 8506 section 8.68)."""

    tariff_switch: bool = False
    """It knows Tariff-Time-Change: a grant may outlast a change of the tariff, and what is used before and after is
    reported apart. Else a grant ends with the tariff, by its Validity-Time (RFC 8506 sections 8.20 and 8.27)."""

    reauthorise_by_key: bool = True
    """Name the service in a Re-Auth-Request where only one of a session needs it; else ask for all of them."""

    def __post_init__(self) -> None:
        if self.longest_validity < 0:
            raise ValueError("longest_validity must not be below 0")


class ParameterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[credit_control.parameters]]``: what a Service-Parameter-Info tells rating (RFC 8506 section 8.42)."""

    type: int
    """Service-Parameter-Type."""

    field: Literal["apn", "rat", "visited", "home", "location", "qos", "access", "origin", "calling", "called"]
    """What of the rating input its value is."""

    def __post_init__(self) -> None:
        if not 0 <= self.type < 2**32:
            raise ValueError(f"type {self.type} is none")


class CreditControlSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every client is told, and what some are."""

    failure_handling: Literal["terminate", "continue", "retry-and-terminate"] = "terminate"
    """Credit-Control-Failure-Handling: what a client does with a session while no server answers. ``continue`` gives
    service away."""

    debit_failure_handling: Literal["terminate-or-buffer", "continue"] = "terminate-or-buffer"
    """Direct-Debiting-Failure-Handling: what a client does with an event while no server answers."""

    session_failover: bool = False
    """CC-Session-Failover: may a session be moved to another server? Yes, where several share one store."""

    low_balance: str = "1.00"
    """Amount below which Low-Balance-Indication is 1, in the account's currency."""

    parameters: tuple[ParameterSettings, ...] = ()
    """Service parameters that are known; others are ignored, with the M flag refused with 5031."""

    profiles: tuple[Profile, ...] = ()
    """Treatment of clients by their Origin-Host."""

    def __post_init__(self) -> None:
        parse_amount(self.low_balance)
        if len({one.type for one in self.parameters}) < len(self.parameters):
            raise ValueError("parameters: each type may stand there once")
