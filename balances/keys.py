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
        "_account", "_answers", "_claim", "_directory", "_entries", "_identity", "_live", "_loan", "_operation",
        "_sent", "_session", "_subscriptions", "accounts", "carried", "confirmed", "due", "house", "outbox",
        "renewals", "shard", "transit",
    )  # fmt: skip

    def __init__(self, shard: int) -> None:
        def name(kind: str) -> bytes:
            return encode(f"{kind}:{{s{shard}}}")

        def beginning(kind: str) -> bytes:
            return name(kind) + b":"

        self.shard = shard
        self.due = name("due")
        """Sorted set: ``s:<session>`` and ``a:<account>`` by the time at which the reaper looks at them."""
        self.outbox = name("outbox")
        """Stream: every ledger entry, packed in field ``e``."""
        self.confirmed = name("confirmed")
        """String: written to see when everything before it is on disk."""
        self.house = name("house")
        """Hash: ``<asset>:credited`` and so on, the mirror of all accounts of the shard."""
        self.transit = name("transit")
        """Hash: transfers sent from this shard and not known to have been credited, packed."""
        self.carried = name("carried")
        """Hash: ``<currency>:sent`` and ``:arrived``, all that ever was in transit."""
        self.accounts = name("accts")
        """Sorted set, all scores 0: the ids of the accounts."""
        self.renewals = name("renew")
        """Sorted set: account and offer, packed, by the time at which the subscription is to be renewed."""
        self._account, self._session, self._answers = beginning("acct"), beginning("sess"), beginning("answ")
        self._live, self._entries, self._operation = beginning("live"), beginning("entr"), beginning("oper")
        self._identity, self._claim, self._directory = beginning("ident"), beginning("name"), beginning("dir")
        self._loan, self._sent = beginning("loan"), beginning("sent")
        self._subscriptions = beginning("subs")

    def __repr__(self) -> str:
        return f"<keys of shard {self.shard}>"

    def charged(self, account: str, session: str) -> list[bytes]:
        """The keys of a charge, in the order of ``charge.lua``."""
        owner, own = encode(account), encode(session)
        return [
            self._account + owner,
            self._entries + owner,
            self.outbox,
            self.house,
            self.due,
            self._session + own,
            self._live + owner,
            self._answers + own,
        ]

    def account(self, account: str) -> bytes:
        """String: the account, packed."""
        return self._account + encode(account)

    def session(self, session: str) -> bytes:
        """String: the session, packed, with the answer of its last operation. A TTL only once it has ended."""
        return self._session + encode(session)

    def answers(self, session: str) -> bytes:
        """Hash: earlier answers of the session, by operation. It lives as long as the session."""
        return self._answers + encode(session)

    def live(self, account: str) -> bytes:
        """Set: the account's open sessions."""
        return self._live + encode(account)

    def entries(self, account: str) -> bytes:
        """List: the ids of the account's entries in the outbox."""
        return self._entries + encode(account)

    def operation(self, account: str, operation: str) -> bytes:
        """String with TTL: fingerprint and receipt of a movement or gift."""
        return self._operation + encode(f"{account}:{operation}")

    def loan(self, account: str) -> bytes:
        """String: what the account was lent and has not repaid, packed."""
        return self._loan + encode(account)

    def sent(self, account: str) -> bytes:
        """String with TTL: the day of the account's last transfer, and how many it sent then, packed."""
        return self._sent + encode(account)

    def subscriptions(self, account: str) -> bytes:
        """Hash: what the account has subscribed to, by offer, packed."""
        return self._subscriptions + encode(account)

    def identity(self, identity: Identity) -> bytes:
        """String: ``shard:account`` of its owner."""
        return self._identity + encode(identity_name(identity))

    def claim(self, name: str) -> bytes:
        """String with TTL: who was first to claim a name."""
        return self._claim + encode(name)

    def directory(self, account: str) -> bytes:
        """String: the shard of an account that lives with its parent and not where its id points."""
        return self._directory + encode(account)
