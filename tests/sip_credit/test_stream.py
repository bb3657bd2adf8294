"""Messages out of a byte stream, however it is cut."""

import pytest

from sip_credit.message import MAX_BODY, MAX_HEAD, RemoteError, Request
from sip_credit.stream import FramingLost, Keepalive, MessageStream


def invite(number: int, body: bytes = b"") -> bytes:
    return Request(
        "INVITE",
        f"sip:{number}@h",
        [
            ("Via", f"SIP/2.0/TCP a;branch=z9hG4bK{number}"),
            ("From", "<sip:a@h>;tag=1"),
            ("To", "<sip:b@h>"),
            ("Call-ID", f"c{number}"),
            ("CSeq", "1 INVITE"),
        ],
        body,
    ).encode()


def drain(stream: MessageStream) -> list[object]:
    found: list[object] = []
    while (message := stream.next()) is not None:
        found.append(message)
    return found


@pytest.mark.rfc("3261", "18.3")
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 10_000])
def test_messages_are_the_same_however_they_are_cut(size: int) -> None:
    octets = b"\r\n" + invite(1, b"v=0\r\n\r\nx") + b"\r\n\r\n" + invite(2) + b"\r\n" + invite(3, b"y" * 300)
    stream = MessageStream()
    found: list[object] = []
    for start in range(0, len(octets), size):
        stream.feed(octets[start : start + size])
        found += drain(stream)
    requests = [message for message in found if isinstance(message, Request)]
    assert [(request.call_id, request.body) for request in requests] == [
        ("c1", b"v=0\r\n\r\nx"),
        ("c2", b""),
        ("c3", b"y" * 300),
    ]
    assert found.count(Keepalive.PING) == 1
    assert len(stream) == 0


@pytest.mark.rfc("5626", "3.5.1")
def test_two_blank_lines_are_a_ping_and_one_is_not() -> None:
    stream = MessageStream()
    stream.feed(b"\r\n")
    assert drain(stream) == []
    stream.feed(b"\r\n")
    assert drain(stream) == [Keepalive.PING]


@pytest.mark.rfc("3261", "18.3")
def test_a_bad_message_costs_one_answer_while_the_framing_holds() -> None:
    stream = MessageStream()
    stream.feed(invite(1, b"abc").replace(b"1 INVITE", b"1 BYE", 1) + invite(2))
    with pytest.raises(RemoteError) as caught:
        stream.next()
    assert not isinstance(caught.value, FramingLost)
    assert caught.value.status == 400
    assert caught.value.request is not None
    following = stream.next()
    assert isinstance(following, Request)
    assert following.call_id == "c2"


@pytest.mark.rfc("3261", "20.14")
@pytest.mark.parametrize(
    ("length", "status"),
    [(b"", 400), (b"Content-Length: -1", 400), (b"Content-Length: x", 400), (b"l: 1\r\nContent-Length: 1", 400),
     (b"Content-Length: %d" % (MAX_BODY + 1), 513)],
)  # fmt: skip
def test_a_bad_length_loses_the_framing_and_is_answered(length: bytes, status: int) -> None:
    stream = MessageStream()
    stream.feed(invite(1).replace(b"Content-Length: 0\r\n", length + b"\r\n" if length else b""))
    with pytest.raises(FramingLost) as caught:
        stream.next()
    assert caught.value.status == status
    assert caught.value.request is not None


def test_a_head_without_end_is_not_collected_for_ever() -> None:
    stream = MessageStream()
    while len(stream) <= MAX_HEAD:
        assert stream.next() is None
        stream.feed(b"x" * 1000)
    with pytest.raises(FramingLost) as caught:
        stream.next()
    assert caught.value.status == 513
    assert len(stream) <= MAX_HEAD + 1000


def test_octets_that_are_no_sip_end_in_an_error_without_an_answer() -> None:
    stream = MessageStream()
    stream.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(FramingLost) as caught:
        stream.next()
    assert caught.value.request is None
