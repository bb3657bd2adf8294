"""The JSON of the API as typed records; the OpenAPI document is made from them."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from balances.ledger import Billing, IdentityType, Record, SessionState, Status, SubscriptionState, Unit
from charging.event import Reason, Result, ServiceKind

Amount = Annotated[
    str,
    Meta(
        pattern=r"^-?[0-9]{1,10}(\.[0-9]{1,6})?$",
        description="Money as a decimal string in the account's currency, at most six decimals.",
        examples=["10.00", "-1.50"],
    ),
]
Quantity = Annotated[
    int | str, Meta(description="Units as an integer; money as a decimal string in the account's currency.")
]
AccountId = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~@+:-]{0,127}$", description="Letters, digits and . _ ~ @ + : -")
]
IdentityName = Annotated[
    str, Meta(pattern="^(e164|imsi|sip|nai|private):", description="type:value", examples=["e164:491701234567"])
]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=256)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217 code.")]
Time = Annotated[str, Meta(max_length=40, extra_json_schema={"format": "date-time"})]
"""A time that is told us: RFC 3339, with its offset."""
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, description="RFC 3339, UTC, milliseconds.")]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body or query a client sends: what is not described is refused."""


class IdentityModel(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name under which the network knows the subscriber; E.164 in digits without ``+``."""

    type: IdentityType
    value: Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^\S+$")]


Identities = Annotated[tuple[IdentityModel, ...], Meta(max_length=64)]


class AccountCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new account. With a parent it lives where the parent does.

    ``billing`` says whose wallet pays: its ``own``, the parent's beside it (``resold``), or the parent's in its place
    (``shared``), of which a ``cap`` is what it may spend in a month.
    """

    id: AccountId
    plan: Name
    currency: Currency
    credit_limit: Amount = "0"
    identities: Identities = ()
    parent: AccountId | None = None
    billing: Billing = Billing.OWN
    cap: Amount | None = None


class AccountPatch(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New terms; what is left out stays as it is. Identities replace all former ones.

    ``valid_until`` and ``grace_until`` stand together: null is for ever, and never closed.
    """

    plan: Name | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    credit_limit: Amount | UnsetType = UNSET
    identities: Identities | UnsetType = UNSET
    cap: Amount | UnsetType | None = UNSET
    """null: none any more."""
    valid_until: Time | UnsetType | None = UNSET
    grace_until: Time | UnsetType | None = UNSET


class TopUpCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money put in; ``reference`` is the payment's."""

    amount: Amount
    reference: Text = ""


class AdjustmentCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A correction, either sign."""

    amount: Amount
    reason: Annotated[str, Meta(min_length=1, max_length=256)]


class BucketCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bundle given; the catalogue knows its unit, amount, validity and priority."""

    offer: Name


class LiftCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Consent to go beyond a meter's limits until its period ends; ``reference`` says how it was given."""

    reference: Text = ""


class LoanCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plan's emergency credit is taken."""

    reference: Text = ""


class SubscriptionCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An offer of the catalogue that renews."""

    offer: Text


class TransferCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money sent to the account ``to``, in the currency of both."""

    to: AccountId
    amount: Amount
    reference: Text = ""


class AccountsQuery(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``identity`` as ``type:value`` finds its account; else a page in the order of ids, after the id ``after``."""

    identity: IdentityName | None = None
    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class EntriesQuery(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of entries after the entry id ``after``, oldest first."""

    after: Annotated[str, Meta(pattern=r"^([0-9]{1,20}-[0-9]{1,20})?$")] = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class SessionsQuery(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Open sessions of one account or of all, those due soonest first."""

    account: str | None = None
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


class OrphansQuery(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls that were never asked for, newest first."""

    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


class TraceQuery(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to follow: an account, or an identity as ``type:value``, even one that nobody has."""

    account: str | None = None
    identity: IdentityName | None = None


class PriceService(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is used: who talks to whom, and where; empty where it does not matter."""

    kind: ServiceKind
    calling: Text = ""
    called: Text = ""
    incoming: bool = False
    apn: Text = ""
    rat: Text = ""
    visited: Text = ""
    home: Text = ""
    location: Text = ""
    context: Text = ""
    origin: Text = ""
    qos: Text = ""
    access: Literal["", "wifi", "app"] = ""


class PriceCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A charging event that is only thought of: an account's, or anybody's under ``plan``."""

    service: PriceService
    units: Annotated[int, Meta(ge=0, lt=2**53)] | None = None
    """Octets, seconds or events; left out: the service's usual quota."""
    unit: Unit | None = None
    rating_group: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    service_id: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    account: AccountId | None = None
    plan: Name | None = None
    at: Annotated[str, Meta(max_length=40, extra_json_schema={"format": "date-time"})] = ""
    """When it is used, with an offset; left out: now."""
    door: Literal["", "diameter", "sip"] = ""


class MoneyView(Record, frozen=True, kw_only=True):
    """``available`` = ``balance`` - ``reserved`` + credit limit; ``overrun``: what was consumed beyond it."""

    balance: Amount
    reserved: Amount
    available: Amount
    overrun: Amount


class MeterView(Record, frozen=True, kw_only=True):
    """What is counted in a period that runs: use in ``unit``, money, and how far both may go (null: as far as may be).

    ``lifted``: the limits do not hold until ``ends_at``.
    """

    name: str
    unit: Unit | None
    used: int
    reserved: int
    limit: int | None
    spent: str
    reserved_money: str
    cap: str | None
    lifted: bool
    ends_at: Moment


class LiftView(Record, frozen=True, kw_only=True):
    """A consent and its entry."""

    entry: str
    account: str
    meter: str
    ends_at: Moment


class BucketView(Record, frozen=True, kw_only=True):
    """An allowance, or bonus money (unit money). ``remaining`` is neither used nor reserved.

    ``good_for``: seconds it lasts from its first use on, which is still to come; ``expires_at`` says when it ends then.
    """

    id: str
    offer: str
    unit: Unit
    initial: Quantity
    remaining: Quantity
    reserved: Quantity
    starts_at: Moment | None
    expires_at: Moment | None
    good_for: int | None


class HoldingView(Record, frozen=True, kw_only=True):
    """What one key (rating group, service) of a session holds and has consumed. ``cost``: money reserved."""

    key: str
    unit: Unit
    granted: Quantity
    cost: Amount
    used: Quantity
    spent: Amount


class SessionView(Record, frozen=True, kw_only=True):
    """A credit session; it lapses at ``deadline`` unless renewed."""

    id: str
    account: str
    door: str
    state: SessionState
    opened_at: Moment
    updated_at: Moment
    deadline: Moment
    spent: Amount
    reserved: Amount
    holdings: tuple[HoldingView, ...]


class AccountView(Record, frozen=True, kw_only=True):
    """An account with its balance, buckets and open sessions."""

    id: str
    status: Status
    plan: str
    currency: str
    credit_limit: Amount
    identities: tuple[IdentityModel, ...]
    parent: str | None
    billing: Billing
    cap: Amount | None
    opened_at: Moment
    valid_until: Moment | None
    """Active until then; null: for ever."""
    grace_until: Moment | None
    """In grace from then on until then, and closed after that; null: never closed."""
    money: MoneyView
    buckets: tuple[BucketView, ...]
    meters: tuple[MeterView, ...]
    sessions: tuple[SessionView, ...]


class AccountList(Record, frozen=True, kw_only=True):
    """A page; ``next`` is the ``after`` of the next one, null on the last."""

    accounts: tuple[AccountView, ...]
    next: str | None


class LoanView(Record, frozen=True, kw_only=True):
    """A loan: ``outstanding`` of it and its fee is still to be repaid."""

    amount: Amount
    fee: Amount
    outstanding: Amount
    taken_at: Moment


class LoanOffer(Record, frozen=True, kw_only=True):
    """What may be borrowed, at which fee, and how little must be available for it (null: it does not matter)."""

    amount: Amount
    fee: Amount
    when_below: Amount | None


class LoanStateView(Record, frozen=True, kw_only=True):
    """The loan that is outstanding, and what the plan offers; null: there is none."""

    loan: LoanView | None
    offer: LoanOffer | None


class LoanGiven(Record, frozen=True, kw_only=True):
    """A loan taken: its ledger entry, and the account's money as it was right after."""

    entry: str
    account: str
    money: MoneyView


class TransferView(Record, frozen=True, kw_only=True):
    """A transfer: the sender's ledger entry, and the sender's money as it was right after."""

    entry: str
    account: str
    to: str
    amount: Amount
    fee: Amount
    reference: str
    money: MoneyView


class InTransitView(Record, frozen=True, kw_only=True):
    """A transfer that was debited and is not known to have been credited."""

    account: str
    to: str
    amount: Amount
    currency: str
    reference: str
    sent_at: Moment


class InTransitList(Record, frozen=True, kw_only=True):
    """Those sent first come first. Nothing stays here long: what does is for a person to look into."""

    transfers: tuple[InTransitView, ...]


class TopUpView(Record, frozen=True, kw_only=True):
    """A top-up: its ledger entry, and the account's money as it was right after. ``repaid``: of a loan, from it."""

    entry: str
    account: str
    amount: Amount
    repaid: Amount
    reference: str
    money: MoneyView


class AdjustmentView(Record, frozen=True, kw_only=True):
    """An adjustment: its ledger entry, and the account's money as it was right after."""

    entry: str
    account: str
    amount: Amount
    reason: str
    money: MoneyView


class SubscriptionGiven(Record, frozen=True, kw_only=True):
    """A subscription that has begun: its entry, what its first period cost, and money and bucket as right after.

    The bucket lasts a day longer than its period, unless it is renewed or the subscription ends.
    """

    entry: str
    account: str
    offer: str
    fee: Amount
    money: MoneyView
    bucket: BucketView


class SubscriptionEnded(Record, frozen=True, kw_only=True):
    """A subscription that renews no more."""

    entry: str
    account: str
    offer: str


class SubscriptionView(Record, frozen=True, kw_only=True):
    """A subscription, and the period last paid for. ``price``: of a whole one; null: the offer does not renew now."""

    offer: str
    state: SubscriptionState
    price: str | None
    starts_at: str
    ends_at: str
    renews_at: str
    """When it is renewed, or tried again."""
    buckets: tuple[str, ...]


class SubscriptionList(Record, frozen=True, kw_only=True):
    """What an account has subscribed to."""

    subscriptions: tuple[SubscriptionView, ...]


class GiftView(Record, frozen=True, kw_only=True):
    """A bundle given: its ledger entry, and the new bucket."""

    entry: str
    account: str
    bucket: BucketView


class LineView(Record, frozen=True, kw_only=True):
    """One bucket's part of an entry: the changes of its counters, and its remaining before and after."""

    bucket: str
    asset: str
    credited: Quantity
    debited: Quantity
    reserved: Quantity
    overrun: Quantity
    before: Quantity
    after: Quantity


class EntryView(Record, frozen=True, kw_only=True):
    """One mutation; ``explanation`` says it in a sentence."""

    id: str
    at: Moment
    account: str
    operation: str
    cause: str
    door: str
    session: str
    reference: str
    explanation: str
    level: int
    """How far up the chain of the account that was charged; the entries of one step share operation and session."""
    margin: Amount | None
    """Of an account that resells: what the level below was debited in the step, less its own; else null."""
    lines: tuple[LineView, ...]


class EntryList(Record, frozen=True, kw_only=True):
    """A page; ``next`` is the ``after`` of the next one, null if there are no more yet."""

    entries: tuple[EntryView, ...]
    next: str | None


class SessionList(Record, frozen=True, kw_only=True):
    """Open sessions, those due soonest first."""

    sessions: tuple[SessionView, ...]


class OrphanView(Record, frozen=True, kw_only=True):
    """A stop report of a call that nobody knows, with what it takes to charge it by hand."""

    id: str
    at: Moment
    """When it was reported first."""
    session: str
    call_id: str
    caller: str
    called: str
    duration_ms: int | None
    """As reported; null if the report did not say."""
    peer: str


class OrphanList(Record, frozen=True, kw_only=True):
    """The last of those that are ``kept``."""

    orphans: tuple[OrphanView, ...]
    kept: int


class PeerView(Record, frozen=True, kw_only=True):
    """A Diameter peer or SIP proxy: its state in its protocol's words, and counters by name."""

    name: str
    door: str
    state: str
    address: str = ""
    since: Moment | None = None
    counters: dict[str, int] = msgspec.field(default_factory=dict)


class PeerList(Record, frozen=True, kw_only=True):
    """All peers of both doors."""

    peers: tuple[PeerView, ...]


class SumView(Record, frozen=True, kw_only=True):
    """Money of one currency over all accounts; ``available`` without credit limits.

    ``in_transit``: sent by accounts, and not known to have been credited to others.
    """

    credited: Amount
    debited: Amount
    reserved: Amount
    available: Amount
    overrun: Amount
    in_transit: Amount


class AllowanceView(Record, frozen=True, kw_only=True):
    """One unit over all buckets."""

    credited: int
    debited: int
    reserved: int
    available: int


class AuditView(Record, frozen=True, kw_only=True):
    """Do the books close? If not, each finding is a sentence."""

    balanced: bool
    accounts: int
    sessions: int
    currencies: dict[str, SumView]
    allowances: dict[str, AllowanceView]
    findings: tuple[str, ...]


class PaymentView(Record, frozen=True, kw_only=True):
    """What a bucket would pay before the main balance does: units, or bonus money (unit money)."""

    bucket: str
    offer: str
    unit: Unit
    units: Quantity
    left: Quantity


class PricedItemView(Record, frozen=True, kw_only=True):
    """``price``: for all ``units`` if money alone paid; ``cost``: what money would pay for what is ``granted``.

    Both of these are null where there is no account.
    """

    unit: Unit
    units: Quantity
    granted: Quantity | None
    price: Amount
    tax: Amount
    cost: Amount | None
    zone: str
    facts: tuple[str, ...]
    """What is known of the use, as a plan's line would name it."""
    rule: str
    """``file:line`` of the plan's line that decided; ``rate_source``: of the rate."""
    selectors: str
    """What that line names, hence what matched."""
    adjustment: str
    rate: str
    rate_source: str
    reason: Reason
    payments: tuple[PaymentView, ...]
    overage: str
    """The offer that is used up and says what holds beyond it."""
    throttle: str
    """What the network slows the use down to, by the overage or by a meter's limit that is reached."""


class LevelPriceView(Record, frozen=True, kw_only=True):
    """What an account up the chain would pay for the same: beside the level below or, ``shared``, in its place."""

    account: str
    plan: str
    shared: bool
    price: Amount
    margin: Amount | None
    available: Amount
    reason: Reason


class PriceView(Record, frozen=True, kw_only=True):
    """What it would cost on the balance as it is; ``reasons`` are sentences in the order in which they decided."""

    result: Result
    account: str | None
    plan: str
    plan_source: str
    currency: str
    catalogue: str
    price: Amount
    tax: Amount
    cost: Amount | None
    available: Amount | None
    items: tuple[PricedItemView, ...]
    levels: tuple[LevelPriceView, ...]
    reasons: tuple[str, ...]


class DurationView(Record, frozen=True, kw_only=True):
    """How many took at most ``seconds``; null: all of them."""

    seconds: float | None
    count: int


class DoorView(Record, frozen=True, kw_only=True):
    """One door's traffic since the start."""

    sessions: int
    in_flight: int
    duplicates: int
    lapsed: int
    requests: dict[str, int]
    """By result."""
    codes: dict[str, int]
    """By Result-Code or SIP status."""
    faults: dict[str, int]
    """Messages that broke a rule, and calls that went beyond their grant, by reason."""
    durations: tuple[DurationView, ...]
    """From receipt to answer."""


class StoreView(Record, frozen=True, kw_only=True):
    """The daemon's calls to the store since the start, those that failed by reason."""

    errors: dict[str, int]
    durations: tuple[DurationView, ...]


class LowView(Record, frozen=True, kw_only=True):
    """An account with little left."""

    account: str
    currency: str
    available: Amount
    reserved: Amount


class BooksView(Record, frozen=True, kw_only=True):
    """The books as last summed, at ``at``."""

    at: Moment
    balanced: bool
    accounts: int
    currencies: dict[str, SumView]


class TrunkView(Record, frozen=True, kw_only=True):
    """A trunk group of the SIP door."""

    name: str
    channels: int
    """In use, by calls that still ring too."""
    limit: int
    """0: none."""


class OverviewView(Record, frozen=True, kw_only=True):
    """What the dashboard shows; counters grow since the start, so that two readings give a rate."""

    at: Moment
    version: str
    ready: bool
    reasons: tuple[str, ...]
    """Why it is not ready."""
    doors: dict[str, DoorView]
    books: BooksView | None
    store: StoreView
    outbox_entries: int
    journal_lag: float
    reaper_lag: float
    """Seconds."""
    low: tuple[LowView, ...]
    """The lowest of the accounts that run low."""
    low_accounts: int
    peers: tuple[PeerView, ...]
    trunks: tuple[TrunkView, ...]


class HandledItemView(Record, frozen=True, kw_only=True):
    """What one rating group or service of a request reported, asked for and got; why not, if it did not."""

    key: str
    unit: Unit
    used: Quantity
    wanted: bool
    granted: Quantity
    cost: Amount
    settled: Amount
    reason: str


class HandledView(Record, frozen=True, kw_only=True):
    """A charging request as it was answered; ``explanation`` says it in a sentence."""

    at: Moment
    door: str
    phase: str
    session: str
    account: str
    identities: tuple[str, ...]
    service: str
    result: str
    reason: str
    short: str
    """The account up the chain for whose sake something was refused; empty: none."""
    replayed: bool
    refused: bool
    currency: str
    available: Amount
    items: tuple[HandledItemView, ...]
    untold: int
    """How many before it were left out of the stream."""
    explanation: str


class FollowingView(Record, frozen=True, kw_only=True):
    """Whom a trace follows; an identity may belong to no account."""

    account: str | None
    identities: tuple[str, ...]


class CallerView(Record, frozen=True, kw_only=True):
    """Who the token says one is."""

    name: str
    role: Literal["read", "operate", "admin"]


class HealthView(Record, frozen=True, kw_only=True):
    """The process is there."""

    status: Literal["ok"] = "ok"


class ReadyView(Record, frozen=True, kw_only=True):
    """``ready``, or the reasons why not."""

    status: Literal["ready", "not ready"]
    reasons: tuple[str, ...] = ()
