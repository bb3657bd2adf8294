"""What a user agent server that redirects must do, point by point, and which test holds each point.

``POINTS`` is the table: number, rule, tests. Points that are a proxy's to keep (16) or deliberately not kept (19 and
20) are in it too, held as such.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from charging.event import Result
from sip_credit.call import unpack
from sip_credit.message import PHRASES, parse
from sip_credit.policy import refusal
from sip_credit.settings import Peer, Settings

ROOT = Path(__file__).parents[2]
T, D, S = "sip_credit/test_transaction.py", "sip_credit/test_door.py", "sip_credit/test_server.py"
A, M, R = "sip_credit/test_address.py", "sip_credit/test_message.py", "sip_credit/test_stream.py"
P, K = "sip_credit/test_peers.py", "conformance/sip/test_kamailio_messages.py"
X, HERE = "conformance/sip/test_torture.py", "conformance/sip/test_points.py"
W = "conformance/sip/test_torture_messages.py"

POINTS: dict[int, tuple[str, tuple[tuple[str, str], ...]]] = {
    1: (
        "server transaction key: branch, sent-by, method; RFC 2543 without the cookie",
        (
            (T, "test_what_makes_a_transaction"),
            (T, "test_clients_of_rfc_2543_are_told_apart_without_a_branch"),
            (T, "test_cancel_finds_its_invite_and_is_a_transaction_of_its_own"),
        ),
    ),
    2: (
        "retransmissions are absorbed and never reserve twice",
        (
            (T, "test_repeats_are_absorbed_before_the_answer_and_answered_after"),
            (D, "test_repeated_invites_reserve_once_and_get_the_same_answer"),
            (D, "test_an_invite_repeated_after_a_restart_is_replayed"),
        ),
    ),
    3: (
        "100 Trying after 200 ms, for INVITE only, without To-tag",
        (
            (T, "test_trying_after_200_ms_and_not_before"),
            (T, "test_no_trying_once_answered"),
            (HERE, "test_point_03_trying_has_no_tag_and_is_for_invite_only"),
        ),
    ),
    4: ("timer G", ((T, "test_timer_g_repeats_until_timer_h"), (T, "test_no_repeats_on_a_stream"))),
    5: (
        "timers H and I; a grant without ACK is kept",
        (
            (T, "test_timer_g_repeats_until_timer_h"),
            (T, "test_ack_stops_the_repeats_and_timer_i_absorbs_more_of_them"),
            (T, "test_timer_i_is_zero_on_a_stream"),
            (HERE, "test_point_05_a_grant_without_ack_is_kept"),
        ),
    ),
    6: (
        "ACK is never answered, stray ones are dropped",
        ((T, "test_a_stray_ack_is_dropped"), (HERE, "test_point_06_no_ack_is_ever_answered")),
    ),
    7: ("timer J; reports repeated later count once", ((T, "test_timer_j"), (D, "test_repeated_reports_count_once"))),
    8: (
        "CANCEL: 481, or 200 and 487; no effect on a final answer",
        (
            (D, "test_cancel_during_the_check_undoes_it"),
            (D, "test_cancel_that_crosses_the_answer_has_no_effect"),
            (D, "test_cancel_of_nothing"),
            (K, "test_cancelled_during_the_check"),
        ),
    ),
    9: (
        "a release may come before the INVITE or the answer",
        (
            (D, "test_a_release_that_overtakes_its_invite_voids_it_once"),
            (D, "test_reports_of_one_call_are_taken_in_turn"),
        ),
    ),
    10: (
        "Vias, From, To, Call-ID, CSeq repeated unchanged; one To-tag",
        (
            (X, "test_an_answer_repeats_what_it_must_octet_for_octet"),
            (M, "test_a_tag_is_added_only_where_there_is_none"),
        ),
    ),
    11: (
        "where answers go: received, rport, Via port; the same connection; never maddr",
        (
            (S, "test_rport_is_filled_in_and_used"),
            (S, "test_without_rport_the_answer_goes_to_the_port_in_the_via"),
            (M, "test_received"),
            (HERE, "test_point_11_maddr_directs_no_answer"),
        ),
    ),
    12: (
        "lists in one line or several, with respect for quotes and brackets",
        ((A, "test_lists_split_outside_quotes_and_brackets"), (X, "test_folded_compact_and_spaced")),
    ),
    13: (
        "compact forms, any case, space before the colon",
        ((M, "test_names_compare_without_case_and_compact_forms"),),
    ),
    14: ("folded headers", ((X, "test_folded_compact_and_spaced"),)),
    15: (
        "no Record-Route in an answer",
        (
            (X, "test_an_answer_repeats_what_it_must_octet_for_octet"),
            (X, "test_a_redirect_server_does_not_judge_what_is_for_the_callee"),
        ),
    ),
    16: (
        "Max-Forwards is for proxies: we answer even with 0",
        ((X, "test_a_redirect_server_does_not_judge_what_is_for_the_callee"),),
    ),
    17: ("OPTIONS: 200, or 503 without a store", ((S, "test_options"),)),
    18: ("405 with Allow", ((S, "test_other_methods"),)),
    19: ("no 420", ((X, "test_a_redirect_server_does_not_judge_what_is_for_the_callee"),)),
    20: (
        "no 415, 416, 422, 488 for what the callee must judge; no 482 for a report sent again",
        (
            (X, "test_a_redirect_server_does_not_judge_what_is_for_the_callee"),
            (HERE, "test_point_20_a_report_sent_again_is_no_loop"),
        ),
    ),
    21: (
        "400 if it can be answered, silence if not, 505",
        (
            (X, "test_wrong_and_answered_400"),
            (X, "test_wrong_and_not_answered"),
            (X, "test_another_version"),
            (W, "test_torture"),
        ),
    ),
    22: (
        "481 for reports of unknown sessions, 200 for closed ones",
        (
            (D, "test_stop_of_an_unknown_call_is_an_orphan"),
            (D, "test_other_reports_of_an_unknown_call"),
            (D, "test_a_stop_that_was_queued_is_charged_as_reported_and_once"),
            (S, "test_requests_inside_a_dialog_there_is_none"),
        ),
    ),
    23: (
        "framing on streams",
        (
            (R, "test_messages_are_the_same_however_they_are_cut"),
            (R, "test_two_blank_lines_are_a_ping_and_one_is_not"),
            (R, "test_a_bad_length_loses_the_framing_and_is_answered"),
            (R, "test_a_head_without_end_is_not_collected_for_ever"),
            (S, "test_a_call_over_tcp_however_it_is_cut"),
            (S, "test_ping_and_pong"),
            (S, "test_idle_connections_are_closed"),
            (S, "test_lost_framing_closes_this_connection_only"),
        ),
    ),
    24: (
        "framing of datagrams",
        (
            (S, "test_keepalives_are_not_answered"),
            (X, "test_octets_beyond_the_length_of_a_datagram_are_dropped"),
            (X, "test_wrong_and_answered_400"),
        ),
    ),
    25: (
        "sip, sips, tel; escapes, separators, IPv6",
        ((A, "test_uri"), (A, "test_telephone_number"), (A, "test_address")),
    ),
    26: (
        "numbers of a trunk as E.164; short codes stay",
        (
            (D, "test_numbers_as_they_are_written_on_the_trunk"),
            (P, "test_short_codes_stay_as_dialled_and_names_on_net_take_a_number"),
        ),
    ),
    27: (
        "who calls: asserted identity, From, the authenticated user",
        (
            (D, "test_who_calls_asserted_identity_before_from_and_an_account_before_both"),
            (P, "test_the_user_whom_the_proxy_authenticated_pays"),
            (HERE, "test_point_27_an_anonymous_from_does_not_matter"),
        ),
    ),
    28: (
        "whoever forwards pays; no forwarding without end",
        (
            (D, "test_whoever_forwards_pays_if_the_peer_says_so"),
            (P, "test_who_diverted_pays_by_history"),
            (P, "test_forwarding_without_end"),
        ),
    ),
    29: ("Reason, several values", ((HERE, "test_point_29_the_causes_of_an_end_are_kept"),)),
    30: ("Session-Expires is not ours", ((X, "test_a_redirect_server_does_not_judge_what_is_for_the_callee"),)),
    31: (
        "our own headers with the peer's prefix only; callers cannot choose who pays",
        (
            (D, "test_prefix_contact_and_whole_grants_as_the_peer_wants_them"),
            ("interop/test_kamailio_redirect.py", "test_what_we_sent_reads_well"),
        ),
    ),
    32: (
        "who may ask: address, certificate, Digest",
        (
            (S, "test_peers_are_found_by_network"),
            ("sip_credit/test_tls.py", "test_a_peer_is_known_by_address_and_name"),
            ("sip_credit/test_tls.py", "test_without_a_certificate_nobody_comes_in_unless_it_is_optional"),
            ("sip_credit/test_digest.py", "test_a_check_is_challenged_then_served"),
            ("sip_credit/test_digest.py", "test_a_recorded_request_cannot_be_sent_again"),
        ),
    ),
    33: ("strangers get silence and are counted", ((S, "test_strangers_get_silence"),)),
    34: (
        "limits before the engine; sizes and counts; digits are ASCII",
        (
            (P, "test_a_peer_above_its_rate_is_refused_before_the_engine"),
            (P, "test_a_peer_with_too_much_open_is_refused_and_another_is_not"),
            (D, "test_too_many_at_one_time_are_told_before_the_engine"),
            (S, "test_so_many_transactions_and_no_more"),
            (S, "test_so_many_connections_and_no_more"),
            (X, "test_wrong_and_answered_400"),
            (A, "test_decimal_takes_ascii_digits_only"),
        ),
    ),
    35: ("no 6xx", ((HERE, "test_point_35_there_is_no_6xx"),)),
    36: (
        "no Contact leads back here; by default it is the Request-URI",
        (
            (P, "test_a_call_that_would_come_back_is_refused_before_anything_is_reserved"),
            (P, "test_a_template_may_not_lead_back_either"),
            (D, "test_a_call_is_allowed_for_a_slice_which_is_reserved"),
        ),
    ),
}

Bench = Any  # the fixture's class lives in conftest, which is no module to import from


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_point_has_tests_and_all_are_there() -> None:
    assert list(POINTS) == list(range(1, 37))
    named = [(file, test) for _, tests in POINTS.values() for file, test in tests]
    assert [(file, test) for file, test in named if test not in names_in(file)] == []
    assert all(tests for _, tests in POINTS.values())


HEAD = (
    "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.10.2;branch=z9hG4bK{branch}{via}\r\n"
    "From: {sender};tag=1\r\nTo: <sip:b@h>\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n{more}\r\n"
)
ALICE = "P-Asserted-Identity: <tel:+491700001>\r\n"


def request(method: str = "INVITE", branch: str = "1", **parts: str) -> bytes:
    fields = {"uri": "sip:+4930@h", "via": "", "sender": "<sip:a@h>", "call": "c1", "more": ""} | parts
    return HEAD.format(method=method, branch=branch, **fields).encode()


@pytest.mark.rfc("3261", "17.2.1")
async def test_point_03_trying_has_no_tag_and_is_for_invite_only(bench: Bench) -> None:
    await bench.open("491700001", 1_000_000)
    bench.held.clear()
    bench.receive(request("NOTIFY", "2", more="X-OCS-Event: stop\r\nX-OCS-Call-ID: x\r\n"))
    trying = parse(await bench.ask(request(more=ALICE)))
    assert (trying.status, trying.to.tag) == (100, "")
    assert bench.wire.sent.empty()
    bench.held.set()
    answers = [parse(await bench.sent()) for _ in range(2)]
    assert {answer.status for answer in answers} == {302, 481}
    assert all(answer.to.tag for answer in answers)


@pytest.mark.rfc("3261", "17.2.1")
async def test_point_05_a_grant_without_ack_is_kept(bench: Bench) -> None:
    """The proxy may have got the answer: the reservation waits for a start or lapses."""
    await bench.open("491700001", 1_000_000)
    assert b"302" in await bench.ask(request(more=ALICE))
    bench.server._layer.handle_timer(1e9)  # timer H has long fired
    assert len(bench.server._layer) == 0
    address = await bench.ledger.address("491700001")
    assert (await bench.ledger.account(address)).money.reserved > 0


@pytest.mark.rfc("3261", "17.1.1.3")
async def test_point_06_no_ack_is_ever_answered(bench: Bench) -> None:
    await bench.open("491700001", 1_000_000)
    assert b"302" in await bench.ask(request(more=ALICE))
    for ack in (request("ACK"), request("ACK"), request("ACK", "stray"), request("ACK", uri="<bad>")):
        bench.receive(ack)
    assert bench.wire.sent.empty()


@pytest.mark.rfc("3261", "18.2.2")
async def test_point_11_maddr_directs_no_answer(bench: Bench) -> None:
    """The wire is the source's: an answer that went to maddr would not be on it."""
    answer = await bench.ask(request("OPTIONS", via=";maddr=192.0.2.1;ttl=1"))
    assert b"200 OK" in answer
    assert b"maddr=192.0.2.1" in answer


