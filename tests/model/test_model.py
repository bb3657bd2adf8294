"""The store does what the specification says, and the machine that claims so finds planted bugs.

The lives here are the same each time, so that a run says something about a change; ``scripts/model`` looks for others.
"""

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from balances.link import ReplyError
from balances.scripts import assemble
from tests.model.machine import SPOILT, Chained, Living, Machine, Subscribers, Treasury, UsedUp

QUIET = list(HealthCheck)

EXAMPLES = int(os.environ.get("OCS_MODEL_EXAMPLES", "0"))
"""How many lives, other ones each time; 0: fifty, the same each time."""


@pytest.mark.parametrize("machine", [Machine, Chained, Living, Treasury, Subscribers])
def test_store_does_what_memory_says(store_url: str, machine: type[Machine]) -> None:
    class Sound(machine):  # type: ignore[valid-type,misc]
        url = store_url

    run_state_machine_as_test(
        Sound,
        settings=settings(
            max_examples=EXAMPLES or 50,
            derandomize=not EXAMPLES,
            database=None,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=QUIET,
        ),
    )


def spoiler(old: str, new: str) -> Callable[[str], str]:
    """Replace one place in the scripts that have it."""
    return lambda text: text.replace(old, new, 1)


BUGS = {
    "forgets the release": ("if keys[i] then release(a, keys[i]) end", ""),
    "answers no repeat": ("if known then return (print", "if false then return (print"),
    "debits twice": ("a[DEBITED] = a[DEBITED] + amount\n", "a[DEBITED] = a[DEBITED] + 2 * amount\n"),
    "reserves less than it grants": ("a[RESERVED] = a[RESERVED] + due", "a[RESERVED] = a[RESERVED] + max(0, due - 1)"),
    "loses the house's line": ("if debited ~= 0 then call('HINCRBY'", "if false then call('HINCRBY'"),
    "reaches one unit too far": ("return max(0, min(stop, goal) - units)", "return min(stop + 1, goal) - units"),
    "counts no overrun": ("a[OVERRUN] = a[OVERRUN] + short", "a[OVERRUN] = a[OVERRUN]"),
    "takes expired buckets": ("a[b + EXPIRES] > now)", "true)"),
    "takes buckets before they start": ("and a[b + STARTS] <= now", ""),
    "starts no clock": ("levels[n].begins = start_clocks(levels[n].a, NOW)", "levels[n].begins = false"),
    "lets the reaper miss a clock": ("if level.begins then", "if false then"),
    "mixes bonus money with the main money": (" .. ' bonus' or", " or"),
    "grants all to one": ("if q.share and q.share > 0 then", "if false then"),
    "forgets when the bucket ends": ("ends = min(ends, end_of(a, b, now))", ""),
    "forgets the units paid": ("else k[PAID_UNITS] = base + units end", "end"),
    "rolls no meter over": ("elseif ends > m[i + M_ENDS] then", "elseif false then"),
    "keeps what it released on the meter": ("-units_held(k), -money_held(k)) end", "0, 0) end"),
    "prices by the session, not the meter": ("place = axis_of(a, q.meters) or base", "place = base"),
    "lets a grant pass the cap": ("money = min(unlimited, money)", "money = unlimited"),
    "warns too late": ("warn <= m[i + M_SPENT]", "warn < m[i + M_SPENT]"),
    "slows nothing down beyond a meter's limit": ("beyond or terms", "terms"),
    "lets a grant pass the limit at which it is slowed down": ("if stretch then", "if false then"),
    "ignores the credit limit": ("- a[RESERVED] + a[CREDIT_LIMIT]\n", "- a[RESERVED]\n"),
    "accepts old terms": ("if levels[n].a[VERSION] ~= levels[n].version then", "if false then"),
    "grants to the suspended": ("    return status\nend", "    return false\nend"),
    "keeps a late debit beside the real one": ("k[PROVISIONAL] = true", "k[PROVISIONAL] = false"),
    "lets the record of an open session fade": (
        "call(unpack(sets)) end",
        "call(unpack(sets)) call('PEXPIRE', KEYS[6], 100000) end",
    ),
    "opens what was closed before": ("if state ~= 'void' then", "if true then"),
    "writes no entry": ("return moved and write_entry(entry, outbox, list)", "return moved"),
}


OVERAGE_BUGS = {
    "sells overage at the plan's price": ("return packed and read_once(packed) or q, more[2]", "return q, more[2]"),
    "counts overage for the plan's tiers": (
        "k[BEYOND][1] ~= '' then k[BEYOND][2] = base",
        "false then k[BEYOND][2] = base",
    ),
}


