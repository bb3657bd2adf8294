"""Settings of renewals: the table ``[renewals]`` of config.toml."""

import msgspec


class RenewalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often subscriptions are looked at, and how many are renewed at a time."""

    interval: float = 1.0
    """Seconds between two looks for what is due."""

    rate: float = 500.0
    """Renewals a second and process at most: what is left of the store is for the traffic."""

    def __post_init__(self) -> None:
        for name in ("interval", "rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
