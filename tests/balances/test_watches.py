"""Watches: every change is looked at, by one at a time, whoever ends in the middle of it."""

import asyncio

import pytest

from balances.keys import Keys
from balances.ledger import Address
from balances.link import Link
from balances.scripts import assemble
from balances.watches import MOST, VERBS, Due, Watch, Watches

NOW = 1_700_000_000_000
ALICE, BOB = Address(shard=1, account="alice"), Address(shard=2, account="bob")


@pytest.fixture
def watches(link: Link) -> Watches:
    return Watches(link, [Keys(shard) for shard in range(4)])


def watch(id: str = "w", address: Address = ALICE, context: bytes = b"\x00first") -> Watch:
    return Watch(id=id, address=address, context=context)


async def settled(watches: Watches, one: Watch) -> None:
    """Put, looked at once: not due any more."""
    await watches.put(one, NOW, NOW)
    claim = await watches.claim(one, NOW, 1000)
    assert claim is not None
    await watches.settle(claim, one.context)
    assert await watches.due(NOW + 10**6) == ()


async def due_ids(watches: Watches, now: int) -> list[str]:
    return [due.watch.id for due in await watches.due(now)]


async def test_a_watch_is_found_changed_and_dropped(watches: Watches) -> None:
    assert await watches.find("w") is None
    await watches.put(watch(), NOW, NOW)
    assert await watches.find("w") == watch()
    await watches.put(watch(context=b"second"), NOW, NOW)
    assert await watches.find("w") == watch(context=b"second")
    await watches.drop(watch())
    assert await watches.find("w") is None
    assert await watches.due(NOW) == ()


async def test_only_the_watches_of_accounts_that_changed_are_due(watches: Watches) -> None:
    await settled(watches, watch("a"))
    await settled(watches, watch("a2"))
    await settled(watches, watch("b", BOB))
    await watches.mark([ALICE, ALICE, Address(shard=3, account="nobody")], NOW + 5)
    assert await due_ids(watches, NOW + 4) == []
    [first, second] = await watches.due(NOW + 5)
    assert (first.watch, first.since) == (watch("a"), NOW + 5)
    assert second.watch == watch("a2")


async def test_a_new_watch_is_looked_at_for_what_happened_while_it_was_put(watches: Watches) -> None:
    await watches.put(watch(), NOW, NOW + 700)
    assert await due_ids(watches, NOW + 699) == []
    assert await due_ids(watches, NOW + 700) == ["w"]


async def test_one_at_a_time_looks_at_a_watch(watches: Watches) -> None:
    await watches.put(watch(), NOW, NOW)
    claims = await asyncio.gather(*[watches.claim(watch(), NOW, 1000) for _ in range(5)])
    assert len([claim for claim in claims if claim]) == 1


async def test_a_mark_in_the_middle_is_looked_at_afterwards(watches: Watches) -> None:
    await watches.put(watch(), NOW, NOW)
    claim = await watches.claim(watch(), NOW, 1000)
    assert claim is not None
    await watches.mark([ALICE], NOW + 1)
    assert await watches.claim(watch(), NOW + 1, 1000) is None  # still in the first one's hands
    await watches.settle(claim, b"seen")
    again = await watches.claim(watch(), NOW + 1, 1000)
    assert again is not None
    assert again.watch.context == b"seen"


async def test_who_ends_in_the_middle_leaves_the_watch_due(watches: Watches) -> None:
    await watches.put(watch(), NOW, NOW)
    assert await watches.claim(watch(), NOW, 50) is not None
    assert await due_ids(watches, NOW + 49) == []
    await asyncio.sleep(0.1)
    assert await due_ids(watches, NOW + 50) == ["w"]
    assert await watches.claim(watch(), NOW + 50, 50) is not None


async def test_looking_again_later(watches: Watches) -> None:
    await watches.put(watch(), NOW, NOW)
    claim = await watches.claim(watch(), NOW, 1000)
    assert claim is not None
    await watches.settle(claim, b"tried", NOW + 300)
    assert await due_ids(watches, NOW + 299) == []
    [due] = await watches.due(NOW + 300)
    assert due.watch.context == b"tried"
    await watches.defer(due, NOW + 900)
    assert await due_ids(watches, NOW + 899) == []
    await watches.mark([ALICE], NOW + 400)
    assert await due_ids(watches, NOW + 400) == ["w"]


async def test_what_is_in_hand_is_not_deferred(watches: Watches) -> None:
    await watches.put(watch(), NOW, NOW)
    [due] = await watches.due(NOW)
    claim = await watches.claim(watch(), NOW, 1000)
    assert claim is not None
    await watches.mark([ALICE], NOW)
    await watches.defer(due, NOW + 900)
    await watches.settle(claim, b"seen")
    assert await due_ids(watches, NOW) == ["w"]


async def test_a_watch_put_anew_meanwhile_keeps_its_new_context(watches: Watches) -> None:
    await watches.put(watch(), NOW, NOW)
    claim = await watches.claim(watch(), NOW, 1000)
    assert claim is not None
    await watches.put(watch(context=b"new"), NOW + 1, NOW + 1)
    await watches.settle(claim, b"old news")
    assert await watches.find("w") == watch(context=b"new")
    assert await due_ids(watches, NOW + 1) == ["w"]


async def test_a_dropped_watch_does_not_come_back(watches: Watches) -> None:
    await watches.put(watch(), NOW, NOW)
    claim = await watches.claim(watch(), NOW, 1000)
    assert claim is not None
    await watches.drop(watch())
    await watches.settle(claim, b"late", NOW)
    assert await watches.find("w") is None
    assert await watches.due(NOW + 10**6) == ()
    await watches.defer(Due(watch=watch(), since=NOW), NOW)
    assert await watches.due(NOW + 10**6) == ()


async def test_any_may_have_changed(watches: Watches) -> None:
    await settled(watches, watch("a"))
    await settled(watches, watch("b", BOB))
    await watches.mark_all(NOW)
    assert sorted(await due_ids(watches, NOW)) == ["a", "b"]


async def test_an_account_holds_so_many_and_forgets_the_oldest(watches: Watches) -> None:
    for number in range(MOST + 3):
        await watches.put(watch(f"w{number}"), NOW + number, NOW)
    assert [await watches.find(f"w{number}") is None for number in range(4)] == [True, True, True, False]
    assert len(await watches.due(NOW)) == MOST


@pytest.mark.parametrize("verb", VERBS)
def test_each_script_says_what_it_takes_and_gives(verb: str) -> None:
    text = assemble(verb)
    assert text.startswith("#!lua")
    for word in (f"-- {verb}:", "-- KEYS", "-- ARGV", "-- Output", "-- Errors"):
        assert word in text
