"""The ledger on Valkey or Redis: each verb is one Lua script, one round trip.

``memory`` says what each verb means. Nothing here is repeated after a time-out: the outcome is unknown then
(Unavailable), and the caller repeats the request with the same operation id, which the scripts recognise.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from balances import books, levels, renewals, states, transfers, wire
from balances.audit import Findings, check_transit, examine, total
from balances.books import AccountBook, Purse, SessionBook
from balances.confirmation import Confirmation
from balances.keys import META, SHARDS, Keys, encode, identity_name, shard_of
from balances.ledger import (
    OPERATIONS_KEPT,
    Account,
    AccountChange,
    Address,
    Audit,
    Cancellation,
    Charge,
    Charged,
    Entry,
    Gift,
    Identity,
    InsufficientFunds,
    InTransit,
    Lapsed,
    LedgerError,
    Lending,
    Lift,
    Loan,
    LoanOutstanding,
    Movement,
    NewAccount,
    NewSubscription,
    NoSuchAccount,
    NotNeeded,
    NotSubscribed,
    OperationConflict,
    OutOfRange,
    Phase,
    Receipt,
    Refund,
    Refunded,
    Renewal,
    Renewed,
    Session,
    Stale,
    Subscribed,
    Subscription,
    Taken,
    TooMany,
    Transfer,
    Unavailable,
    Validity,
    Verdict,
)
from balances.link import Link
from balances.memory import (
    DAY,
    LIFTED,
    LOAN,
    REPAYMENT,
    RETRY,
    TRANSFER_FEE,
    TRANSFER_OUT,
)
from balances.money import LIMIT
from balances.scripts import VERBS, script
from balances.server import Durability, StoreRefused, check_server
from balances.wire import bounded, pack, text, unpack

FORMAT = 8
"""Version of how data lie in the store."""

_BEGINNINGS = (Phase.OPEN, Phase.EVENT)

_CANARY = "!canary"
"""An account that does not exist, to probe the scripts with."""

_ERRORS: dict[bytes, type[LedgerError]] = {
    b"taken": Taken,
    b"no-account": NoSuchAccount,
    b"conflict": OperationConflict,
    b"insufficient-funds": InsufficientFunds,
    b"out-of-range": OutOfRange,
    b"loan-outstanding": LoanOutstanding,
    b"not-needed": NotNeeded,
    b"too-many": TooMany,
    b"subscribed": Subscribed,
    b"not-subscribed": NotSubscribed,
    b"stale": Stale,
}


@dataclass(frozen=True, slots=True)
class ShardBooks:
    """The books of a shard at one moment; ``due`` are the sessions the reaper knows, ``last`` the last entry's id."""

    shard: int
    accounts: list[AccountBook]
    sessions: list[SessionBook]
    house: dict[str, Purse]
    due: set[str]
    last: str
    transit: list[InTransit]
    carried: dict[str, int]


