"""The ledger in plain Python: the specification that ``store`` and its Lua scripts are held against.

It keeps everything in dictionaries and forgets it at the end of the process. Every verb works on copies and puts them
in place at its very end: as in the store, either everything happens or nothing.
"""

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import msgspec

from balances import books, charges, holdings, levels, renewals, states, transfers
from balances.audit import check_transit, examine, total
from balances.books import AccountBook, BucketBook, Purse, SessionBook
from balances.keys import SHARDS, encode, shard_of
from balances.ledger import (
    Account,
    AccountChange,
    Address,
    Audit,
    Billing,
    Cancellation,
    Charge,
    Charged,
    Entry,
    Gift,
    Identity,
    InsufficientFunds,
    InTransit,
    Lapsed,
    Lending,
    Lift,
    Line,
    Loan,
    LoanOutstanding,
    Metering,
    Movement,
    NewAccount,
    NewSubscription,
    NoSuchAccount,
    NotNeeded,
    NotSubscribed,
    OperationConflict,
    OutOfRange,
    Receipt,
    Refund,
    Refunded,
    Renewal,
    Renewed,
    Session,
    SessionState,
    Stale,
    Subscribed,
    Subscription,
    Taken,
    TooMany,
    Transfer,
    Verdict,
)
from balances.money import LIMIT

ANSWERS = 256
"""Answers kept for replay in each session; the opening's is never dropped."""

RETRY = 60_000
"""Milliseconds until the reaper looks again at an expired bucket that still holds a reservation."""

LIFTED = "limit-lifted"
"""Cause of the entry of a consent; its reference begins with the meter's name."""

LOAN, REPAYMENT = "loan", "repayment"
"""Causes of the entries of what was lent, and of what came back of it, fee included."""

TRANSFER_OUT, TRANSFER_FEE = "transfer-out", "transfer-fee"
"""Causes of the entries of who sends money."""

DAY = 86_400_000
"""Milliseconds."""


@dataclass(slots=True)
class Answers:
    """The answers of a session's last operations, with fingerprints and sequences of the requests."""

    opening: str = ""
    kept: dict[str, tuple[int, Charged | Refunded, int]] = field(default_factory=dict)
    forgotten: int = -1
    """The highest sequence whose answer was dropped."""

    def keep(self, request: Charge | Refund, answer: Charged | Refunded) -> None:
        sequence = -1 if request.sequence is None else request.sequence
        self.kept[request.operation] = (request.fingerprint, answer, sequence)
        if len(self.kept) > ANSWERS:
            _, _, dropped = self.kept.pop(next(name for name in self.kept if name != self.opening))
            self.forgotten = max(self.forgotten, dropped)

    def may_have_dropped(self, request: Charge | Refund) -> bool:
        """Could this request, whose answer is not kept, have had one?"""
        return request.sequence is not None and request.sequence <= self.forgotten


