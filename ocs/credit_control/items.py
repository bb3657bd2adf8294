"""How much of what a Credit-Control-Request reports and asks for: its services and what their unit containers count."""

from collections.abc import Callable, Container, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from charging.event import Phase, RequestItem, ServiceKind, Unit
from ocs.credit_control.copies import counting
from ocs.diameter import avps
from ocs.diameter.codes import ResultCode, TariffChangeUsage
from ocs.diameter.currency import ALPHABETIC
from ocs.diameter.errors import RemoteError
from ocs.diameter.forms import OCTETS, Form, Values
from ocs.diameter.message import Group, Message

MOST_ITEMS = 100
"""More services in one request are refused: nobody has so many, and each costs work in the store."""

UNITS_BY_KIND = {
    ServiceKind.DATA: (Unit.OCTETS, Unit.SECONDS, Unit.EVENTS, Unit.MONEY),
    ServiceKind.VOICE: (Unit.SECONDS, Unit.EVENTS, Unit.OCTETS, Unit.MONEY),
    ServiceKind.SMS: (Unit.EVENTS, Unit.SECONDS, Unit.OCTETS, Unit.MONEY),
    ServiceKind.MMS: (Unit.EVENTS, Unit.OCTETS, Unit.SECONDS, Unit.MONEY),
    ServiceKind.OTHER: (Unit.EVENTS, Unit.SECONDS, Unit.OCTETS, Unit.MONEY),
}
"""Which unit counts where a container holds several: time reported beside a volume is information only."""

Count = tuple[Unit, Callable[[Values, set[str]], int]]
"""What of a unit a container counts; of money the currency is added to the set."""

Counted = tuple[tuple[Unit, int], ...]


class Amounts(NamedTuple):
    """The services of a request."""

    items: tuple[RequestItem, ...]
    """Each key once."""
    keys: dict[str, bytes]
    """Item key to its Service-Identifier and Rating-Group AVPs as they came."""
    currency: str
    """ISO 4217 code of CC-Money; empty where there is none."""


