"""The ledger: what the vault promises, as records and one interface.

Two ledgers keep these promises: ``memory.MemoryLedger``, the specification one can read, and ``store.StoreLedger``,
the same in Lua on Valkey or Redis. Everything is an integer: money in micro-units (see ``money``), services in octets,
seconds or events, time in milliseconds since 1970 (UTC). The ledger reads no clock; ``now`` is an argument.

Words: an *account* holds one money bucket and any number of allowance *buckets*. A *session* is one credit-control
session (a Diameter session, a SIP call) of an account; inside it each *key* (a rating group, a service) holds its own
reservation. A *quote* says what a key costs and which buckets may pay for it.
"""

from enum import StrEnum
from typing import Protocol

import msgspec

from balances.price import Price


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen, typed record. Subclasses repeat the two words: type checkers do not inherit them."""


class LedgerError(Exception):
    """The ledger refuses; nothing was changed."""


class Taken(LedgerError):
    """The account id or one of the identities belongs to somebody already."""


class NotChargeable(LedgerError):
    """No charge could be shared with this parent: there is none, it has another currency, or the chain is too long."""


class NoSuchAccount(LedgerError):
    """There is no such account."""


class OperationConflict(LedgerError):
    """The operation id was used before with other content."""


class InsufficientFunds(LedgerError):
    """The movement would leave less than nothing available."""


class OutOfRange(LedgerError):
    """An amount or counter would leave the range in which counting is exact."""


class LoanOutstanding(LedgerError):
    """A loan is still to be repaid: there is no other beside it, and nothing is given away meanwhile."""


class NotNeeded(LedgerError):
    """There is still enough to do without a loan."""


class TooMany(LedgerError):
    """The account has sent as many transfers that day as it may."""


class Subscribed(LedgerError):
    """The account has subscribed to the offer already."""


class NotSubscribed(LedgerError):
    """The account has not subscribed to the offer."""


class Unavailable(Exception):
    """The store did not answer in time: the outcome is *unknown*, and only a repeat with the same id may find out."""


class Stale(LedgerError):
    """The account's terms have changed since the request was made from them: read them again and repeat."""


class Unit(StrEnum):
    """What is counted. Bonus money and CC-Money are counted in micro-units of the account's currency."""

    OCTETS = "octets"
    SECONDS = "seconds"
    EVENTS = "events"
    MONEY = "money"


class Status(StrEnum):
    """Life of an account; ``states`` says what each lets be granted. Usage reported is debited in any state."""

    PRE_ACTIVE = "pre-active"
    """Opened, and waiting for its first use or top-up."""
    ACTIVE = "active"
    GRACE = "grace"
    """Its validity is over: only what is free is granted, until it is extended or closed."""
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Billing(StrEnum):
    """Whose wallet pays what an account uses. Fixed when the account is opened."""

    OWN = "own"
    """Its own. A parent, if there is one, only lends its shard."""
    RESOLD = "resold"
    """Its own, and beside it the parent's, which buys what it resells: each by the plan it has itself."""
    SHARED = "shared"
    """The parent's in place of its own, by the account's plan: a member of a family or a company."""


class IdentityType(StrEnum):
    """Kinds of subscriber identity (Subscription-Id-Type, RFC 8506 section 8.47)."""

    E164 = "e164"
    IMSI = "imsi"
    SIP = "sip"
    NAI = "nai"
    PRIVATE = "private"


class Identity(Record, frozen=True, kw_only=True, order=True, gc=False):
    """One name under which the network knows a subscriber; E.164 in digits without ``+``, SIP as ``user@domain``."""

    type: IdentityType
    value: str


class Address(Record, frozen=True, kw_only=True, gc=False):
    """Where an account lives: its id, and the virtual shard its keys carry."""

    shard: int
    account: str


class Counters(Record, frozen=True, kw_only=True):
    """The four monotonic counters of a bucket but for ``reserved``, which moves both ways."""

    credited: int = 0
    debited: int = 0
    reserved: int = 0
    overrun: int = 0
    """Part of ``debited`` that no credit covered: consumed is consumed."""

    @property
    def balance(self) -> int:
        """What is left when nothing is reserved."""
        return self.credited - self.debited

    @property
    def remaining(self) -> int:
        """What is left and not reserved (without any credit limit); below zero by at most ``overrun``."""
        return self.credited - self.debited - self.reserved


