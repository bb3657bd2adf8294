"""Reports of a call's life: start, interim, stop, release, as charging events. No I/O, no clock.

Proxies send them as requests of their own, outside any dialog, with whatever method they can: ``Event`` decides, and
``Session`` or else ``Call-ID`` says which call is meant (all three with the peer's prefix). A BYE or CANCEL of a call
we know says by its method what it is.

The vault counts totals, so a report that comes twice, late or out of order changes nothing a second time.
"""

from enum import StrEnum

import msgspec

from charging.event import ChargingEvent, Identity, Lapse, Outcome, Phase, RequestItem, Result, Unit
from sip_credit.address import Malformed, decimal, is_token, parse_parameters, split_outside_quotes
from sip_credit.call import Call, Ending, is_session, session_of
from sip_credit.message import Request
from sip_credit.policy import (
    DOOR,
    ITEM,
    LONGEST_NAME,
    Answer,
    called_by,
    clean,
    grant_headers,
    identities_of,
    item_of,
    operation,
    refused_as,
    service_of,
)
from sip_credit.settings import Peer, Settings

LONGEST_MS = 366 * 86_400_000
"""No call lasts longer than a year; a number beyond is a mistake."""


class Kind(StrEnum):
    START = "start"
    INTERIM = "interim"
    STOP = "stop"
    RELEASE = "release"


_IMPLIED = {"BYE": Kind.STOP, "CANCEL": Kind.RELEASE}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report understood."""

    kind: Kind
    announced: bool
    """It says itself what it is; else its method does, and it means a call only if we know that call."""
    session: str
    by_call_id: bool
    """The report names no session: the one of its Call-ID is meant."""
    call_id: str
    duration_ms: int | None
    cause: str
    operation: str
    fingerprint: int
    identities: tuple[Identity, ...]
    caller: str
    called: str
    number: str
    """Who was called, as the catalogue prices it."""
    peer: Peer
    at: int
    carrier: str = ""
    """Who carries the call, if the report says so."""


def read_report(request: Request, peer: Peer, now: int) -> Report | Answer:
    """Understand a report; an Answer if it is none."""
    prefix = peer.header_prefix
    said = request.headers.get(prefix + "Event").lower()
    if said:
        kind = next((kind for kind in Kind if kind == said), None)
    else:
        kind = _IMPLIED.get(request.method)
        if kind is None and request.to.tag:
            return Answer(status=481)
    if kind is None:
        return Answer(status=400, reason=f"No {prefix}Event" if not said else f"Bad {prefix}Event")
    try:
        duration = _duration(request, prefix)
    except Malformed as error:
        return Answer(status=400, reason=str(error))
    call_id = request.headers.get(prefix + "Call-ID") or ("" if said else request.call_id)
    session = request.headers.get(prefix + "Session").lower()
    by_call_id = not is_session(session)
    if by_call_id:
        if not call_id:
            return Answer(status=481 if session else 400, reason="" if session else f"No {prefix}Session")
        session = session_of(call_id)
    return Report(
        kind=kind,
        announced=bool(said),
        session=session,
        by_call_id=by_call_id,
        call_id=clean(call_id)[:LONGEST_NAME],
        duration_ms=duration,
        cause=causes(request),
        operation=operation(kind.value, request.call_id, str(request.cseq.number)),
        fingerprint=duration or 0,
        identities=identities_of(request, peer),
        caller=clean(request.from_.uri.text)[:LONGEST_NAME],
        called=clean(request.to.uri.text)[:LONGEST_NAME],
        carrier=clean(request.headers.get(prefix + "Carrier"))[:LONGEST_NAME],
        number=clean(called_by(request.to.uri, peer)).removeprefix("+")[:LONGEST_NAME],
        peer=peer,
        at=now,
    )


def causes(request: Request) -> str:
    """The causes in all Reason values (RFC 3326), such as ``SIP 200, Q.850 16``; what is no cause is left out."""
    found: list[str] = []
    try:
        for value in request.headers.items("Reason"):
            protocol, *parts = split_outside_quotes(value, ";")
            cause = dict(parse_parameters(parts)).get("cause") or ""
            if is_token(protocol) and cause.isascii() and cause.isdigit():
                found.append(f"{protocol} {cause}")
    except Malformed:
        pass
    return ", ".join(found)[:LONGEST_NAME]


def _duration(request: Request, prefix: str) -> int | None:
    text = request.headers.get(prefix + "Duration-Ms")
    return decimal(text, LONGEST_MS, f"{prefix}Duration-Ms") if text else None


def start_event(report: Report, call: Call, settings: Settings) -> ChargingEvent:
    """The call was answered: it is charged if nothing is heard of it any more once its cap and some grace are over."""
    elapsed = report.at - (call.started_at or report.at)
    lifetime = max(0, call.cap * 1000 - elapsed) + settings.liveness * 1000
    return _event(report, call, Phase.UPDATE, (), lifetime=lifetime)


def interim_event(report: Report, call: Call, total: int, wanted: int, settings: Settings) -> ChargingEvent:
    """So much is used: settle it, and reserve as much again from here on, at the rate that holds by now."""
    item = RequestItem(key=ITEM, unit=Unit.SECONDS, total=total, wanted=wanted)
    event = _event(report, call, Phase.UPDATE, (item,), lifetime=(wanted + settings.liveness) * 1000)
    return msgspec.structs.replace(event, service=service_of(call))


def close_event(report: Report, call: Call | None, total: int) -> ChargingEvent:
    """The call is over. Without a call known, the reporter's identities say where a tombstone belongs."""
    return _event(report, call, Phase.CLOSE, (RequestItem(key=ITEM, unit=Unit.SECONDS, total=total),))


