"""Messages that are odd but right, and messages that look right but are wrong, after the kinds of RFC 4475."""

from typing import Any

import pytest

from sip_credit.message import Request, Response, parse

Bench = Any  # the fixture's class lives in conftest, which is no module to import from


def sip(text: str, body: bytes = b"") -> bytes:
    """Lines as octets; ``\\xNN`` characters stay single octets."""
    return text.strip("\n").replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


def message(start: str = "OPTIONS sip:user@example.com SIP/2.0", **changed: str | None) -> str:
    """A plain request with headers changed, added or (None) left out; ``_`` in a name stands for ``-``."""
    headers: dict[str, str | None] = {
        "Via": "SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw",
        "From": "<sip:caller@example.com>;tag=323",
        "To": "sip:user@example.com",
        "Call-ID": "abcd.0ha0isndaksdj",
        "CSeq": f"8 {start.split()[0]}",
        "Max-Forwards": "70",
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    return "\n".join([start, *(f"{name}: {value}" for name, value in headers.items() if value is not None)])


TORTUOUS = r"""
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 150
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
"""


@pytest.mark.rfc("4475", "3.1.1.1")
def test_folded_compact_and_spaced() -> None:
    request = parse(sip(TORTUOUS, b"x" * 150))
    assert isinstance(request, Request)
    assert request.to.tag == "1918181833n"
    assert request.from_.display == 'J Rosenberg \\"'
    assert request.from_.tag == "98asjd8"
    assert request.cseq == (9, "INVITE")
    assert (request.via.transport, request.via.host, request.via.branch) == ("UDP", "192.0.2.2", "390skdjuw")
    assert len(request.vias) == 3
    assert request.vias[2].replace(" ", "") == "SIP/2.0/UDP192.168.255.111;branch=z9hG4bK30239"
    assert request.headers.get("newfangledheader") == "newfangled value continued newfangled value"
    assert request.headers.get("Contact").startswith('"Quoted string \\"\\""')
    assert len(request.body) == 150


@pytest.mark.rfc("4475", "3.1.1.2")
def test_every_character_a_token_may_have() -> None:
    method = "!interesting-Method0123456789_*+`.%indeed'~"
    uri = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com"
    text = message(
        f"{method} {uri} SIP/2.0",
        From="token1~` token2'+_ t3*%!.- <sip:mundane@example.com>;from''~+*_!.-%=\"\xd1\x80\";tag=_token~1'+`*%!-.",
        To='"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*@example.com>',
        Call_ID="intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
    )
    request = parse(sip(text))
    assert isinstance(request, Request)
    assert (request.method, request.uri) == (method, uri)
    assert request.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert request.from_.tag == "_token~1'+`*%!-."


@pytest.mark.rfc("4475", "3.1.1.3")
def test_escapes() -> None:
    request = parse(
        sip(message("OPTIONS sip:sips%3Auser%40example.com@example.net SIP/2.0", To="<sip:%75se%72@x.org>"))
    )
    assert isinstance(request, Request)
    assert request.target.user == "sips:user@example.com"
    assert request.to.uri.user == "user"


@pytest.mark.rfc("4475", "3.1.1.4")
def test_an_escaped_null_is_a_character() -> None:
    request = parse(sip(message("OPTIONS sip:null-%00-null@example.com SIP/2.0")))
    assert isinstance(request, Request)
    assert request.target.user == "null-\x00-null"


@pytest.mark.rfc("4475", "3.1.1.7")
def test_long_values() -> None:
    long = "very" * 400
    request = parse(
        sip(message(From=f"<sip:{long}@example.com>;tag={long}", To=f'"{long}" <sip:a@b>;unknown{long}={long}'))
    )
    assert isinstance(request, Request)
    assert request.from_.tag == long


@pytest.mark.rfc("4475", "3.1.1.8")
def test_octets_beyond_the_length_of_a_datagram_are_dropped() -> None:
    second = sip(message("INVITE sip:other@example.com SIP/2.0"))
    request = parse(sip(message(Content_Length="0")) + second)
    assert isinstance(request, Request)
    assert (request.method, request.body) == ("OPTIONS", b"")


@pytest.mark.rfc("4475", "3.1.1.9")
def test_semicolons_in_the_user_part() -> None:
    request = parse(sip(message("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0")))
    assert isinstance(request, Request)
    assert request.target.user == "user;par=u@example.net"
    assert request.target.host == "example.com"


@pytest.mark.rfc("4475", "3.1.1.12")
@pytest.mark.parametrize("reason", ["= 2**3 * 5**2 \xd0\xbd\xd0\xbe", "", "100%"])
def test_reason_phrases(reason: str) -> None:
    response = parse(sip(message(f"SIP/2.0 200 {reason}", CSeq="1 INVITE")))
    assert isinstance(response, Response)
    assert (response.status, response.reason.encode()) == (200, reason.encode("latin-1"))


@pytest.mark.rfc("4475", "3.1.2")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(message(To='"Mr. J. User <sip:j.user@example.com>'), id="unterminated quote"),
        pytest.param(message("OPTIONS <sip:user@example.com> SIP/2.0"), id="brackets around the target"),
        pytest.param(message("OPTIONS sip:user@example.com; lr SIP/2.0"), id="space in the target"),
        pytest.param(message("OPTIONS  sip:user@example.com  SIP/2.0"), id="spaces in the start line"),
        pytest.param(message("OPTIONS sip:user@example.com SIP/2.0 "), id="space after the start line"),
        pytest.param(message("OPTIONS sip:user@example.com SIP"), id="no version"),
        pytest.param(message(CSeq="36893488147419103232 OPTIONS"), id="too large a number"),
        pytest.param(message(CSeq="8 INVITE"), id="another method"),
        pytest.param(message(CSeq="8"), id="no method"),
        pytest.param(message(Content_Length="-999"), id="negative length"),
        pytest.param(message(Content_Length="9999"), id="too great a length"),
        pytest.param(message(Content_Length="5") + "\nl: 5", id="two lengths"),
        pytest.param(message() + "\nCSeq: 9 OPTIONS", id="two CSeqs"),
        pytest.param(message() + "\nf: <sip:x@y>;tag=1", id="two Froms"),
        pytest.param(message() + "\ni: other", id="two Call-IDs"),
        pytest.param(message(From="sip:user@example.com?Route=%3Csip:example.com%3E"), id="headers without brackets"),
        pytest.param(message(From="Bell, Alexander <sip:a.g.bell@example.com>;tag=43"), id="comma in a display name"),
        pytest.param(message(Call_ID="a b"), id="space in Call-ID"),
        pytest.param(message() + "\nno colon here", id="no colon"),
        pytest.param(message() + "\n: no name", id="no name"),
        pytest.param(message() + "\nX-Y: a\rb", id="a lone CR"),
        pytest.param(message() + "\n" + "X: y\n" * 130, id="too many lines"),
        pytest.param(message(X_Long="x" * 8192), id="too long a line"),
    ],
)
async def test_wrong_and_answered_400(bench: Bench, text: str) -> None:
    answer = await bench.ask(sip(text))
    assert answer.startswith(b"SIP/2.0 400 ")
    assert b"Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw" in answer
    assert answer.endswith(b"Content-Length: 0\r\n\r\n")


