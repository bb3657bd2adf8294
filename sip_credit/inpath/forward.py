"""What a hop changes in a request and a response (RFC 3261 sections 16.3 to 16.7). No I/O, no clock."""

from typing import NamedTuple

from sip_credit.address import Malformed, Place, Uri, decimal, parse_address, reached_at
from sip_credit.message import Request, Response

SESSION = "ocs"
"""The parameter of our Record-Route that names the call's session."""

Pairs = list[tuple[str, str]]


class Own(NamedTuple):
    """Where we are reached in a call."""

    host: str
    """As it stands in a URI."""
    port: int

    @property
    def sent_by(self) -> str:
        return f"{self.host}:{self.port}"

    def via(self, branch: str) -> str:
        return f"SIP/2.0/UDP {self.sent_by};branch={branch}"

    def record_route(self, session: str) -> str:
        return f"<sip:{self.sent_by};lr;{SESSION}={session}>"

    def is_in(self, route: str) -> bool:
        """Is it this Route element that is ours?"""
        try:
            uri = parse_address(route).uri
        except Malformed:
            return False
        return uri.host == self.host.lower() and (uri.port or 5060) == self.port

    def session(self, request: Request) -> str:
        """The session that our Route in a request names; empty if there is none."""
        for uri in self._ours(request):
            return uri.parameter(SESSION) or ""
        return ""

    def _ours(self, request: Request) -> list[Uri]:
        """Our own URI, where the request was routed by it: loosely, or by a strict router in place of its target."""
        first = request.headers.items("Route")[:1]
        if first and self.is_in(first[0]):
            return [parse_address(first[0]).uri]
        target = request.target
        ours = target.host == self.host.lower() and (target.port or 5060) == self.port
        return [target] if ours and target.parameter(SESSION) else []


def hops_left(request: Request) -> int:
    """Max-Forwards as it is to be sent on (section 16.6 step 3); below 0: answer 483. Raises Malformed."""
    text = request.headers.get("Max-Forwards")
    return decimal(text, 255, "Max-Forwards") - 1 if text else 70


def forwarded(request: Request, own: Own, branch: str, prefix: str, record: str = "") -> Request:
    """The request as we send it on: our Via, our Route taken off, and Record-Route ``record`` where that is given.
    Headers that begin with ``prefix`` were meant for us. Raises Malformed."""
    uri, routes = routed(request, own)
    dropped = {"via", "v", "route", "max-forwards"}
    kept = [
        (name, value)
        for name, value in request.headers
        if name.lower() not in dropped and not name.lower().startswith(prefix.lower())
    ]
    headers: Pairs = [("Via", own.via(branch)), *(("Via", via) for via in request.vias)]
    headers += [("Route", route) for route in routes]
    headers += [("Record-Route", record)] if record else []
    headers.append(("Max-Forwards", str(hops_left(request))))
    return Request(request.method, uri, [*headers, *kept], request.body)


def routed(request: Request, own: Own) -> tuple[str, list[str]]:
    """Request-URI and Route without our own part in them (section 16.4). Raises Malformed."""
    uri, routes = request.uri, request.headers.items("Route")
    if routes and request.target.parameter(SESSION) and own.is_in(f"<{uri}>"):  # the hop before us routes strictly
        uri = parse_address(routes.pop()).uri.text
    if routes and own.is_in(routes[0]):
        routes = routes[1:]
    return uri, routes


def at(uri: str, place: Place) -> str:
    """The same user at another place; what is no SIP URI stays as it is."""
    scheme, _, rest = uri.partition(":")
    userinfo, found, _ = rest.rpartition("@")
    host = f"[{place[0]}]" if ":" in place[0] else place[0]
    return f"sip:{userinfo}@{host}:{place[1]}" if found and scheme.lower() in ("sip", "sips") else uri


def place_of(request: Request) -> Place:
    """Where a request goes: to its first Route, else to its Request-URI. Raises Malformed for what is no address by
    UDP: names are not looked up."""
    routes = request.headers.items("Route")
    return reached_at(parse_address(routes[0]).uri if routes else request.target)


def returned(response: Response) -> Response:
    """The response without our Via (section 16.7 step 3). A 503 is about the next hop, and we are not it: 500."""
    others = [pair for pair in response.headers if pair[0].lower() not in ("via", "v")]
    headers = [*(("Via", via) for via in response.vias[1:]), *others]
    if response.status == 503:
        return Response(500, "Next Hop Unavailable", headers, response.body)
    return Response(response.status, response.reason, headers, response.body)
