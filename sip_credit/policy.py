"""The credit check: an INVITE as a charging event, its outcome as 302 or a refusal. No I/O, no clock.

The answers and their headers are the interface to proxies; ``docs/`` describes it.
"""

import hashlib

import msgspec

from charging.access import Access, read_access
from charging.event import (
    ChargingEvent,
    Identity,
    IdentityType,
    ItemOutcome,
    Lapse,
    Outcome,
    Phase,
    Reason,
    RequestItem,
    Result,
    Service,
    ServiceKind,
    Unit,
)
from charging.routes import Route
from sip_credit.address import Address, Malformed, Uri, parse_uri
from sip_credit.call import Call, session_of
from sip_credit.digest import read_credentials
from sip_credit.forwarding import addresses, goes_round
from sip_credit.message import Request
from sip_credit.settings import Grants, Mode, OnFailure, Peer, Settings

DOOR = "sip"
ITEM = "call"
"""Key of a session's only item: the seconds of the call."""

LONGEST_NAME = 255
"""Characters of a number, name or Call-ID that are stored or looked up; no sound one is longer."""

REPORT_METHODS = ("INFO", "UPDATE", "BYE", "NOTIFY", "PUBLISH", "MESSAGE")
ALLOW = ("INVITE", "ACK", "CANCEL", "OPTIONS", *REPORT_METHODS)

_STATUS = {
    Result.NO_CREDIT: (402, "insufficient-credit"),
    Result.LIMIT_REACHED: (403, "spending-limit"),
    Result.BARRED: (403, "barred"),
    Result.UNKNOWN_SUBSCRIBER: (403, "unknown-subscriber"),
    Result.UNRATEABLE: (404, "unrateable"),
    Result.UNAVAILABLE: (503, "unavailable"),
    Result.SESSION_CLOSED: (480, "released"),
}
_RESULT_OF_ITEM = {
    Reason.NONE: Result.NO_CREDIT,
    Reason.NO_CREDIT: Result.NO_CREDIT,
    Reason.LIMIT_REACHED: Result.LIMIT_REACHED,
    Reason.BARRED: Result.BARRED,
    Reason.UNRATEABLE: Result.UNRATEABLE,
}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A final answer but for what every answer copies from its request."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """An INVITE understood: what to ask the engine, and what to remember."""

    event: ChargingEvent
    call: Call
    peer: Peer
    target: str
    routes: tuple[Route, ...] = ()
    """The carriers to offer, best first; none: the peer's template says where the call goes."""
    identity: str
    """What makes it this check and no other: a caller chooses its Call-ID and may choose it twice."""

    def under(self, session: str) -> "Check":
        """The same check with a session of another name."""
        return msgspec.structs.replace(self, event=msgspec.structs.replace(self.event, session=session))


def read_check(
    request: Request, peer: Peer, settings: Settings, now: int, own: frozenset[str] = frozenset()
) -> Check | Answer:
    """Understand an INVITE; an Answer if nobody needs to be asked. ``now`` in milliseconds since 1970.

    ``own``: ``host`` or ``host:port`` of ourselves; a call that would come back to us is refused.
    """
    if request.to.tag:
        return Answer(status=481)  # no dialog ever begins here (section 12.2.2)
    target = request.target
    called = clean(called_by(target, peer))
    if not 0 < len(called) <= LONGEST_NAME:
        return refusal(Result.UNRATEABLE, peer, settings)
    if goes_round(request):
        return loop(peer)
    caller = caller_of(request, peer)
    identities = payers(request, caller, peer)
    identity = _identity(request, identities)
    refreshes = _refreshes(request, peer)
    wanted = settings.slice if refreshes else settings.whole_grant
    call = Call(
        call_id=clean(request.call_id)[:LONGEST_NAME],
        peer=peer.name,
        caller=clean(subscriber_of(caller.uri, peer)).removeprefix("+")[:LONGEST_NAME] if caller else "",
        called=called.removeprefix("+"),
        identities=tuple((identity.type.value, identity.value) for identity in identities),
        invited_at=now,
        refreshes=refreshes,
        cap=wanted,
        access=access_of(request, peer),
        channel=identity if peer.trunk_group else "",
    )
    event = ChargingEvent(
        session=session_of(request.call_id),
        operation=operation("invite", request.from_.tag, str(request.cseq.number)),
        fingerprint=fingerprint(request.uri, *(identity.value for identity in identities)),
        phase=Phase.OPEN,
        door=DOOR,
        at=now,
        now=now,
        identities=identities,
        service=service_of(call),
        items=(RequestItem(key=ITEM, unit=Unit.SECONDS, wanted=wanted),),
        lifetime=settings.ring * 1000,
        lapse=Lapse.RELEASE,
        context=call.pack(),
    )
    check = Check(event=event, call=call, peer=peer, target=request.uri, identity=identity)
    if peer.mode is Mode.IN_PATH:
        return check
    return loop(peer) if not peer.routing and leads_to(filled(peer.contact, check, wanted), own) else check


