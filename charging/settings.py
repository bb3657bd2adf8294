"""Settings of the charging engine: the table ``[charging]`` of config.toml."""

from typing import Literal

import msgspec


class ChargingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How charging runs; what services cost stands in the catalogue."""

    catalogue: str = "sample"
    """Folder or file of the catalogue; ``sample`` is the one that comes with the package."""

    catalogue_from: Literal["store", "files"] = "store"
    """``store``: what is published there, and the files until something is; ``files``: the files, whatever is
    published."""

    subscribers: int = 100_000
    """Subscribers whose terms (never whose balance) one worker keeps in mind, at least, and twice as many at most; the
    least recently seen are forgotten."""

    sessions: int = 200_000
    """Sessions whose account one worker keeps in mind, so that a report needs no subscriber identity."""

    idle_lifetime: int = 7_200
    """Seconds after which a session lapses to which no service, hence no validity, was ever named."""

    validity_jitter: int = 0
    """Percent by which a session's validity is spread, so that sessions opened together do not ask again together."""

    largest_octets: int = 10**13
    """The most octets one report may claim; anything above is a client's mistake, capped and counted."""

    largest_seconds: int = 31 * 86_400
    """The same for seconds."""

    largest_events: int = 1_000_000
    """The same for events."""
