"""Answers: what a handler says, and the message that says it (RFC 6733 sections 6.2 and 7.2)."""

from typing import Any, Final

import msgspec

from ocs.diameter import avps
from ocs.diameter.codec import encode_message
from ocs.diameter.codes import CREDIT_CONTROL_APPLICATION, SY_APPLICATION, Command, Flag, ResultCode
from ocs.diameter.dictionary import Avp
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message

_AUTH_APPLICATION: Final = avps.AUTH_APPLICATION_ID.encode(CREDIT_CONTROL_APPLICATION)
_AUTH_SY: Final = avps.AUTH_APPLICATION_ID.encode(SY_APPLICATION)
_RESULT_CODES: Final[dict[int, bytes]] = {code: avps.RESULT_CODE.encode(code) for code in ResultCode}

_ECHOED: Final[tuple[tuple[Avp[Any], int], ...]] = tuple(
    (avp, len(avp.example())) for avp in (avps.CC_REQUEST_TYPE, avps.CC_REQUEST_NUMBER, avps.CC_SUB_SESSION_ID)
)
"""Of a CCR; in that order after Auth-Application-Id. Open5GS and others need them in every answer."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered to a request, without anything that only copies the request.

    ``avps`` are complete AVPs (made by ``Avp.encode``) in the order of the command's grammar after CC-Request-Number:
    for a CCA Granted-Service-Unit, Multiple-Services-Credit-Control, Cost-Information, ... ``failed_avp`` is the
    content of the Failed-AVP, complete AVPs too.
    """

    result_code: int = ResultCode.SUCCESS
    vendor: int = 0
    """Whose result code it is; other than 0 it goes into an Experimental-Result (RFC 6733 section 7.6)."""
    avps: tuple[bytes, ...] = ()
    failed_avp: bytes = b""
    error_message: str = ""

    @property
    def is_protocol_error(self) -> bool:
        """3xxx: the E flag is set (RFC 6733 section 7.1.3)."""
        return self.result_code // 1000 == 3


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks: Origin-Host and Origin-Realm, encoded once."""

    host: str
    realm: str
    encoded: bytes

    @classmethod
    def of(cls, host: str, realm: str) -> "Identity":
        return cls(host=host, realm=realm, encoded=avps.ORIGIN_HOST.encode(host) + avps.ORIGIN_REALM.encode(realm))


TOO_BUSY: Final = Answer(result_code=ResultCode.TOO_BUSY, error_message="overloaded, try again later")
"""Nothing was done, or its outcome is not known yet; a repeat is answered with it."""

UNABLE_TO_COMPLY: Final = Answer(result_code=ResultCode.UNABLE_TO_COMPLY, error_message="internal error")


def refusal(error: RemoteError) -> Answer:
    """The answer that tells a peer what it did wrong."""
    return Answer(result_code=error.result_code, failed_avp=error.failed_avp, error_message=error.message)


def compose(request: Message, answer: Answer, identity: Identity, more: tuple[bytes, ...] = ()) -> bytes:
    """The complete answer message to ``request``; ``more`` is what this copy of it says beside the answer.

    Session-Id comes first and unchanged, then Result-Code: there are clients that read in this order only. Proxy-Info
    is echoed in its order, the P flag copied, T never set. Of what a request wrongly holds twice, the first is echoed.
    """
    result = _RESULT_CODES.get(answer.result_code) or _result(answer)
    parts = [request.echo(avps.SESSION_ID), result, identity.encoded]
    if request.command == Command.CREDIT_CONTROL:
        parts.append(_AUTH_APPLICATION)
        parts.extend([request.buffer[echoed] for echoed in _echoed(request)])
    elif request.command == Command.SPENDING_LIMIT:
        parts.append(_AUTH_SY)
    parts.extend(answer.avps)
    if answer.error_message:
        parts.append(avps.ERROR_MESSAGE.encode(answer.error_message))
    if answer.failed_avp:
        parts.append(avps.FAILED_AVP.encode((answer.failed_avp,)))
    parts.extend(request.raw(avps.PROXY_INFO))
    parts.extend(more)
    flags = request.flags_octet & Flag.PROXIABLE | (Flag.ERROR if answer.is_protocol_error else 0)
    return encode_message(flags, request.command, request.application, request.hop_by_hop, request.end_to_end, parts)


def _echoed(request: Message) -> tuple[slice, ...]:
    """Where the AVPs stand that an answer to a CCR repeats; those of a wrong length are left out."""
    layout = request.layout
    if layout is not None and layout.echoed is not None:
        return layout.echoed
    found = [(request.span(at), size) for avp, size in _ECHOED for at in request.positions(avp.key)[:1]]
    echoed = tuple(span for span, size in found if span.stop - span.start == size)
    if layout is not None:
        layout.echoed = echoed
    return echoed


def _result(answer: Answer) -> bytes:
    if not answer.vendor:
        return avps.RESULT_CODE.encode(answer.result_code)
    code = avps.EXPERIMENTAL_RESULT_CODE.encode(answer.result_code)
    return avps.EXPERIMENTAL_RESULT.encode((avps.VENDOR_ID.encode(answer.vendor), code))
