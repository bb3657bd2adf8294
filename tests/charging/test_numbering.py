"""Numbers as people and networks write them."""

import pytest

from charging.numbering import normalise


@pytest.mark.parametrize(
    ("dialled", "country", "expected"),
    [
        ("+493012345678", "", "493012345678"),
        ("tel:+49-30-1234-5678", "", "493012345678"),
        ("tel:+49 (30) 123.456;phone-context=x", "", "4930123456"),
        ("sip:+493012345678@ims.example.net;user=phone", "", "493012345678"),
        ("SIPS:+4930123@example.net", "", "4930123"),
        ("493012345678", "49", "493012345678"),
        ("00493012345678", "49", "493012345678"),
        ("004412345", "", "4412345"),
        ("03012345678", "49", "493012345678"),
        ("03012345678", "", "03012345678"),
        ("030/123456", "49", "4930123456"),
        ("112", "49", "112"),
        ("tel:112", "49", "112"),
        ("0", "49", "0"),
        ("00", "49", "00"),
        ("", "49", ""),
        ("sip:alice@example.net", "49", "sip:alice@example.net"),
        ("urn:service:sos", "49", "urn:service:sos"),
        ("+", "49", "+"),
        ("٤٩٣٠", "49", "٤٩٣٠"),
    ],
)
def test_numbers_become_comparable(dialled: str, country: str, expected: str) -> None:
    assert normalise(dialled, country) == expected
