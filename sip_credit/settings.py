"""Settings of the SIP door: the table ``[sip_credit]`` of config.toml. Times are in seconds unless a name says else."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

import msgspec

from sip_credit.address import Malformed, is_token, parse_uri, reached_at
from sip_credit.transaction import Timers


class Grants(StrEnum):
    """How much of a call is reserved at once."""

    BY_REQUEST = "by-request"
    """Slices for a check that says ``Supports: refresh``, the whole call for others."""
    SLICES = "slices"
    """The proxy always asks again in time."""
    WHOLE = "whole"
    """The proxy cannot ask again: as much as is affordable, at most ``whole_grant``."""


class Mode(StrEnum):
    """What becomes of a call that is allowed."""

    REDIRECT = "redirect"
    """The proxy is told for how long, ends the call and reports it."""
    IN_PATH = "in-path"
    """We send the call on, stay in its path, and end it ourselves."""


class Messages(StrEnum):
    """What a MESSAGE that is no report means."""

    REPORTS = "reports"
    """Nothing: it is answered 400."""
    CHARGED = "charged"
    """A short message to be charged at once, as an SMS is."""


class OnFailure(StrEnum):
    """What a proxy shall do with a call about which it gets no answer."""

    UNSAID = ""
    """As the proxy is set up."""
    REFUSE = "refuse"
    ALLOW = "allow"
    """Let it through, for a while; it is free."""


class Certificates(StrEnum):
    """Must whoever connects with TLS show a certificate?"""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SIP over TLS (RFC 3261 section 26.3.1), on a port of its own."""

    enabled: bool = False
    """Listen for TLS."""
    port: int = 5061
    """Port; 0 takes any free one."""
    certificate: str = ""
    """PEM file with our certificate and those that lead to its authority."""
    key: str = ""
    """PEM file with its key, without a password."""
    authorities: str = ""
    """PEM file with the authorities that sign the proxies' certificates."""
    client_certificates: Certificates = Certificates.REQUIRED
    """``required`` or ``optional``."""
    watch: float = 30.0
    """How often to look whether the files have changed; connections that are open stay."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError("port must be between 0 and 65535")
        if self.enabled and not (self.certificate and self.key and self.authorities):
            raise ValueError("needs certificate, key and authorities")


class TrunkGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the peers of a group may carry together, over all workers and nodes."""

    name: str
    """Peers name their group by it."""
    channels: int = 0
    """Calls at one time, those that still ring included; more are refused with 480. 0: any number."""
    calls_per_second: int = 0
    """Calls begun within any second; more are refused with 480 and Retry-After. 0: any number."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name must not be empty")
        if self.channels < 0 or self.calls_per_second < 0:
            raise ValueError("channels and calls_per_second must not be negative")


class Peer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proxy, or a group of them, that may ask."""

    name: str = "proxy"
    """Names the trunk in rating and logs."""
    networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Source addresses, in CIDR notation. Whoever is in none of them gets no answer at all."""
    certificates: tuple[str, ...] = ()
    """Names in certificates (DNS name, or domain of a SIP URI), of which the proxy must show one: then it must come by
    TLS. Empty: the address is enough."""
    digest: tuple[tuple[str, str], ...] = ()
    """Pairs of user name and password, one of which every check and report must prove (SHA-256 or MD5,
    qop=auth). Empty: none is asked for. It costs the proxy one more round trip a request."""
    mode: Mode = Mode.REDIRECT
    """``redirect``, or ``in-path`` for equipment that can neither end a call nor report it. Only by UDP."""
    next_hop: str = ""
    """Where calls go in mode ``in-path``: ``address:port`` of a peer, by UDP. It may be the proxy they come from."""
    rate: float = 0.0
    """New calls and charged messages a second; more are answered 503 before the store is asked. 0: any number."""
    burst: int = 20
    """How many of them may come at once before ``rate`` counts."""
    max_open: int = 0
    """Requests being decided at one time; more are answered 503. 0: any number."""
    routing: str = ""
    """The routing of the catalogue (``[routings.<name>]``) by which carriers are chosen for its calls; the Contacts of
    a 302 are then theirs, best first. Empty: ``contact`` holds."""
    trunk_group: str = ""
    """The group whose limits hold for its calls. Emergency calls are never counted or refused."""
    header_prefix: str = "X-OCS-"
    """Start of the names of our own headers. FreeSWITCH only shows those that begin with ``X-``."""
    on_failure: OnFailure = OnFailure.UNSAID
    """What the proxy shall do when we do not answer: ``refuse`` or ``allow``. It is told so with each 302 and each
    answer to OPTIONS; empty: nothing is told."""
    on_failure_seconds: int = 600
    """How long a call may last that is let through so."""
    contact: str = "{ruri}"
    """Contact URI of a 302: ``{ruri}`` Request-URI as it came, ``{b}`` who is called, ``{max}`` seconds, ``{sid}``."""
    rewrite: tuple[tuple[str, str], ...] = ()
    """How numbers begin on this trunk and what that means: ``[["011", "+"], ["0", "+49"], ["9", ""]]``. The longest
    beginning that fits is replaced, in caller and called. Without it the plan's country rules alone apply."""
    short_codes: tuple[str, ...] = ()
    """Numbers that ``rewrite`` leaves as they are dialled, such as ``["110", "112", "22999"]``."""
    on_net: tuple[str, ...] = ()
    """Domains of our own: a name called there (not a number) is priced as ``on_net_number``."""
    on_net_number: str = ""
    """The number of which a name in ``on_net`` takes the price. Empty: names have no price."""
    messages: Messages = Messages.REPORTS
    """``reports``: a MESSAGE only ever is a report. ``charged``: one that is none is charged as an SMS is."""
    grants: Grants = Grants.BY_REQUEST
    """``by-request``, ``slices`` or ``whole``."""
    caller_headers: tuple[str, ...] = ("P-Asserted-Identity", "From")
    """Who pays, most trusted first: the first header that holds a SIP or tel URI decides. Put ``Diversion`` before the
    others where whoever forwards a call pays for the new leg (RFC 5806: the topmost is the last to divert), or
    ``History-Info`` (RFC 7044) where the network writes that."""
    access: Literal["", "wifi", "app", "header"] = ""
    """How calls of this peer reach us, for the lines of a plan that ask for it: ``wifi``, ``app``, or what the
    P-Access-Network-Info header says (``header``: the proxy must not let through the one of a telephone)."""
    account: str = ""
    """Who pays for the whole trunk, as an identity of type ``private``; the headers then only say who calls."""

    def __post_init__(self) -> None:
        if not is_token(self.header_prefix):
            raise ValueError(f"header_prefix {self.header_prefix!r} is no header name")
        if self.rate < 0 or self.burst < 1 or self.max_open < 0:
            raise ValueError("rate and max_open must not be negative, burst must be above 0")
        if self.on_failure_seconds < 1:
            raise ValueError("on_failure_seconds must be above 0")
        if set(self.contact) & set("\r\n<>"):
            raise ValueError("contact must be a URI")
        for network in self.networks:
            ip_network(network)
        if self.mode is Mode.IN_PATH:
            self._check_in_path()

    def _check_in_path(self) -> None:
        try:
            reached_at(parse_uri(f"sip:{self.next_hop}"))
        except Malformed:
            raise ValueError(f"next_hop {self.next_hop!r} is no address:port, which mode in-path needs") from None
        if self.routing:
            raise ValueError("mode in-path has one next_hop: routing is for redirect")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table as a whole."""

    host: str = "127.0.0.1"
    """Address for UDP and TCP."""
    port: int = 5060
    """Port for both; 0 takes any free one."""
    peers: tuple[Peer, ...] = (Peer(),)
    """Who may ask; the first whose networks hold the source address."""
    trunk_groups: tuple[TrunkGroup, ...] = ()
    """Limits of channels and calls a second that peers share."""
    in_path_port: int = 5070
    """UDP port for calls that go through us (``mode = "in-path"``); each worker takes the first that is free from there
    on, so that all of a call reaches the worker that has it. 0 takes any free one."""
    own_names: tuple[str, ...] = ()
    """``host`` or ``host:port`` under which we are reached: no call is sent there. Empty: the address listened on."""
    realm: str = "ocs"
    """Realm of Digest authentication."""
    nonce_lifetime: int = 300
    """How long a nonce is good for."""
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
    lead: float = 2.0
    """A reported duration may exceed the time since the credit check by this; what is beyond is ignored."""
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
    max_transaction_octets: int = 268_435_456
    """Octets of their requests; more are answered 503."""
    max_connection_octets: int = 8_388_608
    """The same of one TCP connection."""
    max_connections: int = 256
    """TCP connections at one time."""
    idle: float = 300.0
    """A TCP connection on which no whole message and no ping came for this long is closed."""
    max_unsent: int = 262_144
    """Octets that may wait for a slow reader before its connection is closed."""
    remembered_calls: int = 50_000
    """Calls kept in memory; of others the vault is asked."""
    drain: float = 5.0
    """How long a stopping server waits for open decisions."""
    tls: Tls = Tls()
    """TLS."""
    timers: Timers = Timers()
    """RFC 3261 table 4."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError("port must be between 0 and 65535")
        if not 0 <= self.in_path_port <= 65535:
            raise ValueError("in_path_port must be between 0 and 65535")
        if self.in_path and not self.own_names and self.host in ("0.0.0.0", "::", ""):  # noqa: S104 - refused
            raise ValueError("own_names must say where calls in mode in-path reach us")
        groups = [group.name for group in self.trunk_groups]
        if len(set(groups)) < len(groups):
            raise ValueError("trunk_groups must have different names")
        for peer in self.peers:
            if peer.trunk_group and peer.trunk_group not in groups:
                raise ValueError(f"peers: {peer.name!r} has an unknown trunk_group {peer.trunk_group!r}")
        if '"' in self.realm or "\\" in self.realm or not self.realm.isprintable():
            raise ValueError("realm must not hold quotes")
        for name in (
            "nonce_lifetime",
            "slice",
            "whole_grant",
            "ring",
            "answer_within_ms",
            "report_within_ms",
            "max_pending",
            "max_transaction_octets",
            "max_connection_octets",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")

    @property
    def in_path(self) -> bool:
        """Do calls go through us?"""
        return any(peer.mode is Mode.IN_PATH for peer in self.peers)


class PeerTable:
    """Finds the peer of a source address; the answer for an address is remembered."""

    def __init__(self, peers: tuple[Peer, ...]) -> None:
        self._networks: list[tuple[IPv4Network | IPv6Network, Peer]] = [
            (ip_network(network), peer) for peer in peers for network in peer.networks
        ]
        self._known: dict[str, tuple[Peer, ...]] = {}

    def find(self, host: str, names: frozenset[str] = frozenset()) -> Peer | None:
        """The first peer at this address whose certificate, if it needs one, is among ``names``; None: a stranger."""
        for peer in self._at(host):
            if not peer.certificates or not names.isdisjoint(name.lower() for name in peer.certificates):
                return peer
        return None

    def _at(self, host: str) -> tuple[Peer, ...]:
        try:
            return self._known[host]
        except KeyError:
            pass
        address = ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        found = tuple(peer for network, peer in self._networks if mapped in network)
        if len(self._known) >= 4096:
            self._known.clear()
        self._known[host] = found
        return found
