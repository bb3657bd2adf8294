"""The gateway's state machine in a conversation that is written down: no socket, no clock."""

import pytest
from answerer import granting

from simulators.books import Books, Item
from simulators.credit import (
    Answer,
    FailureHandling,
    FinalAction,
    KeyGrant,
    KeyId,
    Meter,
    Profile,
    Reporting,
    Request,
    RequestType,
)
from simulators.gateway import PROFILES
from simulators.quota import Gate, KeyMeter
from simulators.session import CreditSession, State
from simulators.traffic import make_subscribers

SUBSCRIBER = make_subscribers(1)[0]
PROFILE = Profile(name="data", context="32251@3gpp.org", meter=Meter.OCTETS, host="pgw1.example.net")
KEY = KeyId(10)
ITEM = Item(SUBSCRIBER.account, "data", "s", "data", "10")


class Talk:
    """A session with one meter of 100 octets per second, and its books."""

    def __init__(
        self,
        *,
        until: int = 60_000,
        ends_at: int = 60_000,
        overuse: bool = False,
        begins: int = 0,
        profile: Profile = PROFILE,
    ) -> None:
        self.meter = KeyMeter(KEY, 100, (begins, until), overuse=overuse)
        self.books = Books()
        self.session = CreditSession("s", SUBSCRIBER, profile, (self.meter,), (ITEM,), self.books, ends_at=ends_at)

    def open(self, granted: int = 1_000, **terms: object) -> None:
        self.session.receive(granting(self.session.start(0), granted, **terms), 0)

    def next(self) -> tuple[int, Request]:
        """The next request, at the moment the session itself named."""
        for _ in range(100):
            at = self.session.next_wake()
            request = self.session.advance(at)
            if request is not None:
                return at, request
        raise AssertionError("the session wakes up for nothing")


def test_the_initial_request_asks_for_quota_and_reports_nothing():
    request = Talk().session.start(0)
    assert (request.type, request.number) == (RequestType.INITIAL, 0)
    assert [(key.key, key.used, key.wanted, key.reason) for key in request.keys] == [(KEY, None, 0, None)]


def test_magma_opens_without_asking_and_asks_in_an_update():
    talk = Talk(profile=PROFILES["magma"])
    assert talk.session.start(0).keys == ()
    talk.session.receive(Answer(result=2001), 0)
    _, request = talk.next()
    assert (request.type, [key.wanted for key in request.keys]) == (RequestType.UPDATE, [0])


def test_a_service_without_traffic_yet_opens_the_session_and_asks_later():
    talk = Talk(begins=5_000)
    assert talk.session.start(0).keys == ()
    talk.session.receive(Answer(result=2001), 0)
    at, request = talk.next()
    assert (at, request.type, request.keys[0].wanted) == (5_000, RequestType.UPDATE, 0)


@pytest.mark.rfc("8506", "5.3")
def test_exhausted_quota_is_reported_when_it_is_used_up_and_not_an_octet_more():
    talk = Talk()
    talk.open(1_050)
    at, request = talk.next()
    assert at == 10_500
    assert (request.type, request.number, request.keys[0].used) == (RequestType.UPDATE, 1, 1_050)
    assert request.keys[0].reason is Reporting.QUOTA_EXHAUSTED
    talk.session.advance(20_000)
    assert talk.session.total == 1_050


def test_the_threshold_asks_while_the_tail_is_used_and_the_tail_counts_against_the_new_quota():
    talk = Talk()
    talk.open(1_000, threshold=200)
    at, request = talk.next()
    assert (at, request.keys[0].reason, request.keys[0].used) == (8_000, Reporting.THRESHOLD, 800)
    talk.session.receive(granting(request, 1_000), 9_000)
    assert talk.session.total == 900
    assert talk.books.spent().money == 1_000  # 800 octets were acknowledged: one block
    at, request = talk.next()
    assert (at, request.keys[0].used) == (18_000, 1_000)  # 100 of the tail and 900 after it


def test_no_more_than_the_tail_is_used_while_an_answer_is_late():
    talk = Talk()
    talk.open(1_000, threshold=200)
    talk.next()
    talk.session.advance(59_000)
    assert talk.session.total == 1_000