class StoreLedger:
    """See ``ledger.Ledger``. ``window``: milliseconds for which an ended session still replays its answers.

    ``prepare`` must have been called before anything else, once per process. ``confirmation``: credits are done when it
    says so.
    """

    def __init__(
        self, link: Link, shards: int = SHARDS, window: int = DAY, confirmation: Confirmation | None = None
    ) -> None:
        self.link = link
        self.window = window
        self.keys = [Keys(shard) for shard in range(shards)]
        self.scripts = {verb: script(verb) for verb in VERBS}
        self.confirmation = confirmation
        self.behind = False
        """The journal is too far behind for anything new to be begun (``backlog``)."""

    def __repr__(self) -> str:
        return f"<StoreLedger of {len(self.keys)} shards on {self.link!r}>"

    async def prepare(self, durability: Durability = Durability.PROCESS) -> list[str]:
        """Check server and data, or make the data's frame in an empty store; raises StoreRefused, Unavailable.

        Returns what is worth knowing of the store, a sentence each.
        """
        warnings = await check_server(self.link, durability)
        meta = {b"format": str(FORMAT).encode(), b"shards": str(len(self.keys)).encode()}
        for field, ours in meta.items():
            await self.link.call("HSETNX", META, field, ours)
            theirs = await self.link.call("HGET", META, field)
            if theirs != ours:
                raise StoreRefused(f"the store was made with {text(field)} {text(theirs)}, this is {text(ours)}")
        return warnings

    async def _run(self, verb: str, keys: Sequence[bytes], *args: bytes | str | int) -> Any:
        return await self.link.script(self.scripts[verb], keys, args)

    async def _do(self, verb: str, keys: Sequence[bytes], about: str, *args: bytes | str | int) -> list[Any]:
        """Run a verb that answers with a word first; an error's word is raised."""
        reply: list[Any] = await self._run(verb, keys, *args)
        error = _ERRORS.get(reply[0])
        if error is not None:
            raise error(about)
        return reply

    # Accounts

    async def open_account(self, new: NewAccount, now: int) -> Account:
        own = shard_of(new.id, len(self.keys))
        shard, chain = own, list[Account]()
        if new.parent is not None:
            parent = await self.address(new.parent)
            if parent is None:
                raise NoSuchAccount(new.parent)
            shard = parent.shard
            chain = await levels.chain(self, parent)
        levels.check_chain(new, chain)
        address = Address(shard=shard, account=new.id)
        if await self.address(new.id) is not None:
            raise Taken(f"account {new.id}")
        if not 0 <= new.credit_limit < LIMIT:
            raise OutOfRange("credit limit")
        claimed = await self._claim(new.identities, address)
        packed = wire.pack_account(new, now)
        names = [self.keys[shard].account(new.id), self.keys[shard].accounts, self.keys[shard].due]
        try:
            if shard == own:
                names.append(self.keys[own].directory(new.id))
            else:
                await self._enter_directory(new.id, own, shard)
            await self._do("open", names, f"account {new.id}", encode(new.id), packed)
        except Taken:
            held = await self._identities_of(address)
            await self._unclaim([identity for identity in claimed if identity not in held], address)
            raise
        return wire.read_account(address, packed).view()

    async def _enter_directory(self, account: str, own: int, shard: int) -> None:
        """Say in the shard the id points to where the account lives: there is one account of an id in all shards."""
        entry = self.keys[own].directory(account)
        if not await self.link.call("SET", entry, shard, "NX") and int(await self.link.call("GET", entry)) != shard:
            raise Taken(f"account {account}")
        if await self.link.call("EXISTS", self.keys[own].account(account)):
            await self.link.call("DEL", entry)
            raise Taken(f"account {account}")

    async def _identities_of(self, address: Address) -> tuple[Identity, ...]:
        try:
            return (await self.account(address)).identities
        except NoSuchAccount:
            return ()

    def _identity_key(self, identity: Identity) -> bytes:
        return self.keys[shard_of(identity_name(identity), len(self.keys))].identity(identity)

    async def _claim(self, identities: Sequence[Identity], address: Address) -> list[Identity]:
        """Make the identities the account's, all or none; returns those that were nobody's before."""
        mine = encode(f"{address.shard}:{address.account}")
        claimed: list[Identity] = []
        for identity in dict.fromkeys(identities):
            if await self.link.call("SET", self._identity_key(identity), mine, "NX"):
                claimed.append(identity)
            elif await self.link.call("GET", self._identity_key(identity)) != mine:
                await self._unclaim(claimed, address)
                raise Taken(identity_name(identity))
        return claimed

    async def _unclaim(self, identities: Sequence[Identity], address: Address) -> None:
        for identity in identities:
            if await self.find(identity) == address:
                await self.link.call("DEL", self._identity_key(identity))

    async def find(self, identity: Identity) -> Address | None:
        owner = await self.link.call("GET", self._identity_key(identity))
        if owner is None:
            return None
        shard, _, account = text(owner).partition(":")
        return Address(shard=int(shard), account=account)

    async def address(self, account: str) -> Address | None:
        own = shard_of(account, len(self.keys))
        here, elsewhere = await asyncio.gather(
            self.link.call("EXISTS", self.keys[own].account(account)),
            self.link.call("GET", self.keys[own].directory(account)),
        )
        if here:
            return Address(shard=own, account=account)
        if elsewhere is None:
            return None
        shard = int(elsewhere)
        exists = await self.link.call("EXISTS", self.keys[shard].account(account))
        return Address(shard=shard, account=account) if exists else None

    async def account(self, address: Address) -> Account:
        packed = await self.link.call("GET", self.keys[address.shard].account(address.account))
        if packed is None:
            raise NoSuchAccount(address.account)
        return wire.read_account(address, packed).view()

    async def accounts(self, after: str = "", limit: int = 100) -> tuple[Account, ...]:
        start = b"(" + encode(after) if after else b"-"
        pages = await asyncio.gather(
            *[self.link.call("ZRANGE", keys.accounts, start, "+", "BYLEX", "LIMIT", 0, limit) for keys in self.keys]
        )
        found = sorted((name, shard) for shard, page in enumerate(pages) for name in page)[:limit]
        addresses = [Address(shard=shard, account=text(name)) for name, shard in found]
        return tuple(await asyncio.gather(*[self.account(address) for address in addresses]))

    async def change_account(self, address: Address, change: AccountChange, now: int) -> Account:
        if change.identities is not None:
            await self.account(address)
        claimed = await self._claim(change.identities or (), address)
        fields = [
            False if change.plan is None else change.plan,
            change.status.value if change.status else False,
            False if change.credit_limit is None else bounded(change.credit_limit),
            False if change.identities is None else wire.pack_identities(change.identities),
            False if change.cap is None else bounded(max(-1, change.cap)),
            *_validity(change.validity),
            address.account,
            now,
        ]
        keys = self.keys[address.shard]
        names = [keys.account(address.account), keys.entries(address.account), keys.outbox, keys.due]
        try:
            _, packed, before = await self._do("change", names, address.account, pack(fields))
        except LedgerError:
            await self._unclaim(claimed, address)
            raise
        account = wire.read_account(address, packed).view()
        dropped = [identity for identity in wire.unpack_identities(before) if identity not in account.identities]
        await self._unclaim(dropped, address)
        return account

    # Money and buckets

    async def move(self, movement: Movement) -> Receipt:
        content = pack(["move", str(movement.amount), movement.cause, movement.reference])
        fields = [
            movement.address.account,
            movement.operation,
            _fingerprint(content),
            bounded(movement.amount),
            movement.cause,
            movement.reference,
            movement.now,
            OPERATIONS_KEPT,
        ]
        keys = self._books_of(movement.address, movement.operation)
        reply = await self._do("move", keys, movement.operation, pack(fields))
        await self._confirm(movement.address, movement.operation)
        return _receipt(movement.address, reply)

    async def credit(self, movement: Movement) -> Receipt:
        content = pack(["move", str(movement.amount), movement.cause, movement.reference])
        fields = [
            movement.address.account,
            movement.operation,
            _fingerprint(content),
            bounded(movement.amount),
            movement.cause,
            movement.reference,
            movement.now,
            OPERATIONS_KEPT,
            REPAYMENT,
        ]
        if movement.extension is not None:
            fields += [movement.extension.version, *_validity(movement.extension.validity)]
        due = [self.keys[movement.address.shard].due]
        return await self._do_once("credit", movement.address, movement.operation, fields, due)

    async def lend(self, lending: Lending) -> Receipt:
        fields = [
            lending.address.account,
            lending.operation,
            _fingerprint(pack(["lend", lending.reference])),
            bounded(lending.amount),
            bounded(lending.fee),
            -1 if lending.below is None else bounded(lending.below),
            LOAN,
            lending.reference,
            lending.now,
            OPERATIONS_KEPT,
        ]
        return await self._do_once("lend", lending.address, lending.operation, fields)

    async def loan(self, address: Address) -> Loan | None:
        packed = await self.link.call("GET", self.keys[address.shard].loan(address.account))
        return None if packed is None else wire.read_loan(packed)

    async def send(self, transfer: Transfer) -> Receipt:
        keys, account = self.keys[transfer.address.shard], transfer.address.account
        content = ["send", transfer.to.shard, transfer.to.account, str(transfer.amount), transfer.reference]
        fields = [
            account,
            transfer.operation,
            _fingerprint(pack(content)),
            bounded(transfer.amount),
            bounded(transfer.fee),
            transfer.day,
            -1 if transfer.daily is None else bounded(transfer.daily),
            TRANSFER_OUT,
            TRANSFER_FEE,
            f"to {transfer.to.account} {transfer.reference}".strip(),
            transfer.now,
            OPERATIONS_KEPT,
        ]
        currency = (await self.account(transfer.address)).currency
        more = [encode(transfers.transfer_name(transfer)), wire.pack_transit(transfer, currency)]
        names = [keys.transit, keys.carried, keys.sent(account)]
        return await self._do_once("send", transfer.address, transfer.operation, fields, names, more)

    async def _do_once(
        self, verb: str, address: Address, operation: str, fields: list[Any], keys: Sequence[bytes] = (),
        more: Sequence[bytes] = (),
    ) -> Receipt:  # fmt: skip
        """A movement that knows of loans."""
        names = [*self._books_of(address, operation), self.keys[address.shard].loan(address.account), *keys]
        reply = await self._do(verb, names, operation, pack(fields), *more)
        await self._confirm(address, operation)
        return _receipt(address, reply)

    async def in_transit(self) -> tuple[InTransit, ...]:
        found = await asyncio.gather(*[self.link.call("HVALS", keys.transit) for keys in self.keys])
        known = [wire.read_transit(shard, packed) for shard, all in enumerate(found) for packed in all]
        return tuple(sorted(known, key=transfers.order))

    async def arrived(self, transfer: InTransit) -> None:
        keys = self.keys[transfer.sender.shard]
        name = encode(transfers.transfer_name(transfer))
        await self._run("arrive", [keys.transit, keys.carried], name, transfer.currency, transfer.amount)

    async def give(self, gift: Gift) -> Receipt:
        content = pack(["give", gift.offer, gift.unit.value, str(gift.amount), gift.priority])
        fields = [
            gift.address.account,
            gift.operation,
            _fingerprint(content),
            gift.offer,
            gift.unit.value,
            bounded(gift.amount),
            gift.priority,
            -1 if gift.expires_at is None else gift.expires_at,
            gift.now,
            OPERATIONS_KEPT,
            gift.starts_at,
            -1 if gift.lasts is None else bounded(gift.lasts),
        ]
        keys = [*self._books_of(gift.address, gift.operation), self.keys[gift.address.shard].due]
        reply = await self._do("give", keys, gift.operation, pack(fields))
        await self._confirm(gift.address, gift.operation)
        return _receipt(gift.address, reply)

    async def subscribe(self, new: NewSubscription) -> Receipt:
        fields = [
            new.address.account,
            new.operation,
            _fingerprint(pack(["subscribe", new.offer])),
            new.offer,
            wire.period_fields(new.period),
            renewals.SUBSCRIBED,
            new.now,
            OPERATIONS_KEPT,
        ]
        return await self._do_subscription("subscribe", new, fields)

    async def unsubscribe(self, cancellation: Cancellation) -> Receipt:
        fields = [
            cancellation.address.account,
            cancellation.operation,
            _fingerprint(pack(["unsubscribe", cancellation.offer])),
            cancellation.offer,
            renewals.UNSUBSCRIBED,
            cancellation.now,
            OPERATIONS_KEPT,
        ]
        return await self._do_subscription("unsubscribe", cancellation, fields)

    async def _do_subscription(self, verb: str, what: NewSubscription | Cancellation, fields: list[object]) -> Receipt:
        keys = [*self._books_of(what.address, what.operation), *self._subscription_keys(what.address)]
        member = pack([what.address.account, what.offer])
        reply = await self._do(verb, keys, what.offer, pack(fields), member)
        await self._confirm(what.address, what.operation)
        return _receipt(what.address, reply)

    def _subscription_keys(self, address: Address) -> list[bytes]:
        keys = self.keys[address.shard]
        return [keys.subscriptions(address.account), keys.renewals, keys.due]

    async def subscriptions(self, address: Address) -> tuple[Subscription, ...]:
        flat = await self.link.call("HGETALL", self.keys[address.shard].subscriptions(address.account))
        pairs = zip(flat[::2], flat[1::2], strict=True)
        found = [wire.read_subscription(address, text(offer), packed) for offer, packed in pairs]
        return tuple(sorted(found, key=lambda one: one.offer))

    async def due_renewals(self, shard: int, now: int, limit: int = 100) -> tuple[Subscription, ...]:
        keys = self.keys[shard]
        members = await self.link.call("ZRANGEBYSCORE", keys.renewals, "-inf", now, "LIMIT", 0, limit)
        names = [[text(name) for name in unpack(member)] for member in members]
        found = await asyncio.gather(
            *[self.link.call("HGET", keys.subscriptions(account), encode(offer)) for account, offer in names]
        )
        return tuple(
            wire.read_subscription(Address(shard=shard, account=account), offer, packed)
            for (account, offer), packed in zip(names, found, strict=True)
            if packed is not None  # ended since
        )

    async def renew(self, renewal: Renewal) -> Renewed:
        account = renewal.address.account
        fields = [
            account,
            renewal.operation,
            renewal.offer,
            renewal.due_at,
            False if renewal.period is None else wire.period_fields(renewal.period),
            -1 if renewal.retry_at is None else renewal.retry_at,
            renewal.paused_until,
            renewal.now,
            renewals.RENEWED,
            renewals.ROLLED_OVER,
            renewals.FAILED,
            renewals.ENDED,
        ]
        keys = [*self._books_of(renewal.address, "")[:4], *self._subscription_keys(renewal.address)]
        member = pack([account, renewal.offer])
        return Renewed(text((await self._do("renew", keys, account, pack(fields), member))[0]))

    async def _confirm(self, address: Address, operation: str) -> None:
        """A repeat waits too: whoever did it first may not have heard that it is safe."""
        if self.confirmation is not None:
            keys = self.keys[address.shard]
            await self.confirmation.confirm(keys.operation(address.account, operation), keys.confirmed)

    async def lift(self, lift: Lift) -> Receipt:
        content = pack(["lift", lift.meter, lift.ends_at, lift.reference])
        fields = [
            lift.address.account,
            lift.operation,
            _fingerprint(content),
            lift.meter,
            lift.unit.value if lift.unit else "",
            bounded(lift.ends_at),
            LIFTED,
            f"{lift.meter} {lift.reference}".strip(),
            lift.now,
            OPERATIONS_KEPT,
        ]
        keys = self._books_of(lift.address, lift.operation)
        return _receipt(lift.address, await self._do("lift", keys, lift.operation, pack(fields)))

    def _books_of(self, address: Address, operation: str) -> list[bytes]:
        keys, account = self.keys[address.shard], address.account
        return [
            keys.account(account), keys.entries(account), keys.outbox, keys.house, keys.operation(account, operation),
        ]  # fmt: skip

    # Sessions

    async def charge(self, charge: Charge) -> Charged:
        if self.behind and charge.phase in _BEGINNINGS:
            raise Unavailable("the journal is behind: nothing new is begun")
        keys, account = self.keys[charge.address.shard], charge.address.account
        names = keys.charged(account, charge.session)
        args = [wire.pack_charge(charge, self.window), encode(charge.reference)]
        if charge.levels:
            above = [level.address.account for level in charge.levels]
            names += [name for each in above for name in (keys.account(each), keys.entries(each), keys.live(each))]
            args.append(wire.pack_levels(charge))
        activations = wire.pack_activations(charge)
        if activations is not None:
            args += [activations] if charge.levels else [b"", activations]
        reply: bytes = await self.link.script(self.scripts["charge"], names, args)
        return wire.read_charged(reply)

    async def refund(self, refund: Refund) -> Refunded:
        keys, account = self.keys[refund.address.shard], refund.address.account
        names = [
            keys.account(account),
            keys.entries(account),
            keys.outbox,
            keys.house,
            keys.session(refund.session),
            keys.session(refund.target),
            keys.answers(refund.session),
        ]
        args = [wire.pack_refund(refund, self.window)]
        if refund.levels:
            above = [level.account for level in refund.levels]
            names += [name for each in above for name in (keys.account(each), keys.entries(each))]
            args.append(pack(above))
        return wire.read_refunded(await self._run("refund", names, *args))

    async def expire(self, now: int, limit: int = 100) -> tuple[Lapsed, ...]:
        found = await asyncio.gather(*[self._expire(keys, now, limit) for keys in self.keys])
        return tuple(lapsed for shard in found for lapsed in shard)

    async def _expire(self, keys: Keys, now: int, limit: int) -> list[Lapsed]:
        fields: list[object] = [now, limit, self.window, RETRY]
        fields += [keys.account(""), keys.entries(""), keys.session(""), keys.live(""), keys.answers("")]
        flat = await self._run("expire", [keys.due, keys.outbox, keys.house], pack(fields))
        return [
            Lapsed(
                session=text(flat[at]),
                address=Address(shard=keys.shard, account=text(flat[at + 1])),
                door=text(flat[at + 2]),
            )
            for at in range(0, len(flat), 3)
        ]

    async def locate(self, session: str) -> Address | None:
        found = await asyncio.gather(*[self.link.call("GET", keys.session(session)) for keys in self.keys])
        known = [wire.read_session(shard, session, packed) for shard, packed in enumerate(found) if packed is not None]
        return books.foremost(known).address if known else None

    async def claim(self, name: str, owner: str, keep: int) -> str:
        key = self.keys[shard_of(name, len(self.keys))].claim(name)
        first = await self.link.call("SET", key, owner, "NX", "GET", "PX", keep)
        return owner if first is None else text(first)

    async def session(self, address: Address, session: str) -> Session | None:
        packed = await self.link.call("GET", self.keys[address.shard].session(session))
        if packed is None:
            return None
        found = wire.read_session(address.shard, session, packed)
        return found.view() if found.address == address else None

    async def sessions(self, address: Address | None = None, limit: int = 1000) -> tuple[Session, ...]:
        if address is None:
            asked = [(keys, keys.due, "due") for keys in self.keys]
        else:
            keys = self.keys[address.shard]
            asked = [(keys, keys.live(address.account), "live")]
        pages = await asyncio.gather(
            *[self._run("sessions", [key], kind, limit, keys.session("")) for keys, key, kind in asked]
        )
        found = [
            wire.read_session(keys.shard, text(page[at]), page[at + 1]).view()
            for (keys, _, _), page in zip(asked, pages, strict=True)
            for at in range(0, len(page), 2)
        ]
        return tuple(sorted(found, key=lambda session: (session.deadline, session.id))[:limit])

    # Books

    async def entries(self, address: Address, after: str = "", limit: int = 100) -> tuple[Entry, ...]:
        keys = self.keys[address.shard]
        flat = await self._run("entries", [keys.entries(address.account), keys.outbox], encode(after), limit)
        return tuple(wire.read_entry(address.shard, flat[at], flat[at + 1]) for at in range(0, len(flat), 2))

    async def audit(self) -> Audit:
        return total([await self._audit(keys) for keys in self.keys])

    async def _audit(self, keys: Keys) -> Findings:
        return await asyncio.to_thread(_examine, await self.snapshot(keys))

    async def snapshot(self, keys: Keys) -> ShardBooks:
        """All books of a shard as they are at one moment."""
        prefixes = keys.account(""), keys.live(""), keys.session("")
        names = [keys.accounts, keys.due, keys.house, keys.outbox, keys.transit, keys.carried]
        return await asyncio.to_thread(_read_books, keys.shard, await self._run("audit", names, *prefixes))

    async def probe(self) -> None:
        charge = Charge(
            address=Address(shard=0, account=_CANARY),
            version=0,
            session=_CANARY,
            operation=_CANARY,
            fingerprint=0,
            phase=Phase.UPDATE,
            door="",
            now=0,
            deadline=0,
        )
        addresses = [Address(shard=keys.shard, account=_CANARY) for keys in self.keys]
        answers = await asyncio.gather(
            *[self.charge(msgspec.structs.replace(charge, address=address)) for address in addresses],
            return_exceptions=True,
        )
        for answer in answers:
            if not isinstance(answer, Charged) or answer.verdict is not Verdict.NO_ACCOUNT:
                raise Unavailable(f"the canary's charge was answered {answer!r}")


