"""What is told of an account's money over webhooks: thresholds of its own, and whether to top it up by itself."""

from typing import Annotated

from msgspec import Meta

from balances.ledger import Record
from balances.money import format_amount
from ocs.http.accounts import read_amount, resolve
from ocs.http.auth import Role
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import Amount, Request
from ocs.http.problems import Kind, Problem, invalid
from ocs.webhooks.alerts import AlertBook, Alerts, AutoTopUp


class AutoTopUpModel(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a top-up of ``amount`` when less than ``below`` is unreserved."""

    below: Amount
    amount: Amount


class AlertsPut(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``thresholds`` null: those of the plan, or of the configuration. ``auto_topup`` null: none."""

    thresholds: Annotated[tuple[Amount, ...], Meta(max_length=16)] | None = None
    auto_topup: AutoTopUpModel | None = None


class AlertsView(Record, frozen=True, kw_only=True):
    """An account's setting."""

    account: str
    thresholds: tuple[Amount, ...] | None
    auto_topup: AutoTopUpModel | None


def _book(house: House) -> AlertBook:
    if house.alerts is None:
        raise Problem(Kind.NOT_OFFERED, "Nobody is told: webhooks.url is empty.")
    return house.alerts


def _positive(text: str, pointer: str) -> int:
    amount = read_amount(text, pointer)
    if amount <= 0:
        raise invalid(pointer, "It is above zero; depletion is told anyway.")
    return amount


def _view(account: str, alerts: Alerts) -> AlertsView:
    auto = alerts.auto_topup
    return AlertsView(
        account=account,
        thresholds=None if alerts.thresholds is None else tuple(map(format_amount, alerts.thresholds)),
        auto_topup=None
        if auto is None
        else AutoTopUpModel(below=format_amount(auto.below), amount=format_amount(auto.amount)),
    )


async def show(house: House, call: Call[None, None]) -> Reply:
    address = await resolve(house, call.path["account"])
    return Reply(body=_view(address.account, await _book(house).setting(address)))


async def change(house: House, call: Call[AlertsPut, None]) -> Reply:
    address, body = await resolve(house, call.path["account"]), call.body
    thresholds, auto = None, None
    if body.thresholds is not None:
        named = [_positive(text, f"/thresholds/{place}") for place, text in enumerate(body.thresholds)]
        thresholds = tuple(dict.fromkeys(named))
    if body.auto_topup is not None:
        auto = AutoTopUp(
            below=_positive(body.auto_topup.below, "/auto_topup/below"),
            amount=_positive(body.auto_topup.amount, "/auto_topup/amount"),
        )
    alerts = Alerts(thresholds=thresholds, auto_topup=auto)
    await _book(house).change(address, alerts)
    return Reply(body=_view(address.account, alerts))


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/accounts/{account}/alerts",
        summary="What is told of an account's money",
        handler=show,
        returns={200: AlertsView},
        problems=(404, 422),
    ),
    Operation(
        method="PUT",
        path="/v1/accounts/{account}/alerts",
        summary="Set thresholds of an account's own, and whether to ask for a top-up",
        handler=change,
        role=Role.OPERATE,
        body=AlertsPut,
        returns={200: AlertsView},
        problems=(404,),
    ),
)
