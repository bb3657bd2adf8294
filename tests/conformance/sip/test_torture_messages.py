"""Every message of RFC 4475 that concerns a user agent server, after its description, and what the door does with it.

SILENCE: responses are nobody's here, and without a sound Via there is nowhere to answer. The plan prices whatever is
called, so that a call which can be read is granted. Messages that only a proxy or registrar could judge are answered as
whatever they are here: a REGISTER with 405.
"""

import contextlib
from typing import Any

import pytest

from sip_credit.message import RemoteError, Response, parse

Bench = Any  # the fixture's class lives in conftest, which is no module to import from

SILENCE = 0
ALICE = {"P-Asserted-Identity": "<tel:+491700001>"}
CALL = "INVITE sip:+493012345@example.com SIP/2.0"


def sip(start: str = "OPTIONS sip:user@example.com SIP/2.0", body: str = "", **changed: str | None) -> bytes:
    """A plain message with headers changed, added or (None) left out; ``_`` in a name stands for ``-``."""
    method = start.split()[0]
    headers: dict[str, str | None] = {
        "Via": "SIP/2.0/UDP host5.example.net;branch=z9hG4bK-39234-23523",
        "From": "<sip:caller@example.net>;tag=242etr",
        "To": "<sip:user@example.com>",
        "Call-ID": "torture.0ha0isndaksdj",
        "CSeq": f"8 {'INVITE' if method.startswith('SIP') else method}",
        "Max-Forwards": "70",
    }
    if method == "INVITE":
        headers |= ALICE
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [start, *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return "\n".join(lines).replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body.encode("latin-1")


REGISTER = "REGISTER sip:example.com SIP/2.0"
MULTIPART = "--7a\r\nContent-Type: text/plain\r\n\r\nx\x00\r\n--7a\r\nContent-Type: x/y\r\n\r\n\xff\xfe--7a--"

MESSAGES: dict[str, tuple[str, bytes, int]] = {
    # 3.1.1 valid
    "wsinv": (
        "3.1.1.1",
        sip(
            CALL,
            To=None,
            CSeq=None,
            Call_ID=None,
            Max_Forwards=None,
            TO="\n <sip:vivekg@chair.example.com>  ;   x    = 1",
            cseq="0009\n  INVITE",
            i="wsinv.ndaksdj@192.0.2.1",
            MaX_fOrWaRdS="0068",
            s="",
            UnknownHeaderWithUnusualValue=";;,,;;,;",
        ),
        302,
    ),
    "intmeth": (
        "3.1.1.2",
        sip(
            "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy,/;;*@h SIP/2.0",
            To='"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*@example.com>',
        ),
        405,
    ),
    "esc01": ("3.1.1.3", sip("INVITE sip:sips%3A%2B4930%40example.com@example.net SIP/2.0"), 302),
    "escnull": (
        "3.1.1.4",
        sip(REGISTER, To="sip:null-%00-null@example.com", Contact="<sip:%00@host5>, <sip:%00%00@h>"),
        405,
    ),
    "esc02": (
        "3.1.1.5",
        sip("RE%47IST%45R sip:registrar.example.com SIP/2.0", To='"%Z%45" <sip:resource@example.com>'),
        405,
    ),
    "lwsdisp": ("3.1.1.6", sip(From="caller<sip:caller@example.com>;tag=323"), 200),
    "longreq": (
        "3.1.1.7",
        sip(CALL, From=f"<sip:{'long' * 300}@example.net>;tag={'1' * 1200}", Call_ID="x" * 3000, Unknown="v" * 4000),
        302,
    ),
    "dblreq": ("3.1.1.8", sip(REGISTER, Content_Length="0") + sip(CALL, Content_Length="0"), 405),
    "semiuri": ("3.1.1.9", sip("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"), 200),
    "transports": (
        "3.1.1.10",
        sip(
            Via="SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw, SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf\n"
            "Via: SIP/2.0/UNKNOWN t5.example.com;branch=z9hG4bKkl3saj"
        ),
        200,
    ),
    "mpart01": (
        "3.1.1.11",
        sip("MESSAGE sip:kumiko@example.org SIP/2.0", MULTIPART, Content_Type="multipart/mixed;boundary=7a"),
        400,
    ),
    "unreason": ("3.1.1.12", sip("SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe"), SILENCE),
    "noreason": ("3.1.1.13", sip("SIP/2.0 100 "), SILENCE),
    # 3.1.2 invalid
    "badinv01": (
        "3.1.2.1",
        sip(CALL, Via="SIP/2.0/UDP 192.0.2.15;;,;,,", Contact='"Joe" <sip:joe@example.org>;;;;'),
        SILENCE,
    ),
    "clerr": ("3.1.2.2", sip(CALL, "v=0", Content_Length="9999"), 400),
    "ncl": ("3.1.2.3", sip(CALL, "v=0", Content_Length="-999"), 400),
    "scalar02": ("3.1.2.4", sip(CSeq="36893488147419103232 OPTIONS", Max_Forwards="300", Expires="1" + "0" * 40), 400),
    "scalarlg": ("3.1.2.5", sip("SIP/2.0 503 Service Unavailable", CSeq="9292394834772304023312 OPTIONS"), SILENCE),
    "quotbal": ("3.1.2.6", sip(CALL, To='"Mr. J. User <sip:j.user@example.com>'), 400),
    "ltgtruri": ("3.1.2.7", sip("INVITE <sip:user@example.com> SIP/2.0"), 400),
    "lwsruri": ("3.1.2.8", sip("INVITE sip:user@example.com; lr SIP/2.0"), 400),
    "lwsstart": ("3.1.2.9", sip("INVITE  sip:user@example.com  SIP/2.0"), 400),
    "trws": ("3.1.2.10", sip("OPTIONS sip:remote-target@example.com SIP/2.0  "), 400),
    "escruri": ("3.1.2.11", sip("INVITE sip:+493012345@example.com?Route=%3Csip:example.com%3E SIP/2.0"), 302),
    "baddate": ("3.1.2.12", sip(CALL, Date="Fri, 01 Jan 2010 16:00:00 EST"), 302),
    "regbadct": ("3.1.2.13", sip(REGISTER, Contact="sip:user@example.com?Route=%3Csip:sip.example.com%3E"), 405),
    "badaspec": ("3.1.2.14", sip(To='"Watson, Thomas" < sip:t.watson@example.org >'), 200),
    "baddn": ("3.1.2.15", sip(From="Bell, Alexander <sip:a.g.bell@example.com>;tag=43"), 400),
    "badvers": (
        "3.1.2.16",
        sip("OPTIONS sip:t.watson@example.org SIP/7.0", Via="SIP/2.0/UDP c.example.com;branch=z9hG4bK1"),
        505,
    ),
    "mismatch01": ("3.1.2.17", sip(CSeq="8 INVITE"), 400),
    "mismatch02": ("3.1.2.18", sip("NEWMETHOD sip:user@example.com SIP/2.0", CSeq="8 INVITE"), 400),
    "bigcode": ("3.1.2.19", sip("SIP/2.0 4294967301 better not break the receiver"), SILENCE),
    # 3.2 transaction layer
    "badbranch": ("3.2.1", sip(Via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"), 200),
    # 3.3 application layer
    "insuf": ("3.3.1", sip(CALL, Call_ID=None, From=None, To=None), SILENCE),
    "unkscm": ("3.3.2", sip("INVITE nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"), 302),
    "novelsc": ("3.3.3", sip("INVITE soap.beep://192.0.2.103:3002 SIP/2.0"), 302),
    "unksm2": (
        "3.3.4",
        sip(REGISTER, To="isbn:2983792873", From="<http://www.example.com>;tag=3234233", Contact="<name:John>"),
        405,
    ),
    "bext01": ("3.3.5", sip(CALL, Require="nothingSupportsThis", Proxy_Require="noProxiesSupportThis"), 302),
    "invut": ("3.3.6", sip(CALL, "<audio>", Content_Type="application/unknownformat"), 302),
    "regaut01": ("3.3.7", sip(REGISTER, Authorization="NoOneKnowsThisScheme opaque-data=here"), 405),
    "multi01": ("3.3.8", sip(CALL)[:-2] + b"CSeq: 59 INVITE\r\nCall-ID: other\r\nTo: <sip:x@y>\r\n\r\n", 400),
    "mcl01": ("3.3.9", sip(Content_Length="13")[:-2] + b"Content-Length: 5\r\n\r\nThere's no way", 400),
    "bcast": (
        "3.3.10",
        sip("SIP/2.0 200 OK", Via="SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1\nVia: SIP/2.0/UDP 255.255.255.255"),
        SILENCE,
    ),
    "zeromf": ("3.3.11", sip(Max_Forwards="0"), 200),
    "cparam01": ("3.3.12", sip(REGISTER, Contact="sip:+19725552222@gw1.example.net;unknownparam"), 405),
    "cparam02": ("3.3.13", sip(REGISTER, Contact="<sip:+19725552222@gw1.example.net;unknownparam>"), 405),
    "regescrt": ("3.3.14", sip(REGISTER, Contact="<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"), 405),
    "sdp01": ("3.3.15", sip(CALL, "v=0", Accept="text/nobodyKnowsThis", Content_Type="application/sdp"), 302),
    # 3.4 backward compatibility
    "inv2543": (
        "3.4.1",
        sip(
            CALL,
            "v=0",
            Via="SIP/2.0/UDP iftgw.example.com",
            From="<sip:+13035551111@ift.client.example.net;user=phone>",
        ),
        302,
    ),
}


@pytest.mark.rfc("4475", "3")
@pytest.mark.parametrize("name", MESSAGES)
async def test_torture(bench: Bench, name: str) -> None:
    _, octets, expected = MESSAGES[name]
    await bench.open("491700001", 1_000_000)
    if octets.startswith(b"SIP/"):
        with contextlib.suppress(RemoteError):  # good or bad, it is nobody's: the sockets drop both
            assert isinstance(parse(octets), Response)
    else:
        bench.receive(octets)
    if expected == SILENCE:
        assert bench.wire.sent.empty()
    else:
        status = (await bench.sent()).split(b" ")[1]
        assert int(status) == expected
    probe = await bench.ask(sip(Via="SIP/2.0/UDP host5.example.net;branch=z9hG4bKafterwards"))
    assert probe.startswith(b"SIP/2.0 200 ")  # and the next one is served


def test_all_sections_are_there() -> None:
    sections = [section for section, _, _ in MESSAGES.values()]
    wanted = [f"3.1.1.{n}" for n in range(1, 14)] + [f"3.1.2.{n}" for n in range(1, 20)] + ["3.2.1"]
    assert sections == [*wanted, *(f"3.3.{n}" for n in range(1, 16)), "3.4.1"]
