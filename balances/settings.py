"""Settings of the vault: the table ``[balances]`` of config.toml."""

from typing import Literal

import msgspec

from balances.server import Durability
from balances.target import BadUrl, parse_target

EMBEDDED = "embedded"
"""The URL that stands for a private Valkey under the daemon's directory."""


class BalancesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the money is kept, how durably, and what is done with the ledger entries."""

    url: str = EMBEDDED
    """The store: ``embedded``, ``redis://``, ``unix://``, ``redis+sentinel://``, ``redis+cluster://``."""

    password_file: str = ""
    """File whose first line is the store's password, so that it need not stand in the URL."""

    timeout: float = 1.0
    """Seconds after which a call to the store counts as unanswered, its outcome as unknown."""

    patience: float = 10.0
    """Seconds for which a start waits for a store that cannot be reached yet."""

    in_flight: int = 10_000
    """Calls waiting for the store at one time, per process; more are refused at once."""

    fsync: Literal["everysec", "always"] = "everysec"
    """Embedded store: with ``everysec`` a power cut costs up to a second, a crash nothing; with ``always`` nothing."""

    durability: Durability = Durability.PROCESS
    """When a top-up, adjustment or bundle counts as done: ``process``, when the store has it; ``disk``, when it is on
    the store's disk; ``replica``, when it is on a replica's disk as well. docs/durability.md says what each loses."""

    reaper_interval: float = 0.5
    """Seconds between two looks for sessions nobody renewed."""

    reaper_batch: int = 100
    """Sessions lapsed per shard in one look; where there are more the next look follows at once."""

    ended_sessions: int = 86_400
    """Seconds for which the store keeps what it answered to a session that has ended: so long a repeat is answered as
    before, and late usage is settled. It is most of the memory that traffic takes."""

    journal: bool = True
    """Write every ledger entry to files, durably, under ``<daemon.directory>/journal``."""

    journal_file_size: int = 67_108_864
    """Octets after which the journal begins a new file."""

    journal_file_age: int = 3600
    """Seconds after which the journal begins a new file; charge detail records are written of each finished one."""

    outbox_entries: int = 1_000_000
    """Journalled entries that stay in the store for reading, over all shards; older ones are only in the journal."""

    outbox_backlog: int = 4_000_000
    """Entries beyond outbox_entries in the store, because the journal is behind, above which nothing new is begun."""

    def __post_init__(self) -> None:
        if self.url != EMBEDDED:
            try:
                parse_target(self.url)
            except BadUrl as problem:
                raise ValueError(f"url: {problem}") from None
        for name in ("timeout", "patience", "in_flight", "reaper_interval", "reaper_batch"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        if not 60 <= self.ended_sessions <= 30 * 86_400:
            raise ValueError("ended_sessions must be between 60 s and 30 days")
        if self.journal_file_size < 65_536:
            raise ValueError("journal_file_size is below 65536: every few entries would begin a new file")
        if self.journal_file_age <= 0:
            raise ValueError("journal_file_age must be above 0")
        if min(self.outbox_entries, self.outbox_backlog) < 0:
            raise ValueError("outbox_entries and outbox_backlog must not be below 0")
