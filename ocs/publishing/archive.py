"""Catalogues in the store: immutable versions by their content, and the log of what was published when.

Publishing is one entry in the log. Whatever leads to it (content, proposal, what the processes say of it) changes
nothing for anybody's charges, so that it may be given up at any point.
"""

import asyncio
import zlib
from collections.abc import Mapping

import msgspec

from balances.ledger import Record
from balances.link import Link
from charging.catalogue.load import version_of

LOG = b"catalogue:log"
"""Stream: the publications, oldest first."""

PROPOSED = b"catalogue:proposed"
"""String with TTL: the version that every process should get ready."""

PROCESSES = b"catalogue:processes"
"""Hash: process -> its State."""

KEPT = 10
"""Publications whose content is kept, for a way back."""

_LISTED = 100
"""Publications that the log keeps."""

_CHUNK = 256 * 1024
"""Octets of one value: small enough that it holds up no charge on the same connection."""

_PROPOSAL = 120_000
"""Milliseconds after which a proposal is void, should its publisher be gone."""


class NoSuchVersion(Exception):
    """The store does not keep this version, or not all of it."""


class Publication(Record, frozen=True, kw_only=True):
    """A version that is in force from ``since`` on (milliseconds), until a later publication's time comes."""

    version: str
    since: int
    by: str = ""
    comment: str = ""
    id: str = ""
    """Its place in the log."""


class State(Record, frozen=True, kw_only=True):
    """What a process says of itself: the version in force there, those it has ready, and what it cannot load."""

    version: str
    ready: tuple[str, ...] = ()
    failed: Mapping[str, str] = msgspec.field(default_factory=dict)
    problem: str = ""
    """Why it does not follow the log; empty: it does."""
    seen: int
    """When it said so, in milliseconds."""


_decode_files = msgspec.msgpack.Decoder(dict[str, bytes]).decode
_decode_publication = msgspec.msgpack.Decoder(Publication).decode
_decode_state = msgspec.msgpack.Decoder(State).decode


def _key(version: str) -> bytes:
    """Hash: number -> chunk of the compressed files of a version."""
    return f"catalogue:{version}".encode()


class Archive:
    """All methods may raise Unavailable."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def keep(self, files: Mapping[str, bytes]) -> str:
        """Write a version where it is not kept yet; its name. A copy half written is never read: see ``files``."""
        version = version_of(files)
        packed = await asyncio.to_thread(lambda: zlib.compress(msgspec.msgpack.encode(dict(files))))
        chunks = [packed[start : start + _CHUNK] for start in range(0, len(packed), _CHUNK)]
        if await self._link.call("HLEN", _key(version)) != len(chunks):
            await self._link.call("DEL", _key(version))
            for number, chunk in enumerate(chunks):
                await self._link.call("HSET", _key(version), number, chunk)
        return version

    async def files(self, version: str) -> dict[str, bytes]:
        """The files of a version, just as they were published; raises NoSuchVersion."""
        count = await self._link.call("HLEN", _key(version))
        chunks = [await self._link.call("HGET", _key(version), number) or b"" for number in range(count)]
        try:
            files = await asyncio.to_thread(lambda: _decode_files(zlib.decompress(b"".join(chunks))))
        except (zlib.error, msgspec.DecodeError):
            files = {}
        if not files or version_of(files) != version:
            raise NoSuchVersion(f"the store does not keep catalogue {version}")
        return files

    async def publications(self, after: str = "-") -> tuple[Publication, ...]:
        """The log after a place in it, oldest first."""
        start = "-" if after == "-" else f"({after}"
        found = await self._link.call("XRANGE", LOG, start, "+")
        return tuple(
            msgspec.structs.replace(_decode_publication(packed), id=identifier.decode())
            for identifier, (_, packed) in found
        )

    async def publish(self, publication: Publication) -> Publication:
        """The one step that counts. Content that nobody can return to any more is dropped afterwards."""
        packed = msgspec.msgpack.encode(publication)
        identifier = await self._link.call("XADD", LOG, "MAXLEN", _LISTED, "*", "p", packed)
        listed = await self.publications()
        kept = {each.version for each in listed[-KEPT:]}
        for version in {each.version for each in listed} - kept:
            await self._link.call("DEL", _key(version))
        return msgspec.structs.replace(publication, id=identifier.decode())

    async def propose(self, version: str) -> str:
        """Ask every process to get a version ready. Returns the version proposed: another's, if one is under way."""
        if await self._link.call("SET", PROPOSED, version, "NX", "PX", _PROPOSAL):
            return version
        return await self.proposed() or version

    async def proposed(self) -> str:
        return bytes(await self._link.call("GET", PROPOSED) or b"").decode()

    async def withdraw(self) -> None:
        await self._link.call("DEL", PROPOSED)

    async def tell(self, process: str, state: State) -> None:
        await self._link.call("HSET", PROCESSES, process, msgspec.msgpack.encode(state))

    async def states(self) -> dict[str, State]:
        """What every process said last, those that are gone included."""
        flat = await self._link.call("HGETALL", PROCESSES)
        return {flat[place].decode(): _decode_state(flat[place + 1]) for place in range(0, len(flat), 2)}

    async def forget(self, process: str) -> None:
        await self._link.call("HDEL", PROCESSES, process)


def in_force(publications: tuple[Publication, ...], now: int) -> Publication | None:
    """Of those whose time has come the one published last."""
    return next((each for each in reversed(publications) if each.since <= now), None)