@pytest.mark.rfc("3261", "8.2.2.2")
async def test_point_20_a_report_sent_again_is_no_loop(bench: Bench) -> None:
    await bench.open("491700001", 1_000_000)
    await bench.ask(request(more=ALICE))
    for branch in "abc":
        report = request("NOTIFY", branch, call="c1-stop", more="X-OCS-Event: stop\r\nX-OCS-Call-ID: c1\r\n")
        assert b"200 OK" in await bench.ask(report)


@pytest.mark.rfc("3325", "9.1")
async def test_point_27_an_anonymous_from_does_not_matter(bench: Bench) -> None:
    await bench.open("491700001", 1_000_000)
    hidden = '"Anonymous" <sip:anonymous@anonymous.invalid>'
    assert b" 302 " in await bench.ask(request(sender=hidden, more=ALICE))


@pytest.mark.rfc("3326", "2")
async def test_point_29_the_causes_of_an_end_are_kept(bench: Bench) -> None:
    await bench.open("491700001", 1_000_000)
    answer = parse(await bench.ask(request(more=ALICE)))
    reasons = 'Reason: SIP;cause=200;text="a, b;cause=1", Q.850;cause=16\r\nReason: X;y=z\r\n'
    stop = request("NOTIFY", "2", call="r", more=f"X-OCS-Event: stop\r\nX-OCS-Call-ID: c1\r\n{reasons}")
    assert b"200 OK" in await bench.ask(stop)
    memory = await bench.recall(answer.headers.get("X-OCS-Session"))
    assert memory is not None
    call = unpack(memory.context)
    assert call is not None
    assert call.cause == "SIP 200, Q.850 16"


def test_point_35_there_is_no_6xx() -> None:
    """Not for any outcome either: what has no status of its own is 480."""
    statuses = {refusal(result, Peer(), Settings()).status for result in Result}
    assert max(PHRASES) < 600
    assert statuses <= {402, 403, 404, 480, 503}
