"""From an item of a request to the conditions under which the ledger counts it. Pure.

What an item is counted in, which rate holds, how much is wanted: decided here, item by item, without any balance.
"""

from msgspec.structs import replace

from balances import states
from balances.ledger import Empty, Lapse, Quote, Record, Status, Unit, Use, Validity
from balances.money import LIMIT
from balances.price import Price, Step
from charging.catalogue import terms
from charging.catalogue.model import Catalogue
from charging.catalogue.plan import ServiceTerms
from charging.catalogue.selectors import Usage
from charging.event import REPORTS, ChargingEvent, Phase, Reason, RequestItem, Service, ServiceKind
from charging.matching import Held, Matcher
from charging.observer import Observer
from charging.settings import ChargingSettings
from charging.subscribers import Subscriber

AT_PAR = Price(0, (Step(None, 1, 1),))
"""Money for money: CC-Money is not rated."""


class Quoted(Record, frozen=True, kw_only=True):
    """An item with its conditions. ``held`` None: not rated, or held under the conditions of the session."""

    item: RequestItem
    unit: Unit
    service: ServiceTerms | None
    held: Held | None = None
    quote: Quote | None = None
    matcher: Matcher | None = None
    """Who found its rate, or none."""
    limit: int | None = None
    """Most units a grant may have so that it does not run over a change of the rate; None: as many as may be."""
    since: int | None = None
    """When the rate began to hold (milliseconds), for an item of which a part was used after that."""
    denied: Reason = Reason.NONE
    why: str = ""
    """A sentence on why it is denied."""

    @property
    def usage(self) -> Usage | None:
        """What is known of the use, but for the item's own rating group and service identifier."""
        return self.matcher.usage if self.matcher else None

    @property
    def later_key(self) -> str:
        """Under which the ledger counts what was used since: at a price, and on a scale, of its own."""
        return f"{self.item.key}~{(self.since or 0) // 1000}"


