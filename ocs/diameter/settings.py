"""Settings of the Diameter door, ``[diameter]`` in config.toml."""

import ipaddress
from fnmatch import fnmatchcase

import msgspec


def matches(host: str, patterns: tuple[str, ...]) -> bool:
    """Does an Origin-Host, in small letters, fit one of the patterns?"""
    return any(fnmatchcase(host, pattern.lower()) for pattern in patterns)


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[diameter.tls]``: TLS from the first octet on a port of its own, beside TCP; off without a certificate."""

    port: int = 5868
    """TCP port (RFC 6733 section 11.4); 0 means any free one."""

    certificate: str = ""
    """File with our certificate and those between it and its authority, in PEM. Empty: no TLS."""

    key: str = ""
    """File with the certificate's private key, in PEM, without a passphrase."""

    authorities: str = ""
    """File with the certificates of those whose word for a peer is good, in PEM. Every peer must show a certificate."""

    match_identity: bool = True
    """A peer's Origin-Host must be one of the DNS names (subjectAltName) of its certificate; others get 3010."""

    watch: float = 10.0
    """Seconds between two looks whether the files have changed; they are read again then, and on SIGHUP. Connections
    that are open stay open."""

    @property
    def enabled(self) -> bool:
        return bool(self.certificate)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is none")
        if self.watch <= 0:
            raise ValueError("watch must be above 0")
        if self.certificate and not (self.key and self.authorities):
            raise ValueError("certificate needs key and authorities beside it")


class ConnectSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[diameter.connect]]``: a peer, such as a routing agent, that we connect to ourselves."""

    host: str
    """Name or address to connect to."""

    port: int = 3868
    """TCP port; 5868 is the usual one for TLS."""

    origin_host: str
    """The peer's Diameter identity; another one than this is refused."""

    origin_realm: str = ""
    """The peer's realm; empty means any."""

    tls: bool = False
    """Speak TLS from the first octet, with the files of ``[diameter.tls]``."""

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("host must not be empty")
        if not self.origin_host:
            raise ValueError("origin_host must not be empty")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is none")


class PeerProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[diameter.profiles]]``: how we introduce ourselves to peers of one make."""

    peers: tuple[str, ...]
    """Patterns of the peer's Origin-Host; the first profile that fits holds."""

    addresses: tuple[str, ...] = ()
    """Host-IP-Address AVPs; empty: the address of the connection. There are peers behind translation that compare."""

    vendor_specific_application: bool | None = None
    """As in ``[diameter]``, which holds where this is left out."""

    def __post_init__(self) -> None:
        for address in self.addresses:
            ipaddress.ip_address(address)


class DiameterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times in seconds, sizes in octets."""

    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` or ``::`` for all."""

    port: int = 3868
    """TCP port (RFC 6733 section 11.4); 0 means any free one."""

    origin_host: str = "ocs.example.net"
    """Our Diameter identity. All workers and nodes of one charging server share it."""

    origin_realm: str = "example.net"
    """Our realm; requests to other realms are refused with 3003."""

    served_realms: tuple[str, ...] = ()
    """Further realms whose requests are ours (a gateway may address its own realm); ``*`` means any."""

    product_name: str = "ocs"
    """Product-Name in the capabilities exchange."""

    vendor_specific_application: bool = True
    """Also advertise application 4 inside Vendor-Specific-Application-Id; some old peers look only there, and some
    refuse to see the application twice."""

    sy: bool = False
    """Also serve Sy, spending limit reporting (TS 29.219): tell policy servers how the catalogue's counters stand. The
    reports follow the journal, which one process of all those that share a store must write."""

    allowed_addresses: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Networks peers may connect from; others are closed at once. Diameter has no password: keep it narrow."""

    allowed_peers: tuple[str, ...] = ("*",)
    """Patterns of Origin-Host (``*.epc.example.net``) accepted in the capabilities exchange; others get 3010."""

    lenient_peers: tuple[str, ...] = ()
    """Patterns of the Origin-Host of peers whose unknown mandatory AVPs are ignored instead of refused with 5001."""

    watchdog: float = 30.0
    """Tw of RFC 3539: seconds of silence before a Device-Watchdog-Request; at least 6, with a jitter of 2."""

    capabilities_timeout: float = 10.0
    """How long a new connection may take to introduce itself."""

    probe_timeout: float = 2.0
    """A peer that connects a second time has often crashed: its first connection is asked for a sign of life, and gives
    way if it stays silent this long."""

    disconnect_timeout: float = 5.0
    """How long we wait for the answer to our Disconnect-Peer-Request, and for requests in flight when we drain."""

    request_deadline: float = 2.0
    """A request not answered by then is answered 3004. Well under the clients' own timers: there are gateways that
    fail on answers later than 3 s."""

    own_request_timeout: float = 5.0
    """How long we wait for the answer to a request of our own."""

    reauthorise: bool = True
    """Tell the clients of open sessions to ask anew (Re-Auth-Request) when their account was topped up or its terms
    were changed. Else they ask when their Validity-Time is over."""

    reauthorise_interval: float = 5.0
    """Least time between two such rounds for one account, however often it is topped up."""

    reauthorise_counters: tuple[str, ...] = ()
    """Counters of the catalogue whose change of status has the clients of the account's sessions ask anew too."""

    abort_grace: float = 10.0
    """A client told to end a session (Abort-Session-Request) has this long to report what was used; then the session
    lapses, and a report that comes later still is debited all the same."""

    max_in_flight: int = 4096
    """Requests in work in this worker; beyond it they are answered 3004 at once."""

    max_in_flight_per_peer: int = 2048
    """The same for one peer."""

    max_in_flight_octets: int = 8 * 1024 * 1024
    """Octets of one peer's requests in work, copies included; beyond it they are answered 3004 at once."""

    longest_wait: float = 0.4
    """Seconds that a request may stand in line, here or for the store. While all have to wait longer, so many are
    answered 3004 at once that the others do not: the work goes on at the full rate, and nobody is answered late."""

    overload_onset: float = 0.7
    """Share of the requests that may be in work from which clients that understand overload indication (RFC 7683)
    shall send less."""

    overload_validity: int = 30
    """How long they shall do so, if they hear nothing newer."""

    max_connections: int = 1024
    """Open connections of this worker; beyond it new ones are closed."""

    max_message_size: int = 65536
    """A longer message is answered 5015 and its connection closed."""

    max_input: int = 1024 * 1024
    """Octets of a peer that are read and not worked on yet; beyond it nothing more is read from it meanwhile."""

    max_output: int = 4 * 1024 * 1024
    """Answers a peer has not read yet; a peer slower than that is disconnected."""

    reconnect: float = 30.0
    """Tc of RFC 6733: seconds before we connect again to a peer, a little more at random; doubled with each failure, up
    to eight times."""

    connect: tuple[ConnectSettings, ...] = ()
    """Peers we connect to ourselves. With several workers each of them is connected to by one."""

    profiles: tuple[PeerProfile, ...] = ()
    """How we introduce ourselves to some peers."""

    tls: TlsSettings = TlsSettings()
    """TLS beside TCP."""

    def profile(self, host: str) -> PeerProfile:
        """What holds for a peer of this Origin-Host."""
        return next((one for one in self.profiles if matches(host.lower(), one.peers)), PeerProfile(peers=()))

    def share(self, number: int, workers: int) -> "DiameterSettings":
        """What one of several workers does: each peer of ``connect`` is connected to by one of them."""
        return msgspec.structs.replace(self, connect=self.connect[number::workers])

    def __post_init__(self) -> None:
        for network in self.allowed_addresses:
            ipaddress.ip_network(network)
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is none")
        if self.watchdog < 6:
            raise ValueError("watchdog must be at least 6 seconds (RFC 3539 section 3.4.1)")
        if not 1024 <= self.max_message_size <= 0xFFFFFC:
            raise ValueError("max_message_size must be between 1024 and 16777212")
        for name in (
            "capabilities_timeout",
            "probe_timeout",
            "disconnect_timeout",
            "request_deadline",
            "own_request_timeout",
            "longest_wait",
            "reauthorise_interval",
            "abort_grace",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        if not 0 < self.overload_onset <= 1:
            raise ValueError("overload_onset must be above 0 and at most 1")
        if not 1 <= self.overload_validity <= 86400:
            raise ValueError("overload_validity must be between 1 and 86400 (RFC 7683 section 7.5)")
        for name in (
            "max_in_flight",
            "max_in_flight_per_peer",
            "max_in_flight_octets",
            "max_connections",
            "max_input",
            "max_output",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("origin_host", "origin_realm"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        if any(peer.tls for peer in self.connect) and not self.tls.enabled:
            raise ValueError("connect: tls needs the certificate of [diameter.tls]")
        if len({peer.origin_host.lower() for peer in self.connect}) < len(self.connect):
            raise ValueError("connect: each origin_host may stand there once")
