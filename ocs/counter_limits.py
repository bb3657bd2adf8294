"""Counters that reach a threshold: the clients of the account's sessions are to ask anew.

The journal's entries name the accounts that change; the statuses of their counters are compared with those seen last.
"""

from collections.abc import Callable, Mapping

from balances.ledger import Address, Entry, Ledger, NoSuchAccount, Unavailable
from charging.catalogue import Counter
from charging.counters import statuses
from charging.subscribers import Recent
from ocs.chores import repeat

PAGE = 200
"""Changed accounts read in a round at most."""

KEPT = 100_000
"""Accounts whose statuses are kept in mind: of one that was forgotten the next change is not told."""


class CounterLimits:
    """``names`` of the counters that count; ``counters``: those of the catalogue as it is. Clock in milliseconds."""

    def __init__(
        self,
        ledger: Ledger,
        names: tuple[str, ...],
        counters: Callable[[], Mapping[str, Counter]],
        tell: Callable[[Address], None],
        clock: Callable[[], int],
    ) -> None:
        self._ledger = ledger
        self._names = names
        self._counters = counters
        self._tell = tell
        self._clock = clock
        self._changed: dict[Address, None] = {}
        self._known: Recent[Address, dict[str, str]] = Recent(KEPT)

    def heard(self, entry: Entry) -> None:
        """An entry passed by. A session's first one, its reservation, tells how the counters stand before it."""
        self._changed[Address(shard=entry.shard, account=entry.account)] = None

    async def run(self, interval: float = 0.2) -> None:
        """Compare until cancelled. While the store is away the changes are kept."""
        await repeat(self.round, interval, "comparison of counters")

    async def round(self) -> None:
        """Compare once; may raise Unavailable."""
        counters = {name: each for name, each in self._counters().items() if name in self._names}
        for address in list(self._changed)[:PAGE]:
            del self._changed[address]
            try:
                account = await self._ledger.account(address)
            except NoSuchAccount:
                continue
            except Unavailable:
                self._changed[address] = None
                raise
            found = statuses(counters, account, self._clock())
            before = self._known.get(address)
            self._known.put(address, found)
            if before is not None and before != found:
                self._tell(address)