def _validity(validity: Validity | None) -> list[object]:
    """A new validity and how entries refer to it; False: it stays as it is."""
    return [False, -1, ""] if validity is None else [*wire.validity_fields(validity), states.said(validity)]


def _fingerprint(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:16]


def _receipt(address: Address, reply: list[Any]) -> Receipt:
    word, entry, packed, bucket, *deducted = reply
    return Receipt(
        entry=text(entry),
        account=wire.read_account(address, packed).view(),
        bucket=text(bucket) or None,
        deducted=deducted[0] if deducted else 0,
        repeated=word == b"repeated",
    )


def _read_books(shard: int, books: list[Any]) -> ShardBooks:
    accounts, sessions, house, due, last, transit, carried = books
    return ShardBooks(
        shard=shard,
        accounts=[
            wire.read_account(Address(shard=shard, account=text(accounts[at])), accounts[at + 1])
            for at in range(0, len(accounts), 2)
        ],
        sessions=[wire.read_session(shard, text(sessions[at]), sessions[at + 1]) for at in range(0, len(sessions), 2)],
        house=wire.read_house(house),
        due={text(name[2:]) for name in due if name.startswith(b"s:")},
        last=text(last),
        transit=[wire.read_transit(shard, packed) for packed in transit],
        carried={text(name): int(amount) for name, amount in zip(carried[::2], carried[1::2], strict=True)},
    )


def _examine(books: ShardBooks) -> Findings:
    """Audit what the script read; the reaper must know every open session."""
    found = check_transit(examine(books.accounts, books.sessions, books.house), books.transit, books.carried)
    live = {session.id for session in books.sessions}
    found.sentences += [f"session {name} is open, but would never lapse" for name in sorted(live - books.due)]
    found.sentences += [f"session {name} is due, but of no account" for name in sorted(books.due - live)]
    return found
