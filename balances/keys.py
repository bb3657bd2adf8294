"""Every key name of the store, and the shard function.

Whatever one script touches carries the same hash tag, a virtual shard, so that one instance, Sentinel and Cluster run
the same code. The number of shards is fixed when the store is created (``meta``) and checked at every start.
"""

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


class Keys:
    """The key names of one shard. All that does not depend on a name is made once."""

    __slots__ = (
        "_account", "_answers", "_claim", "_directory", "_entries", "_identity", "_live", "_operation", "_session",
        "accounts", "confirmed", "due", "house", "outbox", "shard",
    )  # fmt: skip

    def __init__(self, shard: int) -> None:
        def name(kind: str) -> str:
            return f"{kind}:{{s{shard}}}"

        self.shard = shard
        self.due = encode(name("due"))
        """Sorted set: ``s:<session>`` and ``a:<account>`` by the time at which the reaper looks at them."""
        self.outbox = encode(name("outbox"))
        """Stream: every ledger entry, packed in field ``e``."""
        self.confirmed = encode(name("confirmed"))
        """String: written to see when everything before it is on disk."""
        self.house = encode(name("house"))
        """Hash: ``<asset>:credited`` and so on, the mirror of all accounts of the shard."""
        self.accounts = encode(name("accts"))
        """Sorted set, all scores 0: the ids of the accounts."""
        self._account, self._session, self._answers = f"{name('acct')}:", f"{name('sess')}:", f"{name('answ')}:"
        self._live, self._entries, self._operation = f"{name('live')}:", f"{name('entr')}:", f"{name('oper')}:"
        self._identity, self._claim, self._directory = f"{name('ident')}:", f"{name('name')}:", f"{name('dir')}:"

    def __repr__(self) -> str:
        return f"<keys of shard {self.shard}>"

    def account(self, account: str) -> bytes:
        """String: the account, packed."""
        return encode(self._account + account)

    def session(self, session: str) -> bytes:
        """String: the session, packed, with the answer of its last operation. A TTL only once it has ended."""
        return encode(self._session + session)

    def answers(self, session: str) -> bytes:
        """Hash: earlier answers of the session, by operation. It lives as long as the session."""
        return encode(self._answers + session)

    def live(self, account: str) -> bytes:
        """Set: the account's open sessions."""
        return encode(self._live + account)

    def entries(self, account: str) -> bytes:
        """List: the ids of the account's entries in the outbox."""
        return encode(self._entries + account)

    def operation(self, account: str, operation: str) -> bytes:
        """String with TTL: fingerprint and receipt of a movement or gift."""
        return encode(self._operation + f"{account}:{operation}")

    def identity(self, identity: Identity) -> bytes:
        """String: ``shard:account`` of its owner."""
        return encode(self._identity + identity_name(identity))

    def claim(self, name: str) -> bytes:
        """String with TTL: who was first to claim a name."""
        return encode(self._claim + name)

    def directory(self, account: str) -> bytes:
        """String: the shard of an account that lives with its parent and not where its id points."""
        return encode(self._directory + account)
