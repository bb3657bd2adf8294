"""Every entry of the ledger says in a sentence what it is, whatever caused it."""

import pytest

from balances.charges import REVERSAL
from balances.ledger import Entry, Line, Phase
from balances.memory import LIFTED, LOAN, REPAYMENT, TRANSFER_FEE, TRANSFER_OUT
from balances.renewals import ENDED, FAILED, RENEWED, ROLLED_OVER, SUBSCRIBED, UNSUBSCRIBED
from balances.states import CAUSES as LIVES
from balances.transfers import TRANSFER_IN
from ocs.http.movements import ADJUSTMENT, TOP_UP
from ocs.http.views import CAUSES, explain, subject
from ocs.vouchers.redeemer import VOUCHER

KNOWN = [
    *Phase, REVERSAL, "refund", "lapsed", "expired", "gift", TOP_UP, ADJUSTMENT, LIFTED, LOAN, REPAYMENT, VOUCHER,
    TRANSFER_OUT, TRANSFER_FEE, TRANSFER_IN, SUBSCRIBED, RENEWED, ROLLED_OVER, FAILED, ENDED, UNSUBSCRIBED,
]  # fmt: skip


def said(cause: str, *lines: Line, **more: object) -> str:
    about = {"id": "1-0", "at": 0, "shard": 0, "account": "alice", "operation": "1", "cause": cause, "lines": lines}
    return explain(Entry(**(about | more)))


def money(**counters: int) -> Line:
    return Line(bucket="money", asset="EUR", **counters)


@pytest.mark.parametrize("cause", KNOWN)
def test_each_cause_has_words_of_its_own(cause: str) -> None:
    assert cause in CAUSES
    words = CAUSES[cause]
    assert said(cause, money(debited=100_000)) == f"{words[0].upper()}{words[1:]}: debited 0.10 EUR."


@pytest.mark.parametrize("cause", sorted(LIVES))
def test_what_moves_an_account_on_has_words_of_its_own(cause: str) -> None:
    words = CAUSES[cause]
    assert said(cause, reference="how") == f"{words[0].upper()}{words[1:]} (how)."


def test_no_two_causes_read_alike() -> None:
    assert len(set(CAUSES.values())) == len(CAUSES)


def test_what_an_account_up_the_chain_pays_says_so() -> None:
    told = said("update", money(debited=60_000), door="sip", session="s", level=1, margin=20_000)
    assert told == "Usage reported over sip, 1 above whoever used it: debited 0.06 EUR; margin 0.02."


def test_the_carrier_of_a_call_is_told_in_words() -> None:
    noted = "carrier=south;cost=25000;margin=-5000;currency=EUR"
    told = said("close", money(debited=20_000), door="sip", session="s", reference=noted)
    assert told == "Session ended over sip: debited 0.02 EUR (carrier south takes 0.025 EUR, -0.005 EUR are left)."
    unknown = said("close", money(debited=20_000), door="sip", session="s", reference="carrier=east")
    assert unknown.endswith("(carrier east).")
    assert said("topup", money(credited=1), reference="carrier=;cost=x").endswith("(carrier=;cost=x).")


@pytest.mark.parametrize(
    ("key", "about"),
    [
        ("10", "rating group 10"),
        ("10.7", "rating group 10, service 7"),
        ("-.7.8", "service 7, service 8"),
        ("-", "units"),
        ("10~1768471200", "rating group 10"),
        ("call", "call"),
    ],
)
def test_an_item_is_named_as_the_network_names_it(key: str, about: str) -> None:
    assert subject(key) == about


def test_one_is_not_many() -> None:
    assert said("close", Line(bucket="data#1", asset="octets", debited=1)).endswith("debited 1 octet of bucket data#1.")
    assert said("close", Line(bucket="sms#1", asset="events", debited=2)).endswith("debited 2 events of bucket sms#1.")