def test_a_gateway_that_overuses_goes_on_and_reports_it():
    talk = Talk(overuse=True)
    talk.open(1_000)
    _, request = talk.next()
    talk.session.receive(granting(request, 5_000), 20_000)
    assert talk.session.total == 2_000
    talk.session.finish(20_000)
    assert talk.session.advance(20_000).keys[0].used == 1_000


@pytest.mark.rfc("8506", "8.33")
def test_validity_time_asks_though_quota_is_left():
    talk = Talk()
    talk.open(1_000_000, validity=5)
    at, request = talk.next()
    assert (at, request.keys[0].reason, request.keys[0].used) == (5_000, Reporting.VALIDITY_TIME, 500)


def test_quota_nobody_uses_is_given_back_after_the_holding_time():
    talk = Talk(until=3_000)
    talk.open(1_000, holding=10)
    at, request = talk.next()
    assert at == 13_000
    assert (request.keys[0].reason, request.keys[0].used, request.keys[0].wanted) == (Reporting.QHT, 300, None)
    talk.session.receive(granting(request), 13_000)
    at, request = talk.next()
    assert (at, request.type, request.keys) == (60_000, RequestType.TERMINATION, ())


@pytest.mark.rfc("8506", "5.6.1")
def test_final_units_with_terminate_end_the_session_when_they_are_used():
    talk = Talk()
    talk.open(300, final=FinalAction.TERMINATE, threshold=200)
    at, request = talk.next()
    assert (at, request.type) == (3_000, RequestType.TERMINATION)
    assert (request.keys[0].used, request.keys[0].reason) == (300, Reporting.FINAL)
    talk.session.receive(Answer(result=2001), 3_000)
    assert talk.session.over


@pytest.mark.rfc("8506", "5.6.2")
@pytest.mark.parametrize("action", [FinalAction.REDIRECT, FinalAction.RESTRICT_ACCESS])
def test_final_units_with_redirect_report_without_asking_and_ask_after_the_validity_time(action: FinalAction):
    talk = Talk()
    talk.open(300, final=action, validity=3600)
    _, request = talk.next()
    assert (request.keys[0].reason, request.keys[0].used, request.keys[0].wanted) == (Reporting.FINAL, 300, None)
    talk.session.receive(granting(request, validity=10), 3_000)
    assert talk.meter.gate is Gate.RESTRICTED
    at, request = talk.next()
    assert (at, request.keys[0].used, request.keys[0].wanted) == (13_000, None, 0)
    talk.session.receive(granting(request), 13_000)
    assert talk.meter.gate is Gate.OPEN


def test_a_key_out_of_credit_is_blocked_and_asks_again_after_a_while():
    talk = Talk(ends_at=90_000, until=90_000)
    request = talk.session.start(0)
    talk.session.receive(Answer(result=2001, keys=(KeyGrant(key=KEY, result=4012),)), 0)
    talk.session.advance(29_000)
    assert talk.session.total == 0
    at, request = talk.next()
    assert (at, request.keys[0].wanted, request.keys[0].used) == (30_000, 0, None)


def test_a_key_that_cannot_be_rated_is_dropped_for_good_and_the_session_ends():
    talk = Talk()
    talk.session.start(0)
    talk.session.receive(Answer(result=2001, keys=(KeyGrant(key=KEY, result=5031),)), 0)
    request = talk.session.advance(1)
    assert (request.type, request.keys) == (RequestType.TERMINATION, ())


def test_traffic_free_of_credit_control_passes_unreported():
    talk = Talk()
    talk.session.start(0)
    talk.session.receive(Answer(result=2001, keys=(KeyGrant(key=KEY, result=4011),)), 0)
    at, request = talk.next()
    assert (at, request.type, request.keys, talk.session.total) == (60_000, RequestType.TERMINATION, (), 6_000)


def test_a_refused_session_is_over_and_owes_nothing():
    talk = Talk()
    talk.session.start(0)
    talk.session.receive(Answer(result=4012), 0)
    assert talk.session.over
    assert talk.books.spent().most == 0


def test_an_initial_request_without_answer_is_followed_by_a_termination():
    talk = Talk()
    talk.session.start(0)
    talk.session.receive(None, 60)
    assert talk.session.advance(60).type is RequestType.TERMINATION