class Bucket(Record, frozen=True, kw_only=True):
    """An allowance given by an offer. ``priority``: lower pays first; equal ones by earlier expiry, then by id.

    One of MONEY is bonus credit: it pays the price of what no allowance pays for, before the main balance does.
    """

    id: str
    offer: str
    unit: Unit
    initial: int
    counters: Counters
    priority: int = 100
    starts_at: int = 0
    """It pays nothing before."""
    expires_at: int | None = None
    lasts: int | None = None
    """Milliseconds it is good for from its first use on, which is still to come; None: it has begun, or needs none."""

    def runs(self, now: int) -> bool:
        """Has it begun, and not ended?"""
        return self.starts_at <= now and (self.expires_at is None or self.expires_at > now)


class Meter(Record, frozen=True, kw_only=True):
    """What an account used and spent of something in a period, and what open sessions hold of it."""

    name: str
    unit: Unit | None
    """Which units it counts; None: money only."""
    ends_at: int
    """When the period ends, in milliseconds; what comes later begins the next."""
    used: int
    spent: int
    """Money owed for what was used, bonus money included."""
    reserved: int
    reserved_money: int
    lifted: bool
    """Its limits do not hold for the rest of the period."""


LAST_DAY = 253_402_300_799_000
"""No validity ends later than the year 9999, in milliseconds."""


class Validity(Record, frozen=True, kw_only=True):
    """How long an account stays what it is, in milliseconds; raises OutOfRange for what is no stretch of time."""

    until: int | None = None
    """Active until then; None: for ever."""
    grace_until: int | None = None
    """In grace from then on until then, and closed after that; None: never closed."""

    def __post_init__(self) -> None:
        ends = [at for at in (self.until, self.grace_until) if at is not None]
        if ends != sorted(ends) or any(not 0 <= at <= LAST_DAY for at in ends) or (ends and self.until is None):
            raise OutOfRange("validity")


class NewAccount(Record, frozen=True, kw_only=True):
    """What opening an account takes. With a parent the account lives in the parent's shard."""

    id: str
    plan: str
    currency: str
    credit_limit: int = 0
    identities: tuple[Identity, ...] = ()
    parent: str | None = None
    billing: Billing = Billing.OWN
    cap: int | None = None
    """Money a month that a member may spend of the wallet it shares; None: all of it."""
    status: Status = Status.ACTIVE
    validity: Validity = Validity()


class Account(Record, frozen=True, kw_only=True):
    """An account as stored. ``version`` grows with each change of the terms (not of the balance)."""

    address: Address
    version: int
    status: Status
    plan: str
    currency: str
    credit_limit: int
    identities: tuple[Identity, ...]
    parent: str | None
    billing: Billing = Billing.OWN
    cap: int | None = None
    validity: Validity = Validity()
    opened_at: int
    money: Counters
    buckets: tuple[Bucket, ...] = ()
    meters: tuple[Meter, ...] = ()

    @property
    def available(self) -> int:
        """Money that could be reserved now: credited - debited - reserved + credit limit."""
        return self.money.remaining + self.credit_limit


class AccountChange(Record, frozen=True, kw_only=True):
    """New terms; ``None`` leaves a term as it is."""

    plan: str | None = None
    status: Status | None = None
    credit_limit: int | None = None
    identities: tuple[Identity, ...] | None = None
    cap: int | None = None
    """Below zero: none any more."""
    validity: Validity | None = None


class Extension(Record, frozen=True, kw_only=True):
    """What a credit makes of an account's life: it is active, until ``validity`` is over. A suspended one stays so.

    ``version``: the account's from whose terms this was made; with another one the credit is refused as Stale.
    """

    version: int
    validity: Validity


class Movement(Record, frozen=True, kw_only=True):
    """Money put into (top-up, adjustment, amount above zero) or taken out of an account (amount below zero).

    Idempotent by ``operation``; ``cause`` and ``reference`` go into the ledger entry; ``extension`` is for credits.
    """

    address: Address
    operation: str
    amount: int
    cause: str
    reference: str = ""
    now: int
    extension: Extension | None = None


