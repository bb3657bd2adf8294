"""Vouchers: codes sold on paper or by till, each worth money or a bundle once.

Nobody can read codes in the store: what is kept is a keyed hash (HMAC-SHA256) of each. A voucher lives in the shard of
its hash, where it is claimed in one step; what it is worth is handed over in the account's shard under an operation id
that is the voucher's own, then the claim is settled. A crash in between leaves the claim, which is settled by whoever
looks. A batch has a copy in each shard, so that a claim sees at once that it was blocked.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import count
from typing import Any, Final

from balances.keys import Keys, encode, shard_of
from balances.ledger import Address, Record, Taken
from balances.link import Link
from balances.scripts import script
from balances.wire import pack, text, unpack

DIGITS: Final = 16
"""Of a code: random ones, and a check digit (Luhn, ISO/IEC 7812-1) at the end."""

_BATCHES = b"vouchers"
_TOGETHER = 500
"""Vouchers written at one time."""


class BatchState(StrEnum):
    """Life of a batch. Only vouchers of an active one that has not expired can be redeemed."""

    CREATED = "created"
    ACTIVE = "active"
    BLOCKED = "blocked"
    EXPIRED = "expired"


class Worth(Record, frozen=True, kw_only=True):
    """What each voucher of a batch is worth: ``amount`` of ``currency``, or else a bundle ``offer``."""

    amount: int = 0
    currency: str = ""
    offer: str = ""


class Batch(Record, frozen=True, kw_only=True):
    """Vouchers made together. ``expires_at``: milliseconds; None: never."""

    id: str
    worth: Worth
    state: BatchState
    created_at: int
    expires_at: int | None
    issued: int
    redeemed: int


class Claim(Record, frozen=True, kw_only=True):
    """A voucher that is somebody's; ``name`` is its hash. ``done``: its worth has been handed over."""

    name: str
    batch: str
    serial: int
    owner: Address
    at: int
    done: bool
    again: bool = False
    """It was the account's before."""

    @property
    def operation(self) -> str:
        """The operation under which its worth is handed over. No key of a client's has a space in it."""
        return f"voucher {self.batch} {self.serial}"


class Refused(StrEnum):
    """Why a code is worth nothing."""

    MISTYPED = "mistyped"
    """Its check digit is wrong: it never was a code."""
    UNKNOWN = "unknown"
    USED = "used"
    CREATED = "created"
    BLOCKED = "blocked"
    EXPIRED = "expired"