def _identity(request: Request, identities: tuple[Identity, ...]) -> str:
    """The caller, the call as it names it, whom it calls, and the proxy's transaction."""
    payers = ",".join(f"{identity.type}:{identity.value}" for identity in identities)
    names = (request.call_id, request.from_.tag, str(request.cseq.number), payers, request.uri)
    return session_of("\n".join((*names, request.via.sent_by, request.via.branch)))


def answer_check(check: Check, outcome: Outcome, settings: Settings) -> tuple[Answer, Call | None]:
    """The answer, and the call if it was allowed."""
    item = item_of(outcome)
    granted = item.granted or 0 if item else 0
    if outcome.result is not Result.OK or not granted or item is None:
        return refusal(refused_as(outcome), check.peer, settings), None
    session = check.event.session
    carrier = check.routes[0].carrier if len(check.routes) == 1 else ""
    call = msgspec.structs.replace(check.call, cap=granted, exact=True, carrier=carrier)
    prefix = check.peer.header_prefix
    headers = (*contacts(check, granted), (f"{prefix}Session", session), *failure_hint(check.peer))
    return Answer(status=302, headers=(*headers, *grant_headers(item, call, prefix))), call


def contacts(check: Check, seconds: int) -> tuple[tuple[str, str], ...]:
    """Where a 302 sends the proxy: by the peer's template, or to the carriers, named in the order of their q-values."""
    if not check.routes:
        return (("Contact", f"<{filled(check.peer.contact, check, seconds)}>"),)
    found = tuple(
        ("Contact", f"<{filled(route.contact, check, seconds)}>;q={1 - place / 10:.1f}")
        for place, route in enumerate(check.routes)
    )
    return (*found, (f"{check.peer.header_prefix}Carriers", ", ".join(route.carrier for route in check.routes)))


def failure_hint(peer: Peer) -> tuple[tuple[str, str], ...]:
    """What the peer shall do with the calls about which we cannot answer it."""
    if peer.on_failure is OnFailure.UNSAID:
        return ()
    most = f";max={peer.on_failure_seconds}" if peer.on_failure is OnFailure.ALLOW else ""
    return ((f"{peer.header_prefix}On-Failure", f"{peer.on_failure}{most}"),)


def filled(contact: str, check: Check, seconds: int) -> str:
    """A template with its fields filled in."""
    fields = {"ruri": check.target, "b": check.call.called, "max": str(seconds), "sid": check.event.session}
    for field, value in fields.items():
        contact = contact.replace(f"{{{field}}}", value)
    return contact


def leads_to(contact: str, own: frozenset[str]) -> bool:
    """Does the URI mean one of these ``host`` or ``host:port``?"""
    try:
        uri = parse_uri(contact)
    except Malformed:
        return False
    port = uri.port or (5061 if uri.scheme == "sips" or uri.parameter("transport") == "tls" else 5060)
    return bool(uri.host) and (uri.host in own or f"{uri.host}:{port}" in own)


def loop(peer: Peer) -> Answer:
    """482: the call would go round (RFC 3261 section 21.4.20)."""
    return Answer(status=482, headers=((f"{peer.header_prefix}Reason", "loop"),))


def grant_headers(item: ItemOutcome, call: Call, prefix: str) -> tuple[tuple[str, str], ...]:
    """How long the call may go on from now, and when to ask again, if that can bring anything."""
    granted = item.granted or 0
    headers: tuple[tuple[str, str], ...] = ((f"{prefix}Max-Duration", str(granted)),)
    if call.refreshes and item.final is None and (refresh := refresh_after(granted)):
        headers += ((f"{prefix}Refresh", str(refresh)),)
    return headers


def read_grant(answer: Answer, prefix: str) -> tuple[int, int | None]:
    """What ``grant_headers`` says: seconds from now, and seconds until to ask again, if that is worth it."""
    said = dict(answer.headers)
    refresh = said.get(f"{prefix}Refresh")
    return int(said[f"{prefix}Max-Duration"]), None if refresh is None else int(refresh)