class Gift(Record, frozen=True, kw_only=True):
    """An offer's bucket given to an account. Idempotent by ``operation``."""

    address: Address
    operation: str
    offer: str
    unit: Unit
    amount: int
    priority: int = 100
    starts_at: int = 0
    """When it begins to pay, in milliseconds; 0: at once."""
    expires_at: int | None = None
    """When it ends, in milliseconds; None: never, or ``lasts`` milliseconds after its first use."""
    lasts: int | None = None
    now: int


class Receipt(Record, frozen=True, kw_only=True):
    """What a movement or gift did. ``repeated``: it had been done before and was not done again."""

    entry: str
    account: Account
    bucket: str | None = None
    deducted: int = 0
    """What was debited beside: of a credit, what repaid a loan; of a transfer, its fee."""
    repeated: bool = False


class Lending(Record, frozen=True, kw_only=True):
    """Money lent to an account, to be repaid with a fee by what is next put in. Idempotent by ``operation``."""

    address: Address
    operation: str
    amount: int
    fee: int = 0
    below: int | None = None
    """Only while less than this is available; None: whatever there is."""
    reference: str = ""
    now: int


class Loan(Record, frozen=True, kw_only=True):
    """What an account was lent and has not repaid yet."""

    amount: int
    fee: int
    outstanding: int
    taken_at: int


class Transfer(Record, frozen=True, kw_only=True):
    """Money sent from an account to another of the same currency. Idempotent by ``operation``.

    Only money that is there can be sent: no credit limit, and nothing while a loan is outstanding.
    """

    address: Address
    operation: str
    to: Address
    amount: int
    fee: int = 0
    """What the sender pays beside it."""
    day: str = ""
    """The day, by the sender's clock, for which transfers are counted."""
    daily: int | None = None
    """How many may be sent in a day; None: any number."""
    reference: str = ""
    now: int


class InTransit(Record, frozen=True, kw_only=True):
    """A transfer that was debited and is not known to have been credited. It belongs to the one it was sent to."""

    sender: Address
    operation: str
    to: Address
    amount: int
    currency: str
    reference: str
    sent_at: int


class SubscriptionState(StrEnum):
    """Is the period that runs paid for?"""

    ACTIVE = "active"
    WAITING = "waiting"
    """No: nothing is given until it is."""


class Subscription(Record, frozen=True, kw_only=True):
    """What an account has subscribed to: an offer that renews. Times in milliseconds."""

    address: Address
    offer: str
    state: SubscriptionState
    since: int
    """What its periods are counted from."""
    starts_at: int
    ends_at: int
    """The period last paid for."""
    due_at: int
    """When it is to be renewed, or tried again."""
    bucket: str
    """What the period gave."""
    carried: str = ""
    """The bucket of what was carried over into it; empty: nothing was."""


class Period(Record, frozen=True, kw_only=True):
    """A period of a subscription: what it costs and what it gives."""

    since: int
    """What the periods after it are counted from."""
    starts_at: int
    ends_at: int
    fee: int
    unit: Unit
    amount: int
    priority: int = 100
    carry: int = 0
    """Of what is left of the period before, at most so much is carried over."""


class NewSubscription(Record, frozen=True, kw_only=True):
    """Subscribe, and pay for the first period. Idempotent by ``operation``."""

    address: Address
    operation: str
    offer: str
    period: Period
    now: int


class Cancellation(Record, frozen=True, kw_only=True):
    """End a subscription; what is paid for may be used up. Idempotent by ``operation``."""

    address: Address
    operation: str
    offer: str
    now: int


class Renewal(Record, frozen=True, kw_only=True):
    """Renew a subscription that was found due: it happens once, whoever tries, because it moves ``due_at`` on."""

    address: Address
    offer: str
    due_at: int
    period: Period | None
    """None: the offer is not to be had at present."""
    retry_at: int | None
    """When to try again if money is short; None: the subscription ends then."""
    paused_until: int
    """When to try again if it cannot be renewed for another reason."""
    now: int

    @property
    def operation(self) -> str:
        """The same for everybody who tries. No key of a client's has a space in it."""
        return f"renewal {self.offer} {self.period.starts_at if self.period else self.due_at}"


class Renewed(StrEnum):
    """What became of a renewal."""

    RENEWED = "renewed"
    UNPAID = "unpaid"
    """Money was short: nothing was debited, nothing given."""
    PAUSED = "paused"
    """The account is not active, or the offer not to be had."""
    ENDED = "ended"
    """Money was short, or the account is closed: there is no subscription any more."""
    PAST = "past"
    """Somebody else was first, or there is no such subscription: nothing was done."""


