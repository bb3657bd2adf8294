"""The hop in the path of calls: sends on what belongs to a call, charges it by its own clock, ends it at its cap.

It is a proxy in one with its charging server: credit is checked as for any other INVITE, and what a proxy would report,
the hop reports to the same desk. Nothing of a call but its money survives the process.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from sip_credit.address import Malformed, Place, parse_address, reached_at
from sip_credit.call import Call
from sip_credit.inpath.client import ClientLayer, ClientTransaction
from sip_credit.inpath.dialog import Dialog, contact, established
from sip_credit.inpath.forward import Own, at, forwarded, hops_left, place_of, returned, routed
from sip_credit.inpath.passage import Passage
from sip_credit.message import Request, Response, parse_uri, parse_via
from sip_credit.policy import LONGEST_NAME, Answer, Check, clean, leads_to, loop, read_grant
from sip_credit.report import Kind, Report
from sip_credit.settings import Peer, Settings
from sip_credit.transaction import Transaction, TransactionLayer

log = logging.getLogger(__name__)

EXHAUSTED = 'SIP;cause=402;text="credit exhausted"'
"""Reason (RFC 3326) of our BYEs."""

AGAIN = 1.0
"""Seconds after which a report that the desk could not take is brought again."""


class Desk(Protocol):
    """Where calls are charged."""

    async def serve(self, report: Report) -> Answer: ...

    async def recall(self, session: str) -> Call | None: ...


class House(Protocol):
    """What the hop needs of the door."""

    def refuse(self, transaction: Transaction[Any], answer: Answer) -> None:
        """Answer a request ourselves."""
        ...

    def passed(self, transaction: Transaction[Any]) -> None:
        """A request was sent on."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Run the work beside the traffic; a server that stops waits for it."""
        ...


class Ways(Protocol):
    """What the hop needs of the sockets."""

    def admits(self, host: str) -> bool:
        """Is this the address of a peer? Nothing is sent to others."""
        ...

    def moved(self) -> None:
        """A timer was started."""
        ...


