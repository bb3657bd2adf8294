"""Accounts that run low: found in a slow walk over all of them, kept up to date by what the journal hears."""

import heapq

from balances.ledger import Account, Address, Entry, Ledger, NoSuchAccount, Status
from ocs.chores import repeat

PAGE = 100
"""Accounts walked past in a round, and changed ones read in it at most: a load of next to nothing."""

KEPT = 10_000
"""Accounts kept in mind; those that have more are left out."""


class LowBalances:
    """Active accounts with less available than ``threshold`` (micro-units of whatever currency they have)."""

    def __init__(self, ledger: Ledger, threshold: int) -> None:
        self._ledger = ledger
        self._threshold = threshold
        self._low: dict[str, Account] = {}
        self._changed: dict[str, Address] = {}
        self._after = ""

    def __len__(self) -> int:
        return len(self._low)

    def lowest(self, limit: int) -> list[Account]:
        """Those with the least, the lowest first."""
        return heapq.nsmallest(limit, self._low.values(), key=lambda account: account.available)

    def heard(self, entry: Entry) -> None:
        """An entry passed by: is it about one that may have become low, or was?"""
        if entry.account in self._low or any(
            line.bucket == "money" and line.after < self._threshold for line in entry.lines
        ):
            self._changed[entry.account] = Address(shard=entry.shard, account=entry.account)

    async def run(self, interval: float = 1.0) -> None:
        """Look until cancelled. While the store is away what was found stays."""
        await repeat(self.round, interval, "search for low balances")

    async def round(self) -> None:
        """Read what has changed, and the next page of all; may raise Unavailable."""
        for name in list(self._changed)[:PAGE]:
            address = self._changed[name]
            try:
                self._note(await self._ledger.account(address))
            except NoSuchAccount:
                self._low.pop(name, None)
            del self._changed[name]
        page = await self._ledger.accounts(self._after, PAGE)
        for account in page:
            self._note(account)
        self._after = page[-1].address.account if len(page) == PAGE else ""

    def _note(self, account: Account) -> None:
        name = account.address.account
        if account.status is not Status.ACTIVE or account.available >= self._threshold:
            self._low.pop(name, None)
            return
        self._low[name] = account
        if len(self._low) > KEPT:
            del self._low[max(self._low, key=lambda one: self._low[one].available)]
