"""What the bench found, as its JSON has it."""

from balances.ledger import Record


class Run(Record, frozen=True, kw_only=True):
    """What is to be measured in one go, on a server of its own."""

    profile: str
    fsync: str = "everysec"
    workers: int = 1
    accounts: int = 2_000
    sessions: int = 2_000
    overload: bool = False

    @property
    def name(self) -> str:
        return f"{self.profile}, {self.accounts:,} accounts, {self.fsync}, {self.workers} worker" + "s" * (
            self.workers > 1
        )


class Step(Record, frozen=True, kw_only=True):
    """What was measured at one rate: processor time in microseconds per request, latencies in milliseconds."""

    share: int
    rate: float
    ms: dict[str, float]
    worker_us: float
    store_us: float
    generator_us: float
    calls: float
    script_us: float


class Overload(Record, frozen=True, kw_only=True):
    """At twice the most that is done."""

    best: float
    """The most right answers a second at any rate offered, late ones too."""
    goodput: float
    """Right answers a second, of the best."""
    refused: int
    unanswered: int
    slowest_ms: float


class Report(Record, frozen=True, kw_only=True):
    """What was measured of one run."""

    run: Run
    sustained: float
    proved: float
    """How many times the rate the generator managed against nobody."""
    steps: tuple[Step, ...]
    requests: int
    worker_mb: float
    store_mb: float
    overload: Overload | None = None

    def at(self, share: int) -> Step:
        return next(step for step in self.steps if step.share == share)


class Sip(Record, frozen=True, kw_only=True):
    """INVITEs over UDP."""

    sustained: float
    worker_us: float
    store_us: float
    ms: dict[str, float]


class Memory(Record, frozen=True, kw_only=True):
    account_octets: float
    session_octets: float
    ended_octets: float
    """Of a session that has ended, three requests answered, and of its part in the account's latest entries."""
    worker_mb: float
    sessions: int


class Results(Record, frozen=True, kw_only=True):
    """All of it. What was not measured is None."""

    made: str
    """When, ISO 8601."""
    machine: str
    load: float
    """Load average when it began."""
    reports: tuple[Report, ...] = ()
    uncounted: tuple[str, ...] = ()
    """What did not count, even when tried again, and why."""
    sip: Sip | None = None
    memory: Memory | None = None
    deck_us: float | None = None
    """What a look-up in the large deck costs more than in the small one."""
    rival: float | None = None
    """Requests a processor second of python-diameter's Node answers without charging."""
    start_seconds: float | None = None
    """From start to ready with a million accounts, beyond the store's own load."""