class Quote(Record, frozen=True, kw_only=True):
    """The conditions of a key: what money pays, which offers' buckets may pay first, and the door's own terms.

    ``terms`` is opaque here; it is kept with the answer, so that a replay says the same though the catalogue changed.
    """

    price: Price
    offers: tuple[str, ...] = ()
    terms: bytes = b""
    share: int = 0
    """A grant is at most this many per cent of what is left, so that parallel sessions share it; 0: all of it."""
    floor: int = 0
    """Units that a share is never smaller than."""
    overage: tuple["Overage", ...] = ()
    meters: tuple["Metering", ...] = ()
    """What counts the use, each once."""

    @property
    def free(self) -> bool:
        """Does it cost neither money nor allowances, however much is used?"""
        return not (self.offers or self.price.setup or any(step.amount for step in self.price.steps))


class Metering(Record, frozen=True, kw_only=True):
    """A meter that counts the use of a quote, and what holds by it in the period that ends at ``ends_at``."""

    meter: str
    unit: Unit | None = None
    ends_at: int
    cap: int | None = None
    """Money beyond which nothing more is reserved; what is free is granted all the same."""
    warn: int | None = None
    """Money from which on the subscriber is warned, once a period."""
    limit: int | None = None
    """Units beyond which nothing more is reserved, or reserved on other terms."""
    beyond: bytes = b""
    """The terms of grants that begin at the limit; empty: there are none."""
    axis: bool = False
    """The steps of the price run along the units of this meter, not of the session."""


class Lift(Record, frozen=True, kw_only=True):
    """Consent: the limits of a meter do not hold until its period ends. Idempotent by ``operation``."""

    address: Address
    operation: str
    meter: str
    unit: Unit | None = None
    ends_at: int
    reference: str = ""
    now: int


class Overage(Record, frozen=True, kw_only=True):
    """What holds in place of a quote's price and terms while a used-up bucket of ``offer`` runs.

    ``price`` None: nothing more is granted. Its units have a scale of their own: they count for no tier of the quote's.
    """

    offer: str
    price: Price | None
    terms: bytes = b""


class Use(Record, frozen=True, kw_only=True):
    """One key of a request: what was used, what is wanted.

    ``used`` counts units since the last report of this key; a door that hears of totals sets ``total`` instead, and the
    ledger settles the difference to what it has settled before. ``wanted`` units are reserved anew, or, if that many
    are not affordable, as many as are but not fewer than ``least``; 0 wants nothing: what the key held is released.
    ``quote`` None: on the conditions the session holds this key under. ``denied``: a reason for which nothing is
    granted whatever the balance; it comes back as the grant's ``refused``.
    """

    key: str
    unit: Unit
    used: int = 0
    total: int | None = None
    wanted: int = 0
    least: int = 1
    quote: Quote | None
    denied: str | None = None


class Level(Record, frozen=True, kw_only=True):
    """A further account that a charge moves, in the same step: the next one up the chain of parents.

    ``billing`` is how the account before it in the chain is tied to it. ``quotes`` and ``denied`` are its own for each
    of the charge's uses, in their order.
    """

    address: Address
    version: int
    billing: Billing
    quotes: tuple[Quote | None, ...] = ()
    denied: tuple[str | None, ...] = ()
    activation: Validity | None = None


OPERATIONS_KEPT = 30 * 86_400_000
"""Milliseconds for which a movement, gift, loan or transfer is recognised when it is repeated."""

LEVELS = 8
"""Accounts that one charge may move at most: each is read and written with every request."""


class Phase(StrEnum):
    """Where in its session a request stands (CC-Request-Type, RFC 8506 section 8.3)."""

    OPEN = "open"
    UPDATE = "update"
    CLOSE = "close"
    LAPSE = "lapse"
    """An end without a last report: what is held is released; a CLOSE that comes late after all is settled, once."""
    EVENT = "event"
    """Debit at once, all uses or none; the session is only a record for replays and refunds."""


class Lapse(StrEnum):
    """What happens to the reservations of a session nobody renews."""

    RELEASE = "release"
    CHARGE = "charge"
    """Debit what was granted, provisionally: a report that comes late after all replaces it."""


