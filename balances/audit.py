"""Do the books close? Sums over all accounts of a shard against its house account and its open sessions.

Both ledgers hand the books of one shard, taken at one moment, to ``examine``; ``total`` adds the shards up.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from balances.books import MONEY, AccountBook, Purse, SessionBook
from balances.ledger import Audit, InTransit, SessionState, Sum


@dataclass(slots=True)
class Findings:
    """What the audit of one shard found."""

    accounts: int
    sessions: int
    sums: dict[str, Purse]
    house: dict[str, Purse]
    available: Counter[str] = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)
    in_transit: Counter[str] = field(default_factory=Counter)
    """By currency, what accounts of the shard sent and is not known to have been credited."""


def add(purse: Purse, other: Purse) -> None:
    """Sum counters up."""
    purse.credited += other.credited
    purse.debited += other.debited
    purse.reserved += other.reserved
    purse.overrun += other.overrun


def examine(accounts: Iterable[AccountBook], sessions: Iterable[SessionBook], house: dict[str, Purse]) -> Findings:
    """Audit one shard; ``sessions`` may include ended ones."""
    live = [session for session in sessions if session.state is SessionState.OPEN]
    held, metered = holdings(live), metered_holdings(live)
    found = Findings(0, len(live), defaultdict(Purse), house)
    known = set()
    for account in accounts:
        found.accounts += 1
        known.add(account.address.account)
        purses = account.purses()
        for name, (asset, purse) in purses.items():
            add(found.sums[asset], purse)
            found.available[asset] += purse.remaining
            found.sentences += _check_purse(account, name, purse, held[account.address.account, name])
        found.sentences += _check_meters(account, metered)
        for asset, purse in account.retired.items():
            add(found.sums[asset], purse)
        for bucket in {name for owner, name in held if owner == account.address.account} - set(purses):
            found.sentences.append(f"account {account.address.account}: units held in bucket {bucket}, which is gone")
    for book in _books(live):
        if book.address.account not in known:
            found.sentences.append(f"session {book.id}: its account {book.address.account} does not exist")
    for asset in sorted({*found.sums, *house}):
        ours, mirror = found.sums[asset], house.get(asset, Purse())
        if ours != mirror:
            found.sentences.append(f"{asset}: the accounts sum to {_say(ours)}, the house says {_say(mirror)}")
    return found


def check_transit(found: Findings, transfers: Iterable[InTransit], carried: Mapping[str, int]) -> Findings:
    """Audit what the shard's accounts sent: all that was sent has arrived, or is in transit."""
    for transfer in transfers:
        found.in_transit[transfer.currency] += transfer.amount
    for currency in sorted({*found.in_transit, *(name.partition(":")[0] for name in carried)}):
        sent, arrived = carried.get(f"{currency}:sent", 0), carried.get(f"{currency}:arrived", 0)
        if sent - arrived != found.in_transit[currency]:
            found.sentences.append(
                f"{currency}: {sent} sent and {arrived} arrived, but {found.in_transit[currency]} in transit"
            )
    return found


def holdings(sessions: Iterable[SessionBook]) -> Counter[tuple[str, str]]:
    """What open sessions hold, by account and bucket."""
    held: Counter[tuple[str, str]] = Counter()
    for book in _books(sessions):
        for key in book.keys.values():
            held[book.address.account, MONEY] += key.cost
            for bucket, units in (*key.parts, *key.bonus):
                held[book.address.account, bucket] += units
    return +held


def _books(sessions: Iterable[SessionBook]) -> Iterable[SessionBook]:
    return (book for session in sessions for book in session.books())


def metered_holdings(sessions: Iterable[SessionBook]) -> Counter[tuple[str, str, str]]:
    """What open sessions hold of meters: by account, meter and unit, and money by account, meter and ``money``."""
    held: Counter[tuple[str, str, str]] = Counter()
    for book in _books(sessions):
        for key in book.keys.values():
            for each in key.quote.meters:
                held[book.address.account, each.meter, key.unit] += key.granted
                held[book.address.account, each.meter, MONEY] += key.held_money
    return +held


def _check_meters(account: AccountBook, held: Counter[tuple[str, str, str]]) -> Iterable[str]:
    name = account.address.account
    for meter in account.meters.values():
        units = held[name, meter.name, meter.unit] if meter.unit else 0
        money = held[name, meter.name, MONEY]
        if (meter.held, meter.held_money) != (units, money):
            yield (
                f"account {name}, meter {meter.name}: {meter.held} units and {meter.held_money} of money reserved, "
                f"but open sessions hold {units} and {money}"
            )


def _check_purse(account: AccountBook, name: str, purse: Purse, held: int) -> Iterable[str]:
    who = f"account {account.address.account}, {name}"
    if purse.reserved != held:
        yield f"{who}: {purse.reserved} reserved, but open sessions hold {held}"
    if min(purse.credited, purse.debited, purse.reserved, purse.overrun) < 0:
        yield f"{who}: a counter is below zero: {_say(purse)}"
    limit = account.credit_limit if name == MONEY else 0
    if purse.remaining + limit < -purse.overrun:
        yield f"{who}: {-purse.remaining - limit} below zero, but only {purse.overrun} counted as overrun"


def _say(purse: Purse) -> str:
    return f"{purse.credited} credited, {purse.debited} debited, {purse.reserved} reserved, {purse.overrun} overrun"


def total(shards: Iterable[Findings]) -> Audit:
    """Add the shards up."""
    sums: dict[str, Purse] = defaultdict(Purse)
    house: dict[str, Purse] = defaultdict(Purse)
    available: Counter[str] = Counter()
    in_transit: Counter[str] = Counter()
    accounts = sessions = 0
    sentences: list[str] = []
    for found in shards:
        accounts += found.accounts
        sessions += found.sessions
        sentences += found.sentences
        available.update(found.available)
        in_transit.update(found.in_transit)
        for asset, purse in found.sums.items():
            add(sums[asset], purse)
        for asset, purse in found.house.items():
            add(house[asset], purse)
    return Audit(
        accounts=accounts,
        sessions=sessions,
        sums=tuple(
            Sum(
                asset=asset,
                accounts=sums[asset].counters(),
                house=house[asset].counters(),
                available=available[asset],
                in_transit=in_transit[asset],
            )
            for asset in sorted({*sums, *house})
        ),
        findings=tuple(sentences),
    )
