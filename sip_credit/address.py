"""The small grammars inside SIP header values: lists, parameters, URIs and addresses (RFC 3261 sections 19.1, 20, 25).

Text in, frozen records out, or ``Malformed``. Only what a value *means* is taken apart; the text as it came is kept
beside it, because an answer must repeat it unchanged. Every scan is linear in the length of the text.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

LWS = " \t"
"""Linear white space that may stay after unfolding; str.strip() alone would also take Unicode's."""

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_HOST = re.compile(r"[A-Za-z0-9._\-]+|\[[0-9A-Fa-f:.]+\]")
_KNOWN = ("sip", "sips", "tel")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_ESCAPES = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NUMBER = re.compile(r"\+?[0-9]+")
_SPECIAL = {separator: re.compile(rf'\\.|["<>{separator}]', re.DOTALL) for separator in ",;"}
"""What matters to a list: a quoted pair, a quote, a bracket, the separator."""
_SEPARATORS = str.maketrans("", "", "-.() ")

Parameters = tuple[tuple[str, str | None], ...]


Place = tuple[str, int]
"""An IP address and a port."""


class Malformed(ValueError):
    """The text breaks the grammar; the message is short enough for a reason phrase."""


def is_token(text: str) -> bool:
    """Is it a token (section 25.1), such as a method or a header name?"""
    return _TOKEN.fullmatch(text) is not None


def decimal(text: str, limit: int, what: str) -> int:
    """Read ASCII digits only, at most ``limit``: int() alone takes signs, underscores and other scripts."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20) or (number := int(text)) > limit:
        raise Malformed(f"bad {what}")
    return number


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """Split at a separator that stands neither in a quoted string nor in ``<>``; parts are stripped."""
    if '"' not in text:
        before, opened, rest = text.partition("<")
        if not opened:
            return [part.strip(LWS) for part in text.split(separator)]
        inside, _, after = rest.partition(">")
        if "\\" not in text and text.count("<") == text.count(">") == 1 and ">" not in before:  # as nearly all are
            first, last = before.split(separator), after.split(separator)
            middle = f"{first[-1]}<{inside}>{last[0]}"
            return [part.strip(LWS) for part in (*first[:-1], middle, *last[1:])]
    parts: list[str] = []
    start = 0
    quoted = angled = False
    for match in _SPECIAL[separator].finditer(text):
        char = match[0]
        if quoted:
            quoted = char != '"'
        elif char == '"':
            quoted = not angled
        elif char == "<":
            angled = True
        elif char == ">":
            angled = False
        elif char == separator and not angled:
            parts.append(text[start : match.start()].strip(LWS))
            start = match.end()
    if quoted or angled:
        raise Malformed("unbalanced quotes")
    parts.append(text[start:].strip(LWS))
    return parts


def parse_parameters(parts: list[str]) -> Parameters:
    """Read ``name[=value]`` parts; names become lower case, values keep theirs. A name may come once (7.3.1)."""
    parameters: dict[str, str | None] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.rstrip(LWS).lower()
        if not is_token(name) or name in parameters:
            raise Malformed("bad parameter")
        if equals:
            value = value.lstrip(LWS)
            if not value or (LWS[0] in value and value[0] != '"'):
                raise Malformed("bad parameter value")
        parameters[name] = value if equals else None
    return tuple(parameters.items())


def format_parameters(parameters: Parameters) -> str:
    """The inverse of parse_parameters, each with its leading semicolon."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in parameters)


def split_host_port(text: str) -> tuple[str, int | None]:
    """Read ``host[:port]``; an IPv6 reference keeps its brackets."""
    end = text.find("]") + 1
    host, colon, port = text[end:].partition(":")
    host = (text[:end] + host).rstrip(LWS)
    if not _HOST.fullmatch(host):
        raise Malformed("bad host")
    if not colon:
        return host, None
    number = decimal(port.lstrip(LWS), 65535, "port")
    if not number:
        raise Malformed("bad port")
    return host, number


