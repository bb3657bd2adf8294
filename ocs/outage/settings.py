"""Settings of outages: the table ``[outage]`` of config.toml."""

from typing import Literal

import msgspec

from balances.money import format_amount, parse_amount


class GrantSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[outage.grants]]``: a service that is granted on trust."""

    service: Literal["data", "voice", "sms", "mms", "other"]
    """Which."""

    amount: str = "0.50"
    """The most that one request is granted, in the account's currency; never more units than the service grants."""

    def __post_init__(self) -> None:
        if parse_amount(self.amount) <= 0:
            raise ValueError("amount must be above 0")


class OutageSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is granted while the store is gone; docs/durability.md says what that may cost."""

    grants: tuple[GrantSettings, ...] = ()
    """The services granted on trust; requests for others are refused, their outcome unknown."""

    after: float = 2.0
    """Seconds for which there must have been no connection to the store."""

    per_subscriber: str = "5.00"
    """The most that one account is granted by one worker until that is settled, in its currency."""

    per_node: str = "1000.00"
    """The most that all accounts together are granted by this node, of each currency; its workers share it."""

    journal_size: int = 67_108_864
    """Octets that promises may take on this node's disk, under ``<daemon.directory>/outage``; its workers share it."""

    def __post_init__(self) -> None:
        if self.after < 0:
            raise ValueError("after must not be below 0")
        for name in ("per_subscriber", "per_node"):
            if parse_amount(getattr(self, name)) <= 0:
                raise ValueError(f"{name} must be above 0")
        if self.journal_size < 65_536:
            raise ValueError("journal_size is below 65536: a few requests would fill it")
        if len({grant.service for grant in self.grants}) < len(self.grants):
            raise ValueError("grants: each service may stand there once")

    def share(self, workers: int) -> "OutageSettings":
        """What one of so many workers may grant."""
        return msgspec.structs.replace(self, per_node=format_amount(max(1, parse_amount(self.per_node) // workers)))