class ItemsForm:
    """How requests of one form tell their services."""

    def __init__(self, form: Form, message: Message, phase: Phase, kind: ServiceKind) -> None:
        """Raises RemoteError for more services than there may be."""
        services = form.groups(message, avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
        if len(services) > MOST_ITEMS:
            raise RemoteError(ResultCode.RESOURCES_EXCEEDED, f"more than {MOST_ITEMS} services in one request")
        self.multiple = bool(services)
        """Units came in Multiple-Services-Credit-Control, not at command level."""
        if not services and (phase is Phase.EVENT or _has_units(message)):
            services = [message]
        self._items = [_ItemForm(form, service, phase, kind, bare=service is message) for service in services]
        self._copies = counting(form, message, kind) if phase in (Phase.OPEN, Phase.EVENT) else None

    def read(self, values: Values) -> Amounts:
        """Raises RemoteError for money that cannot be charged."""
        items: dict[str, RequestItem] = {}
        keys: dict[str, bytes] = {}
        currencies: set[str] = set()
        for form in self._items:
            item = form.read(values, currencies)
            key = item.key
            if key in items:
                items[key] = _merge(items[key], item)
            else:
                keys[key] = b"".join([values[OCTETS][named] for named in form.named])
                items[key] = item
        if self._copies is not None and (copies := self._copies(values)) > 1:
            items = {key: replace(item, wanted=copies) if item.wanted == 0 else item for key, item in items.items()}
        if len(currencies) > 1:
            raise RemoteError(ResultCode.RATING_FAILED, "CC-Money in more than one currency")
        return Amounts(tuple(items.values()), keys, currencies.pop() if currencies else "")


def _has_units(message: Message) -> bool:
    return avps.REQUESTED_SERVICE_UNIT in message or avps.USED_SERVICE_UNIT in message


class _ItemForm:
    """A service of a request, or the request that is about one service only."""

    def __init__(self, form: Form, group: Group, phase: Phase, kind: ServiceKind, *, bare: bool) -> None:
        self._rating_group = form.field(group, avps.RATING_GROUP)
        self._service_ids = form.fields(group, avps.SERVICE_IDENTIFIER)
        self.named = [] if bare else [group.span(at) for at in _naming(group)]
        """Where the octets stand that name it."""
        containers = form.groups(group, avps.USED_SERVICE_UNIT)
        used = [_units(form, container) for container in containers]
        self._used = used[0] if len(used) == 1 else [count for units in used for count in units]
        self._several = len(used) > 1
        self._after = [
            count
            for container, units in zip(containers, used, strict=True)
            if _is_after(form, container)
            for count in units
        ]
        requested = form.group(group, avps.REQUESTED_SERVICE_UNIT)
        wanted = None if requested is None or phase is Phase.CLOSE else _units(form, requested)
        self._wanted = [] if phase is Phase.EVENT and wanted is None else wanted
        self._unit = _first(UNITS_BY_KIND[kind], [unit for unit, _ in self._wanted or self._used])

    def read(self, values: Values, currencies: set[str]) -> RequestItem:
        reported = _read(self._used, values, currencies)
        unit = self._unit
        wanted = None if self._wanted is None else _count(unit, _read(self._wanted, values, currencies))
        rating_group = values[self._rating_group]
        service_ids = [values[field] for field in self._service_ids]
        return RequestItem(
            key=_key(rating_group, service_ids),
            rating_group=rating_group,
            service_id=service_ids[0] if service_ids else None,
            unit=unit,
            used=_count(unit, reported),
            wanted=wanted,
            reported=_sum(reported) if self._several else reported,
            after=_sum(_read(self._after, values, currencies)) if self._after else (),
        )


def _naming(group: Group) -> list[int]:
    """Where the AVPs are that name a service."""
    return [*group.positions(avps.SERVICE_IDENTIFIER.key), *group.positions(avps.RATING_GROUP.key)[:1]]


def _is_after(form: Form, used: Group) -> bool:
    """RFC 8506 section 8.27. What is UNIT_INDETERMINATE counts as used before, as what is not marked at all."""
    return bool(form.fixed(used, avps.TARIFF_CHANGE_USAGE) == TariffChangeUsage.UNIT_AFTER_TARIFF_CHANGE)


def _first(order: Iterable[Unit], counted: Container[Unit]) -> Unit | None:
    for unit in order:
        if unit in counted:
            return unit
    return None


def _key(rating_group: int | None, service_ids: list[int]) -> str:
    """Service-Identifiers and Rating-Group together name a service (RFC 8506 section 8.16)."""
    first = "-" if rating_group is None else str(rating_group)
    return ".".join((first, *map(str, service_ids))) if service_ids else first


def _read(counts: list[Count], values: Values, currencies: set[str]) -> Counted:
    return tuple([(unit, count(values, currencies)) for unit, count in counts])


def _count(unit: Unit | None, counted: Counted) -> int:
    """How much of a unit."""
    total = 0
    for each, count in counted:
        if each is unit:
            total += count
    return total


def _sum(counted: Counted) -> Counted:
    """Units added up, each with its own."""
    total: dict[Unit, int] = {}
    for unit, count in counted:
        total[unit] = total.get(unit, 0) + count
    return tuple(total.items())


def _merge(one: RequestItem, other: RequestItem) -> RequestItem:
    """The same key twice in a request: what was used adds up, what is wanted is the larger."""
    wanted = (
        other.wanted if one.wanted is None else one.wanted if other.wanted is None else max(one.wanted, other.wanted)
    )
    reported = _sum(one.reported + other.reported)
    unit = one.unit or other.unit
    return RequestItem(
        key=one.key,
        rating_group=one.rating_group,
        service_id=one.service_id,
        unit=unit,
        used=_count(unit, reported),
        wanted=wanted,
        reported=reported,
        after=_sum(one.after + other.after),
    )


def _units(form: Form, container: Group) -> list[Count]:
    """What a unit container counts. Total octets, where present, already hold input and output (TS 32.299)."""
    counts: list[Count] = []
    if avps.CC_TIME in container:
        counts.append((Unit.SECONDS, _plain(form.field(container, avps.CC_TIME))))
    if avps.CC_TOTAL_OCTETS in container:
        counts.append((Unit.OCTETS, _plain(form.field(container, avps.CC_TOTAL_OCTETS))))
    elif avps.CC_INPUT_OCTETS in container or avps.CC_OUTPUT_OCTETS in container:
        inwards, outwards = form.field(container, avps.CC_INPUT_OCTETS), form.field(container, avps.CC_OUTPUT_OCTETS)
        counts.append((Unit.OCTETS, lambda values, _: (values[inwards] or 0) + (values[outwards] or 0)))
    if avps.CC_SERVICE_SPECIFIC_UNITS in container:
        counts.append((Unit.EVENTS, _plain(form.field(container, avps.CC_SERVICE_SPECIFIC_UNITS))))
    money = form.group(container, avps.CC_MONEY)
    if money is not None:
        counts.append((Unit.MONEY, _money(form, money)))
    return counts


def _plain(field: int) -> Callable[[Values, set[str]], int]:
    return lambda values, _: values[field]


def _money(form: Form, money: Group) -> Callable[[Values, set[str]], int]:
    """CC-Money in micro-units: Value-Digits * 10^Exponent; what is finer than a micro-unit or negative is refused."""
    value = form.group(money, avps.UNIT_VALUE) or money.require(avps.UNIT_VALUE)
    whole = money.span(money.positions(avps.UNIT_VALUE.key)[0])
    digits_field, exponent_field = form.field(value, avps.VALUE_DIGITS), form.field(value, avps.EXPONENT)
    code_field = form.field(money, avps.CURRENCY_CODE)

    def read(values: Values, currencies: set[str]) -> int:
        code = values[code_field]
        if code is not None:
            if code not in ALPHABETIC:
                raise RemoteError(
                    ResultCode.INVALID_AVP_VALUE, "no such currency in ISO 4217", avps.CURRENCY_CODE.encode(code)
                )
            currencies.add(ALPHABETIC[code])
        digits, shift = values[digits_field], (values[exponent_field] or 0) + 6
        if -20 < shift < 20 and digits >= 0 and (shift >= 0 or digits % 10**-shift == 0):
            amount: int = digits * 10**shift if shift >= 0 else digits // 10**-shift
            if amount < 2**53:
                return amount
        raise RemoteError(ResultCode.INVALID_AVP_VALUE, "not an amount that can be charged", values[OCTETS][whole])

    return read
