"""A SIP proxy with callers: asks for credit before each call, obeys the grants, and reports what became of the call.

Every call is checked with an INVITE and, once allowed, rings. It is answered (start, perhaps interim, stop), or the
callee is busy or does not answer, or the caller gives up (release). A report the server did not take is queued and
sent again, the same report with the same Call-ID, until it is taken.
"""

import asyncio
import time
from enum import StrEnum
from random import Random

import msgspec

from simulators.books import Books, Item, Service
from simulators.report import Outcomes
from simulators.settings import SipOptions
from simulators.sip_client import Exchange, SipClient
from simulators.traffic import Subscriber
from sip_credit.message import Request, Response

DOMAIN = "example.net"
CALLED_PREFIX = "4930"
CUT_EARLY = 0.5
"""Seconds before the cap at which this proxy cuts a call, so that a late timer does not overrun the grant. Calls that
are not cut end half-way between two seconds as well: two clocks that differ a little then count the same seconds."""


GIVE_UP = 50.0
"""Seconds after which a report counts as undeliverable: a run must come to its end."""


class Ending(StrEnum):
    """What becomes of a call that was allowed."""

    ANSWERED = "answered"
    BUSY = "busy"
    UNANSWERED = "unanswered"
    CANCELLED = "cancelled"
    """The caller gives up while it rings."""
    HASTY = "hasty"
    """The caller gives up while the credit check is on its way."""


SHARES = {
    Ending.ANSWERED: 0.70,
    Ending.BUSY: 0.10,
    Ending.UNANSWERED: 0.05,
    Ending.CANCELLED: 0.10,
    Ending.HASTY: 0.05,
}
CAUSES = {Ending.BUSY: 486, Ending.UNANSWERED: 408, Ending.CANCELLED: 487, Ending.HASTY: 487}
RING = (0.05, 0.6)
"""Seconds a call rings, from and to."""
TALK = (1, 6)
"""Whole seconds of a call, from and to; half a second is added."""


class Call(msgspec.Struct, kw_only=True):
    """A call in progress. Times of ``time.monotonic()``."""

    id: str
    subscriber: Subscriber
    called: str
    tag: str
    ending: Ending
    session: str = ""
    answered_at: float = 0.0
    ends_at: float = 0.0
    cap_at: float = 0.0
    refresh_at: float | None = None
    interims: int = 0


