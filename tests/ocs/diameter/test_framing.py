import pytest

from ocs.diameter.codec import encode_message
from ocs.diameter.framing import Framer, FramingError

ONE = encode_message(0x80, 280, 0, 1, 1, [])
TWO = encode_message(0x80, 280, 0, 2, 2, [bytes.fromhex("0000010840000009") + b"a\x00\x00\x00"])


@pytest.mark.parametrize("size", [1, 3, 19, 20, 21, 50, 1000])
def test_any_segmentation_gives_the_same_messages(size):
    framer, stream = Framer(1024), ONE + TWO + ONE
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert [message for piece in pieces for message in framer.feed(piece)] == [ONE, TWO, ONE]


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ("02000014", 5011),
        ("00000014", 5011),
        ("01000000", 5015),
        ("01000010", 5015),
        ("01000015", 5015),
        ("01000404", 5015),
    ],
)
def test_lost_streams(start, code):
    messages = Framer(1024).feed(ONE + bytes.fromhex(start) + bytes(20))
    assert next(messages) == ONE
    with pytest.raises(FramingError) as caught:
        next(messages)
    assert caught.value.result_code == code


def test_longest_message_is_taken():
    longest = encode_message(0, 1, 0, 0, 0, [bytes(1024 - 20)])
    assert list(Framer(1024).feed(longest)) == [longest]


def test_bad_start_in_small_pieces_is_found_with_its_header():
    framer, bad = Framer(1024), bytes.fromhex("01000010") + bytes(16)
    for octet in bad[:-1]:
        assert list(framer.feed(bytes((octet,)))) == []
    with pytest.raises(FramingError) as caught:
        list(framer.feed(bad[-1:]))
    assert caught.value.header == bad