class Quoter:
    """Quotes the items of one request of one subscriber."""

    def __init__(
        self,
        catalogue: Catalogue,
        subscriber: Subscriber,
        event: ChargingEvent,
        kind: ServiceKind | None = None,
        activation: Validity | None = None,
    ) -> None:
        """``kind`` is what the session is about, for a request that does not say; ``activation`` how long the
        subscriber lives if its life begins with this use."""
        self.activation = activation
        self.matcher = Matcher(catalogue, subscriber.plan, subscriber.currency, event.service, event.door, event.at)
        self.subscriber = subscriber
        self.event = event
        self.kind = event.service.kind if event.service else kind
        self.known = catalogue.services.get(self.kind) if self.kind else None
        self.number = self.matcher.number

    def quote(self, item: RequestItem) -> Quoted:
        """The conditions of one item."""
        if item.unit is Unit.MONEY:
            return self._money(item)
        service = self.event.service
        if service is None or self._too_little_known(service):
            return self._held(item)
        held = self.matcher.find(item.rating_group, item.service_id)
        if held is None:
            return self._unrateable(item, service)
        rate = held.match.rate
        quoted = Quoted(
            item=item, unit=rate.service.unit, service=rate.service, held=held, quote=self._conditions(held),
            matcher=self.matcher,
        )  # fmt: skip
        quoted = self._timed(self._since(quoted))
        if item.wanted and item.unit not in (None, quoted.unit):
            return _denied(quoted, Reason.UNRATEABLE, f"{rate.name} is not priced per {item.unit}")
        if quoted.quote and states.refusal(self.subscriber.status, quoted.quote, self.activation):
            return _denied(quoted, Reason.BARRED, f"the account is {self.subscriber.status}")
        return quoted

    def _conditions(self, held: Held) -> Quote:
        """The rate's quote, with the offers that pay for this use and the meters that count it."""
        quote = held.match.rate.quote
        if held.offers != quote.offers:
            quote = replace(quote, offers=held.offers)
        if held.match.rule.meters:
            meters = held.plan.meterings(held.match, self.event.at, self.subscriber.currency)
            quote = replace(quote, meters=meters)
        return quote

    def _timed(self, quoted: Quoted) -> Quoted:
        """Where the rate changes, or a meter's period ends, before a grant would: it ends then, by its validity too."""
        service, held, item = quoted.service, quoted.held, quoted.item
        if service is None or held is None or quoted.quote is None or self.event.phase is Phase.EVENT:
            return quoted
        longest = max(service.validity, service.most if service.unit is Unit.SECONDS else 0)
        horizon = self.event.at + longest * 1000
        over = self.subscriber.until if self.subscriber.status is Status.ACTIVE else None
        dies = over is not None and over < horizon
        if not dies and not quoted.quote.meters and self.matcher.is_steady(held):
            return quoted
        change = self.matcher.changes_at(held, item.rating_group, item.service_id, horizon)
        ends = [each.ends_at for each in quoted.quote.meters if each.ends_at < horizon]
        if over is not None and dies:
            ends.append(over)
        change = min(ends, default=None) if change is None else min([change, *ends])
        if change is None:
            return quoted
        if self.event.splits and service.unit is not Unit.SECONDS and not (dies and change == over):
            outlasting = self._outlasting(quoted, held, service, change)
            if outlasting is not None:
                return replace(quoted, quote=outlasting)
        left = max(1, (change - self.event.at) // 1000)  # by the client's clock, as the rate is
        return replace(
            quoted,
            quote=terms.shortened(quoted.quote, min(left, service.validity)),
            limit=left if service.unit is Unit.SECONDS else None,
        )

    def _outlasting(self, quoted: Quoted, held: Held, service: ServiceTerms, change: int) -> Quote | None:
        """The quote of a grant that may outlast a change of the rate; None: it may not.

        It is reserved by the rate that holds now, so that the later one must not be dearer, and the same offers pay.
        """
        item, now = quoted.item, self.event.at
        later = self.matcher.at_time(item.rating_group, item.service_id, change)
        if quoted.quote is None or later is None or later.offers != held.offers or later.match.rate.quote.overage:
            return None
        if quoted.quote.meters or later.match.rule.meters:  # what is held counts in the period in which it ends
            return None
        if quoted.quote.overage or not falls(quoted.quote.price, later.match.rate.quote.price):
            return None
        horizon = now + service.validity * 1000
        end = self.matcher.changes_at(later, item.rating_group, item.service_id, horizon, since=change)
        validity = service.validity if end is None else (end - now) // 1000
        return terms.outlasting(quoted.quote, validity, change)

    def _since(self, quoted: Quoted) -> Quoted:
        """An item with use of before and after a change: the later part is priced by the rate that holds now."""
        held, service, item = quoted.held, quoted.service, quoted.item
        if not item.after or held is None or service is None or not _counted(item.after, quoted.unit):
            return quoted
        horizon = self.event.at - 2 * service.validity * 1000  # no session was silent for longer
        return replace(quoted, since=self.matcher.changed_at(held, item.rating_group, item.service_id, horizon))

    def _too_little_known(self, service: Service) -> bool:
        """A report in mid-session that does not repeat whom the call goes to: the session's conditions hold."""
        reporting = self.event.phase in REPORTS
        return reporting and service.kind is not ServiceKind.DATA and not self.number

    def _held(self, item: RequestItem) -> Quoted:
        unit = self.known.unit if self.known else item.unit or Unit.OCTETS
        quoted = Quoted(item=item, unit=unit, service=self.known)
        if self.event.phase in (Phase.OPEN, Phase.EVENT):
            return _denied(quoted, Reason.UNRATEABLE, "the request does not say which service it is for")
        if item.wanted and item.unit not in (None, unit):
            return _denied(quoted, Reason.UNRATEABLE, f"the session is not counted in {item.unit}")
        return quoted

    def _unrateable(self, item: RequestItem, service: Service) -> Quoted:
        unit = self.known.unit if self.known else item.unit or Unit.EVENTS
        quoted = Quoted(item=item, unit=unit, service=self.known, matcher=self.matcher)
        name = self.subscriber.plan
        if self.subscriber.status is not Status.ACTIVE:
            return _denied(quoted, Reason.BARRED, f"the account is {self.subscriber.status}")
        if self.matcher.plan is None:
            return _denied(quoted, Reason.UNRATEABLE, f"no plan {name!r} in {self.subscriber.currency}")
        if not self.matcher.plan.rules.get(service.kind):
            return _denied(quoted, Reason.BARRED, f"plan {name} does not include {service.kind}")
        whom = f" {'from' if service.incoming else 'to'} {self.number!r}" if self.number else ""
        return _denied(quoted, Reason.UNRATEABLE, f"plan {name} has no rate for {service.kind}{whom}")

    def _money(self, item: RequestItem) -> Quoted:
        quoted = Quoted(item=item, unit=Unit.MONEY, service=self.known)
        if self.event.currency not in ("", self.subscriber.currency):
            why = f"the account is kept in {self.subscriber.currency}, not in {self.event.currency}"
            return _denied(quoted, Reason.UNRATEABLE, why)
        packed = terms.encode(self.known, Unit.MONEY) if self.known else b""
        quoted = replace(quoted, quote=Quote(price=AT_PAR, terms=packed))
        if self.subscriber.status is not Status.ACTIVE and self.activation is None:
            return _denied(quoted, Reason.BARRED, f"the account is {self.subscriber.status}")
        if item.wanted == 0:
            return _denied(quoted, Reason.UNRATEABLE, "an amount of money is needed")
        return quoted


def _denied(quoted: Quoted, reason: Reason, why: str) -> Quoted:
    return replace(quoted, denied=reason, why=why)


def wanted(quoted: Quoted, phase: Phase) -> int:
    """How many units an item wants; 0 nothing. A session is never granted more at once than the service allows."""
    asked, service = quoted.item.wanted, quoted.service
    if (asked is None and phase is not Phase.EVENT) or phase in (Phase.CLOSE, Phase.LAPSE):
        return 0
    if quoted.unit is Unit.MONEY:
        return max(0, asked or 0)
    if service is None:
        return max(0, asked or 0)
    size = service.quota if asked is None or asked <= 0 else asked
    if phase is Phase.EVENT:
        return size
    most = service.most if quoted.limit is None else min(service.most, quoted.limit)
    return min(size, most)


def falls(now: Price, later: Price) -> bool:
    """Is a unit later no dearer than now? Prices with steps or a set-up fee cannot be compared unit by unit."""
    if now.setup or later.setup or len(now.steps) != 1 or len(later.steps) != 1:
        return False
    one, two = now.steps[0], later.steps[0]
    return two.amount * one.block * one.per <= one.amount * two.block * two.per


def uses(
    quoted: tuple[Quoted, ...], event: ChargingEvent, settings: ChargingSettings, observer: Observer
) -> tuple[Use, ...]:
    """What the ledger is told of the items, and after them of what was used of some since the rate changed."""
    told = [use(each, event, settings, observer) for each in quoted]
    told += [_later(each, event, settings, observer) for each in quoted if each.since is not None]
    return tuple(told)


def _later(quoted: Quoted, event: ChargingEvent, settings: ChargingSettings, observer: Observer) -> Use:
    used = _capped(_counted(quoted.item.after, quoted.unit), quoted.unit, event, settings, observer)
    return Use(key=quoted.later_key, unit=quoted.unit, used=used, quote=quoted.quote)


def use(quoted: Quoted, event: ChargingEvent, settings: ChargingSettings, observer: Observer) -> Use:
    """What the ledger is told of an item."""
    item, unit = quoted.item, quoted.unit
    used, total = item.used, item.total
    if item.reported:
        used = _counted(item.reported, unit)
        if quoted.since is not None:
            used -= _counted(item.after, unit)
        elif not used and any(units for _, units in item.reported):
            observer.unit_mismatch(event.door, event.session, item.unit or item.reported[0][0], unit)
    elif item.unit not in (None, unit):
        if used or total:
            observer.unit_mismatch(event.door, event.session, item.unit or unit, unit)
        used, total = 0, None
    if unit is Unit.MONEY and quoted.quote is None:
        used, total = 0, None  # another currency is not ours to count
    size = wanted(quoted, event.phase)
    return Use(
        key=item.key,
        unit=unit,
        used=_capped(used, unit, event, settings, observer),
        total=None if total is None else _capped(total, unit, event, settings, observer),
        wanted=size,
        least=size if event.phase is Phase.EVENT else min(_least(quoted), max(1, size)),
        quote=quoted.quote,
        denied=quoted.denied.value or None,
    )


def _counted(units: tuple[tuple[Unit, int], ...], wanted: Unit) -> int:
    for unit, count in units:
        if unit is wanted:
            return count
    return 0


def _least(quoted: Quoted) -> int:
    return 1 if quoted.service is None or quoted.unit is not quoted.service.unit else quoted.service.least


def _capped(units: int, unit: Unit, event: ChargingEvent, settings: ChargingSettings, observer: Observer) -> int:
    if units <= 0:
        return 0
    largest = _largest(unit, settings)
    if units > largest:
        observer.report_capped(event.door, event.session, unit, units)
        return largest
    return units


def _largest(unit: Unit, settings: ChargingSettings) -> int:
    if unit is Unit.OCTETS:
        return settings.largest_octets
    if unit is Unit.SECONDS:
        return settings.largest_seconds
    return settings.largest_events if unit is Unit.EVENTS else LIMIT - 1


class Lifetime(Record, frozen=True, kw_only=True):
    """When the session lapses and what then; what to make of it if it gets nothing."""

    deadline: int
    lapse: Lapse
    empty: Empty


def lifetime(quoted: tuple[Quoted, ...], known: ServiceTerms | None, event: ChargingEvent, idle: int) -> Lifetime:
    """A session lives twice its longest validity (RFC 8506 section 13: Tcc), or as long as the door says."""
    services = [each.service for each in quoted if each.service] or ([known] if known else [])
    longest, refuse = 0, bool(quoted)
    for each in quoted:
        if each.denied is Reason.NONE:
            refuse = False  # not all of it is barred
            break
    for service in services:
        longest = max(longest, service.validity)
        refuse = refuse or service.empty is Empty.REFUSE
    if event.lifetime is not None:
        milliseconds = max(0, event.lifetime)
    else:
        milliseconds = (2 * longest if services else idle) * 1000
    return Lifetime(
        deadline=event.now + milliseconds,
        lapse=event.lapse or (services[0].lapse if services else Lapse.RELEASE),
        empty=Empty.REFUSE if refuse else Empty.KEEP,
    )
