"""Who pays for a subscriber's use, and by which plan: the accounts up its chain of parents, quoted one by one. Pure.

The ledger calls each account of the chain a level, the subscriber's own being 0. One that shares the wallet above it is
quoted at nothing, and the wallet's owner by the plan of who used it; one that resells buys by a plan of its own.
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from balances import levels, states
from balances.ledger import Billing, Level, Metering, Quote, Record, Status, Use, Validity
from balances.price import FREE
from charging import life
from charging.catalogue import periods, terms
from charging.catalogue.model import Catalogue
from charging.event import ChargingEvent, Reason, ServiceKind
from charging.quoting import Quoted, Quoter
from charging.subscribers import Subscriber

MEMBER = "member/"
"""A member's cap is a meter of the wallet it shares: ``member/<account>``."""


class Chain(Record, frozen=True, kw_only=True):
    """The accounts that a use is charged to, the subscriber's own first."""

    accounts: tuple[Subscriber, ...]

    @property
    def own(self) -> Subscriber:
        return self.accounts[0]

    @property
    def ties(self) -> tuple[Billing, ...]:
        """How each but the last is tied to the next."""
        return tuple([one.billing for one in self.accounts[:-1]])

    @property
    def payer(self) -> int:
        """The level that the subscriber pays from: not a member's, but the owner's."""
        return levels.payer(self.ties)


class Quotation(Record, frozen=True, kw_only=True):
    """The items of a request quoted for a chain: by level, as the subscriber is told them at the payer's."""

    chain: Chain
    by_level: tuple[tuple[Quoted, ...], ...]
    told: tuple[Quoted, ...]
    activations: tuple[Validity | None, ...]
    """By level: how long an account lives whose life begins with this use; None: it does not begin."""


def quote(catalogue: Catalogue, chain: Chain, event: ChargingEvent, kind: ServiceKind | None) -> Quotation:
    """The conditions of each item on each level."""
    begun = tuple([_activation(catalogue, account, event) for account in chain.accounts])
    if len(chain.accounts) == 1:
        quoted = _quoted(catalogue, chain.own, event, kind, begun[0])
        return Quotation(chain=chain, by_level=(quoted,), told=quoted, activations=begun)
    event = replace(event, splits=False)  # a grant may outlast a change of one plan's rate, but not of several plans'
    by_level: list[tuple[Quoted, ...]] = []
    plan = ""
    for place, account in enumerate(chain.accounts):
        shared = place > 0 and chain.ties[place - 1] is Billing.SHARED
        plan = plan if shared else account.plan
        caller = replace(chain.own, plan=plan, status=account.status, until=account.until, currency=account.currency)
        by_level.append(_quoted(catalogue, caller, event, kind, begun[place]))
    for place, tie in enumerate(chain.ties):
        if tie is Billing.SHARED:
            member = chain.accounts[place]
            by_level[place + 1] = tuple([_capped(each, member, event.at) for each in by_level[place + 1]])
            by_level[place] = tuple([_free(each, member, begun[place]) for each in by_level[place]])
    told = chain.payer
    others = [quoted for place, quoted in enumerate(by_level) if place != told]
    by_level[told] = tuple([_no_longer(each, ones) for each, *ones in zip(by_level[told], *others, strict=True)])
    return Quotation(chain=chain, by_level=tuple(by_level), told=by_level[told], activations=begun)


def _activation(catalogue: Catalogue, account: Subscriber, event: ChargingEvent) -> Validity | None:
    if account.status is not Status.PRE_ACTIVE:
        return None
    return life.activation(catalogue.find(account.plan, event.at), account.status, event.now)


def _quoted(
    catalogue: Catalogue, account: Subscriber, event: ChargingEvent, kind: ServiceKind | None,
    activation: Validity | None,
) -> tuple[Quoted, ...]:  # fmt: skip
    quoter = Quoter(catalogue, account, event, kind, activation)
    return tuple([quoter.quote(item) for item in event.items])


def _free(quoted: Quoted, member: Subscriber, activation: Validity | None) -> Quoted:
    """Nothing to pay for who shares a wallet; only its own state may forbid the use."""
    free = None if quoted.quote is None else Quote(price=FREE, terms=quoted.quote.terms)
    barred = quoted.quote is not None and states.refusal(member.status, quoted.quote, activation) is not None
    why = f"the account is {member.status}" if barred else ""
    return replace(quoted, quote=free, denied=Reason.BARRED if barred else Reason.NONE, why=why)


def _capped(quoted: Quoted, member: Subscriber, at: int) -> Quoted:
    """The owner's quote, with a meter for what the member may spend in a month of the plan's time zone."""
    if quoted.quote is None or quoted.held is None or member.cap is None:
        return quoted
    ends_at = periods.end(at, "month", 1, quoted.held.plan.clock.zone)
    meter = Metering(meter=f"{MEMBER}{member.address.account}", ends_at=ends_at, cap=member.cap)
    return replace(quoted, quote=replace(quoted.quote, meters=(*quoted.quote.meters, meter)))


def _no_longer(told: Quoted, others: Iterable[Quoted]) -> Quoted:
    """What is told lasts no longer than the rate of any level does."""
    limits = [each.limit for each in (told, *others) if each.limit is not None]
    lasting = [validity for each in (told, *others) if (validity := _validity(each)) is not None]
    if told.quote is None or not lasting:
        return told
    quote = told.quote if min(lasting) == _validity(told) else terms.shortened(told.quote, min(lasting))
    return replace(told, quote=quote, limit=min(limits, default=None))


def _validity(quoted: Quoted) -> int | None:
    said = terms.decode(quoted.quote.terms) if quoted.quote else None
    return said.validity if said else None


def own_uses(quotation: Quotation, told: tuple[Use, ...]) -> tuple[Use, ...]:
    """The uses on the subscriber's own level, from those told to the payer."""
    own = _of(quotation, quotation.by_level[0])
    return tuple(
        [
            replace(use, quote=quoted.quote, denied=quoted.denied.value or None)
            for use, quoted in zip(told, own, strict=True)
        ]
    )


def above(quotation: Quotation) -> tuple[Level, ...]:
    """The levels above the subscriber's own, as the ledger is told them."""
    found = []
    for place, account in enumerate(quotation.chain.accounts[1:], start=1):
        quoted = list(_of(quotation, quotation.by_level[place]))
        told = list(_of(quotation, quotation.told))
        found.append(
            Level(
                address=account.address,
                version=account.version,
                billing=quotation.chain.ties[place - 1],
                quotes=tuple([each.quote for each in quoted]),
                denied=tuple([_denial(each, one) for each, one in zip(quoted, told, strict=True)]),
                activation=quotation.activations[place],
            )
        )
    return tuple(found)


def _denial(quoted: Quoted, told: Quoted) -> str | None:
    if quoted.quote is not None and quoted.unit is not told.unit:
        return Reason.UNRATEABLE.value  # what the one sells by the minute the other buys by the octet
    return quoted.denied.value or None


def _of(quotation: Quotation, quoted: tuple[Quoted, ...]) -> Iterator[Quoted]:
    """By use: the items, and after them what was used of some since the rate changed (``quoting.uses``)."""
    yield from quoted
    for each, told in zip(quoted, quotation.told, strict=True):
        if told.since is not None:
            yield each