class Uri(msgspec.Struct, frozen=True, kw_only=True):
    """A SIP, SIPS or tel URI (section 19.1, RFC 3966); of other schemes only the scheme is known."""

    text: str
    scheme: str
    user: str = ""
    """Unescaped, without password; the subscriber number of a tel URI."""
    host: str = ""
    """Lower case; empty in a tel URI."""
    port: int | None = None
    parameters: Parameters = ()

    def parameter(self, name: str) -> str | None:
        """The value of a parameter; empty if it has none, None if it is absent."""
        return _find(self.parameters, name)

    @property
    def number(self) -> str:
        """The telephone number meant, with ``+`` if written so and without visual separators; empty if it is none."""
        if self.scheme not in ("sip", "sips", "tel"):
            return ""
        return _number_in(self.user)

    @property
    def subscriber(self) -> str:
        """What was dialled or who it is, whichever kind: the number, else the user part without its parameters."""
        return self.number or self.user.partition(";")[0]


@lru_cache(maxsize=1024)
def _number_in(user: str) -> str:
    """It is asked for several times in a row."""
    subscriber = user.partition(";")[0].translate(_SEPARATORS)
    return subscriber if _NUMBER.fullmatch(subscriber) else ""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A name-addr or addr-spec with header parameters: From, To, Contact, P-Asserted-Identity ... (section 20.10)."""

    uri: Uri
    display: str = ""
    parameters: Parameters = ()

    def parameter(self, name: str) -> str | None:
        """The value of a header parameter; empty if it has none, None if it is absent."""
        return _find(self.parameters, name)

    @property
    def tag(self) -> str:
        """The tag (section 19.3); empty if there is none."""
        return self.parameter("tag") or ""


class Via(msgspec.Struct, frozen=True, kw_only=True):
    """One hop (section 20.42)."""

    text: str
    transport: str
    """Upper case."""
    host: str
    port: int | None = None
    parameters: Parameters = ()

    def parameter(self, name: str) -> str | None:
        """The value of a parameter; empty if it has none, None if it is absent."""
        return _find(self.parameters, name)

    @property
    def branch(self) -> str:
        return self.parameter("branch") or ""

    @property
    def sent_by(self) -> str:
        """``host:port`` with the default port written out: what transaction matching compares (section 17.2.3)."""
        return f"{self.host.lower()}:{self.port or (5061 if self.transport == 'TLS' else 5060)}"

    def with_parameters(self, changes: dict[str, str]) -> "Via":
        """The same hop with parameters set, as a server does with ``received`` and ``rport``."""
        parameters = tuple((dict(self.parameters) | changes).items())
        port = "" if self.port is None else f":{self.port}"
        text = f"SIP/2.0/{self.transport} {self.host}{port}{format_parameters(parameters)}"
        return msgspec.structs.replace(self, text=text, parameters=parameters)


class CSeq(NamedTuple):
    """Sequence number and method (section 20.16)."""

    number: int
    method: str


def parse_uri(text: str) -> Uri:
    """Read a URI as it stands in a request line or between ``<>``; raises Malformed."""
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or not rest or not (scheme in _KNOWN or _SCHEME.fullmatch(scheme)):
        raise Malformed("bad URI")
    if " " in text or "\t" in text or "<" in text or ">" in text or '"' in text:
        raise Malformed("bad character in URI")
    if scheme in ("sip", "sips"):
        return _parse_sip_uri(text, scheme, rest)
    if scheme == "tel":
        number, *parts = rest.split(";")
        if not number:
            raise Malformed("empty telephone number")
        return Uri(text=text, scheme=scheme, user=_unescape(number), parameters=_uri_parameters(parts))
    return Uri(text=text, scheme=scheme)


def _parse_sip_uri(text: str, scheme: str, rest: str) -> Uri:
    userinfo, at, hostpart = rest.rpartition("@")
    if "@" in userinfo or (at and not userinfo):
        raise Malformed("bad user part in URI")
    address, *parts = hostpart.partition("?")[0].split(";")
    host, port = split_host_port(address)
    user = _unescape(userinfo.partition(":")[0])
    return Uri(text=text, scheme=scheme, user=user, host=host.lower(), port=port, parameters=_uri_parameters(parts))


def _uri_parameters(parts: list[str]) -> Parameters:
    """URI parameters: more characters are allowed than in header parameters, and oddities are not ours to judge."""
    named = [part.partition("=") for part in parts if part]
    return tuple([(name.lower(), _unescape(value) if equals else None) for name, equals, value in named])


def _unescape(text: str) -> str:
    if "%" not in text:
        return text
    if _ESCAPES.search(text):
        raise Malformed("bad escape in URI")
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def reached_at(uri: Uri) -> Place:
    """Address and port of a URI; raises Malformed."""
    if uri.scheme != "sip" or (uri.parameter("transport") or "udp").lower() != "udp":
        raise Malformed("only sip by UDP")
    try:
        return str(ip_address(uri.host.strip("[]"))), uri.port or 5060
    except ValueError:
        raise Malformed("no address") from None


def parse_address(text: str) -> Address:
    """Read a name-addr or addr-spec with its header parameters; raises Malformed."""
    head, *parts = split_outside_quotes(text, ";")
    display, angle, rest = _split_display(head)
    if not angle:  # without <> whatever follows the first semicolon belongs to the header (section 20.10)
        if "?" in head or "," in head:
            raise Malformed("address needs angle brackets")
        return Address(uri=parse_uri(head), parameters=parse_parameters(parts))
    if not rest.endswith(">"):
        raise Malformed("text after address")
    return Address(uri=parse_uri(rest[:-1].strip(LWS)), display=display, parameters=parse_parameters(parts))


def _split_display(head: str) -> tuple[str, bool, str]:
    """Display name, whether an angle bracket follows it, and what follows the bracket."""
    if not head.startswith('"'):
        display, angle, rest = head.partition("<")
        display = display.strip(LWS)
        if display and angle and not all(is_token(word) for word in display.split()):
            raise Malformed("bad display name")
        return display, bool(angle), rest
    position = 1
    characters: list[str] = []
    while head[position] != '"':  # split_outside_quotes has seen the closing quote
        position += head[position] == "\\"
        characters.append(head[position])
        position += 1
    rest = head[position + 1 :].lstrip(LWS)
    if not rest.startswith("<"):
        raise Malformed("display name without address")
    return "".join(characters), True, rest[1:]


def parse_via(text: str) -> Via:
    """Read one Via element; raises Malformed."""
    head, *parts = split_outside_quotes(text, ";")
    protocol, _, sent_by = _split_protocol(head)
    name, version, transport = protocol
    if name.upper() != "SIP" or version != "2.0" or not is_token(transport):
        raise Malformed("bad Via")
    host, port = split_host_port(sent_by)
    return Via(text=text, transport=transport.upper(), host=host, port=port, parameters=parse_parameters(parts))


def _split_protocol(head: str) -> tuple[tuple[str, str, str], str, str]:
    """Take ``SIP / 2.0 / UDP host`` apart; white space is allowed around the slashes (section 25.1)."""
    name, _, rest = head.partition("/")
    version, slash, rest = rest.partition("/")
    words = rest.split(None, 1)
    if not slash or len(words) != 2:
        raise Malformed("bad Via")
    return (name.strip(LWS), version.strip(LWS), words[0]), slash, words[1].strip(LWS)


def parse_cseq(text: str) -> CSeq:
    """Read ``number method``; the number is below 2^31 (section 8.1.1.5). Raises Malformed."""
    words = text.split()
    if len(words) != 2 or not is_token(words[1]):
        raise Malformed("bad CSeq")
    return CSeq(decimal(words[0], 2**31 - 1, "CSeq"), words[1])


def _find(parameters: Parameters, name: str) -> str | None:
    for key, value in parameters:
        if key == name:
            return value or ""
    return None
