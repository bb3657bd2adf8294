"""Digest authentication (RFC 8760, RFC 7616) of proxies, without I/O and without a clock.

A nonce carries its time and a seal, so that none needs to be kept; what is kept, up to a bound, is how often each was
used, so that a recorded request cannot be sent again. What falls out of the bound counts as used up.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import Enum

from sip_credit.address import LWS, Malformed, parse_parameters, split_outside_quotes
from sip_credit.message import Request

ALGORITHMS = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
"""Strongest first: the order in which they are offered (RFC 8760 section 2.4)."""

REMEMBERED = 10_000
"""Nonces whose use is counted at one time."""


class Verdict(Enum):
    """What a request's credentials are worth."""

    GOOD = "good"
    STALE = "stale"
    """They prove the password, but with a nonce that is too old or was used so already."""
    REFUSED = "refused"


class Digest:
    """Challenges and judges. ``random`` gives 16 hexadecimal digits; times are in whole seconds of any clock."""

    def __init__(self, realm: str, secret: bytes, lifetime: int, random: Callable[[], str]) -> None:
        self._realm = realm
        self._secret = secret
        self._lifetime = lifetime
        self._random = random
        self._used: OrderedDict[str, int] = OrderedDict()
        self._floor = -1
        """Nonces made up to this second whose use is not counted any more are not accepted."""

    def challenge(self, now: int, verdict: Verdict = Verdict.REFUSED) -> tuple[tuple[str, str], ...]:
        """The WWW-Authenticate headers of a 401, one for each algorithm."""
        nonce = self._nonce(f"{now:x}", self._random())
        stale = ", stale=true" if verdict is Verdict.STALE else ""
        return tuple(
            ("WWW-Authenticate", f'Digest realm="{self._realm}", nonce="{nonce}", algorithm={name}, qop="auth"{stale}')
            for name in ALGORITHMS
        )

    def judge(self, request: Request, passwords: Mapping[str, str], now: int) -> Verdict:
        """Does the request prove one of the passwords? Several Authorizations may be there; one must be good."""
        verdict = Verdict.REFUSED
        for text in request.headers.all("Authorization"):
            found = self._judge(text, request, passwords, now)
            if found is Verdict.GOOD:
                return found
            verdict = Verdict.STALE if found is Verdict.STALE else verdict
        return verdict

    def _judge(self, text: str, request: Request, passwords: Mapping[str, str], now: int) -> Verdict:
        try:
            said = read_credentials(text)
        except Malformed:
            return Verdict.REFUSED
        name, nonce, count = said.get("username", ""), said.get("nonce", ""), said.get("nc", "")
        algorithm = next((a for a in ALGORITHMS if a == said.get("algorithm", "MD5").upper()), "")
        password = passwords.get(name)
        if password is None or not algorithm or said.get("realm") != self._realm or said.get("uri") != request.uri:
            return Verdict.REFUSED
        if said.get("qop") != "auth" or len(count) != 8 or not said.get("cnonce"):
            return Verdict.REFUSED
        proof = response(algorithm, name, password, request.method, said)
        if not hmac.compare_digest(proof.encode(), said.get("response", "").lower().encode("utf-8", "surrogateescape")):
            return Verdict.REFUSED
        try:
            return Verdict.GOOD if self._use(nonce, int(count, 16), now) else Verdict.STALE
        except ValueError:
            return Verdict.REFUSED

    def _nonce(self, made: str, salt: str) -> str:
        seal = hmac.new(self._secret, f"{made}-{salt}".encode(), hashlib.sha256).hexdigest()[:32]
        return f"{made}-{salt}-{seal}"

    def _use(self, nonce: str, count: int, now: int) -> bool:
        """Is the nonce ours, young enough, and its count a new one? Raises ValueError for nonsense."""
        made, salt, _ = nonce.split("-")
        if not nonce.isascii() or not hmac.compare_digest(self._nonce(made, salt), nonce):
            return False
        when = int(made, 16)
        last = self._used.get(nonce)
        if not now - self._lifetime <= when <= now or (last is None and when <= self._floor):
            return False
        if count <= (last or 0):
            return False
        self._used[nonce] = count
        while len(self._used) > REMEMBERED:
            oldest, _ = self._used.popitem(last=False)
            self._floor = max(self._floor, int(oldest.partition("-")[0], 16))
        return True


def read_credentials(text: str) -> dict[str, str]:
    """The parameters of an Authorization value with scheme Digest, unquoted; raises Malformed."""
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != "digest":
        raise Malformed("not Digest")
    parameters = parse_parameters(split_outside_quotes(rest.strip(LWS), ","))
    return {name: (value or "").strip('"') for name, value in parameters}


def response(algorithm: str, name: str, password: str, method: str, said: Mapping[str, str]) -> str:
    """The proof for qop=auth (RFC 7616 section 3.4.1). ``said``: realm, nonce, nc, cnonce, uri."""

    def digest(*parts: str) -> str:
        return ALGORITHMS[algorithm](":".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

    secret = digest(name, said["realm"], password)
    request = digest(method, said["uri"])
    return digest(secret, said["nonce"], said["nc"], said["cnonce"], "auth", request)
