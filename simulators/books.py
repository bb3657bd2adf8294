"""The clients' own books: what they used and what that costs by the price list they know, kept apart from the server.

Amounts are integers of 10^-6 currency units. Only usage whose report was acknowledged is counted as spent; a report
that was never answered may or may not have been charged, and is kept as uncertain instead of being guessed.
"""

from collections import Counter, defaultdict
from enum import StrEnum

import msgspec


class Service(StrEnum):
    """What is sold, named as in the final table."""

    DATA = "data"
    VOICE = "voice"
    SMS = "sms"
    SIP = "sip calls"


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` micro-units for each begun ``block`` of units."""

    block: int
    amount: int
    allowance: str = ""
    """The offer whose bucket pays first, where the account has one."""

    def of(self, units: int) -> int:
        """The price of so many units in one session."""
        return -(-units // self.block) * self.amount


DEFAULT_GROUP = "data"
"""Tariff of every rating group that has no price of its own."""

PRICE_LIST = {
    DEFAULT_GROUP: Price(block=100_000, amount=1_000, allowance="data-1gb"),
    "data 20": Price(block=100_000, amount=10_000),
    "data 99": Price(block=1, amount=0),
    "voice": Price(block=1, amount=1_000),
    "sms": Price(block=1, amount=90_000),
}
"""The plan ``prepaid-basic`` of the sample catalogue: 0.01 EUR/MB in blocks of 100 kB, 0.10 EUR/MB for rating group 20,
rating group 99 free, 0.06 EUR/min by the second, 0.09 EUR for a message."""


def data_tariff(rating_group: int | None) -> str:
    """The price list's name for a rating group."""
    name = f"data {rating_group}"
    return name if name in PRICE_LIST else DEFAULT_GROUP


class Item(msgspec.Struct, frozen=True, order=True):
    """What usage adds up under: blocks are rounded once per session and key."""

    account: str
    service: str
    session: str
    tariff: str
    key: str = ""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What an account or service is believed to have spent."""

    money: int = 0
    """Micro-units."""
    allowance: int = 0
    """Units taken from allowances."""
    least: int = 0
    most: int = 0
    """What the server may rightly have charged, where it measures time by its own clock and a message was late; the
    same as ``money`` otherwise, and wider by what was reported but never acknowledged."""


class Books:
    """Usage by account, session and key, and what it costs."""

    def __init__(self) -> None:
        self._used: Counter[Item] = Counter()
        self._refunded: set[str] = set()
        self._allowances: set[tuple[str, str]] = set()
        self._clocks: dict[Item, tuple[int, int]] = {}
        self.uncertain: Counter[Item] = Counter()
        """Reported but never acknowledged."""
        self.sessions: dict[str, Item] = {}
        """Every session whose charges are in these books, by its id on the wire."""

    def __repr__(self) -> str:
        return f"<Books sessions={len(self.sessions)} spent={self.spent().money}>"

    def allow(self, account: str, offer: str) -> None:
        """The account owns a bucket of this offer, large enough for the run: it pays, not the money."""
        self._allowances.add((account, offer))

    def open(self, item: Item) -> None:
        """A session of this account and service exists under this id."""
        self.sessions.setdefault(item.session, item)

    def used(self, item: Item, units: int) -> None:
        """The server acknowledged a report of so many units."""
        self.open(item)
        self._used[item] += units

    def clocks(self, item: Item, least: int, most: int) -> None:
        """The server measured this usage itself, and at its place it may have been anything from least to most."""
        self._clocks[item] = least, most

    def unknown(self, item: Item, units: int) -> None:
        """A report of so many units was never answered."""
        self.open(item)
        if units:
            self.uncertain[item] += units

    def refunded(self, session: str, refund_session: str) -> None:
        """The server gave back what ``session`` had cost."""
        self._refunded.add(session)
        item = self.sessions[session]
        self.open(Item(item.account, item.service, refund_session, item.tariff, item.key))

    def spent(self, account: str | None = None, service: str | None = None) -> Spent:
        """Sum over one account or all, one service or all."""
        money = allowance = least = most = 0
        for item in self._used | self.uncertain:
            if account not in (None, item.account) or service not in (None, item.service):
                continue
            if item.session in self._refunded:
                continue
            price, units = PRICE_LIST[item.tariff], self._used[item]
            if (item.account, price.allowance) in self._allowances:
                allowance += units
                continue
            low, high = self._clocks.get(item, (units, units))
            money += price.of(units)
            least += min(price.of(units), price.of(low))
            most += (
                max(price.of(units), price.of(high))
                if not self.uncertain[item]
                else price.of(max(units, high) + self.uncertain[item])
            )
        return Spent(money=money, allowance=allowance, least=least, most=most)

    def counts(self) -> dict[str, int]:
        """Sessions per service."""
        counted: defaultdict[str, int] = defaultdict(int)
        for item in self.sessions.values():
            counted[item.service] += 1
        return dict(counted)