@pytest.mark.rfc("4475", "3.1.2.16")
async def test_another_version(bench: Bench) -> None:
    answer = await bench.ask(sip(message("OPTIONS sip:t.watson@example.org SIP/7.0")))
    assert answer.startswith(b"SIP/2.0 505 ")


@pytest.mark.rfc("4475", "3.3.1")
@pytest.mark.parametrize(
    "text",
    [
        *(message(**{name: None}) for name in ("Via", "From", "To", "Call_ID", "CSeq") if name != "Call_ID"),
        message(**{"Call-ID": None}),
        message(Via="SIP/2.0/UDP"),
        message(Via='SIP/2.0/UDP h;x="'),
        message(Via="SIP/2.0/UDP h;branch=1, " * 70 + "SIP/2.0/UDP h"),
        message("ACK sip:a@b SIP/2.0", CSeq="x"),
        message("SIP/2.0 4294967301 better not break the receiver"),
        message("SIP/2.0 099 x"),
    ],
)
async def test_wrong_and_not_answered(bench: Bench, text: str) -> None:
    bench.receive(sip(text))
    assert bench.wire.sent.empty()


@pytest.mark.rfc("3261", "8.2.2.3")
async def test_a_redirect_server_does_not_judge_what_is_for_the_callee(bench: Bench) -> None:
    """No 420, 415, 422 or 483: those are the callee's to say (section 8.3)."""
    await bench.open("491700001", 1_000_000)
    text = message(
        "INVITE sip:b@example.com SIP/2.0",
        P_Asserted_Identity="<tel:+491700001>",
        Require="nothingSupportsThis, 100rel",
        Proxy_Require="noProxiesSupportThis",
        Content_Type="application/unknownformat",
        Content_Encoding="x",
        Session_Expires="1",
        Max_Forwards="0",
    )
    answer = await bench.ask(sip(text, b"unknown"))
    assert answer.startswith(b"SIP/2.0 302 ")
    assert b"Record-Route" not in answer


@pytest.mark.rfc("3261", "8.2.6.2")
async def test_an_answer_repeats_what_it_must_octet_for_octet(bench: Bench) -> None:
    text = message(
        Via="SIP/2.0/UDP host1.example.com;branch=z9hG4bK1;rport;x=Y ,SIP/2.0/TCP [2001:db8::9]:5070;branch=z9hG4bK2",
        From='"\xd1\x80\xff" <sip:a@b>;tag=1',
        To="<sip:b@c>;x=y",
        Record_Route="<sip:p;lr>",
    )
    answer = (await bench.ask(sip(text))).split(b"\r\n")
    assert answer[1] == b"Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bK1;rport=5060;x=Y;received=127.0.10.2"
    assert answer[2] == b"Via: SIP/2.0/TCP [2001:db8::9]:5070;branch=z9hG4bK2"
    assert answer[3] == b'From: "\xd1\x80\xff" <sip:a@b>;tag=1'
    assert answer[4].startswith(b"To: <sip:b@c>;x=y;tag=")
    assert b"Record-Route: <sip:p;lr>" not in answer
