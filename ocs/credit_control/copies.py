"""How many messages one request is about: recipients times parts (TS 32.274, TS 32.270)."""

from charging.event import ServiceKind
from ocs.diameter import avps
from ocs.diameter.message import Message


def copies_sent(message: Message, kind: ServiceKind) -> int:
    """What a request for messages is for where it names no units; 1 where nothing tells."""
    information = message.get(avps.SERVICE_INFORMATION)
    if information is None:
        return 1
    if kind is ServiceKind.SMS and (sms := information.get(avps.SMS_INFORMATION)) is not None:
        recipients = sum(
            max(1, len(info.positions(avps.RECIPIENT_ADDRESS.key))) for info in sms.all(avps.RECIPIENT_INFO)
        )
        return max(1, recipients) * max(1, sms.get(avps.NUMBER_OF_MESSAGES_SENT) or 1)
    if kind is ServiceKind.MMS and (mms := information.get(avps.MMS_INFORMATION)) is not None:
        return max(1, len(mms.positions(avps.RECIPIENT_ADDRESS.key)))
    return 1