def refresh_after(granted: int) -> int:
    """Seconds after which to ask again: 5 s or 15 % before the cap, and in a short grant after three fifths of it.

    A proxy's timers tick once a second, and one lost question must leave time for another.
    """
    margin = max(5, -(-granted * 15 // 100))
    return granted - margin if granted >= 2 * margin else granted * 3 // 5


def refused_as(outcome: Outcome) -> Result:
    """Why an outcome grants nothing: its result, or the reason of its item where the session was opened anyway."""
    if outcome.result is not Result.OK:
        return outcome.result
    item = item_of(outcome)
    return _RESULT_OF_ITEM[item.reason if item else Reason.NONE]


def refusal(result: Result, peer: Peer, settings: Settings) -> Answer:
    """The answer to a check that is not granted."""
    status, reason = _STATUS.get(result, (480, result.value))
    if status == 503:
        return unavailable(reason, peer.header_prefix, settings)
    return Answer(status=status, headers=((f"{peer.header_prefix}Reason", reason),))


def unavailable(reason: str, prefix: str, settings: Settings) -> Answer:
    """503: ask again, or somebody else."""
    return Answer(status=503, headers=(("Retry-After", str(settings.retry_after)), (f"{prefix}Reason", reason)))


def undo_event(event: ChargingEvent, now: int, call: Call) -> ChargingEvent:
    """Give back what an OPEN reserved: nobody waits for its answer any more."""
    return ChargingEvent(
        session=event.session,
        operation=operation("undo", event.operation),
        fingerprint=0,
        phase=Phase.LAPSE,
        door=DOOR,
        at=now,
        now=now,
        identities=event.identities,
        service=None,
        context=call.pack(),
    )


def service_of(call: Call) -> Service:
    """What is rated."""
    return Service(
        kind=ServiceKind.VOICE,
        context=DOOR,
        calling=call.caller,
        called=call.called,
        charging_id=call.call_id,
        origin=call.peer,
        access=call.access.access,
        rat=call.access.rat,
        visited=call.access.visited,
    )


def access_of(request: Request, peer: Peer) -> Access:
    """How a call reaches the network: as the peer is set up, or as it says."""
    if peer.access == "header":
        return read_access(_elements(request, "P-Access-Network-Info"))
    return Access(access=peer.access)


def item_of(outcome: Outcome) -> ItemOutcome | None:
    """The outcome of the call's seconds."""
    return next((item for item in outcome.items if item.key == ITEM), None)


def identities_of(request: Request, peer: Peer) -> tuple[Identity, ...]:
    """Who calls, as the headers the peer is trusted with say; best first."""
    return payers(request, caller_of(request, peer), peer)


def operation(*parts: str) -> str:
    """The name of an operation inside its session; long ones are hashed, so that a peer cannot make us keep them."""
    text = clean(";".join(parts))
    if len(text) <= 160:
        return text
    return f"{parts[0]};{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def clean(text: str) -> str:
    """Text that can be stored: what was no UTF-8 is replaced."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _refreshes(request: Request, peer: Peer) -> bool:
    if peer.mode is Mode.IN_PATH:
        return peer.grants is not Grants.WHOLE  # it is we who ask again
    if peer.grants is not Grants.BY_REQUEST:
        return peer.grants is Grants.SLICES
    supported = _elements(request, peer.header_prefix + "Supports")
    return any(feature.lower() == "refresh" for feature in supported)


def _elements(request: Request, name: str) -> list[str]:
    """The elements of a header; none if it cannot be taken apart."""
    try:
        return request.headers.items(name)
    except Malformed:
        return []


def caller_of(request: Request, peer: Peer) -> Address | None:
    """The first SIP or tel URI in the headers that say who calls (RFC 3325 section 9.1)."""
    for name in peer.caller_headers:
        if name.lower() in ("authorization", "proxy-authorization"):
            found = _authenticated(request, name)
        else:
            found = addresses(request, name)
        for address in found:
            if address.uri.subscriber:
                return address
    return None


def _authenticated(request: Request, name: str) -> list[Address]:
    """The user whom the proxy has authenticated, as ``user@realm``, where it passes the credentials on."""
    try:
        said = read_credentials(request.headers.get(name))
        user = said.get("username", "")
        return [Address(uri=parse_uri(f"sip:{user}" if "@" in user else f"sip:{user}@{said.get('realm', '')}"))]
    except Malformed:
        return []


def payers(request: Request, caller: Address | None, peer: Peer) -> tuple[Identity, ...]:
    """Who is to pay, best first: the trunk's own account, the account the proxy names, whoever calls."""
    accounts = (peer.account, request.headers.get(peer.header_prefix + "Account"))
    named = (Identity(type=IdentityType.PRIVATE, value=clean(account)) for account in accounts if account)
    found = tuple(named) if peer.account else (*named, *_identities(caller, peer))
    return tuple(identity for identity in found if len(identity.value) <= LONGEST_NAME)


def called_by(target: Uri, peer: Peer) -> str:
    """Who is called, as the catalogue prices it."""
    if target.scheme not in ("sip", "sips", "tel"):
        return target.text
    if not target.number and peer.on_net_number and target.host in peer.on_net:
        return peer.on_net_number
    return subscriber_of(target, peer)


def subscriber_of(uri: Uri, peer: Peer) -> str:
    """The number as the peer's rules rewrite it, else the user part."""
    if not uri.number or uri.number in peer.short_codes:
        return uri.subscriber
    fitting = [rule for rule in peer.rewrite if uri.number.startswith(rule[0])]
    beginning, meaning = max(fitting, key=lambda rule: len(rule[0]), default=("", ""))
    return meaning + uri.number.removeprefix(beginning)


def _identities(caller: Address | None, peer: Peer) -> tuple[Identity, ...]:
    if caller is None:
        return ()
    uri = caller.uri
    found: list[Identity] = []
    if uri.number:
        found.append(Identity(type=IdentityType.E164, value=subscriber_of(uri, peer).removeprefix("+")))
    if uri.host:
        user = uri.user.partition(";")[0]
        found.append(Identity(type=IdentityType.SIP, value=clean(f"{user}@{uri.host}")))
    return tuple(found)


def fingerprint(*parts: str) -> int:
    """48 bits that differ if the content does."""
    text = "\0".join(parts).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big")