def check_digit(digits: str) -> str:
    """Luhn's, for the digits before it."""
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits))]
    return str(-sum(number // 10 + number % 10 for number in doubled) % 10)


def new_code() -> str:
    """A code that nobody can guess."""
    digits = str(secrets.randbelow(10 ** (DIGITS - 1))).zfill(DIGITS - 1)
    return digits + check_digit(digits)


def readable(code: str) -> str:
    """In groups of four."""
    return " ".join(code[at : at + 4] for at in range(0, len(code), 4))


def normal(text: str) -> str | None:
    """The digits of a code as typed, with spaces or dashes; None if they are none."""
    code = text.replace(" ", "").replace("-", "")
    good = len(code) == DIGITS and code.isascii() and code.isdigit() and check_digit(code[:-1]) == code[-1]
    return code if good else None


class Vouchers:
    """Each verb may raise Unavailable. ``secret`` keys the hashes: without it the store cannot tell a code."""

    def __init__(self, link: Link, keys: Sequence[Keys], secret: bytes) -> None:
        self._link = link
        self._keys = tuple(keys)
        self._secret = secret

    async def generate(self, batch: Batch, code: Callable[[], str] = new_code) -> list[str]:
        """Make a batch and its codes, which are shown this once; raises Taken."""
        about = [
            *("worth", pack([batch.worth.amount, batch.worth.currency, batch.worth.offer])),
            *("state", batch.state.value, "created_at", batch.created_at, "redeemed", 0),
            *("expires_at", -1 if batch.expires_at is None else batch.expires_at),
        ]
        if not await self._link.call("ZADD", _BATCHES, "NX", batch.created_at, encode(batch.id)):
            raise Taken(f"batch {batch.id}")
        await asyncio.gather(
            *[self._link.call("HSET", _batch_key(keys.shard, batch.id), *about) for keys in self._keys]
        )
        codes: list[str] = []
        serials = count(1)
        issued = dict.fromkeys(range(len(self._keys)), 0)
        while len(codes) < batch.issued:
            fresh = list(dict.fromkeys(code() for _ in range(min(_TOGETHER, batch.issued - len(codes)))))
            named = [(one, self._name(one)) for one in fresh]
            kept = await asyncio.gather(*[self._keep(name, batch.id, next(serials)) for _, name in named])
            for (one, name), new in zip(named, kept, strict=True):
                if new:  # one that there was is somebody else's
                    codes.append(one)
                    issued[self._shard(name)] += 1
        await asyncio.gather(
            *[
                self._link.call("HSET", _batch_key(shard, batch.id), "issued", number)
                for shard, number in issued.items()
            ]
        )
        return codes

    async def _keep(self, name: str, batch: str, serial: int) -> bool:
        packed = pack([batch, serial, 0, "", "", 0, 0])
        return await self._link.call("SET", _voucher_key(self._shard(name), name), packed, "NX") is not None

    async def batches(self, now: int) -> tuple[Batch, ...]:
        """All, the newest first."""
        names = await self._link.call("ZREVRANGE", _BATCHES, 0, -1)
        found = await asyncio.gather(*[self.batch(text(name), now) for name in names])
        return tuple(batch for batch in found if batch is not None)

    async def batch(self, id: str, now: int) -> Batch | None:
        """One, with the counts of all shards; None: there is none."""
        flat = await asyncio.gather(*[self._link.call("HGETALL", _batch_key(keys.shard, id)) for keys in self._keys])
        copies = [dict(zip(one[::2], one[1::2], strict=True)) for one in flat if one]
        if not copies:
            return None
        amount, currency, offer = unpack(copies[0][b"worth"])
        expires_at = int(copies[0][b"expires_at"])
        expired = 0 <= expires_at <= now
        return Batch(
            id=id,
            worth=Worth(amount=amount, currency=text(currency), offer=text(offer)),
            state=BatchState.EXPIRED if expired else BatchState(text(copies[0][b"state"])),
            created_at=int(copies[0][b"created_at"]),
            expires_at=None if expires_at < 0 else expires_at,
            issued=sum(int(copy.get(b"issued", 0)) for copy in copies),
            redeemed=sum(int(copy[b"redeemed"]) for copy in copies),
        )

    async def set_state(self, id: str, state: BatchState) -> None:
        """When it returns, no voucher of the batch is claimed under the former state any more."""
        await asyncio.gather(
            *[self._link.call("HSET", _batch_key(keys.shard, id), "state", state.value) for keys in self._keys]
        )

    async def find(self, code: str) -> str | None:
        """The batch of a code; None: there is no such code."""
        name = self._name(code)
        packed = await self._link.call("GET", _voucher_key(self._shard(name), name))
        return None if packed is None else text(unpack(packed)[0])

    async def claim(self, code: str, batch: str, owner: Address, key: str, now: int) -> Claim | Refused:
        """Make the voucher the account's, once; ``key``: the request's, which may come again."""
        name = self._name(code)
        shard = self._shard(name)
        keys = [_voucher_key(shard, name), _batch_key(shard, batch), _claims_key(shard)]
        fields = pack([name, owner.shard, owner.account, key, now])
        word, *rest = await self._run("redeem", keys, fields)
        if not rest:
            return Refused(text(word))
        return _claim(name, rest[0], again=word == b"mine")

    async def settle(self, claim: Claim) -> None:
        """Its worth has been handed over."""
        shard = self._shard(claim.name)
        await self._run("redeemed", [_voucher_key(shard, claim.name), _claims_key(shard)], claim.name)

    async def unsettled(self, before: int) -> tuple[Claim, ...]:
        """Claims made until then whose worth is not known to have been handed over."""
        found = []
        for keys in self._keys:
            names = await self._link.call("ZRANGEBYSCORE", _claims_key(keys.shard), "-inf", before, "LIMIT", 0, 100)
            for name in map(text, names):
                packed = await self._link.call("GET", _voucher_key(keys.shard, name))
                found.append(_claim(name, packed))
        return tuple(found)

    async def try_once(self, owner: Address, most: int, lock: int) -> int:
        """Count a try before it is made; for how many milliseconds the account is locked, 0: it is not."""
        return int(await self._run("try", [_tries_key(owner)], "make", most, lock))

    async def take_back(self, owner: Address) -> None:
        """The try was right."""
        await self._run("try", [_tries_key(owner)], "back", 0, 0)

    def _name(self, code: str) -> str:
        return hmac.digest(self._secret, code.encode(), hashlib.sha256).hex()[:32]

    def _shard(self, name: str) -> int:
        return shard_of(name, len(self._keys))

    async def _run(self, verb: str, keys: Iterable[bytes], *args: bytes | str | int) -> Any:
        return await self._link.script(script(verb), list(keys), args)


def _claim(name: str, packed: bytes, *, again: bool = False) -> Claim:
    batch, serial, shard, account, _, at, done = unpack(packed)
    owner = Address(shard=shard, account=text(account))
    return Claim(name=name, batch=text(batch), serial=serial, owner=owner, at=at, done=done == 1, again=again)


def _voucher_key(shard: int, name: str) -> bytes:
    """String: batch, serial, and whose it is, packed."""
    return encode(f"vouch:{{s{shard}}}:{name}")


def _batch_key(shard: int, batch: str) -> bytes:
    """Hash: the shard's copy of a batch."""
    return encode(f"batch:{{s{shard}}}:{batch}")


def _claims_key(shard: int) -> bytes:
    """Sorted set: claims that are not settled, by the time of the claim."""
    return encode(f"claims:{{s{shard}}}")


def _tries_key(owner: Address) -> bytes:
    """String with TTL: wrong tries of an account."""
    return encode(f"tries:{{s{owner.shard}}}:{owner.account}")
