"""SIP messages (RFC 3261 sections 7 and 8): bytes in, a Request or Response out, or a RemoteError with the answer.

No I/O and no clock. Mandatory headers are checked when a message is parsed, and whatever else a header holds is read
when somebody asks. Text is UTF-8 with undecodable bytes kept, so that an answer repeats exactly what came.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple

from sip_credit.address import (
    LWS,
    Address,
    CSeq,
    Malformed,
    Uri,
    Via,
    decimal,
    is_token,
    parse_address,
    parse_cseq,
    parse_uri,
    parse_via,
    split_outside_quotes,
)

__all__ = [
    "MAX_BODY",
    "MAX_HEAD",
    "PHRASES",
    "Address",
    "CSeq",
    "Head",
    "Headers",
    "Malformed",
    "Message",
    "RemoteError",
    "Request",
    "Response",
    "Uri",
    "Via",
    "acknowledge",
    "build",
    "cancel",
    "content_length",
    "parse",
    "parse_address",
    "parse_uri",
    "parse_via",
    "respond",
    "split_head",
]

MAX_HEAD = 65_536
"""Octets of start line and headers."""
MAX_BODY = 65_536
"""Octets of a body; no body means anything to a credit check."""
MAX_LINE = 8_192
"""Octets of one header after unfolding."""
MAX_LINES = 128
"""Header lines."""
MAX_VIAS = 64
"""Hops, however they are spread over lines."""

PHRASES = {
    100: "Trying",
    200: "OK",
    202: "Accepted",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    487: "Request Terminated",
    500: "Server Internal Error",
    503: "Service Unavailable",
    505: "Version Not Supported",
    513: "Message Too Large",
}
"""Reason phrases of section 21 for the statuses in use here."""

_COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
"""Compact forms (section 7.3.3 and the registry of header fields)."""

_NAMES = {letter: name.lower() for letter, name in _COMPACT.items()}
_KEPT = 1024
"""Names of headers kept in mind: there are some dozens."""
_SINGLE = ("from", "to", "call-id", "cseq", "content-length")


class RemoteError(Exception):
    """The peer is wrong: ``status`` is what to answer to ``request``; without a request there is nobody to tell."""

    def __init__(self, status: int, reason: str, request: "Request | None" = None) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.request = request


class Headers:
    """Header fields in order; names compare without regard to case and to compact forms."""

    __slots__ = ("_known", "_pairs")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)
        self._known: dict[str, list[str]] | None = None

    @property
    def _index(self) -> dict[str, list[str]]:
        """The values by name; made when somebody asks, as nobody does of an answer."""
        known = self._known
        if known is None:
            known = self._known = {}
            for name, value in self._pairs:
                known.setdefault(_key(name), []).append(value)
        return known

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        return f"Headers({list(self._pairs)!r})"

    def get(self, name: str, default: str = "") -> str:
        """The value of the first field of this name."""
        values = self._index.get(_key(name))
        return values[0] if values else default

    def count(self, name: str) -> int:
        """How many fields have this name."""
        return len(self._index.get(_key(name), ()))

    def all(self, name: str) -> list[str]:
        """The values of all fields of this name, as they came."""
        return list(self._index.get(_key(name), ()))

    def items(self, name: str) -> list[str]:
        """The elements of a header that is a list: over several lines or with commas, it is the same (7.3.1)."""
        values = self._index.get(_key(name), ())
        return [item for value in values for item in split_outside_quotes(value, ",")]


@lru_cache(maxsize=_KEPT)
def _key(name: str) -> str:
    """What a name compares by."""
    key = name.lower()
    return _NAMES.get(key, key)


@lru_cache(maxsize=_KEPT)
def _whole(name: str) -> str:
    """A header's name in full, as it came if it is; empty if it is none."""
    if not is_token(name):
        return ""
    return _COMPACT.get(name.lower(), name) if len(name) == 1 else name


