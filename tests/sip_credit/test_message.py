"""Messages both ways, a second opinion on them, and octets at random."""

import pytest
import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from sip_credit.message import (
    Headers,
    Malformed,
    RemoteError,
    Request,
    Response,
    acknowledge,
    cancel,
    parse,
    respond,
)
from sip_credit.stream import FramingLost, MessageStream

INVITE = (
    b"INVITE sip:b@127.0.10.3:5060 SIP/2.0\r\n"
    b"Record-Route: <sip:127.0.10.2;lr=on;ftag=1107u1>\r\n"
    b"v: SIP/2.0/UDP 127.0.10.2;branch=z9hG4bK5f44.0, SIP/2.0/UDP 127.0.10.1:5060;branch=z9hG4bK-1107-1-0\r\n"
    b'From: "A" <sip:alice@example.net>;tag=1107u1\r\n'
    b"To: <sip:b@example.net>\r\n"
    b"i: 1-1107@127.0.10.1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Contact: <sip:alice@127.0.10.1:5060>\r\n"
    b"Route: <sip:127.0.10.4;lr>\r\n"
    b"Max-Forwards: 69\r\n"
    b"P-Asserted-Identity: <sip:+491700001@example.net>\r\n"
    b"l: 4\r\n"
    b"\r\n"
    b"v=0\n"
)


def invite() -> Request:
    message = parse(INVITE)
    assert isinstance(message, Request)
    return message


@pytest.mark.rfc("3261", "7.3.1")
def test_names_compare_without_case_and_compact_forms() -> None:
    headers = Headers([("v", "1"), ("VIA", "2, 3"), ("X-Y", "4")])
    assert headers.all("Via") == headers.all("V") == ["1", "2, 3"]
    assert headers.items("via") == ["1", "2", "3"]
    assert headers.get("x-y") == "4"
    assert headers.get("z", "none") == "none"
    assert "V" in headers
    assert len(headers) == 3
    assert headers == Headers(list(headers))
    assert hash(headers) == hash(Headers(list(headers)))


def test_what_is_read_can_be_written_and_read() -> None:
    once = invite()
    again = parse(once.encode())
    assert again == once
    assert hash(again) == hash(once)
    assert once.encode().endswith(b"Content-Length: 4\r\n\r\nv=0\n")
    assert repr(once) == "<INVITE sip:b@127.0.10.3:5060 SIP/2.0 1-1107@127.0.10.1 1 INVITE>"


@pytest.mark.rfc("3261", "17.1.1.3")
def test_ack_and_cancel_belong_to_the_invite() -> None:
    ack = acknowledge(invite(), respond(invite(), 486, tag="t"))
    assert ack.start_line == "ACK sip:b@127.0.10.3:5060 SIP/2.0"
    assert ack.vias == invite().vias[:1]
    assert (ack.to.tag, ack.cseq, ack.headers.get("Route")) == ("t", (1, "ACK"), "<sip:127.0.10.4;lr>")
    gone = cancel(invite())
    assert (gone.to.tag, gone.cseq, gone.vias) == ("", (1, "CANCEL"), invite().vias[:1])


@pytest.mark.rfc("3261", "8.2.6.2")
def test_a_tag_is_added_only_where_there_is_none() -> None:
    assert respond(invite(), 302, tag="x").to.tag == "x"
    assert respond(invite(), 100).to.tag == ""
    in_dialog = Request("BYE", "sip:a@b", [*list(invite().headers)[:3], ("To", "<sip:b@h>;tag=old"), ("CSeq", "2 BYE")])
    assert respond(in_dialog, 481, tag="x").to.tag == "old"


@pytest.mark.rfc("3261", "18.2.1")
@pytest.mark.parametrize(
    ("source", "via"),
    [
        (("127.0.10.2", 9), "SIP/2.0/UDP 127.0.10.2;branch=z9hG4bK5f44.0"),
        (("10.0.0.1", 9), "SIP/2.0/UDP 127.0.10.2;branch=z9hG4bK5f44.0;received=10.0.0.1"),
    ],
)
def test_received(source: tuple[str, int], via: str) -> None:
    request = invite().received_from(*source)
    assert request.vias == (via, invite().vias[1])
    assert request.headers.get("Call-ID") == "1-1107@127.0.10.1"


