"""Who is it, and on which terms: what one worker remembers of subscribers, so that a request costs one ledger call.

Only terms are kept, never a balance: each charge names the version of the terms it was made from, and the ledger
answers STALE where they have changed since. That nobody has an identity is never remembered.
"""

import sys
from typing import Generic, TypeVar

from balances.ledger import Account, Address, Billing, Identity, Ledger, NoSuchAccount, Record, Status

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A dictionary of bounded size that forgets what was not asked for longest.

    It keeps the last ``size`` at least, and twice as many at most: when so many have been put or asked for since the
    last time, all the others are forgotten. An order kept one by one would take twice the memory.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        value = self._young.get(key)
        if value is None and (value := self._old.get(key)) is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        self._old.pop(key, None)
        if len(self._young) >= self._size and key not in self._young:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def drop(self, key: K) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)


class Subscriber(Record, frozen=True, kw_only=True):
    """An account's terms."""

    address: Address
    version: int
    status: Status
    until: int | None = None
    """An active one is so until then (milliseconds); None: for ever."""
    plan: str
    currency: str
    identities: tuple[Identity, ...]
    parent: str | None = None
    billing: Billing = Billing.OWN
    cap: int | None = None


def subscriber(account: Account) -> Subscriber:
    """The terms of an account as read."""
    return Subscriber(
        address=account.address,
        version=account.version,
        status=account.status,
        until=account.validity.until,
        plan=sys.intern(account.plan),  # many subscribers share few of them
        currency=sys.intern(account.currency),
        identities=account.identities,
        parent=account.parent,
        billing=account.billing,
        cap=account.cap,
    )


class Subscribers:
    """Identity -> address -> terms, remembered or read from the ledger."""

    def __init__(self, ledger: Ledger, size: int) -> None:
        self._ledger = ledger
        self._addresses: Recent[Identity, Address] = Recent(2 * size)
        self._terms: Recent[str, Subscriber] = Recent(size)

    async def find(self, identities: tuple[Identity, ...]) -> Subscriber | None:
        """The subscriber behind the first identity that somebody has; may raise Unavailable."""
        for identity in identities:
            address = self._addresses.get(identity)
            found = None if address is None else await self.at(address)
            if found is not None and identity in found.identities:
                return found
            self._addresses.drop(identity)
            address = await self._ledger.find(identity)
            if address is None:
                continue
            found = await self.at(address)
            if found is not None and identity not in found.identities:
                found = await self.reread(address)  # the account got the identity after its terms were read
            if found is not None:
                self._addresses.put(identity, address)
                return found
        return None

    def known(self, address: Address) -> Subscriber | None:
        """The terms of the account at an address, if they are remembered."""
        known = self._terms.get(address.account)
        return known if known is not None and known.address == address else None

    async def at(self, address: Address) -> Subscriber | None:
        """The terms of the account at an address; None if there is none. May raise Unavailable."""
        return self.known(address) or await self.reread(address)

    async def above(self, known: Subscriber) -> tuple[Subscriber, ...]:
        """The accounts up the chain that its use is charged to as well, nearest first. May raise Unavailable."""
        found: list[Subscriber] = []
        while known.parent is not None and known.billing is not Billing.OWN:
            parent = await self.at(Address(shard=known.address.shard, account=known.parent))
            if parent is None:
                break
            known = parent
            found.append(known)
        return tuple(found)

    async def reread(self, address: Address) -> Subscriber | None:
        """The terms as the ledger has them now."""
        self.forget(address.account)
        try:
            account = await self._ledger.account(address)
        except NoSuchAccount:
            return None
        return self.learn(account)

    def learn(self, account: Account) -> Subscriber:
        """Remember the terms of an account that was read for another reason."""
        known = subscriber(account)
        self._terms.put(account.address.account, known)
        return known

    def forget(self, account: str) -> None:
        """Read the account's terms again at its next request."""
        self._terms.drop(account)