class Empty(StrEnum):
    """What to make of an OPEN to which nothing was granted though something was wanted."""

    KEEP = "keep"
    REFUSE = "refuse"
    """No session: only a record that replays the refusal."""


class Charge(Record, frozen=True, kw_only=True):
    """One credit-control request. ``(session, operation)`` makes it happen once.

    ``fingerprint`` tells a repeat from a different request under the same id. ``version`` is the account's when the
    quotes were made; an older one is answered STALE, nothing done. ``deadline``: when the session lapses unless
    renewed. ``context`` is the door's own memory of the session, opaque here; None keeps what is there.
    """

    address: Address
    version: int
    session: str
    operation: str
    fingerprint: int
    phase: Phase
    door: str
    now: int
    deadline: int
    uses: tuple[Use, ...] = ()
    levels: tuple[Level, ...] = ()
    """The accounts up the chain, nearest first. A grant is what all of them can pay for, the charge's own included."""
    lapse: Lapse = Lapse.RELEASE
    empty: Empty = Empty.KEEP
    context: bytes | None = None
    cause: str = ""
    sequence: int | None = None
    """The request's number, if its door counts a session's requests (CC-Request-Number, RFC 8506 section 8.2)."""
    reference: str = ""
    """Goes into the ledger entry, if there is one."""
    activation: Validity | None = None
    """A pre-active account is active from here on, for so long, if it is granted or uses anything that is not free."""


class Verdict(StrEnum):
    """What became of a charge as a whole."""

    DONE = "done"
    REFUSED = "refused"
    """OPEN with Empty.REFUSE or EVENT: nothing was granted, no money moved, no session is open."""
    STALE = "stale"
    """The terms of an account of the chain are newer than the quotes, or the session has another chain: read the
    accounts again and repeat. Nothing was done."""
    NO_ACCOUNT = "no-account"
    UNKNOWN_SESSION = "unknown-session"
    """UPDATE or CLOSE of a session never heard of. A CLOSE or LAPSE leaves a tombstone that voids an OPEN it
    overtook."""
    CLOSED_SESSION = "closed-session"
    """UPDATE or CLOSE after the end: nothing is done. OPEN after such a tombstone: void."""
    LAPSED_SESSION = "lapsed-session"
    """UPDATE or CLOSE after the session lapsed: what was used is debited once, nothing is granted."""
    OTHER_ACCOUNT = "other-account"
    """The session belongs to another account, or another door opened it; nothing was done."""
    OUT_OF_RANGE = "out-of-range"
    FORGOTTEN = "forgotten"
    """By its sequence it may have been answered so long ago that the answer is not kept: nothing was done."""


INSUFFICIENT = "insufficient-credit"
"""The ledger's own reason to refuse a key; the others come in as ``Use.denied``."""

UNQUOTED = "unquoted"
"""``Use.quote`` was None and the session holds no conditions for the key: nothing settled, nothing granted."""

CAPPED = "spending-limit"
"""A meter's limit leaves no room, though there is credit."""

CROWDED = "too-many-keys"
"""The session holds KEYS keys and this would be one more: nothing settled, nothing granted. Or the account has as many
meters as it may: nothing granted."""

KEYS = 256
"""Keys a session may have: each is read and written with every request. ``lua/lib/session.lua`` says the same."""


class Grant(Record, frozen=True, kw_only=True):
    """What a key got. Money amounts in micro-units."""

    key: str
    granted: int = 0
    """Units now reserved (EVENT: debited) for the key, from buckets and money together."""
    cost: int = 0
    """Money of the main balance reserved (EVENT: debited) for them; bonus money is counted in its buckets."""
    settled: int = 0
    """Money of the main balance debited by this request for what was used."""
    ends_in: int | None = None
    """Milliseconds until the first of the buckets that pay for it ends; None: none of them does."""
    final: bool = False
    """Less than wanted, or nothing would be left for another ``least`` after this grant."""
    refused: str | None = None
    terms: bytes = b""