def test_failure_terminates_and_the_unanswered_report_stays_uncertain():
    talk = Talk()
    talk.open(1_000)
    _, request = talk.next()
    talk.session.receive(None, 11_000)
    request = talk.session.advance(11_000)
    assert (request.type, talk.session.state) == (RequestType.TERMINATION, State.CLOSING)
    assert (talk.books.spent().money, talk.books.spent().most) == (0, 1_000)


@pytest.mark.rfc("8506", "5.7")
def test_failure_handling_continue_lets_the_service_go_on_uncharged():
    talk = Talk()
    talk.open(1_000)
    _, _request = talk.next()
    talk.session.receive(Answer(result=5012, failure_handling=FailureHandling.CONTINUE), 10_000)
    assert talk.session.advance(20_000) is None
    assert talk.session.total == 2_000


@pytest.mark.rfc("8506", "5.5")
def test_reauthorisation_reports_and_asks_at_once():
    talk = Talk()
    talk.open(1_000)
    talk.session.reauthorise()
    request = talk.session.advance(2_000)
    assert request.keys[0].reason is Reporting.FORCED_REAUTHORISATION
    assert (request.keys[0].used, request.keys[0].wanted) == (200, 0)
    assert talk.session.advance(2_500) is None


def test_open5gs_agrees_to_a_reauthorisation_and_forgets_it():
    talk = Talk(profile=PROFILES["open5gs"])
    talk.open(1_000)
    assert not talk.session.reauthorise()
    assert talk.session.advance(2_000) is None


def test_magma_asks_for_each_rating_group_in_an_update_of_its_own():
    keys = KeyId(10), KeyId(20), KeyId(30)
    meters = tuple(KeyMeter(key, 100, (0, 60_000)) for key in keys)
    items = tuple(Item(SUBSCRIBER.account, "data", "s", "data", str(key.rating_group)) for key in keys)
    session = CreditSession("s", SUBSCRIBER, PROFILES["magma"], meters, items, Books(), ends_at=60_000)
    session.receive(granting(session.start(0)), 0)

    def asked(now: int) -> tuple[list[KeyId], list[Reporting | None]]:
        requests = []
        while (request := session.advance(now)) is not None:
            requests.append(request)
            session.receive(granting(request, 10_000), now)
        assert all(len(request.keys) == 1 for request in requests)
        return [one.keys[0].key for one in requests], [one.keys[0].reason for one in requests]

    assert asked(0) == (list(keys), [None] * 3)
    assert session.reauthorise()
    assert asked(1_000) == (list(keys), [Reporting.FORCED_REAUTHORISATION] * 3)
    assert asked(1_000) == ([], [])


def test_staros_ends_a_rating_group_without_credit_in_so_many_words_and_asks_again_later():
    talk = Talk(profile=PROFILES["staros"])
    refused = KeyGrant(key=KEY, result=4012)
    talk.session.start(0)
    talk.session.receive(Answer(result=2001, keys=(refused,)), 0)
    final = talk.session.advance(0)
    assert final is not None
    assert [(key.used, key.wanted, key.reason) for key in final.keys] == [(0, None, Reporting.FINAL)]
    talk.session.receive(Answer(result=2001, keys=(KeyGrant(key=KEY),)), 100)
    at, again = talk.next()
    assert (at, again.keys[0].wanted, again.keys[0].reason) == (30_000, 0, Reporting.VALIDITY_TIME)
    talk.session.receive(Answer(result=2001, keys=(refused,)), at)
    last = talk.session.advance(at)
    assert last is not None
    assert last.keys[0].reason is Reporting.FINAL


def test_finishing_reports_the_rest():
    talk = Talk()
    talk.open(1_000)
    talk.session.finish(4_200)
    request = talk.session.advance(9_999)
    assert (request.type, request.keys[0].used, request.keys[0].wanted) == (RequestType.TERMINATION, 420, None)


def test_however_the_answers_fall_the_books_hold_every_octet_used():
    talk = Talk(ends_at=50_000, until=50_000)
    talk.open(700, threshold=150)
    for grant in (333, 1, 90, 2_000, 700, 650):
        at, request = talk.next()
        talk.session.receive(granting(request, grant, threshold=100), at + 700)
    while not talk.session.over:
        at, request = talk.next()
        talk.session.receive(granting(request, 5_000), at)
    assert talk.books._used[ITEM] == talk.session.total
    assert talk.session.total <= 5_000
