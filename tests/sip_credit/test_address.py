"""The small grammars: what is read of an address, a URI, a Via; and what is refused."""

import pytest

from sip_credit.address import (
    Malformed,
    decimal,
    parse_address,
    parse_cseq,
    parse_uri,
    parse_via,
    split_host_port,
    split_outside_quotes,
)


@pytest.mark.rfc("3261", "19.1.1")
@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("sip:alice@example.net", "alice", "example.net", None),
        ("sip:alice:secret@Example.NET;transport=tcp", "alice", "example.net", None),
        ("sips:+49-30.123(4)@[2001:db8::1]:5061;user=phone?Subject=x", "+49-30.123(4)", "[2001:db8::1]", 5061),
        ("SIP:%61lice%20b@example.net", "alice b", "example.net", None),
        ("sip:127.0.10.4:5060", "", "127.0.10.4", 5060),
        ("tel:+49(30)123-4;phone-context=+49", "+49(30)123-4", "", None),
        ("sip:a;b?c/d@h", "a;b?c/d", "h", None),
    ],
)
def test_uri(text: str, user: str, host: str, port: int | None) -> None:
    uri = parse_uri(text)
    assert (uri.user, uri.host, uri.port) == (user, host, port)
    assert uri.text == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("tel:+49(30)123-4;phone-context=+49", "+49301234"),
        ("sip:+49-30.123(4)@h;user=phone", "+49301234"),
        ("sip:+4930123;npdi;cic=1@h", "+4930123"),
        ("sip:110@h", "110"),
        ("sip:alice@h", ""),
        ("sip:h", ""),
        ("sip:+@h", ""),
        ("sip:١٢٣@h", ""),
        ("urn:service:sos", ""),
    ],
)
def test_telephone_number(text: str, number: str) -> None:
    assert parse_uri(text).number == number


@pytest.mark.parametrize(
    "text",
    [
        "", "sip:", "sip", "alice@h", "sip:a@", "sip:@h", "sip:a@b@c", "sip:a b@h", "sip:a@h:0", "sip:a@h:65536",
        "sip:a@h:-1", "sip:a@[::1", "sip:a@h:", "<sip:a@h>", "sip:%4g@h", "sip:%@h", "tel:", "tel:;x", "1x:y",
        "sip:a@h:٣",
    ],
)  # fmt: skip
def test_bad_uri(text: str) -> None:
    with pytest.raises(Malformed):
        parse_uri(text)


@pytest.mark.rfc("3261", "20.10")
@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ('"A. G. Bell" <sip:agb@bell-telephone.com> ;tag=a48s', "A. G. Bell", "sip:agb@bell-telephone.com", "a48s"),
        ('"a\\"b<;,>" <sip:a@h;x=y>;tag=1', 'a"b<;,>', "sip:a@h;x=y", "1"),
        ("Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8", "Anonymous", "sip:c8oqz84zk7z@privacy.org", "hyh8"),
        ("sip:+12125551212@server.phone2net.com;tag=887s", "", "sip:+12125551212@server.phone2net.com", "887s"),
        ("<sip:a@h?x=y,z>", "", "sip:a@h?x=y,z", ""),
        ("sip:vivekg@example.com ;   tag    = 1918181833n", "", "sip:vivekg@example.com", "1918181833n"),
        ('""<sip:a@h>', "", "sip:a@h", ""),
        ('<sip:a@h>;x="a;b,c"', "", "sip:a@h", ""),
    ],
)
def test_address(text: str, display: str, uri: str, tag: str) -> None:
    address = parse_address(text)
    assert (address.display, address.uri.text, address.tag) == (display, uri, tag)


@pytest.mark.parametrize(
    "text",
    [
        "", "<sip:a@h", "sip:a@h>", '"a <sip:a@h>', '"a" sip:a@h', "sip:a@h?x=y", "sip:a@h,sip:b@h", "<sip:a@h> x",
        "<sip:a@h>;tag=1;tag=2", "<sip:a@h>;=x", "<sip:a@h>;tag=", "b@d <sip:a@h>",
    ],
)  # fmt: skip
def test_bad_address(text: str) -> None:
    with pytest.raises(Malformed):
        parse_address(text)


@pytest.mark.rfc("3261", "20.42")
def test_via_with_white_space_everywhere() -> None:
    via = parse_via("SIP / 2.0 / UDP   first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1")
    assert (via.transport, via.host, via.port) == ("UDP", "first.example.com", 4000)
    assert via.branch == "z9hG4bKa7c6a8dlze.1"
    assert via.sent_by == "first.example.com:4000"


@pytest.mark.parametrize(
    ("text", "sent_by"),
    [
        ("SIP/2.0/UDP H;branch=x", "h:5060"),
        ("SIP/2.0/TLS h", "h:5061"),
        ("SIP/2.0/TCP [2001:DB8::1]", "[2001:db8::1]:5060"),
    ],
)
def test_sent_by_has_the_default_port_written_out(text: str, sent_by: str) -> None:
    assert parse_via(text).sent_by == sent_by


@pytest.mark.parametrize(
    "text", ["", "SIP/2.0", "SIP/2.0/UDP", "SIP/3.0/UDP h", "HTTP/2.0/UDP h", "SIP/2.0/UDP h;a=1;a=2"]
)
def test_bad_via(text: str) -> None:
    with pytest.raises(Malformed):
        parse_via(text)


@pytest.mark.rfc("3261", "8.1.1.5")
def test_cseq_is_below_two_to_the_31() -> None:
    assert parse_cseq("0009   INVITE") == (9, "INVITE")
    assert parse_cseq("2147483647 BYE").number == 2**31 - 1
    for text in (
        "2147483648 BYE",
        "36893488147419103232 REGISTER",
        "-1 BYE",
        "1_0 BYE",
        "1",
        "INVITE 1",
        "1 a@b",
        "1 A B",
    ):
        with pytest.raises(Malformed):
            parse_cseq(text)


def test_decimal_takes_ascii_digits_only() -> None:
    assert decimal("0068", 255, "x") == 68
    for text in ("", "+1", " 1", "1 ", "1_0", "٣", "²", "0x1", "1.0", "256", "9" * 5000):
        with pytest.raises(Malformed):
            decimal(text, 255, "x")


@pytest.mark.rfc("3261", "7.3.1")
def test_lists_split_outside_quotes_and_brackets() -> None:
    assert split_outside_quotes('<sip:a,b@h>, "x,\\",y" <sip:c@h>,sip:d', ",") == [
        "<sip:a,b@h>",
        '"x,\\",y" <sip:c@h>',
        "sip:d",
    ]
    for text in ('"a', "<a", '"a\\"'):
        with pytest.raises(Malformed):
            split_outside_quotes(text, ",")


def test_host_and_port() -> None:
    assert split_host_port("[::1]:5060") == ("[::1]", 5060)
    assert split_host_port("a-b.example : 99") == ("a-b.example", 99)
    for text in ("", ":1", "a:b:c", "[::1]x", "[::1]:", "a b"):
        with pytest.raises(Malformed):
            split_host_port(text)
