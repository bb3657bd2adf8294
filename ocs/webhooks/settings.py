"""Settings of the webhooks: the table ``[webhooks]`` of config.toml."""

import msgspec

from balances.money import parse_amount


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told, of what, and how patiently."""

    url: str = ""
    """Where notices are posted (http or https). Empty: nobody is told."""

    secret_file: str = ""
    """File whose first line is the secret that notices are signed with; both sides know it."""

    thresholds: tuple[str, ...] = ("1.00",)
    """Amounts of unreserved money in each account's currency: falling below one is told, once until the next credit."""

    timeout: float = 5.0
    """Seconds the receiver has for its answer."""

    first_pause: float = 1.0
    """Seconds after which a notice that was not taken is sent again; the pause doubles each time."""

    longest_pause: float = 3600.0
    """Seconds; no pause is longer."""

    attempts: int = 20
    """How often a notice is sent at most; then it is given up, and the log says so."""

    def __post_init__(self) -> None:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url must begin with http:// or https://")
        if self.url and not self.secret_file:
            raise ValueError("secret_file is needed: unsigned notices could be anybody's")
        for threshold in self.thresholds:
            if parse_amount(threshold) <= 0:
                raise ValueError("thresholds must be above 0: depletion is told anyway")
        for name in ("timeout", "first_pause", "longest_pause", "attempts"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
