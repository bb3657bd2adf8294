"""Settings of the SIP door: the table ``[sip_credit]`` of config.toml. Times are in seconds unless a name says else."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import msgspec

from sip_credit.address import is_token
from sip_credit.transaction import Timers


class Grants(StrEnum):
    """How much of a call is reserved at once."""

    BY_REQUEST = "by-request"
    """Slices for a check that says ``Supports: refresh``, the whole call for others."""
    SLICES = "slices"
    """The proxy always asks again in time."""
    WHOLE = "whole"
    """The proxy cannot ask again: as much as is affordable, at most ``whole_grant``."""


class Peer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proxy, or a group of them, that may ask."""

    name: str = "proxy"
    """Names the trunk in rating and logs."""
    networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Source addresses, in CIDR notation. Whoever is in none of them gets no answer at all."""
    header_prefix: str = "X-OCS-"
    """Start of the names of our own headers. FreeSWITCH only shows those that begin with ``X-``."""
    contact: str = "{ruri}"
    """Contact URI of a 302: ``{ruri}`` Request-URI as it came, ``{b}`` who is called, ``{max}`` seconds, ``{sid}``."""
    rewrite: tuple[tuple[str, str], ...] = ()
    """How numbers begin on this trunk and what that means: ``[["011", "+"], ["0", "+49"], ["9", ""]]``. The longest
    beginning that fits is replaced, in caller and called. Without it the plan's country rules alone apply."""
    grants: Grants = Grants.BY_REQUEST
    """``by-request``, ``slices`` or ``whole``."""
    caller_headers: tuple[str, ...] = ("P-Asserted-Identity", "From")
    """Who pays, most trusted first: the first header that holds a SIP or tel URI decides. Put ``Diversion`` before the
    others where whoever forwards a call pays for the new leg (RFC 5806: the topmost is the last to divert)."""

    def __post_init__(self) -> None:
        if not is_token(self.header_prefix):
            raise ValueError(f"header_prefix {self.header_prefix!r} is no header name")
        if set(self.contact) & set("\r\n<>"):
            raise ValueError("contact must be a URI")
        for network in self.networks:
            ip_network(network)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table as a whole."""

    host: str = "127.0.0.1"
    """Address for UDP and TCP."""
    port: int = 5060
    """Port for both; 0 takes any free one."""
    peers: tuple[Peer, ...] = (Peer(),)
    """Who may ask; the first whose networks hold the source address."""
    slice: int = 60
    """Seconds reserved at once for a call whose proxy asks again."""
    whole_grant: int = 7200
    """Most seconds granted to a call whose proxy cannot ask again."""
    ring: int = 180
    """How long a reservation waits for the call to be answered before it lapses."""
    liveness: int = 10
    """How long after its cap a call may stay silent before the server closes it and charges what was granted."""
    clock_tolerance: float = 2.0
    """Own and reported duration may differ by this; beyond, the reported one counts."""
    answer_within_ms: int = 150
    """A credit check that takes longer is answered 503. Below 200 ms no 100 Trying is needed."""
    report_within_ms: int = 3000
    """A report that takes longer is answered 503; the proxy repeats it."""
    retry_after: int = 5
    """Retry-After of a 503."""
    max_pending: int = 1000
    """Requests being decided at one time; more are answered 503 before the store is asked."""
    max_transactions: int = 100_000
    """Transactions remembered at one time, answered ones included."""
    max_connections: int = 256
    """TCP connections at one time."""
    idle: float = 300.0
    """A TCP connection on which nothing came for this long is closed."""
    max_unsent: int = 262_144
    """Octets that may wait for a slow reader before its connection is closed."""
    remembered_calls: int = 50_000
    """Calls kept in memory; of others the vault is asked."""
    drain: float = 5.0
    """How long a stopping server waits for open decisions."""
    timers: Timers = Timers()
    """RFC 3261 table 4."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError("port must be between 0 and 65535")
        for name in ("slice", "whole_grant", "ring", "answer_within_ms", "report_within_ms", "max_pending"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")


class PeerTable:
    """Finds the peer of a source address; the answer for an address is remembered."""

    def __init__(self, peers: tuple[Peer, ...]) -> None:
        self._networks: list[tuple[IPv4Network | IPv6Network, Peer]] = [
            (ip_network(network), peer) for peer in peers for network in peer.networks
        ]
        self._known: dict[str, Peer | None] = {}

    def find(self, host: str) -> Peer | None:
        """The peer at this address, or None for a stranger."""
        try:
            return self._known[host]
        except KeyError:
            pass
        address = ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        found = next((peer for network, peer in self._networks if mapped in network), None)
        if len(self._known) >= 4096:
            self._known.clear()
        self._known[host] = found
        return found
