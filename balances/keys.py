"""Every key name of the store, and the shard function.

Whatever one script touches carries the same hash tag, a virtual shard, so that one instance, Sentinel and Cluster run
the same code. The number of shards is fixed when the store is created (``meta``) and checked at every start.
"""

from dataclasses import dataclass
from zlib import crc32

from balances.ledger import Identity

META = b"meta"
"""Hash: ``format`` of the data and number of ``shards``."""

SHARDS = 16
"""Virtual shards of a new store."""


def encode(name: str) -> bytes:
    """Names come from the network and may hold anything, lone surrogates too: none of them may raise."""
    return name.encode("utf-8", "surrogatepass")


def shard_of(name: str, shards: int) -> int:
    """The virtual shard of an account id or identity."""
    return crc32(encode(name)) % shards


def identity_name(identity: Identity) -> str:
    return f"{identity.type.value}:{identity.value}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The key names of one shard."""

    shard: int

    def _name(self, kind: str, rest: str = "") -> bytes:
        return encode(f"{kind}:{{s{self.shard}}}{rest}")

    def account(self, account: str) -> bytes:
        """String: the account, packed."""
        return self._name("acct", f":{account}")

    def session(self, session: str) -> bytes:
        """String: the session, packed, with the answer of its last operation. A TTL only once it has ended."""
        return self._name("sess", f":{session}")

    def answers(self, session: str) -> bytes:
        """Hash: earlier answers of the session, by operation. It lives as long as the session."""
        return self._name("answ", f":{session}")

    def live(self, account: str) -> bytes:
        """Set: the account's open sessions."""
        return self._name("live", f":{account}")

    def entries(self, account: str) -> bytes:
        """List: the ids of the account's entries in the outbox."""
        return self._name("entr", f":{account}")

    def operation(self, account: str, operation: str) -> bytes:
        """String with TTL: fingerprint and receipt of a movement or gift."""
        return self._name("oper", f":{account}:{operation}")

    def identity(self, identity: Identity) -> bytes:
        """String: ``shard:account`` of its owner."""
        return self._name("ident", f":{identity_name(identity)}")

    def claim(self, name: str) -> bytes:
        """String with TTL: who was first to claim a name."""
        return self._name("name", f":{name}")

    def directory(self, account: str) -> bytes:
        """String: the shard of an account that lives with its parent and not where its id points."""
        return self._name("dir", f":{account}")

    @property
    def due(self) -> bytes:
        """Sorted set: ``s:<session>`` and ``a:<account>`` by the time at which the reaper looks at them."""
        return self._name("due")

    @property
    def outbox(self) -> bytes:
        """Stream: every ledger entry, packed in field ``e``."""
        return self._name("outbox")

    @property
    def confirmed(self) -> bytes:
        """String: written to see when everything before it is on disk."""
        return self._name("confirmed")

    @property
    def house(self) -> bytes:
        """Hash: ``<asset>:credited`` and so on, the mirror of all accounts of the shard."""
        return self._name("house")

    @property
    def accounts(self) -> bytes:
        """Sorted set, all scores 0: the ids of the accounts."""
        return self._name("accts")
