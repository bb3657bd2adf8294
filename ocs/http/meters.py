"""Meters as the API shows them: what an account used and spent in the periods that run, and how far it may go."""

from fractions import Fraction

from balances.ledger import Account, Meter
from balances.money import format_amount
from charging.catalogue import Catalogue
from ocs.http.models import MeterView
from ocs.http.views import moment


def meter_views(catalogue: Catalogue, account: Account, now: int) -> tuple[MeterView, ...]:
    """The meters whose periods run, with the limits that the account's plan sets by them now."""
    plan = catalogue.find(account.plan, now)
    factor = plan.currencies.get(account.currency, Fraction(1)) if plan else Fraction(1)
    return tuple(_view(catalogue, meter, factor) for meter in account.meters if meter.ends_at > now)


def _view(catalogue: Catalogue, meter: Meter, factor: Fraction) -> MeterView:
    known = catalogue.meters.get(meter.name)
    cap = known.cap if known else None
    return MeterView(
        name=meter.name,
        unit=meter.unit,
        used=meter.used,
        reserved=meter.reserved,
        limit=known.limit if known else None,
        spent=format_amount(meter.spent),
        reserved_money=format_amount(meter.reserved_money),
        cap=None if cap is None else format_amount(int(cap * factor)),
        lifted=meter.lifted,
        ends_at=moment(meter.ends_at),
    )