class Hop:
    """``clock`` gives milliseconds since 1970."""

    def __init__(
        self,
        settings: Settings,
        desk: Desk,
        layer: TransactionLayer[Any],
        house: House,
        ways: Ways,
        clock: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._layer = layer
        self._house = house
        self._ways = ways
        self._clock = clock
        self._passages: dict[str, Passage] = {}
        self._inviting: dict[Transaction[Any], ClientTransaction] = {}
        self._own: Own
        self._names: frozenset[str]
        self._send: Callable[[bytes, Place], None]
        self.clients: ClientLayer

    def __len__(self) -> int:
        """Calls that go through us, and those that went just now."""
        return len(self._passages)

    def attach(self, own: Own, names: frozenset[str], send: Callable[[bytes, Place], None]) -> None:
        """Calls reach us as ``own`` and leave by ``send``; ``names`` are ours, too."""
        self._own = own
        self._names = names | {own.sent_by}
        self._send = send
        self.clients = ClientLayer(send, self._settings.ring, self._settings.timers)

    # ---- the beginning of a call

    def objection(self, request: Request, reliable: bool, peer: Peer) -> Answer | None:
        """Why an INVITE cannot be sent on, before anybody is asked for credit (section 16.3)."""
        try:
            if hops_left(request) < 0:
                return Answer(status=483)
            if any(parse_via(via).sent_by == self._own.sent_by for via in request.vias):
                return loop(peer)
            routed(request, self._own)
            way_back = (request.headers.items("Record-Route") or request.headers.items("Contact") or [""])[0]
            place = reached_at(parse_address(way_back).uri)
        except Malformed as error:
            return Answer(status=400, reason=str(error))
        if reliable:
            return Answer(status=480, headers=((f"{peer.header_prefix}Reason", "in-path-needs-udp"),))
        if not contact(request) or not self._ways.admits(place[0]):
            return Answer(status=400, reason="No Way Back")
        return None

    def carry(self, transaction: Transaction[Any], check: Check, call: Call, answer: Answer) -> bool:
        """Send on an INVITE that was granted ``answer``; False if its caller waits no longer."""
        if transaction.answered:
            return False
        peer, session = check.peer, check.event.session
        passage = Passage(session, peer, call, *read_grant(answer, peer.header_prefix))
        place = next_place(peer)
        sent = self._forward(transaction.request, peer, self._own.record_route(session))
        if leads_to(sent.uri, self._names):
            sent = Request(sent.method, at(sent.uri, place), sent.headers, sent.body)
        self._passages[session] = passage
        self._begin(transaction, sent, place, partial(self._invited, passage, transaction, sent))
        return True

    def cancel(self, invite: Transaction[Any]) -> bool:
        """Its caller has cancelled an INVITE; False if it was not sent on."""
        client = self._inviting.get(invite)
        if client is None or invite.answered:
            return False
        self.clients.cancel(client, self._now())
        self._ways.moved()
        return True

    def carries(self, invite: Transaction[Any]) -> bool:
        """Was it sent on, so that the answer is another's?"""
        return invite in self._inviting

    def _invited(self, passage: Passage, transaction: Transaction[Any], sent: Request, response: Response) -> None:
        if response.status == 100:
            return
        if 200 <= response.status < 300:
            try:
                dialog = established(sent, response, self._own)
                self._ensure_reached(dialog)
            except Malformed as error:
                log.warning("session %s: %r: %s", passage.session, response, error)
                response = Response(500, "Bad Answer", response.headers)
            else:
                self._established(passage, dialog)
        if response.status >= 300 and not passage.over:
            self._finish(passage, Kind.RELEASE, 0, f"SIP {response.status}")
        self._relay(transaction, response)

    def _ensure_reached(self, dialog: Dialog) -> None:
        """Raise Malformed if we could not end the call: then it may not begin."""
        for bye in dialog.byes(EXHAUSTED):
            if not self._ways.admits(place_of(bye)[0]):
                raise Malformed("no peer there")

    def _established(self, passage: Passage, dialog: Dialog) -> None:
        if dialog.callee.tag in passage.dialogs:
            return  # the callee repeats its answer
        if passage.over:
            self._hang_up(dialog)
            return
        passage.dialogs[dialog.callee.tag] = dialog
        if passage.answered is None:
            passage.answered, passage.started_at = self._now(), self._clock()
            self._arm(passage)
            patience = 64 * self._settings.timers.t1
            passage.acknowledgement = asyncio.get_running_loop().call_later(patience, self._cut, passage)
            self._house.spawn(self._started(passage, passage.report(Kind.START, 0, passage.started_at)))

    # ---- inside a call

    def session(self, request: Request) -> str:
        """The session whose call a request belongs to; empty for a request that came not by our Record-Route."""
        try:
            return self._own.session(request)
        except Malformed:
            return ""

    def take(self, transaction: Transaction[Any]) -> None:
        """Send on a request inside a call."""
        passage = self._passages.get(self.session(transaction.request))
        if passage is None:
            self._house.spawn(self._revived(transaction))
        elif passage.dialog_of(transaction.request) or passage.answered is None:
            self._pass(transaction, passage)
        else:
            self._house.refuse(transaction, Answer(status=481))

    def acknowledge(self, ack: Request, peer: Peer) -> None:
        """Send on the ACK of a 2xx, which is no transaction (section 16.11)."""
        try:
            sent = self._forward(ack, peer)
            place = place_of(sent)
        except Malformed as error:
            log.warning("%r goes nowhere: %s", ack, error)
            return
        if passage := self._passages.get(self.session(ack)):
            passage.acknowledged()
        if hops_left(ack) >= 0 and self._ways.admits(place[0]):
            self._send(sent.encode(), place)

    def receive(self, response: Response) -> bool:
        """Take a response; False if nobody asked."""
        known = self.clients.receive(response, self._now())
        self._ways.moved()
        return known

    def _pass(self, transaction: Transaction[Any], passage: Passage) -> None:
        request = transaction.request
        try:
            sent = self._forward(request, passage.peer)
            place = place_of(sent)
            refusal = Answer(status=483) if hops_left(request) < 0 else None
        except Malformed as error:
            self._house.refuse(transaction, Answer(status=400, reason=str(error)))
            return
        if not self._ways.admits(place[0]):
            refusal = refusal or Answer(status=500, reason="No Peer There")
        if passage.call.call_id != _named(request) or (request.method == "INVITE" and passage.spent(self._now())):
            refusal = Answer(status=481)
        if refusal is not None:
            self._house.refuse(transaction, refusal)
            return
        if request.method == "BYE" and passage.bye is None:
            passage.bye = self._now()
        self._note(passage, request)
        self._begin(transaction, sent, place, partial(self._heard, passage, transaction))

    def _heard(self, passage: Passage, transaction: Transaction[Any], response: Response) -> None:
        if response.status == 100:
            return
        self._relay(transaction, response)
        if response.status >= 200:
            self._note(passage, transaction.request, response)
            if transaction.request.method == "BYE":
                self._hung_up(passage, transaction.request, response.status)

    def _note(self, passage: Passage, request: Request, response: Response | None = None) -> None:
        if found := passage.dialog_of(request):
            tag, dialog = found
            passage.dialogs[tag] = dialog.after(request, response)

    def _hung_up(self, passage: Passage, bye: Request, status: int) -> None:
        """The call is over, unless the BYE was challenged. An end that did not take the BYE is told by us."""
        if status in (401, 407) or passage.over:
            passage.bye = None
            return
        if found := passage.dialog_of(bye):
            del passage.dialogs[found[0]]
            if status >= 300:
                self._hang_up(found[1])
        if passage.answered is not None and not passage.dialogs:
            self._finish(passage, Kind.STOP, passage.elapsed(passage.bye or self._now()), "SIP 200")

    async def _revived(self, transaction: Transaction[Any]) -> None:
        """A call of before a restart: it may end, and goes on until then, but we can no longer end it."""
        request, session = transaction.request, self.session(transaction.request)
        call = await self._desk.recall(session)
        if call is None or call.call_id != _named(request) or call.started_at is None:
            self._house.refuse(transaction, Answer(status=481))
            return
        passage = self._passages.get(session)
        if passage is None:
            peer = next((peer for peer in self._settings.peers if peer.name == call.peer), transaction.hop.peer)
            passage = self._passages[session] = Passage(session, peer, call, call.cap, None)
            passage.started_at = call.started_at
            passage.answered = self._now() - (self._clock() - call.started_at) / 1000
            passage.over = bool(call.ended)
            self._forget_later(passage)
        self._pass(transaction, passage)

    # ---- credit

    def _arm(self, passage: Passage) -> None:
        """Be there when the call must end, and before that, when it is time to ask for more."""
        passage.disarm()
        if passage.answered is None or passage.over:
            return
        loop = asyncio.get_running_loop()
        passage.cutter = loop.call_at(passage.answered + passage.cap, self._cut, passage)
        if passage.refresh is not None:
            passage.refresher = loop.call_at(passage.answered + passage.refresh, self._ask_again, passage)

    async def _started(self, passage: Passage, report: Report) -> None:
        answer = await self._tell(passage, report)
        if answer.status == 481:
            self._cut(passage)  # what was reserved is reserved no more

    def _ask_again(self, passage: Passage) -> None:
        milliseconds = passage.elapsed(self._now())
        report = passage.report(Kind.INTERIM, milliseconds, passage.started_at + milliseconds)
        self._house.spawn(self._extended(passage, report, -(-milliseconds // 1000)))

    async def _extended(self, passage: Passage, report: Report, total: int) -> None:
        answer = await self._tell(passage, report)
        if answer.status == 200:
            seconds, refresh = read_grant(answer, passage.peer.header_prefix)
            passage.cap = total + seconds
            passage.refresh = None if refresh is None else total + refresh
            self._arm(passage)
        elif answer.status == 481:
            self._cut(passage)

    async def _tell(self, passage: Passage, report: Report) -> Answer:
        """Report until it is taken. Of a call that is over nobody needs to ask for more."""
        while True:
            answer = await self._desk.serve(report)
            if answer.status != 503 or (report.kind is Kind.INTERIM and passage.over):
                return answer
            await asyncio.sleep(AGAIN)

    def _cut(self, passage: Passage) -> None:
        """End the call towards both ends: its credit is over, or its answer was never acknowledged and so it is no call
        (section 13.3.1.4): its caller went away while we were slow."""
        if passage.over:
            return
        for dialog in passage.dialogs.values():
            self._hang_up(dialog)
        self._finish(passage, Kind.STOP, passage.elapsed(passage.bye or self._now()), "SIP 402")

    def _hang_up(self, dialog: Dialog) -> None:
        for bye in dialog.byes(EXHAUSTED):
            try:
                place = place_of(bye)
            except Malformed as error:
                log.error("%r goes nowhere: %s", bye, error)
                continue
            sent = Request(bye.method, bye.uri, [("Via", self._own.via(_branch())), *bye.headers])
            self.clients.start(sent, place, lambda _: None, self._now())
        self._ways.moved()

    def _finish(self, passage: Passage, kind: Kind, milliseconds: int, cause: str) -> None:
        passage.over = True
        passage.stop_timers()
        at = passage.started_at + milliseconds if kind is Kind.STOP else self._clock()
        self._house.spawn(self._ended(passage, passage.report(kind, milliseconds, at, cause)))

    async def _ended(self, passage: Passage, report: Report) -> None:
        await self._tell(passage, report)
        self._forget_later(passage)

    def _forget_later(self, passage: Passage) -> None:
        """Not at once: a BYE may be on its way still, from an end to which ours is."""
        asyncio.get_running_loop().call_later(64 * self._settings.timers.t1, self._forget, passage)

    def _forget(self, passage: Passage) -> None:
        if self._passages.get(passage.session) is passage:
            del self._passages[passage.session]

    def close(self) -> None:
        """Count and cut no more: what runs on is charged as granted when its time is over."""
        for passage in self._passages.values():
            passage.stop_timers()

    # ---- sending

    def _forward(self, request: Request, peer: Peer, record: str = "") -> Request:
        return forwarded(request, self._own, _branch(), peer.header_prefix, record)

    def _begin(
        self, transaction: Transaction[Any], sent: Request, place: Place, heard: Callable[[Response], None]
    ) -> None:
        client = self.clients.start(sent, place, heard, self._now())
        self._house.passed(transaction)
        if sent.method == "INVITE":
            self._inviting[transaction] = client
        self._ways.moved()

    def _relay(self, transaction: Transaction[Any], response: Response) -> None:
        self._layer.relay(transaction, returned(response), self._now())
        if response.status >= 200:
            self._inviting.pop(transaction, None)
        self._ways.moved()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def next_place(peer: Peer) -> Place:
    """Where the peer's calls go."""
    return reached_at(parse_uri(f"sip:{peer.next_hop}"))


def _named(request: Request) -> str:
    """The Call-ID as it is kept with a call."""
    return clean(request.call_id)[:LONGEST_NAME]


def _branch() -> str:
    return f"z9hG4bK{secrets.token_hex(8)}"