class Charged(Record, frozen=True, kw_only=True):
    """The outcome of a charge, first time or replayed."""

    verdict: Verdict
    grants: tuple[Grant, ...] = ()
    spent: int = 0
    """Money debited in this session so far."""
    available: int = 0
    """The account's available money after the request."""
    replayed: bool = False
    conflict: bool = False
    """Replayed for a request whose content differs from the first one's."""
    warned: tuple[str, ...] = ()
    """Meters of the account that pays that have reached their warning by this request."""
    short: str | None = None
    """The account up the chain for whose sake a key was refused; None: none was, or for that of the account itself."""


class Refund(Record, frozen=True, kw_only=True):
    """Give back what earlier EVENTs (or a whole session) debited, or a part of it: to the same buckets, once.

    ``session`` and ``operation`` are the refund's own; ``target`` is the session that was charged.
    """

    address: Address
    session: str
    operation: str
    fingerprint: int
    target: str
    door: str
    now: int
    sequence: int | None = None
    levels: tuple[Address, ...] = ()
    """The accounts up the chain, as in a charge: what they paid for it is given back too."""
    units: int | None = None
    """Units that are to be given back, not more than were debited; None: all of them. A part is given back of a target
    with one key, and money before buckets: a bucket pays first. Its money is the part's share of what money paid."""


class Refunded(Record, frozen=True, kw_only=True):
    """``amount`` of money and ``units`` given back.

    0 and ``found`` False if the target is unknown or open, of another account or door, or has not that many units to
    give back.
    """

    found: bool
    amount: int = 0
    units: int = 0
    again: bool = False
    """The target had been refunded before (by another operation): nothing was paid twice."""
    replayed: bool = False


class SessionState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    LAPSED = "lapsed"


class Holding(Record, frozen=True, kw_only=True):
    """What a key of a session holds and has consumed."""

    key: str
    unit: Unit
    granted: int
    cost: int
    used: int
    spent: int
    short: bool = False
    """When it last wanted units, credit was not enough, or was just enough: a top-up changes something for it."""


class Session(Record, frozen=True, kw_only=True):
    """A credit session as stored."""

    id: str
    address: Address
    door: str
    state: SessionState
    opened_at: int
    updated_at: int
    deadline: int
    context: bytes
    spent: int
    holdings: tuple[Holding, ...]


class Line(Record, frozen=True, kw_only=True):
    """One bucket's part in a ledger entry: the changes of its counters, and its remaining before and after."""

    bucket: str
    """``"money"`` or a bucket's id."""
    asset: str
    """The currency, or the unit of an allowance: what the house account is kept in."""
    credited: int = 0
    debited: int = 0
    reserved: int = 0
    overrun: int = 0
    before: int = 0
    after: int = 0


class Entry(Record, frozen=True, kw_only=True):
    """One mutation, once, as the outbox and the journal keep it. ``id`` orders the entries of a shard."""

    id: str
    at: int
    shard: int
    account: str
    operation: str
    cause: str
    door: str = ""
    session: str = ""
    reference: str = ""
    lines: tuple[Line, ...] = ()
    level: int = 0
    """How far up the chain of the account that was charged; all entries of one step share operation and session."""
    margin: int | None = None
    """Of an account that resells: the money the level below was debited in this step, less its own."""


class Lapsed(Record, frozen=True, kw_only=True):
    """A session the reaper closed."""

    session: str
    address: Address
    door: str


class Sum(Record, frozen=True, kw_only=True):
    """The books of one asset: over all accounts and as the house account mirrors it."""

    asset: str
    accounts: Counters
    house: Counters
    available: int
    """Sum of remaining over the accounts, without credit limits."""
    in_transit: int = 0
    """Sent by accounts, and not known to have been credited to others."""


class Audit(Record, frozen=True, kw_only=True):
    """Do the books close? ``findings`` is empty if they do; each is a sentence with the account or session named."""

    accounts: int
    sessions: int
    sums: tuple[Sum, ...]
    findings: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        return not self.findings