def test_mandatory_headers_are_asked_for_by_name() -> None:
    message = Request("OPTIONS", "sip:a@b", [])
    for read in (lambda: message.via, lambda: message.from_, lambda: message.call_id, lambda: message.cseq):
        with pytest.raises(Malformed):
            read()


@pytest.mark.parametrize("status", [100, 200, 302, 402, 403, 404, 405, 480, 481, 487, 503, 505])
def test_second_opinion_on_our_answers(status: int) -> None:
    ours = respond(invite(), status, tag="t", headers=[("Contact", "<sip:b@h;x=y>"), ("X-OCS-Max-Duration", "60")])
    theirs = sipmessage.Message.parse(ours.encode())
    assert isinstance(theirs, sipmessage.Response)
    assert (theirs.code, theirs.phrase) == (status, ours.reason)
    assert [via.parameters["branch"] for via in theirs.via] == ["z9hG4bK5f44.0", "z9hG4bK-1107-1-0"]
    assert (theirs.call_id, theirs.cseq.sequence, theirs.cseq.method) == ("1-1107@127.0.10.1", 1, "INVITE")
    assert theirs.to_address.parameters["tag"] == "t"
    assert theirs.contact[0].uri.host == "h"


@pytest.mark.parametrize(
    "build", [invite, lambda: cancel(invite()), lambda: acknowledge(invite(), respond(invite(), 486))]
)
def test_second_opinion_on_our_requests(build: object) -> None:
    ours = build()  # type: ignore[operator]
    theirs = sipmessage.Message.parse(ours.encode())
    assert isinstance(theirs, sipmessage.Request)
    assert (theirs.method, str(theirs.uri), theirs.body) == (ours.method, ours.uri, ours.body)
    assert theirs.from_address.name == ours.from_.display == "A"
    assert len(theirs.via) == len(ours.vias)


# ---- octets at random: a message, or an error that says what to answer; nothing else, and always the same on a stream


def read(data: bytes) -> Request | Response | RemoteError:
    try:
        return parse(data)
    except RemoteError as error:
        return error


def check_reading(data: bytes) -> None:
    found = read(data)
    if isinstance(found, RemoteError):
        assert found.status in (400, 505, 513)
        if found.request is not None:
            answer = respond(found.request, found.status, found.reason, tag="t")
            assert answer.encode().startswith(b"SIP/2.0 %d " % found.status)
            assert answer.vias == found.request.vias
        return
    again = parse(found.encode())
    assert again.encode() == found.encode()
    if isinstance(found, Request):
        parse(respond(found, 200, tag="t").encode())


PIECES = st.sampled_from(
    [*INVITE.split(b"\r\n"), b"\r\n", b"\r\n ", b'"', b"<", b">", b";", b",", b"=", b":", b"%", b"@", b"\\"]
)


@given(st.lists(PIECES | st.binary(max_size=20), max_size=30).map(b"\r\n".join) | st.binary(max_size=500))
@settings(max_examples=400, deadline=None)
def test_any_octets(data: bytes) -> None:
    check_reading(data)


@given(st.integers(0, len(INVITE) - 1), st.integers(0, 40), st.binary(max_size=12))
@settings(max_examples=1500, deadline=None)
def test_a_good_message_with_octets_changed(start: int, length: int, replacement: bytes) -> None:
    check_reading(INVITE[:start] + replacement + INVITE[start + length :])


def read_stream(data: bytes, size: int) -> list[str]:
    """What a stream makes of the octets, cut in pieces; it ends where the framing is lost."""
    stream, found = MessageStream(), []
    for start in range(0, len(data), size):
        stream.feed(data[start : start + size])
        while True:
            try:
                message = stream.next()
            except FramingLost as error:
                return [*found, f"lost {error.status}"]
            except RemoteError as error:
                found.append(f"error {error.status} {error.reason}")
                continue
            if message is None:
                break
            found.append(repr(message))
    return found


@given(st.lists(st.tuples(st.integers(0, len(INVITE)), st.binary(max_size=6)), max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_stream_reads_the_same_octet_by_octet(cuts: list[tuple[int, bytes]]) -> None:
    data = b"".join(INVITE[:cut] + noise + INVITE[cut:] for cut, noise in cuts)
    assert read_stream(data, 1) == read_stream(data, len(data) or 1) == read_stream(data, 97)
