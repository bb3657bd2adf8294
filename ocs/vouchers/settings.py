"""Settings of vouchers: the table ``[vouchers]`` of config.toml."""

import msgspec


class VoucherSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By what codes are kept, and how many wrong ones an account may try."""

    secret_file: str = ""
    """File whose first line is the secret that codes are hashed with (16 characters at least). Empty: no vouchers."""

    tries: int = 5
    """Wrong codes after which an account is locked."""

    lock: float = 3600.0
    """Seconds for which it is, from the last wrong code on."""

    def __post_init__(self) -> None:
        for name in ("tries", "lock"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