class Message:
    """What requests and responses share. The properties raise Malformed if the header they read is absent or bad."""

    size = 0
    """Octets in which it came; 0: it is our own."""

    def __init__(self, headers: Headers | Iterable[tuple[str, str]], body: bytes = b"") -> None:
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.body = body

    @property
    def start_line(self) -> str:
        raise NotImplementedError

    @cached_property
    def vias(self) -> tuple[str, ...]:
        """The hops as texts, topmost first."""
        return tuple(self.headers.items("Via"))

    @cached_property
    def via(self) -> Via:
        """The topmost hop: whoever sent this to us."""
        if not self.vias:
            raise Malformed("no Via")
        return parse_via(self.vias[0])

    @cached_property
    def from_(self) -> Address:
        return parse_address(self._mandatory("From"))

    @cached_property
    def to(self) -> Address:
        return parse_address(self._mandatory("To"))

    @cached_property
    def call_id(self) -> str:
        value = self._mandatory("Call-ID")
        if " " in value or "\t" in value:
            raise Malformed("bad Call-ID")
        return value

    @cached_property
    def cseq(self) -> CSeq:
        return parse_cseq(self._mandatory("CSeq"))

    def encode(self) -> bytes:
        """The message in octets; Content-Length is always that of the body, and comes last."""
        lines = [self.start_line]
        lines += [f"{name}: {value}" for name, value in self.headers if _key(name) != "content-length"]
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body

    def check(self) -> None:
        """Raise Malformed unless every mandatory header is there once and well formed (section 8.1.1)."""
        for name in _SINGLE:
            if self.headers.count(name) > 1:
                raise Malformed(f"more than one {name}")
        if len(self.vias) > MAX_VIAS:
            raise Malformed("too many Vias")
        _ = self.via, self.from_, self.to, self.call_id, self.cseq

    def _mandatory(self, name: str) -> str:
        value = self.headers.get(name)
        if not value:
            raise Malformed(f"no {name}")
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self.encode() == other.encode()

    def __hash__(self) -> int:
        return hash(self.encode())

    def __repr__(self) -> str:
        return f"<{self.start_line} {self.headers.get('Call-ID')} {self.headers.get('CSeq')}>"