class SipProxy:
    """Starts calls and sees them through."""

    def __init__(self, client: SipClient, books: Books, outcomes: Outcomes, options: SipOptions) -> None:
        self._client, self._books, self._outcomes, self._options = client, books, outcomes, options
        self._random = Random(f"{options.settings.seed}:callers")
        self._finishing = asyncio.Event()
        client.on_late = self._late

    def finish_all(self) -> None:
        """Everybody hangs up at the next half second."""
        self._finishing.set()

    async def start(self, subscriber: Subscriber, due: float) -> None:
        """Run one call of a subscriber."""
        call = self._draw(subscriber)
        invite = self._invite(call)
        if call.ending is Ending.HASTY:
            asyncio.get_running_loop().call_later(0.002, self._client.cancel, invite)
        checked = await self._client.ask(invite, kind="sip invite", due=due, patience=self._options.wait)
        if checked.response is None or checked.status >= 500:
            self._outcomes.note("calls turned away unchecked")
            if checked.response is None:
                await self._release(call, 503)
            return
        if checked.status != 302:
            return
        maximum = checked.number("X-OCS-Max-Duration")
        call.session = checked.header("X-OCS-Session")
        if not maximum or not call.session:
            self._outcomes.note("grants that cannot be read")
            await self._release(call, 500)
            return
        if call.ending is not Ending.HASTY:
            await asyncio.sleep(self._random.uniform(*RING))
        if call.ending is Ending.ANSWERED:
            await self._talk(call, maximum, checked.number("X-OCS-Refresh"))
        else:
            await self._release(call, CAUSES[call.ending])

    async def _talk(self, call: Call, maximum: int, refresh: int | None) -> None:
        call.answered_at = time.monotonic()
        call.ends_at = call.answered_at + self._random.randint(*TALK) + 0.5
        call.cap_at = call.answered_at + maximum
        call.refresh_at = None if refresh is None else call.answered_at + refresh
        starting = asyncio.get_running_loop().create_task(self._report(call, "start", 0))
        cut = await self._until_the_end(call)
        ended_at = time.monotonic()
        lasted = ended_at - call.answered_at
        reason = 'SIP;cause=402;text="credit exhausted"' if cut else 'SIP;cause=200;text="normal"'
        self._outcomes.note("calls cut at the cap" if cut else "calls hung up")
        started = await starting
        stopped = await self._report(call, "stop", int(lasted * 1000), reason)
        item = Item(call.subscriber.account, Service.SIP, call.session, "voice")
        if stopped is None or started is None or stopped.status >= 300:
            self._books.unknown(item, whole_seconds(lasted))
            return
        self._books.used(item, whole_seconds(lasted))
        self._books.clocks(
            item,
            whole_seconds(stopped.sent_at - started.ended_at),
            whole_seconds(stopped.ended_at - started.sent_at),
        )

    async def _until_the_end(self, call: Call) -> bool:
        """Wait until somebody hangs up or the cap is reached, asking for more in time; True if it was the cap."""
        asking: asyncio.Task[None] | None = None
        while True:
            cut_at = call.cap_at - CUT_EARLY
            wake = min(call.ends_at, cut_at, call.refresh_at or call.ends_at)
            if await self._finished_within(wake - time.monotonic()):
                lasted = time.monotonic() - call.answered_at
                call.ends_at = min(call.ends_at, call.answered_at + int(lasted + 0.5) + 0.5)
                call.refresh_at = None
                await asyncio.sleep(max(0.0, min(call.ends_at, cut_at) - time.monotonic()))
            now = time.monotonic()
            if now >= min(call.ends_at, call.cap_at - CUT_EARLY):
                if asking is not None:
                    asking.cancel()
                    await asyncio.gather(asking, return_exceptions=True)
                return now < call.ends_at
            if call.refresh_at is not None and now >= call.refresh_at:
                call.refresh_at = None
                asking = asyncio.get_running_loop().create_task(self._extend(call))

    async def _extend(self, call: Call) -> None:
        """Ask for more; without a grant the call ends at the old cap."""
        call.interims += 1
        elapsed = time.monotonic() - call.answered_at
        request = self._report_request(call, "interim", int(elapsed * 1000), "", f"-interim-{call.interims}")
        answer = await self._client.ask(request, kind="sip interim", due=time.monotonic())
        maximum = answer.number("X-OCS-Max-Duration")
        if answer.status != 200 or maximum is None:
            return
        call.cap_at = answer.sent_at + maximum
        refresh = answer.number("X-OCS-Refresh")
        if refresh is not None:
            call.refresh_at = answer.sent_at + refresh

    async def _finished_within(self, seconds: float) -> bool:
        if self._finishing.is_set():
            return True
        try:
            await asyncio.wait_for(self._finishing.wait(), max(0.0, seconds))
        except TimeoutError:
            return False
        return True

    async def _release(self, call: Call, cause: int) -> None:
        await self._report(call, "release", 0, f"SIP;cause={cause}")

    def _late(self, _invite: Request, _response: Response) -> None:
        """An answer to a check that was given up: its release is on the way already."""
        self._outcomes.note("answers too late")

    async def _report(self, call: Call, event: str, milliseconds: int, reason: str = "") -> Exchange | None:
        """Deliver a report, again and again if need be; None if the server never took it."""
        first = time.monotonic()
        give_up = first + GIVE_UP
        while True:
            request = self._report_request(call, event, milliseconds, reason, f"-{event}")
            patience = min(5.0, 64 * self._options.settings.t1)
            answer = await self._client.ask(request, kind=f"sip {event}", due=first, patience=patience)
            if answer.response is not None and answer.status < 500:
                return Exchange(response=answer.response, sent_at=first, ended_at=answer.ended_at)
            if time.monotonic() > give_up:
                return None
            self._outcomes.note("reports queued")
            await asyncio.sleep(self._options.resend)

    def _draw(self, subscriber: Subscriber) -> Call:
        random = self._random
        call_id = f"{self._client.token()}@{self._client.host}"
        return Call(
            id=call_id,
            subscriber=subscriber,
            called=f"{CALLED_PREFIX}{random.randint(1_000_000, 9_999_999)}",
            tag=self._client.token(),
            ending=random.choices(tuple(SHARES), tuple(SHARES.values()))[0],
        )

    def _invite(self, call: Call) -> Request:
        uri = f"sip:+{call.called}@{DOMAIN};user=phone"
        caller = f"sip:{call.subscriber.sip}"
        asserted = caller if self._random.random() < 0.5 else f"tel:+{call.subscriber.e164}"
        headers = (
            ("Via", self._client.via()),
            ("From", f"<{caller}>;tag={call.tag}"),
            ("To", f"<{uri}>"),
            ("Call-ID", call.id),
            ("CSeq", "1 INVITE"),
            ("Contact", f"<{caller}>"),
            ("Max-Forwards", "69"),
            ("P-Asserted-Identity", f"<{asserted}>"),
            ("X-OCS-Supports", "refresh"),
        )
        return Request("INVITE", uri, headers)

    def _report_request(self, call: Call, event: str, milliseconds: int, reason: str, suffix: str) -> Request:
        uri = f"sip:{self._options.host}:{self._options.port}"
        headers = [
            ("Via", self._client.via()),
            ("From", f"<sip:{call.subscriber.sip}>;tag={call.tag}"),
            ("To", f"<sip:+{call.called}@{DOMAIN}>"),
            ("Call-ID", f"{call.id}{suffix}"),
            ("CSeq", "10 NOTIFY"),
            ("Max-Forwards", "70"),
            ("Event", "ocs-credit"),
            ("Subscription-State", "active"),
            ("X-OCS-Event", event),
            ("X-OCS-Call-ID", call.id),
            ("X-OCS-Duration-Ms", str(milliseconds)),
        ]
        if call.session:
            headers.append(("X-OCS-Session", call.session))
        if reason:
            headers.append(("Reason", reason))
        return Request("NOTIFY", uri, headers)


def whole_seconds(duration: float) -> int:
    """Begun seconds, as they are charged."""
    milliseconds = max(0, int(duration * 1000))
    return -(-milliseconds // 1000)
