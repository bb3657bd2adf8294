"""Rounds of re-authorisation under way, in the store: what a process leaves undone when it ends, another one does."""

import msgspec

from balances.ledger import Address, Record
from balances.link import Link, Script

KEY = b"reauthorise"
"""Sorted set: accounts, by the time (milliseconds) at which their round is over or was given up."""

_BATCH = 100

_END = Script(
    "end-round",
    "if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('ZREM', KEYS[1], ARGV[1]) end",
)
_TAKE = Script(
    "take-rounds",
    """
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, account in ipairs(found) do redis.call('ZADD', KEYS[1], ARGV[2], account) end
return found
""",
)

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[int, str]).decode


class Round(Record, frozen=True, kw_only=True):
    """One round for an account; whoever has it is done ``until`` then."""

    address: Address
    until: int


class Rounds:
    """Every verb may raise Unavailable. Times are milliseconds."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def begin(self, address: Address, until: int) -> Round:
        """A round that somebody else does if it is not over by then."""
        await self._link.call("ZADD", KEY, until, _member(address))
        return Round(address=address, until=until)

    async def end(self, round: Round) -> None:
        """It is over; one for the same account that has begun since is not."""
        await self._link.script(_END, [KEY], [_member(round.address), round.until])

    async def take(self, now: int, until: int) -> tuple[Address, ...]:
        """Accounts whose rounds nobody has ended in time; whoever takes them is done ``until`` then."""
        found = await self._link.script(_TAKE, [KEY], [now, until, _BATCH])
        return tuple(Address(shard=shard, account=account) for shard, account in map(_unpack, found))


def _member(address: Address) -> bytes:
    return _pack((address.shard, address.account))