def release_event(report: Report, call: Call | None) -> ChargingEvent:
    """The call is given up: what it holds is free. Should a stop come after all, the call took place and is charged."""
    return _event(report, call, Phase.LAPSE, ())


def supposed_call(report: Report, settings: Settings) -> Call:
    """The call of a report that nobody remembers, as far as the report tells. Emergency calls leave nothing in the
    vault: after a restart, their reports are known by the number alone."""
    return Call(
        call_id=report.call_id,
        peer=report.peer.name,
        caller="",
        called=report.number,
        identities=(),
        invited_at=report.at,
        refreshes=True,
        cap=settings.slice,
    )


def unremembered_event(report: Report, settings: Settings) -> ChargingEvent:
    """Ask about a report of a call that nobody remembers: only an emergency call is granted."""
    seconds = -(-(report.duration_ms or 0) // 1000)
    item = RequestItem(key=ITEM, unit=Unit.SECONDS, total=seconds, wanted=settings.slice)
    call = supposed_call(report, settings)
    event = _event(report, None, Phase.UPDATE, (item,), lifetime=settings.liveness * 1000)
    return msgspec.structs.replace(event, service=service_of(call))


def _event(
    report: Report, call: Call | None, phase: Phase, items: tuple[RequestItem, ...], lifetime: int | None = None
) -> ChargingEvent:
    return ChargingEvent(
        session=report.session,
        operation=report.operation,
        fingerprint=report.fingerprint,
        phase=phase,
        door=DOOR,
        at=report.at,
        now=report.at,
        identities=report.identities if phase in (Phase.CLOSE, Phase.LAPSE) and call is None else (),
        service=None,
        items=items,
        lifetime=lifetime,
        lapse=None if lifetime is None else Lapse.CHARGE,
        context=None if call is None else call.pack(),
    )


def answer_interim(report: Report, outcome: Outcome, call: Call, total: int) -> tuple[Answer, Call]:
    """The answer to a question for more, and the call with its new cap.

    The vault has let go what was left of the old slice and reserved anew from ``total`` on, so what it granted is all
    that is covered. If that reaches beyond the old cap, the call may go on. If it ends at the old cap, there is nothing
    more: 402, and the call ends there as arranged. If it ends before (the account was barred, say), the proxy is told
    the nearer end, one second at the least, rather than left running on time that nobody reserved. Where the old cap is
    not known for sure (a restart), the new one is told whatever it is.
    """
    prefix = report.peer.header_prefix
    item = item_of(outcome)
    granted = (item.granted or 0) if item and outcome.result is Result.OK else 0
    cap = total + granted
    if item and granted and (cap > call.cap or item.final is None or not call.exact):
        extended = msgspec.structs.replace(call, cap=cap, exact=True)
        return Answer(status=200, headers=grant_headers(item, extended, prefix)), extended
    reason = "insufficient-credit" if granted else refused_as(outcome).value
    why = (f"{prefix}Reason", reason if reason != Result.NO_CREDIT else "insufficient-credit")
    if cap == call.cap or total >= call.cap:
        return Answer(status=402, headers=(why,)), call
    left = max(1, granted)
    shortened = msgspec.structs.replace(call, cap=total + left, exact=True)
    return Answer(status=200, headers=((f"{prefix}Max-Duration", str(left)), why)), shortened


def carried(call: Call | None, report: Report) -> Call | None:
    """The call with the carrier that the report names."""
    if call is None or not report.carrier:
        return call
    return msgspec.structs.replace(call, carrier=report.carrier)


def ended(call: Call | None, kind: Kind, cause: str = "") -> Call | None:
    """The call with its end noted: a stop that comes after a release shall be told from one that comes again."""
    if call is None:
        return None
    return msgspec.structs.replace(call, ended=Ending.STOP if kind is Kind.STOP else Ending.RELEASE, cause=cause)
