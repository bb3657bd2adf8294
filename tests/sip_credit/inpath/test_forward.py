"""What the hop changes in messages (RFC 3261 section 16), and what it knows of a dialog."""

import pytest

from sip_credit.address import Malformed
from sip_credit.inpath.dialog import established
from sip_credit.inpath.forward import Own, at, forwarded, hops_left, place_of, returned
from sip_credit.message import Request, Response, respond

OWN = Own("192.0.2.5", 5070)
OURS = "<sip:192.0.2.5:5070;lr;ocs=abcdefghijklmnop>"


def request(method: str = "INVITE", *headers: tuple[str, str], uri: str = "sip:b@192.0.2.9") -> Request:
    return Request(
        method,
        uri,
        [
            ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa"),
            ("From", "<sip:a@h>;tag=1"),
            ("To", "<sip:b@h>"),
            ("Call-ID", "c"),
            ("CSeq", f"7 {method}"),
            ("Contact", "<sip:a@192.0.2.1:5062>"),
            *headers,
        ],
        b"body",
    )


@pytest.mark.rfc("3261", "16.6")
def test_a_request_is_sent_on_with_our_via_and_one_hop_less() -> None:
    came = request("INVITE", ("Max-Forwards", "70"), ("X-OCS-Account", "x"), ("X-Other", "y"))
    sent = forwarded(came, OWN, "z9hG4bKo", "X-OCS-", OURS)
    assert sent.vias == ("SIP/2.0/UDP 192.0.2.5:5070;branch=z9hG4bKo", came.vias[0])
    assert sent.headers.get("Max-Forwards") == "69"
    assert sent.headers.all("Record-Route") == [OURS]
    assert "X-OCS-Account" not in sent.headers
    assert sent.headers.get("X-Other") == "y"
    assert (sent.uri, sent.body, sent.call_id, sent.cseq) == (came.uri, b"body", "c", came.cseq)
    sent.check()


@pytest.mark.rfc("3261", "16.3")
@pytest.mark.parametrize(("text", "left"), [("", 70), ("1", 0), ("0", -1)])
def test_hops_are_counted(text: str, left: int) -> None:
    assert hops_left(request("INVITE", *([("Max-Forwards", text)] if text else []))) == left


@pytest.mark.parametrize("text", ["x", "-1", "256"])
def test_hops_that_are_no_number(text: str) -> None:
    with pytest.raises(Malformed):
        hops_left(request("INVITE", ("Max-Forwards", text)))


@pytest.mark.rfc("3261", "16.4")
def test_our_route_is_taken_off_and_the_next_decides() -> None:
    came = request("BYE", ("Route", f"{OURS}, <sip:192.0.2.7:5080;lr>"))
    assert OWN.session(came) == "abcdefghijklmnop"
    sent = forwarded(came, OWN, "z9hG4bKo", "X-OCS-")
    assert sent.headers.all("Route") == ["<sip:192.0.2.7:5080;lr>"]
    assert place_of(sent) == ("192.0.2.7", 5080)
    assert place_of(forwarded(request("BYE", ("Route", OURS)), OWN, "b", "X-OCS-")) == ("192.0.2.9", 5060)


@pytest.mark.rfc("3261", "16.4")
def test_a_strict_router_before_us_has_put_us_into_the_request_uri() -> None:
    came = request("BYE", ("Route", "<sip:192.0.2.7;lr>, <sip:b@192.0.2.9>"), uri=OURS.strip("<>"))
    assert OWN.session(came) == "abcdefghijklmnop"
    sent = forwarded(came, OWN, "b", "X-OCS-")
    assert (sent.uri, sent.headers.all("Route")) == ("sip:b@192.0.2.9", ["<sip:192.0.2.7;lr>"])


@pytest.mark.parametrize("route", ["<sip:192.0.2.6:5070;lr;ocs=abcdefghijklmnop>", "<sip:192.0.2.5;lr;ocs=x>", "<"])
def test_routes_of_others_are_not_ours(route: str) -> None:
    came = request("BYE", ("Route", route))
    try:
        assert OWN.session(came) == ""
    except Malformed:
        assert route == "<"


