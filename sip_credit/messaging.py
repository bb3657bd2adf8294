"""MESSAGE (RFC 3428) charged as a short message, where the peer's settings say so. No I/O, no clock.

The proxy asks with the message, or with one like it, and delivers it once that was answered 202.
"""

import msgspec

from charging.event import ChargingEvent, Outcome, Phase, RequestItem, Result, Service, ServiceKind, Unit
from sip_credit.call import session_of
from sip_credit.forwarding import goes_round
from sip_credit.message import Request
from sip_credit.policy import (
    DOOR,
    LONGEST_NAME,
    Answer,
    called_by,
    caller_of,
    clean,
    fingerprint,
    loop,
    operation,
    payers,
    refusal,
    refused_as,
    subscriber_of,
)
from sip_credit.settings import Messages, Peer, Settings

ITEM = "message"


def is_charged(request: Request, peer: Peer) -> bool:
    """Is it a message to be charged, and no report?"""
    return (
        request.method == "MESSAGE"
        and peer.messages is Messages.CHARGED
        and f"{peer.header_prefix}Event" not in request.headers
    )


def read_message(request: Request, peer: Peer, settings: Settings, now: int) -> ChargingEvent | Answer:
    """The debit of one message; an Answer if nobody needs to be asked. ``now`` in milliseconds since 1970.

    User agents may send many messages with one Call-ID, so From-tag and number belong to the identity of each.
    """
    called = clean(called_by(request.target, peer))
    if not 0 < len(called) <= LONGEST_NAME:
        return refusal(Result.UNRATEABLE, peer, settings)
    if goes_round(request):
        return loop(peer)
    caller = caller_of(request, peer)
    identities = payers(request, caller, peer)
    number = str(request.cseq.number)
    return ChargingEvent(
        session=session_of(f"message;{request.call_id};{request.from_.tag};{number}"),
        operation=operation("message", request.from_.tag, number),
        fingerprint=fingerprint(request.uri, *(identity.value for identity in identities)),
        phase=Phase.EVENT,
        door=DOOR,
        at=now,
        now=now,
        identities=identities,
        service=Service(
            kind=ServiceKind.SMS,
            context=DOOR,
            calling=clean(subscriber_of(caller.uri, peer)).removeprefix("+")[:LONGEST_NAME] if caller else "",
            called=called.removeprefix("+"),
            charging_id=clean(request.call_id)[:LONGEST_NAME],
            origin=peer.name,
        ),
        items=(RequestItem(key=ITEM, unit=Unit.EVENTS, wanted=1),),
    )


def answer_message(event: ChargingEvent, outcome: Outcome, peer: Peer, settings: Settings) -> Answer:
    """202 once it is paid, else as a call would be refused."""
    item = next((item for item in outcome.items if item.key == ITEM), None)
    if outcome.result is Result.OK and item is not None and item.granted:
        return Answer(status=202, headers=((f"{peer.header_prefix}Session", event.session),))
    only = msgspec.structs.replace(outcome, items=tuple(msgspec.structs.replace(i, key="call") for i in outcome.items))
    return refusal(refused_as(only), peer, settings)
