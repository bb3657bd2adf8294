"""How many messages one request is about: recipients times parts (TS 32.274, TS 32.270)."""

from collections.abc import Callable

from charging.event import ServiceKind
from ocs.diameter import avps
from ocs.diameter.forms import ABSENT, Form, Values
from ocs.diameter.message import Message


def counting(form: Form, message: Message, kind: ServiceKind) -> Callable[[Values], int]:
    """What a request of this form is for where it names no units; 1 where nothing tells."""
    recipients, parts = 1, ABSENT
    information = form.group(message, avps.SERVICE_INFORMATION)
    if information is not None and kind is ServiceKind.SMS:
        sms = form.group(information, avps.SMS_INFORMATION)
        if sms is not None:
            infos = form.groups(sms, avps.RECIPIENT_INFO)
            recipients = sum(max(1, len(info.positions(avps.RECIPIENT_ADDRESS.key))) for info in infos)
            parts = form.field(sms, avps.NUMBER_OF_MESSAGES_SENT)
    elif information is not None and kind is ServiceKind.MMS:
        mms = form.group(information, avps.MMS_INFORMATION)
        if mms is not None:
            recipients = len(mms.positions(avps.RECIPIENT_ADDRESS.key))
    return lambda values: max(1, recipients) * max(1, values[parts] or 1)