@pytest.mark.parametrize("uri", ["sip:b@host.example", "sips:b@192.0.2.9", "sip:b@192.0.2.9;transport=tcp", "tel:+49"])
def test_what_udp_cannot_reach_is_said_so(uri: str) -> None:
    with pytest.raises(Malformed):
        place_of(request("BYE", uri=uri))


def test_a_uri_moves_to_another_place() -> None:
    assert at("sip:+49@192.0.2.5:5060;user=phone", ("192.0.2.9", 5080)) == "sip:+49@192.0.2.9:5080"
    assert at("tel:+49", ("192.0.2.9", 5080)) == "tel:+49"
    assert at("sip:b@x", ("2001:db8::1", 5060)) == "sip:b@[2001:db8::1]:5060"


@pytest.mark.rfc("3261", "16.7")
def test_our_via_is_taken_off_a_response_and_503_becomes_500() -> None:
    sent = forwarded(request(), OWN, "b", "X-OCS-")
    back = returned(respond(sent, 180, tag="2"))
    assert back.vias == request().vias
    assert returned(respond(sent, 503)).status == 500


def answer(*routes: str, contact: str = "<sip:b@192.0.2.9:5064>") -> tuple[Request, Response]:
    came = request("INVITE", ("Record-Route", "<sip:192.0.2.2;lr>"), ("Record-Route", "<sip:192.0.2.1;lr>"))
    sent = forwarded(came, OWN, "b", "X-OCS-", OURS)
    headers = [("Record-Route", ", ".join((*routes, *sent.headers.items("Record-Route")))), ("Contact", contact)]
    return sent, respond(sent, 200, tag="2", headers=headers if contact else headers[:1])


@pytest.mark.rfc("3261", "12.1")
def test_both_ends_are_reached_over_their_own_routes() -> None:
    dialog = established(*answer("<sip:192.0.2.8;lr>", "<sip:192.0.2.7;lr>"), OWN)
    to_caller, to_callee = dialog.byes("SIP;cause=402")
    assert to_caller.headers.all("Route") == ["<sip:192.0.2.2;lr>", "<sip:192.0.2.1;lr>"]
    assert to_callee.headers.all("Route") == ["<sip:192.0.2.7;lr>", "<sip:192.0.2.8;lr>"]
    assert (to_caller.uri, to_callee.uri) == ("sip:a@192.0.2.1:5062", "sip:b@192.0.2.9:5064")
    assert (to_caller.from_.tag, to_caller.to.tag, to_caller.cseq.number) == ("2", "1", 1)
    assert (to_callee.from_.tag, to_callee.to.tag, to_callee.cseq.number) == ("1", "2", 8)


@pytest.mark.rfc("3261", "12.2.1.1")
def test_a_strict_router_after_us_gets_the_target_as_last_route() -> None:
    _, to_callee = established(*answer("<sip:192.0.2.7>"), OWN).byes("x")
    assert to_callee.uri == "sip:192.0.2.7"
    assert to_callee.headers.all("Route") == ["<sip:b@192.0.2.9:5064>"]


def test_an_answer_without_contact_begins_no_dialog() -> None:
    with pytest.raises(Malformed):
        established(*answer(contact=""), OWN)


@pytest.mark.rfc("3261", "12.2.1")
def test_numbers_rise_and_targets_move() -> None:
    dialog = established(*answer(), OWN)
    pairs = [("From", "<sip:b@h>;tag=2"), ("To", "<sip:a@h>;tag=1"), ("Call-ID", "c"), ("CSeq", "40 INVITE")]
    again = Request("INVITE", "sip:a@h", [("Via", "SIP/2.0/UDP h;branch=z9"), *pairs, ("Contact", "<sip:b@moved>")])
    refused = dialog.after(again, respond(again, 488))
    assert refused.callee.target == "sip:b@192.0.2.9:5064"
    moved = dialog.after(again, respond(again, 200, headers=[("Contact", "<sip:a@moved>")]))
    to_caller, to_callee = moved.byes("x")
    assert (to_caller.uri, to_caller.cseq.number) == ("sip:a@moved", 41)
    assert (to_callee.uri, to_callee.cseq.number) == ("sip:b@moved", 8)
    assert dialog.end_of(request("BYE")) is None