class Ledger(Protocol):
    """The verbs. Each is one atomic step in the store; any of them may raise Unavailable."""

    async def open_account(self, new: NewAccount, now: int) -> Account:
        """Open it; raises Taken, NotChargeable, or NoSuchAccount for an unknown parent."""
        ...

    async def find(self, identity: Identity) -> Address | None:
        """Whose identity is it?"""
        ...

    async def address(self, account: str) -> Address | None:
        """Where does the account of this id live?"""
        ...

    async def account(self, address: Address) -> Account:
        """Read it; raises NoSuchAccount."""
        ...

    async def accounts(self, after: str = "", limit: int = 100) -> tuple[Account, ...]:
        """A page of accounts in the order of their ids."""
        ...

    async def change_account(self, address: Address, change: AccountChange, now: int) -> Account:
        """Change the terms; raises NoSuchAccount, Taken, InsufficientFunds (a credit limit below what is in use)."""
        ...

    async def move(self, movement: Movement) -> Receipt:
        """Adjust; raises NoSuchAccount, OperationConflict, InsufficientFunds, OutOfRange."""
        ...

    async def credit(self, movement: Movement) -> Receipt:
        """Put money in, of which a loan is repaid first; raises NoSuchAccount, OperationConflict, Stale, OutOfRange."""
        ...

    async def lend(self, lending: Lending) -> Receipt:
        """Lend money; raises NoSuchAccount, OperationConflict, LoanOutstanding, NotNeeded, OutOfRange."""
        ...

    async def loan(self, address: Address) -> Loan | None:
        """What is still to be repaid."""
        ...

    async def send(self, transfer: Transfer) -> Receipt:
        """Debit a transfer, which is in transit then until ``arrived``; raises NoSuchAccount, OperationConflict,
        LoanOutstanding, TooMany, InsufficientFunds, OutOfRange."""
        ...

    async def in_transit(self) -> tuple[InTransit, ...]:
        """Every transfer that is not known to have been credited."""
        ...

    async def arrived(self, transfer: InTransit) -> None:
        """It has been credited: it is in transit no more."""
        ...

    async def give(self, gift: Gift) -> Receipt:
        """Give a bucket; raises NoSuchAccount, OperationConflict, OutOfRange."""
        ...

    async def subscribe(self, new: NewSubscription) -> Receipt:
        """Debit the first period and give its bucket; raises NoSuchAccount, OperationConflict, Subscribed,
        InsufficientFunds, OutOfRange."""
        ...

    async def unsubscribe(self, cancellation: Cancellation) -> Receipt:
        """Renew no more; raises NoSuchAccount, OperationConflict, NotSubscribed."""
        ...

    async def subscriptions(self, address: Address) -> tuple[Subscription, ...]:
        """The account's, in the order of their offers' names."""
        ...

    async def due_renewals(self, shard: int, now: int, limit: int = 100) -> tuple[Subscription, ...]:
        """Those of a shard that are to be renewed, the longest due first."""
        ...

    async def renew(self, renewal: Renewal) -> Renewed:
        """Debit the period, end the buckets of the one before, give the new one's; raises NoSuchAccount."""
        ...

    async def lift(self, lift: Lift) -> Receipt:
        """Lift a meter's limits; raises NoSuchAccount, OperationConflict, OutOfRange (too many meters)."""
        ...

    async def charge(self, charge: Charge) -> Charged:
        """Replay? else settle what was used, release what the keys held, reserve anew, remember the answer."""
        ...

    async def refund(self, refund: Refund) -> Refunded:
        """Undo an earlier debit, once."""
        ...

    async def expire(self, now: int, limit: int = 100) -> tuple[Lapsed, ...]:
        """Lapse sessions past their deadline, write off expired buckets, move accounts on whose time is over.

        Looks at up to ``limit`` in each shard.
        """
        ...

    async def locate(self, session: str) -> Address | None:
        """Which account does the session (open or lately ended) belong to?"""
        ...

    async def claim(self, name: str, owner: str, keep: int) -> str:
        """Whose is this name? The first to claim it keeps it for ``keep`` milliseconds; returns the owner."""
        ...

    async def session(self, address: Address, session: str) -> Session | None:
        """Read one session, open or lately ended."""
        ...

    async def sessions(self, address: Address | None = None, limit: int = 1000) -> tuple[Session, ...]:
        """Open sessions, of one account or of all, those due soonest first."""
        ...

    async def entries(self, address: Address, after: str = "", limit: int = 100) -> tuple[Entry, ...]:
        """The account's ledger entries after the given entry id, oldest first."""
        ...

    async def audit(self) -> Audit:
        """Sum everything and compare; exact at any moment, shard by shard."""
        ...

    async def probe(self) -> None:
        """Run a script on the canary account of every shard; raises Unavailable."""
        ...