class Request(Message):
    """A request. ``uri`` is the Request-URI as it came."""

    def __init__(self, method: str, uri: str, headers: Headers | Iterable[tuple[str, str]], body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri = uri

    @property
    def start_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"

    @cached_property
    def target(self) -> Uri:
        """The Request-URI taken apart."""
        return parse_uri(self.uri)

    def check(self) -> None:
        super().check()
        if self.cseq.method != self.method:
            raise Malformed("CSeq does not fit the method")
        _ = self.target

    def received_from(self, host: str, port: int) -> "Request":
        """The request with its source in the topmost Via, where it must be told (18.2.1, RFC 3581 section 4)."""
        changes = {}
        if self.via.parameter("rport") == "":
            changes = {"received": host, "rport": str(port)}
        elif self.via.host.strip("[]") != host:
            changes = {"received": host}
        if not changes:
            return self
        others = [pair for pair in self.headers if pair[0].lower() not in ("via", "v")]
        vias = [self.via.with_parameters(changes).text, *self.vias[1:]]
        told = Request(self.method, self.uri, [*(("Via", via) for via in vias), *others], self.body)
        told.size = self.size
        return told


class Response(Message):
    """A response."""

    def __init__(
        self, status: int, reason: str, headers: Headers | Iterable[tuple[str, str]], body: bytes = b""
    ) -> None:
        super().__init__(headers, body)
        self.status = status
        self.reason = reason

    @property
    def start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"


class Head(NamedTuple):
    """Start line and headers as far as they could be read, and the first thing wrong with them."""

    start_line: str
    headers: Headers
    fault: Exception | None
    octets: int = 0


def parse(datagram: bytes) -> Request | Response:
    """Read one datagram (section 18.3): octets beyond Content-Length are dropped, too few are an error."""
    octets, blank, body = datagram.lstrip(b"\r\n").partition(b"\r\n\r\n")
    head = split_head(octets)
    try:
        length = content_length(head.headers)
        if not blank:
            raise Malformed("headers do not end")
        if length is not None and length > len(body):
            raise Malformed("body shorter than Content-Length")
    except Malformed as error:
        length, head = 0, head._replace(fault=head.fault or error)
    return build(head, body[:length])


def split_head(octets: bytes) -> Head:
    """Take start line and headers apart, without the blank line that ends them. It raises nothing: ``build`` judges."""
    start, _, rest = octets.decode("utf-8", "surrogateescape").partition("\r\n")
    headers, fault = _parse_headers(rest)
    if len(octets) > MAX_HEAD:
        fault = RemoteError(513, PHRASES[513])
    return Head(start, headers, fault, len(octets))


def build(head: Head, body: bytes) -> Request | Response:
    """Make the message of its parts; raises RemoteError if anything that matters is wrong."""
    start, headers, fault, octets = head
    if len(body) > MAX_BODY:
        fault = fault or RemoteError(513, PHRASES[513])
    if start[:4].upper() == "SIP/":
        return _build_response(start, headers, body, fault)
    words = start.split(" ")
    request = Request(words[0], words[1] if len(words) > 1 else "", headers, body)
    request.size = octets + len(body)
    try:
        if fault := fault or _start_line_fault(words):
            raise fault
        request.check()
    except Malformed as error:
        raise RemoteError(400, str(error), _answerable(request)) from None
    except RemoteError as error:
        raise RemoteError(error.status, error.reason, _answerable(request)) from None
    return request


def content_length(headers: Headers) -> int | None:
    """The value of Content-Length, or None if it is absent; raises Malformed."""
    values = headers.all("Content-Length")
    if not values:
        return None
    if len(values) > 1:
        raise Malformed("more than one content-length")
    return decimal(values[0], 2**32 - 1, "Content-Length")


def _parse_headers(text: str) -> tuple[Headers, Exception | None]:
    """The header fields and the first thing wrong with them: those that are right may serve to answer."""
    pairs: list[tuple[str, str]] = []
    fault: Exception | None = None
    if "\r\n " in text or "\r\n\t" in text:  # a folded line goes on in the next (section 7.3.1)
        text = text.replace("\r\n ", " ").replace("\r\n\t", " ")
    lines = text.split("\r\n") if text else []
    if len(lines) > MAX_LINES:
        fault = Malformed("too many headers")
    for line in lines:
        name, colon, value = line.partition(":")
        whole = _whole(name.rstrip(LWS))
        if not colon or not whole or "\r" in value or "\n" in value:
            fault = fault or Malformed("bad header line")
        elif len(line) > MAX_LINE:
            fault = fault or Malformed("header line too long")
        else:
            pairs.append((whole, value.strip(LWS)))
    return Headers(pairs), fault


def _start_line_fault(words: list[str]) -> Exception | None:
    if len(words) != 3 or not is_token(words[0]):
        return Malformed("bad request line")
    version = words[2].upper()
    if version == "SIP/2.0":
        return None
    name, _, number = version.partition("/")
    if name == "SIP" and number.replace(".", "", 1).isdigit():
        return RemoteError(505, PHRASES[505])
    return Malformed("bad request line")


def _build_response(start: str, headers: Headers, body: bytes, fault: Exception | None) -> Response:
    """A response that is wrong is dropped: there is no request to answer (section 18.1.2)."""
    version, _, rest = start.partition(" ")
    code, _, reason = rest.partition(" ")
    try:
        if fault:
            raise fault
        status = decimal(code, 699, "status code")
        if version.upper() != "SIP/2.0" or len(code) != 3 or status < 100:
            raise Malformed("bad status line")
        response = Response(status, reason, headers, body)
        response.check()
    except (Malformed, RemoteError) as error:
        raise RemoteError(400, str(error)) from None
    return response


def _answerable(request: Request) -> Request | None:
    """The request, if enough of it is sound to answer it at all; an ACK is never answered (section 17.1.1.3)."""
    try:
        usable = request.via and all(request.headers.get(name) for name in ("From", "To", "Call-ID", "CSeq"))
    except Malformed:
        return None
    return request if usable and request.method != "ACK" and len(request.vias) <= MAX_VIAS else None


def respond(
    request: Request,
    status: int,
    reason: str = "",
    *,
    tag: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """Answer a request (section 8.2.6.2): Vias, From, To, Call-ID and CSeq unchanged; ``tag`` where To has none yet."""
    to = request.headers.get("To")
    if tag and not _has_tag(request):
        to = f"{to};tag={tag}"
    copied = [
        *(("Via", via) for via in request.vias),
        ("From", request.headers.get("From")),
        ("To", to),
        ("Call-ID", request.headers.get("Call-ID")),
        ("CSeq", request.headers.get("CSeq")),
    ]
    return Response(status, reason or PHRASES.get(status, "Unknown"), [*copied, *headers], body)


def _has_tag(request: Request) -> bool:
    try:
        return bool(request.to.tag)
    except Malformed:
        return True


def acknowledge(invite: Request, response: Response) -> Request:
    """The ACK to a final answer other than 2xx, which goes hop by hop (section 17.1.1.3)."""
    return _same_transaction(invite, "ACK", response.headers.get("To"))


def cancel(invite: Request) -> Request:
    """The CANCEL of an INVITE that has no final answer yet (section 9.1)."""
    return _same_transaction(invite, "CANCEL", invite.headers.get("To"))


def _same_transaction(invite: Request, method: str, to: str) -> Request:
    routes = [("Route", route) for route in invite.headers.all("Route")]
    headers = [
        ("Via", invite.vias[0]),
        ("From", invite.headers.get("From")),
        ("To", to),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq.number} {method}"),
        ("Max-Forwards", "70"),
        *routes,
    ]
    return Request(method, invite.uri, headers)
