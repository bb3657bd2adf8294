"""What the simulators can be told: the ``[simulators]`` table, and the options of one run."""

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Load and faults of a simulated network. Shares are probabilities from 0 to 1."""

    subscribers: int = 20
    """How many subscribers take part; their accounts are opened over the HTTP API where they do not exist."""
    credit: str = "10.00"
    """What an account that is opened for a subscriber is topped up with."""
    rate: float = 10.0
    """New data sessions, calls and messages per second, whether or not earlier ones were answered."""
    duration: float = 30.0
    """Seconds during which something new is started; what runs then is ended in order."""
    seed: int = 1
    """Same seed, same arrivals, users, volumes and faults."""
    speed: float = 20.0
    """Simulated seconds in one real second on the Diameter side; SIP calls last as long as they last."""
    duplicate: float = 0.0
    """Share of messages sent twice."""
    drop: float = 0.0
    """Share of messages lost on the way, requests and answers alike."""
    delay: float = 0.0
    """Share of messages that arrive late, by up to ``delay_seconds``."""
    delay_seconds: float = 0.2
    """How late at most."""
    reorder: float = 0.0
    """Share of messages overtaken by the next one."""
    cut: float = 0.0
    """Share of messages in the middle of which the connection breaks (TCP only)."""
    tx: float = 2.0
    """Seconds after which a Diameter client repeats what was not answered (Tx of RFC 8506 section 13)."""
    t1: float = 0.5
    """Seconds of timer T1 of RFC 3261; section 17.1.1.1 allows less in a closed network."""
    attempts: int = 6
    """How often a Diameter request is sent at most before its outcome counts as unknown."""
    overuse: float = 0.0
    """Share of data sessions that go on using the service when the quota is exhausted, as some gateways do."""

    def __post_init__(self) -> None:
        """Raise ValueError for what no run can be made of."""
        for name in ("duplicate", "drop", "delay", "reorder", "cut", "overuse"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1")
        for name in ("subscribers", "rate", "duration", "speed", "tx", "t1", "attempts"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above zero")
        if self.delay_seconds < 0:
            raise ValueError("delay_seconds must not be below zero")


class Mix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How arrivals divide among services; weights, which need not add up to anything."""

    data: float = 5.0
    voice: float = 2.0
    sms: float = 3.0


class SimulationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One run: the load, whom to talk to, and for whom."""

    settings: Settings = Settings()
    host: str = "127.0.0.1"
    port: int
    """Port of the Diameter or the SIP door."""
    http: str = "http://127.0.0.1:8080"
    """Base URL of the HTTP API, for accounts, top-ups and the ledger."""
    token: str = ""
    """Bearer token for the HTTP API, where it wants one."""
    live: bool = True
    """Show what goes on while it goes on, on standard error."""


class MnoOptions(SimulationOptions, frozen=True, kw_only=True):
    """A run of the mobile core."""

    mix: Mix = Mix()
    profile: str = ""
    """Whose ways the packet gateway has: a key of ``gateway.PROFILES``; empty for some of each."""
    realm: str = "example.net"
    """Destination-Realm: the server's."""


class SipOptions(SimulationOptions, frozen=True, kw_only=True):
    """A run of the SIP proxy with its callers."""

    transport: str = "udp"
    """``udp`` or ``tcp``."""
    wait: float = 0.9
    """Seconds the proxy waits for the credit check before it turns the call away."""
    resend: float = 1.0
    """Seconds between attempts to deliver a report the server did not take."""


def parse_share(text: str) -> float:
    """Read ``1%``, ``0.1%`` or ``0.01`` as a probability; raises ValueError."""
    share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0 <= share <= 1:
        raise ValueError(f"{text!r} is not a share from 0 to 100%")
    return share
