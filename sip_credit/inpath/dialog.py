"""What a hop must know of a dialog to end it towards both ends (RFC 3261 sections 12 and 15). No I/O, no clock."""

import msgspec

from sip_credit.address import Malformed, parse_address, parse_uri
from sip_credit.inpath.forward import Own
from sip_credit.message import Request, Response


class End(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two telephones, as the hop reaches it."""

    name: str
    """Its From or To with tag, as it stands in the requests of the dialog."""
    tag: str
    target: str
    """The URI of its Contact."""
    routes: tuple[str, ...]
    """The hops between us and it, nearest first."""
    number: int
    """The highest CSeq it has sent; 0 if it sent nothing."""


class Dialog(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was answered."""

    call_id: str
    caller: End
    callee: End

    def end_of(self, request: Request) -> End | None:
        """Which end sent this request in the dialog; None if it is of another."""
        tags = request.from_.tag, request.to.tag
        if request.call_id != self.call_id:
            return None
        if tags == (self.caller.tag, self.callee.tag):
            return self.caller
        return self.callee if tags == (self.callee.tag, self.caller.tag) else None

    def after(self, request: Request, response: Response | None = None) -> "Dialog":
        """The dialog once a request was seen in it, and its 2xx: numbers rise, re-INVITE and UPDATE move the ends."""
        moves = response is not None and response.status < 300 and request.method in ("INVITE", "UPDATE")
        by_caller = self.end_of(request) == self.caller
        sender, other = (self.caller, self.callee) if by_caller else (self.callee, self.caller)
        sender = msgspec.structs.replace(sender, number=max(sender.number, request.cseq.number))
        if moves and response is not None:
            sender = msgspec.structs.replace(sender, target=contact(request) or sender.target)
            other = msgspec.structs.replace(other, target=contact(response) or other.target)
        caller, callee = (sender, other) if by_caller else (other, sender)
        return msgspec.structs.replace(self, caller=caller, callee=callee)

    def byes(self, reason: str) -> tuple[Request, Request]:
        """BYE to the caller as if the callee had hung up, and the reverse; without Via."""
        return self._bye(self.callee, self.caller, reason), self._bye(self.caller, self.callee, reason)

    def _bye(self, sender: End, receiver: End, reason: str) -> Request:
        uri, routes = receiver.target, list(receiver.routes)
        if routes and parse_address(routes[0]).uri.parameter("lr") is None:  # a strict router (section 12.2.1.1)
            uri, routes = parse_address(routes[0]).uri.text, [*routes[1:], f"<{uri}>"]
        return Request(
            "BYE",
            uri,
            [
                *(("Route", route) for route in routes),
                ("Max-Forwards", "70"),
                ("From", sender.name),
                ("To", receiver.name),
                ("Call-ID", self.call_id),
                ("CSeq", f"{sender.number + 1} BYE"),
                ("Reason", reason),
            ],
        )


def established(invite: Request, response: Response, own: Own) -> Dialog:
    """The dialog that a 2xx to an INVITE begins; raises Malformed if either has no Contact.

    ``invite`` as we sent it on. Of its Record-Route, what is below ours leads back to the caller; of that in the
    answer, what is above ours leads to the callee, farthest first (sections 12.1.1 and 12.1.2).
    """
    before = [route for route in invite.headers.items("Record-Route") if not own.is_in(route)]
    after: list[str] = []
    for route in response.headers.items("Record-Route"):
        if own.is_in(route):
            break
        after.insert(0, route)
    ends = contact(invite), contact(response)
    if not all(ends):
        raise Malformed("no Contact")
    return Dialog(
        call_id=invite.call_id,
        caller=End(
            name=invite.headers.get("From"),
            tag=invite.from_.tag,
            target=ends[0],
            routes=tuple(before),
            number=invite.cseq.number,
        ),
        callee=End(name=response.headers.get("To"), tag=response.to.tag, target=ends[1], routes=tuple(after), number=0),
    )


def contact(message: Request | Response) -> str:
    """The URI in Contact; empty if there is none."""
    try:
        return parse_uri(parse_address(message.headers.items("Contact")[0]).uri.text).text
    except (Malformed, IndexError):
        return ""
