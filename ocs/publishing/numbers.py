"""Numbers that were ported since the catalogue was written: kept in the store, followed by every process.

They stand before the catalogue's own table and outlive each version of it, until they are taken back.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec

from balances.link import Link, Script
from ocs.chores import repeat
from ocs.publishing.follower import INTERVAL

NUMBERS = b"{ported}:numbers"
"""Hash: number -> network."""

CHANGES = b"{ported}:changes"
"""Stream: what was changed, a batch an entry, for those who have read the hash already."""

_BATCH = 1_000
"""Numbers changed in one step."""

_KEPT = 1_000
"""Batches that the stream keeps; who is farther behind reads everything again."""

_PORT = Script(
    "port-numbers",
    """#!lua
-- KEYS: the hash, the stream. ARGV: batches kept, the batch as the stream keeps it, then number and network in turn
-- (an empty network takes the number out).
for place = 3, #ARGV, 2 do
  if ARGV[place + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[place])
  else
    redis.call('HSET', KEYS[1], ARGV[place], ARGV[place + 1])
  end
end
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[1], '*', 'c', ARGV[2])
return #ARGV
""",
)

Changes = Mapping[str, str]
"""Number -> the network that it is ported to; an empty one takes the number out of here."""

_decode = msgspec.msgpack.Decoder(dict[str, str]).decode


class Numbers:
    """``moved`` is what every catalogue of this process looks into; it is only ever changed in place."""

    def __init__(self, link: Link) -> None:
        self.moved: dict[str, str] = {}
        self._link = link
        self._position = ""

    def __repr__(self) -> str:
        return f"<Numbers: {len(self.moved)} ported>"

    async def run(self) -> None:
        """Follow until cancelled."""
        await repeat(self.poll, INTERVAL, "look at ported numbers")

    async def poll(self) -> None:
        """Take up what has changed; may raise Unavailable."""
        if not self._position:
            await self._read_all()
            return
        found = await self._link.call("XRANGE", CHANGES, f"({self._position}", "+")
        if len(found) >= _KEPT:
            await self._read_all()
            return
        for identifier, (_, packed) in found:
            self._apply(_decode(packed))
            self._position = identifier.decode()

    async def put(self, changes: Changes) -> None:
        """Change numbers, batch by batch. May raise Unavailable, some batches done: the same again completes it."""
        for batch in _batches(changes):
            flat = [text for pair in batch.items() for text in pair]
            await self._link.script(_PORT, (NUMBERS, CHANGES), (_KEPT, msgspec.msgpack.encode(batch), *flat))
        await self.poll()

    async def _read_all(self) -> None:
        """The place in the stream first: what is changed while the hash is read is then applied once more."""
        newest = await self._link.call("XREVRANGE", CHANGES, "+", "-", "COUNT", 1)
        found: dict[str, str] = {}
        cursor = b"0"
        while True:
            cursor, flat = await self._link.call("HSCAN", NUMBERS, cursor, "COUNT", 10 * _BATCH)
            found |= {flat[place].decode(): flat[place + 1].decode() for place in range(0, len(flat), 2)}
            if cursor == b"0":
                break
        self.moved.clear()
        self.moved.update(found)
        self._position = newest[0][0].decode() if newest else "0-0"

    def _apply(self, changes: Changes) -> None:
        for number, network in changes.items():
            if network:
                self.moved[number] = network
            else:
                self.moved.pop(number, None)


def _batches(changes: Changes) -> Iterator[dict[str, str]]:
    pairs = iter(changes.items())
    while batch := dict(islice(pairs, _BATCH)):
        yield batch