@dataclass(slots=True)
class Shard:
    """What the store keeps under one hash tag."""

    accounts: dict[str, AccountBook] = field(default_factory=dict)
    sessions: dict[str, SessionBook] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)
    operations: dict[tuple[str, str], tuple[tuple[object, ...], Receipt]] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    outbox: list[Entry] = field(default_factory=list)
    house: dict[str, Purse] = field(default_factory=dict)
    loans: dict[str, Loan] = field(default_factory=dict)
    transit: dict[tuple[str, str], InTransit] = field(default_factory=dict)
    carried: Counter[str] = field(default_factory=Counter)
    """By ``<currency>:sent`` and ``:arrived``."""
    sent: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By account: the day of its last transfer, and how many it sent then."""
    subscriptions: dict[tuple[str, str], Subscription] = field(default_factory=dict)
    """By account and offer."""


class MemoryLedger:
    """See ``ledger.Ledger``. ``window``: milliseconds for which an ended session still replays its answers."""

    def __init__(self, shards: int = SHARDS, window: int = DAY) -> None:
        self.shards = [Shard() for _ in range(shards)]
        self.window = window
        self._owners: dict[Identity, Address] = {}
        self._addresses: dict[str, Address] = {}
        self._names: dict[str, str] = {}

    async def open_account(self, new: NewAccount, now: int) -> Account:
        if new.parent is not None and new.parent not in self._addresses:
            raise NoSuchAccount(new.parent)
        if new.id in self._addresses:
            raise Taken(f"account {new.id}")
        if not 0 <= new.credit_limit < LIMIT:
            raise OutOfRange("credit limit")
        self._check_identities(new.identities, new.id)
        parent = self._addresses[new.parent] if new.parent else None
        levels.check_chain(new, await levels.chain(self, parent) if parent else [])
        shard = parent.shard if parent else shard_of(new.id, len(self.shards))
        address = Address(shard=shard, account=new.id)
        account = AccountBook(
            address=address,
            plan=new.plan,
            currency=new.currency,
            credit_limit=new.credit_limit,
            identities=new.identities,
            parent=new.parent,
            billing=new.billing,
            cap=new.cap,
            opened_at=now,
            status=new.status,
            validity=new.validity,
        )
        self._addresses[new.id] = address
        self._owners |= dict.fromkeys(new.identities, address)
        self.shards[shard].accounts[new.id] = account
        self._watch_state(account)
        return account.view()

    def _check_identities(self, identities: tuple[Identity, ...], account: str) -> None:
        for identity in identities:
            owner = self._owners.get(identity)
            if owner is not None and owner.account != account:
                raise Taken(f"{identity.type}:{identity.value}")

    async def find(self, identity: Identity) -> Address | None:
        return self._owners.get(identity)

    async def address(self, account: str) -> Address | None:
        return self._addresses.get(account)

    def _book(self, address: Address) -> AccountBook:
        """A copy to work on; ``_put`` makes it the truth."""
        account = self.shards[address.shard].accounts.get(address.account)
        if account is None:
            raise NoSuchAccount(address.account)
        return deepcopy(account)

    async def account(self, address: Address) -> Account:
        return self._book(address).view()

    async def accounts(self, after: str = "", limit: int = 100) -> tuple[Account, ...]:
        ids = sorted((id for id in self._addresses if encode(id) > encode(after)), key=encode)
        return tuple([self._book(self._addresses[id]).view() for id in ids[:limit]])

    async def change_account(self, address: Address, change: AccountChange, now: int) -> Account:
        account = self._book(address)
        status, validity = account.status, account.validity
        limit = account.credit_limit if change.credit_limit is None else change.credit_limit
        identities = account.identities if change.identities is None else change.identities
        if limit < account.credit_limit and account.money.remaining + limit < 0:
            raise InsufficientFunds("more is in use than the new credit limit allows")
        self._check_identities(identities, account.address.account)
        account.version += 1
        account.plan = account.plan if change.plan is None else change.plan
        account.status = account.status if change.status is None else change.status
        account.credit_limit = limit
        if change.cap is not None:
            account.cap = change.cap if change.cap >= 0 else None
        account.validity = account.validity if change.validity is None else change.validity
        if account.validity != validity and change.status is None:
            account.status = states.revived(status, account.validity, now)
        if limit < 0 or not account.countable():
            raise OutOfRange("credit limit")
        for identity in account.identities:
            del self._owners[identity]
        self._owners |= dict.fromkeys(identities, account.address)
        account.identities = identities
        self.shards[address.shard].accounts[address.account] = account
        about: dict[str, str | int] = {"at": now, "operation": ""}
        if change.status not in (None, status):
            self._put(account, (), cause=states.STATUS, reference=account.status.value, **about)
        if account.validity != validity:
            cause, reference = states.Happening.EXTENSION.value, states.said(account.validity)
            self._put(account, (), cause=cause, reference=reference, **about)
        self._watch_state(account)
        return account.view()

    def _put(self, account: AccountBook, lines: tuple[Line, ...], **about: str | int) -> str:
        """Make the account the truth, mirror the change in the house, write the entry; returns its id."""
        shard = self.shards[account.address.shard]
        shard.accounts[account.address.account] = account
        for line in lines:
            purse = shard.house.setdefault(line.asset, Purse())
            purse.credited += line.credited
            purse.debited += line.debited
            purse.reserved += line.reserved
            purse.overrun += line.overrun
        about |= {"id": f"{len(shard.outbox) + 1}-0", "shard": account.address.shard}
        entry = msgspec.convert(about | {"account": account.address.account, "lines": lines}, Entry)
        shard.outbox.append(entry)
        return entry.id

    def _put_all(
        self,
        accounts: list[AccountBook],
        before: list[dict[str, tuple[str, Purse]]],
        billings: Sequence[Billing],
        **about: str | int,
    ) -> None:
        """An entry for each level that moved, or that earned from the one below; the levels in their order."""
        lines = [books.lines(account, was) for account, was in zip(accounts, before, strict=True)]
        for level, margin in enumerate(levels.margins(billings, lines)):
            self.shards[accounts[level].address.shard].accounts[accounts[level].address.account] = accounts[level]
            if lines[level] or margin:
                more: dict[str, int] = {"level": level} | ({} if margin is None else {"margin": margin})
                self._put(accounts[level], lines[level], **about, **more)

    def _repeated(self, address: Address, operation: str, content: tuple[object, ...]) -> Receipt | None:
        done = self.shards[address.shard].operations.get((address.account, operation))
        if done is None:
            return None
        if done[0] != content:
            raise OperationConflict(operation)
        return msgspec.structs.replace(done[1], repeated=True)

    async def move(self, movement: Movement) -> Receipt:
        content = ("move", movement.amount, movement.cause, movement.reference)
        account = self._book(movement.address)
        repeated = self._repeated(movement.address, movement.operation, content)
        if repeated is not None:
            return repeated
        before = account.purses()
        if not 0 < abs(movement.amount) < LIMIT:
            raise OutOfRange("amount")
        if movement.amount < 0:
            if account.available + movement.amount < 0:
                raise InsufficientFunds("less is available")
            account.money.debited -= movement.amount
        else:
            account.money.credited += movement.amount
        if not account.countable():
            raise OutOfRange("amount")
        entry = self._put(
            account,
            books.lines(account, before),
            at=movement.now,
            operation=movement.operation,
            cause=movement.cause,
            reference=movement.reference,
        )
        receipt = Receipt(entry=entry, account=account.view())
        self.shards[movement.address.shard].operations[account.address.account, movement.operation] = content, receipt
        return receipt

    async def credit(self, movement: Movement) -> Receipt:
        content = ("move", movement.amount, movement.cause, movement.reference)
        account = self._book(movement.address)
        repeated = self._repeated(movement.address, movement.operation, content)
        if repeated is not None:
            return repeated
        if not 0 < movement.amount < LIMIT:
            raise OutOfRange("amount")
        extension = movement.extension
        if extension is not None and extension.version != account.version:
            raise Stale(account.address.account)
        shard, name = self.shards[movement.address.shard], account.address.account
        loan = shard.loans.get(name)
        repaid = min(movement.amount, loan.outstanding) if loan else 0
        before = account.purses()
        account.money.credited += movement.amount
        credited, between = books.lines(account, before), account.purses()
        account.money.debited += repaid
        if not account.countable():
            raise OutOfRange("amount")
        about: dict[str, str | int] = {
            "at": movement.now,
            "operation": movement.operation,
            "reference": movement.reference,
        }
        entry = self._put(account, credited, cause=movement.cause, **about)
        if loan and repaid:
            self._put(account, books.lines(account, between), cause=REPAYMENT, **about)
            left = loan.outstanding - repaid
            del shard.loans[name]
            if left:
                shard.loans[name] = msgspec.structs.replace(loan, outstanding=left)
        if extension is not None:
            happening = states.extended(account.status)
            account.status = states.NEXT.get((account.status, happening), account.status)
            account.validity, account.version = extension.validity, account.version + 1
            about |= {"reference": states.said(extension.validity)}
            self._put(account, (), cause=happening.value, **about)
            self._watch_state(account)
        receipt = Receipt(entry=entry, account=account.view(), deducted=repaid)
        shard.operations[name, movement.operation] = content, receipt
        return receipt

    async def lend(self, lending: Lending) -> Receipt:
        content = ("lend", lending.reference)
        account = self._book(lending.address)
        repeated = self._repeated(lending.address, lending.operation, content)
        if repeated is not None:
            return repeated
        if not (0 < lending.amount < LIMIT and 0 <= lending.fee < LIMIT - lending.amount):
            raise OutOfRange("amount")
        shard, name = self.shards[lending.address.shard], account.address.account
        if name in shard.loans:
            raise LoanOutstanding(name)
        if lending.below is not None and account.available >= lending.below:
            raise NotNeeded(name)
        before = account.purses()
        account.money.credited += lending.amount
        if not account.countable():
            raise OutOfRange("amount")
        entry = self._put(
            account, books.lines(account, before), at=lending.now, operation=lending.operation, cause=LOAN,
            reference=lending.reference,
        )  # fmt: skip
        owed = lending.amount + lending.fee
        shard.loans[name] = Loan(amount=lending.amount, fee=lending.fee, outstanding=owed, taken_at=lending.now)
        receipt = Receipt(entry=entry, account=account.view())
        shard.operations[name, lending.operation] = content, receipt
        return receipt

    async def loan(self, address: Address) -> Loan | None:
        return self.shards[address.shard].loans.get(address.account)

    async def send(self, transfer: Transfer) -> Receipt:
        content = ("send", transfer.to, transfer.amount, transfer.reference)
        account = self._book(transfer.address)
        repeated = self._repeated(transfer.address, transfer.operation, content)
        if repeated is not None:
            return repeated
        if not (0 < transfer.amount < LIMIT and 0 <= transfer.fee < LIMIT - transfer.amount):
            raise OutOfRange("amount")
        shard, name = self.shards[transfer.address.shard], account.address.account
        if name in shard.loans:
            raise LoanOutstanding(name)
        day, sent = shard.sent.get(name, ("", 0))
        sent = sent if day == transfer.day else 0
        if transfer.daily is not None and sent >= transfer.daily:
            raise TooMany(name)
        if account.money.remaining < transfer.amount + transfer.fee:
            raise InsufficientFunds("less is there")
        before = account.purses()
        account.money.debited += transfer.amount
        debited, between = books.lines(account, before), account.purses()
        account.money.debited += transfer.fee
        if not account.countable():
            raise OutOfRange("amount")
        reference = f"to {transfer.to.account} {transfer.reference}".strip()
        about: dict[str, str | int] = {"at": transfer.now, "operation": transfer.operation, "reference": reference}
        entry = self._put(account, debited, cause=TRANSFER_OUT, **about)
        if transfer.fee:
            self._put(account, books.lines(account, between), cause=TRANSFER_FEE, **about)
        shard.transit[name, transfer.operation] = transfers.on_its_way(transfer, account.currency)
        shard.carried[f"{account.currency}:sent"] += transfer.amount
        shard.sent[name] = transfer.day, sent + 1
        receipt = Receipt(entry=entry, account=account.view(), deducted=transfer.fee)
        shard.operations[name, transfer.operation] = content, receipt
        return receipt

    async def in_transit(self) -> tuple[InTransit, ...]:
        found = [transfer for shard in self.shards for transfer in shard.transit.values()]
        return tuple(sorted(found, key=transfers.order))

    async def arrived(self, transfer: InTransit) -> None:
        shard = self.shards[transfer.sender.shard]
        if shard.transit.pop((transfer.sender.account, transfer.operation), None):
            shard.carried[f"{transfer.currency}:arrived"] += transfer.amount

    async def give(self, gift: Gift) -> Receipt:
        content = ("give", gift.offer, gift.unit, gift.amount, gift.priority)
        account = self._book(gift.address)
        repeated = self._repeated(gift.address, gift.operation, content)
        if repeated is not None:
            return repeated
        if not (0 < gift.amount < LIMIT and 0 <= (gift.lasts or 0) < LIMIT // 2):
            raise OutOfRange("amount")
        before = account.purses()
        account.given += 1
        bucket = BucketBook(
            id=f"{gift.offer}#{account.given}",
            offer=gift.offer,
            unit=gift.unit,
            initial=gift.amount,
            priority=gift.priority,
            expires_at=gift.expires_at,
            purse=Purse(credited=gift.amount),
            starts_at=gift.starts_at,
            lasts=gift.lasts,
        )
        account.add(bucket)
        shard = self.shards[gift.address.shard]
        if gift.expires_at is not None:
            self._look_at(shard, account, gift.expires_at)
        entry = self._put(
            account, books.lines(account, before), at=gift.now, operation=gift.operation, cause="gift",
            reference=gift.offer,
        )  # fmt: skip
        receipt = Receipt(entry=entry, account=account.view(), bucket=bucket.id)
        shard.operations[account.address.account, gift.operation] = content, receipt
        return receipt

    async def subscribe(self, new: NewSubscription) -> Receipt:
        content = ("subscribe", new.offer)
        account = self._book(new.address)
        repeated = self._repeated(new.address, new.operation, content)
        if repeated is not None:
            return repeated
        shard, name = self.shards[new.address.shard], account.address.account
        if (name, new.offer) in shard.subscriptions:
            raise Subscribed(new.offer)
        if not renewals.countable(new.period):
            raise OutOfRange("period")
        if account.available < new.period.fee:
            raise InsufficientFunds("less is available")
        before = account.purses()
        subscription = renewals.begin(account, new.offer, new.period)
        if not account.countable():
            raise OutOfRange("fee")
        entry = self._put(
            account, books.lines(account, before), at=new.now, operation=new.operation, cause=renewals.SUBSCRIBED,
            reference=new.offer,
        )  # fmt: skip
        shard.subscriptions[name, new.offer] = subscription
        self._look_in_time(shard, account)
        receipt = Receipt(entry=entry, account=account.view(), bucket=subscription.bucket, deducted=new.period.fee)
        shard.operations[name, new.operation] = content, receipt
        return receipt

    async def unsubscribe(self, cancellation: Cancellation) -> Receipt:
        content = ("unsubscribe", cancellation.offer)
        account = self._book(cancellation.address)
        repeated = self._repeated(cancellation.address, cancellation.operation, content)
        if repeated is not None:
            return repeated
        shard, name = self.shards[cancellation.address.shard], account.address.account
        subscription = shard.subscriptions.pop((name, cancellation.offer), None)
        if subscription is None:
            raise NotSubscribed(cancellation.offer)
        renewals.end(account, subscription, subscription.ends_at)
        entry = self._put(
            account, (), at=cancellation.now, operation=cancellation.operation, cause=renewals.UNSUBSCRIBED,
            reference=cancellation.offer,
        )  # fmt: skip
        self._look_in_time(shard, account)
        receipt = Receipt(entry=entry, account=account.view())
        shard.operations[name, cancellation.operation] = content, receipt
        return receipt

    async def subscriptions(self, address: Address) -> tuple[Subscription, ...]:
        found = [one for one in self.shards[address.shard].subscriptions.values() if one.address == address]
        return tuple(sorted(found, key=lambda one: one.offer))

    async def due_renewals(self, shard: int, now: int, limit: int = 100) -> tuple[Subscription, ...]:
        due = [one for one in self.shards[shard].subscriptions.values() if one.due_at <= now]
        return tuple(sorted(due, key=lambda one: one.due_at)[:limit])

    async def renew(self, renewal: Renewal) -> Renewed:
        account = self._book(renewal.address)
        shard, key = self.shards[renewal.address.shard], (renewal.address.account, renewal.offer)
        subscription = shard.subscriptions.get(key)
        if subscription is None or subscription.due_at != renewal.due_at:
            return Renewed.PAST
        result, after, changes = renewals.renew(account, subscription, renewal)
        shard.accounts[account.address.account] = account
        for change in changes:
            self._put(
                account, change.lines, at=renewal.now, operation=renewal.operation, cause=change.cause,
                reference=change.reference,
            )  # fmt: skip
        if after:
            shard.subscriptions[key] = after
        else:
            del shard.subscriptions[key]
        self._look_in_time(shard, account)
        return result

    def _look_in_time(self, shard: Shard, account: AccountBook) -> None:
        """Have the reaper look when the first of the account's buckets or its state ends, and not before."""
        ends = [bucket.expires_at for bucket in account.buckets]
        times = [at for at in (*ends, states.due(account.status, account.validity)) if at is not None]
        if times:
            shard.due[f"a:{account.address.account}"] = min(times)

    async def lift(self, lift: Lift) -> Receipt:
        content = ("lift", lift.meter, lift.ends_at, lift.reference)
        account = self._book(lift.address)
        repeated = self._repeated(lift.address, lift.operation, content)
        if repeated is not None:
            return repeated
        metering = Metering(meter=lift.meter, unit=lift.unit, ends_at=lift.ends_at)
        if not account.meters.enter((metering,), lift.now):
            raise OutOfRange("meters")
        account.meters[lift.meter].lifted = True
        entry = self._put(
            account, (), at=lift.now, operation=lift.operation, cause=LIFTED,
            reference=f"{lift.meter} {lift.reference}".strip(),
        )  # fmt: skip
        receipt = Receipt(entry=entry, account=account.view())
        self.shards[lift.address.shard].operations[account.address.account, lift.operation] = content, receipt
        return receipt

    def _watch_state(self, account: AccountBook) -> None:
        """Have the reaper look at the account when time will change its state."""
        due = states.due(account.status, account.validity)
        if due is not None:
            self._look_at(self.shards[account.address.shard], account, due)

    def _look_at(self, shard: Shard, account: AccountBook, at: int) -> None:
        """Have the reaper look at the account then, or before."""
        name = f"a:{account.address.account}"
        shard.due[name] = min(shard.due.get(name, at), at)

    async def charge(self, charge: Charge) -> Charged:
        shard = self.shards[charge.address.shard]
        addresses = [charge.address, *[level.address for level in charge.levels]]
        if any(address.account not in shard.accounts for address in addresses):
            return Charged(verdict=Verdict.NO_ACCOUNT)
        accounts = [self._book(address) for address in addresses]
        payer = accounts[levels.payer([level.billing for level in charge.levels])]
        session = deepcopy(shard.sessions.get(charge.session))
        if session is not None and not books.same_owner(session, charge):
            return Charged(verdict=Verdict.OTHER_ACCOUNT)
        answers = shard.answers.get(charge.session, Answers())
        known = answers.kept.get(charge.operation)
        if known is not None:
            fingerprint, answer, _ = known
            if not isinstance(answer, Charged):
                return Charged(verdict=Verdict.CLOSED_SESSION, replayed=True, conflict=True)
            return msgspec.structs.replace(answer, replayed=True, conflict=fingerprint != charge.fingerprint)
        if answers.may_have_dropped(charge):
            return Charged(verdict=Verdict.FORGOTTEN, available=payer.available)
        versions = [charge.version, *[level.version for level in charge.levels]]
        other_chain = session is not None and len(session.levels) != len(charge.levels)
        if other_chain or [account.version for account in accounts] != versions:
            return Charged(verdict=Verdict.STALE, available=payer.available)
        available = payer.available
        before = [account.purses() for account in accounts]
        try:
            if not charges.countable(charge):
                raise OverflowError
            answer, session, cause = charges.apply(accounts, session, charge)
            active = charges.activated(accounts, session, charge, answer) if session else []
            begun = [account.start_clocks(charge.now) for account in accounts]
            if not all(account.countable() for account in accounts):
                raise OverflowError
        except OverflowError:
            return Charged(verdict=Verdict.OUT_OF_RANGE, available=available)
        if session is None:
            return answer
        for account in active:
            self._put(
                account, (), at=charge.now, operation=charge.operation, cause=states.Happening.ACTIVATION.value,
                door=charge.door, session=charge.session, reference=states.said(account.validity),
            )  # fmt: skip
            self._watch_state(account)
        self._put_all(
            accounts, before, [level.billing for level in charge.levels], at=charge.now, operation=charge.operation,
            cause=cause, door=charge.door, session=charge.session, reference=charge.reference,
        )  # fmt: skip
        for account, buckets in zip(accounts, begun, strict=True):
            for bucket in buckets:
                self._look_at(shard, account, bucket.end(charge.now))
        self._remember(shard, session, charge, answer)
        return answer

    def _remember(
        self, shard: Shard, session: SessionBook, request: Charge | Refund, answer: Charged | Refunded
    ) -> None:
        """Keep session and answer, and have the reaper look at it in time."""
        answers = shard.answers.setdefault(session.id, Answers())
        name = f"s:{session.id}"
        was = shard.sessions.get(session.id)
        if session.state is SessionState.OPEN:
            if was is None or was.state is not SessionState.OPEN:
                answers.opening = request.operation
                shard.due[name] = session.deadline
            shard.due[name] = min(shard.due[name], session.deadline)
            session.forget_at = None
        else:
            shard.due.pop(name, None)
            session.forget_at = request.now + self.window
        shard.sessions[session.id] = session
        answers.keep(request, answer)

    async def refund(self, refund: Refund) -> Refunded:
        shard = self.shards[refund.address.shard]
        if refund.address.account not in shard.accounts:
            return Refunded(found=False)
        own = deepcopy(shard.sessions.get(refund.session))
        if own is not None and not books.same_owner(own, refund):
            return Refunded(found=False)
        answers = shard.answers.get(refund.session, Answers())
        known = answers.kept.get(refund.operation)
        if known is not None:
            answer = known[1] if isinstance(known[1], Refunded) else Refunded(found=False)
            return msgspec.structs.replace(answer, replayed=True)
        if answers.may_have_dropped(refund):
            return Refunded(found=False)
        if own is None:
            own = SessionBook(
                id=refund.session,
                address=refund.address,
                door=refund.door,
                state=SessionState.CLOSED,
                opened_at=refund.now,
                updated_at=refund.now,
                deadline=refund.now,
            )
        target = own if refund.target == refund.session else deepcopy(shard.sessions.get(refund.target))
        answer = self._give_back(refund, target)
        if target is not None and target is not own:
            shard.sessions[refund.target] = target
        self._remember(shard, own, refund, answer)
        return answer

    def _give_back(self, refund: Refund, target: SessionBook | None) -> Refunded:
        if target is None or not books.same_owner(target, refund) or target.state is SessionState.OPEN:
            return Refunded(found=False)
        owned = target.books()
        if [book.address for book in owned[1:]] != list(refund.levels):
            return Refunded(found=False)
        if not any(book.spent or book.paid or book.bonus_paid for book in owned):
            given_back = target.refunded is not None
            return Refunded(found=given_back, again=given_back)
        units = target.refundable() if refund.units is None else refund.units
        shares = [book.share(units) for book in owned]
        given = [share for share in shares if share is not None]
        if len(given) < len(owned):
            return Refunded(found=False)
        accounts = [self._book(book.address) for book in owned]
        before = [account.purses() for account in accounts]
        for account, share in zip(accounts, given, strict=True):
            account.money.credited += share.money
            for name, part in (share.parts | share.bonus).items():
                bucket = account.bucket(name)
                if bucket:  # one that expired since cannot be used any more
                    bucket.purse.credited += part
        if not all(account.countable() for account in accounts):
            return Refunded(found=False)
        self._put_all(
            accounts, before, [book.billing for book in target.levels], at=refund.now, operation=refund.operation,
            cause="refund", door=refund.door, session=refund.session, reference=refund.target,
        )  # fmt: skip
        for book, share in zip(owned, given, strict=True):
            book.give_back(units, share)
        return Refunded(found=True, amount=given[owned.index(target.payer())].money, units=units)

    async def expire(self, now: int, limit: int = 100) -> tuple[Lapsed, ...]:
        lapsed: list[Lapsed] = []
        for shard in self.shards:
            lapsed += self._expire(shard, now, limit)
            gone = [s.id for s in shard.sessions.values() if s.forget_at is not None and s.forget_at <= now]
            for session in gone:
                del shard.sessions[session], shard.answers[session]
        return tuple(lapsed)

    def _expire(self, shard: Shard, now: int, limit: int) -> list[Lapsed]:
        lapsed: list[Lapsed] = []
        for _ in range(limit):
            due = sorted((score, name) for name, score in shard.due.items() if score <= now)
            if not due:
                break
            name = due[0][1]
            if name.startswith("a:"):
                self._look_at_account(shard, name, now)
                continue
            session = deepcopy(shard.sessions[name[2:]])
            if session.deadline > now:
                shard.due[name] = session.deadline
                continue
            lapsed.append(self._lapse(shard, session, now))
        return lapsed

    def _lapse(self, shard: Shard, session: SessionBook, now: int) -> Lapsed:
        owned = session.books()
        accounts = [self._book(book.address) for book in owned]
        before = [account.purses() for account in accounts]
        for account, book in zip(accounts, owned, strict=True):
            holdings.lapse(account, book, session.lapse)
        session.state = SessionState.LAPSED
        self._put_all(
            accounts, before, [book.billing for book in session.levels], at=now, operation="", cause="lapsed",
            door=session.door, session=session.id,
        )  # fmt: skip
        session.updated_at = now
        session.forget_at = now + self.window
        shard.sessions[session.id] = session
        del shard.due[f"s:{session.id}"]
        return Lapsed(session=session.id, address=session.address, door=session.door)

    def _look_at_account(self, shard: Shard, name: str, now: int) -> None:
        """Move it on if time has changed its state; write off expired buckets that hold no reservation."""
        account = deepcopy(shard.accounts[name[2:]])
        for happening, status in states.passed(account.status, account.validity, now):
            account.status, account.version = status, account.version + 1
            self._put(account, (), at=now, operation="", cause=happening.value)
        before = account.purses()
        expired = [bucket for bucket in account.buckets if bucket.expires_at is not None and bucket.expires_at <= now]
        settled = [bucket for bucket in expired if not bucket.purse.reserved]
        for bucket in settled:
            bucket.purse.debited += bucket.purse.remaining
        lines = books.lines(account, before)
        for bucket in settled:
            account.retire(bucket)
        shard.accounts[name[2:]] = account
        if lines:
            self._put(account, lines, at=now, operation="", cause="expired")
        times = [bucket.expires_at for bucket in account.buckets if bucket.expires_at is not None]
        again = [now + RETRY if at <= now else at for at in times]  # one that is still reserved: in a while
        state = states.due(account.status, account.validity)
        del shard.due[name]
        for at in again if state is None else [*again, state]:
            self._look_at(shard, account, at)

    async def locate(self, session: str) -> Address | None:
        found = [shard.sessions[session] for shard in self.shards if session in shard.sessions]
        return books.foremost(found).address if found else None

    async def claim(self, name: str, owner: str, keep: int) -> str:  # noqa: ARG002 - nothing is ever forgotten here
        return self._names.setdefault(name, owner)

    async def session(self, address: Address, session: str) -> Session | None:
        found = self.shards[address.shard].sessions.get(session)
        return found.view() if found is not None and found.address == address else None

    async def sessions(self, address: Address | None = None, limit: int = 1000) -> tuple[Session, ...]:
        live = [
            session.view()
            for shard in self.shards
            for session in shard.sessions.values()
            if session.state is SessionState.OPEN
            and (address is None or address in [book.address for book in session.books()])
        ]
        return tuple(sorted(live, key=lambda session: (session.deadline, session.id))[:limit])

    async def entries(self, address: Address, after: str = "", limit: int = 100) -> tuple[Entry, ...]:
        own = [entry for entry in self.shards[address.shard].outbox if entry.account == address.account]
        start = next((place + 1 for place, entry in enumerate(own) if entry.id == after), 0)
        return tuple(own[start : start + limit])

    async def audit(self) -> Audit:
        return total(
            [
                check_transit(
                    examine(list(shard.accounts.values()), list(shard.sessions.values()), shard.house),
                    shard.transit.values(),
                    shard.carried,
                )
                for shard in self.shards
            ]
        )

    async def probe(self) -> None:
        """A dictionary is always there."""
