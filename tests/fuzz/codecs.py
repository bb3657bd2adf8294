"""What the codecs do with any octets: read them, or raise the error that says what to answer; nothing else, ever.

``TARGETS`` are run over the kept corpus by ``test_corpus``, and by ``scripts/fuzz-codecs`` over whatever leads further.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from ocs.credit_control.request import read
from ocs.diameter.answer import Answer, Identity, compose, refusal
from ocs.diameter.avps import RESULT_CODE
from ocs.diameter.codes import Command
from ocs.diameter.errors import RemoteError
from ocs.diameter.framing import Framer, FramingError
from ocs.diameter.message import Message
from ocs.diameter.validate import check_request
from sip_credit.message import RemoteError as SipError
from sip_credit.message import Request, Response, parse, respond
from sip_credit.messaging import read_message
from sip_credit.policy import read_check
from sip_credit.report import read_report
from sip_credit.settings import Messages, Peer, Settings
from sip_credit.stream import FramingLost, Keepalive, MessageStream

CORPUS: Final = Path(__file__).parent / "corpus"

NOW: Final = 1_768_471_200_000
_IDENTITY: Final = Identity.of("ocs.example.net", "example.net")
_SETTINGS: Final = Settings()
_PEER: Final = Peer(
    messages=Messages.CHARGED,
    caller_headers=("P-Asserted-Identity", "Diversion", "History-Info", "Proxy-Authorization", "From"),
    rewrite=(("00", "+"), ("0", "+49")),
    access="header",
)


def diameter(data: bytes) -> None:
    """Octets from a peer: framed, decoded, checked, read as a CCR, and answered in a way that can be read."""
    try:
        messages = list(Framer(65536).feed(data))
    except FramingError:
        return
    for octets in messages:
        message = Message(octets)
        try:
            check_request(message)
            if message.command == Command.CREDIT_CONTROL:
                read(message, NOW)
            answer = Answer()
        except RemoteError as error:
            answer = refusal(error)
        reply = Message(compose(message, answer, _IDENTITY))
        assert reply.malformed is None
        assert reply.get(RESULT_CODE) == answer.result_code


def sip(data: bytes) -> None:
    """A datagram, and the same octets as they come over a connection: parsed, understood, and written again."""
    for message in _messages(data):
        if isinstance(message, Request):
            _understand(message)
        again = parse(message.encode())
        assert type(again) is type(message)
        assert again.call_id == message.call_id


def _messages(data: bytes) -> list[Request | Response]:
    found: list[Request | Response] = []
    with suppress(SipError):
        found.append(parse(data))
    stream = MessageStream()
    for octets in (data[: len(data) // 2], data[len(data) // 2 :]):
        stream.feed(octets)
        try:
            while (one := _next(stream)) is not None:
                found += [one] if isinstance(one, Request | Response) else []
        except FramingLost:
            break
    return found


def _next(stream: MessageStream) -> Request | Response | Keepalive | None:
    """The next message; one that is bad is answered and passed over."""
    while True:
        try:
            return stream.next()
        except FramingLost:
            raise
        except SipError:
            continue


def _understand(request: Request) -> None:
    for understand in (read_check, read_message):
        understand(request, _PEER, _SETTINGS, NOW)
    read_report(request, _PEER, NOW)
    answer = parse(respond(request, 200, tag="t").encode())
    assert isinstance(answer, Response)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {"diameter": diameter, "sip": sip}