MONEY_BUGS = {
    "repays a loan without taking the money": ("a[DEBITED] = a[DEBITED] + repaid", "a[DEBITED] = a[DEBITED]"),
    "lends beside a loan": ("if read_loan(KEYS[6]) then return { 'loan-outstanding' } end\nif below", "if below"),
    "gives a loan away": (
        "if read_loan(KEYS[6]) then return { 'loan-outstanding' } end\nlocal counted",
        "local counted",
    ),
    "forgets the fee of a transfer": ("a[DEBITED] = a[DEBITED] + fee", "a[DEBITED] = a[DEBITED]"),
    "counts no transfers": ("cmsgpack.pack({ day, sent + 1 })", "cmsgpack.pack({ day, sent })"),
    "sends what is reserved": ("a[CREDITED] - a[DEBITED] - a[RESERVED] < amount", "a[CREDITED] - a[DEBITED] < amount"),
    "notes an arrival twice": ("== 1 then redis.call('HINCRBY', KEYS[2]", "then redis.call('HINCRBY', KEYS[2]"),
}


LEVEL_BUGS = {
    "grants what the first level can have": ("        wanted = units\n", ""),
    "tries on the books themselves": ("local a = copy(level.a)", "local a = level.a"),
    "earns no margin": ("level.billing == 'resold' and below - paid", "false"),
    "lapses the first level only": ("for n = 1, #s[LEVELS] do", "for n = 1, 0 do"),
    "accepts old terms above": (
        "if levels[n].a[VERSION] ~= levels[n].version",
        "if n == 1 and levels[n].a[VERSION] ~= TERMS",
    ),
    "ends the first level only": (
        "for n = 1, #levels do\n            local a, book = levels[n].a",
        "for n = 1, 1 do\n            local a, book = levels[n].a",
    ),
    "blames nobody": ("short = short or level.a_name", "short = false"),
    "gives back to the first level only": ("level.a = level.after", "level.a = n == 1 and level.after or level.a"),
    "takes the owner for a customer": ("if levels[n].billing ~= 'shared' then", "if true then"),
    "lets the seller's bucket outlive the grant": ("first = first < 0 and ends or min(first, ends)", "first = ends"),
    "warns of everybody's meters": ("level ~= payer and #warned or 0", "0"),
}


RENEWAL_BUGS = {
    "renews twice": ("s[U_DUE] ~= due then", "false then"),
    "gives the period away": ("a[DEBITED] = a[DEBITED] + p[P_FEE]", "a[DEBITED] = a[DEBITED] + 0"),
    "carries over more than the most": ("min(p[P_CARRY], remaining(a, last))", "remaining(a, last)"),
    "carries over and keeps it too": ("a[last + B_DEBITED] = a[last + B_DEBITED] + amount\n", "\n"),
    "carries over what has ended": ("and a[last + EXPIRES] > now", ""),
    "takes what a session holds": ("and a[b + B_RESERVED] == 0 then gone", "then gone"),
    "renews for the suspended": ("if a[STATUS] ~= 'active' then return a[STATUS] end", ""),
    "tells of waiting each time": ("if s[U_STATE] ~= 'waiting' then write", "if true then write"),
    "lets who has not paid go on": ("    end_buckets(a, s, now)\n    if why", "    if why"),
    "has the reaper come too early": (
        "('ZADD', due, digits(first)",
        "('ZADD', due, 'LT', digits(first)",
    ),
}


LIFE_BUGS = {
    "begins no life": ("if #activations > 0 and verdict == 'done' then", "if false then"),
    "does not store a life that begins": ("level.metered or level.activated then", "level.metered then"),
}


@pytest.mark.parametrize("bug", LIFE_BUGS)
def test_a_planted_bug_in_lives_is_found(store_url: str, bug: str) -> None:
    hunt(Living, store_url, *LIFE_BUGS[bug])


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(store_url: str, bug: str) -> None:
    hunt(Machine, store_url, *BUGS[bug])


@pytest.mark.parametrize("bug", MONEY_BUGS)
def test_a_planted_bug_in_loans_and_transfers_is_found(store_url: str, bug: str) -> None:
    hunt(Treasury, store_url, *MONEY_BUGS[bug])


@pytest.mark.parametrize("bug", RENEWAL_BUGS)
def test_a_planted_bug_in_renewals_is_found(store_url: str, bug: str) -> None:
    hunt(Subscribers, store_url, *RENEWAL_BUGS[bug])


@pytest.mark.parametrize("bug", LEVEL_BUGS)
def test_a_planted_bug_up_the_chain_is_found(store_url: str, bug: str) -> None:
    hunt(Chained, store_url, *LEVEL_BUGS[bug])


@pytest.mark.parametrize("bug", OVERAGE_BUGS)
def test_a_planted_bug_beyond_a_bundle_is_found(store_url: str, bug: str) -> None:
    hunt(UsedUp, store_url, *OVERAGE_BUGS[bug])


def hunt(machine: type[Machine], store_url: str, old: str, new: str) -> None:
    """Have the machine find the bug that comes with replacing one place of the scripts."""
    assert any(old in assemble(verb) for verb in SPOILT)

    class Spoilt(machine):  # type: ignore[valid-type,misc]
        url = store_url
        spoil = staticmethod(spoiler(old, new))

    effort = settings(
        max_examples=1500,
        stateful_step_count=30,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=QUIET,
    )
    with pytest.raises((AssertionError, ReplyError)):
        run_state_machine_as_test(Spoilt, settings=effort)
