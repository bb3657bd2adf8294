"""Write an outcome as the AVPs of a Credit-Control-Answer, in the order of RFC 8506 section 3.2.

Strict in what is sent (TS 32.299, and what real gateways choke on): each positive service has Granted-Service-Unit,
Validity-Time and Result-Code and echoes its keys; each refusal has its code and no grant; Final-Unit-Indication never
stands beside 4012; no Validity-Time of 0. The answer depends on request and outcome alone, so that a replayed outcome
gives the same octets.
"""

from functools import lru_cache

from charging.event import Action, Change, FinalAction, ItemOutcome, Outcome, Phase, Reason, Result, Unit
from ocs.credit_control.finals import indications
from ocs.credit_control.manner import Manner
from ocs.credit_control.request import CreditControlRequest
from ocs.credit_control.settings import Profile
from ocs.diameter import avps
from ocs.diameter.answer import Answer
from ocs.diameter.codes import CheckBalanceResult, DirectDebitingFailureHandling, ResultCode
from ocs.diameter.currency import NUMERIC
from ocs.diameter.dictionary import Avp

RESULT_CODES = {
    Result.OK: ResultCode.SUCCESS,
    Result.NO_CREDIT: ResultCode.CREDIT_LIMIT_REACHED,
    Result.LIMIT_REACHED: ResultCode.CREDIT_LIMIT_REACHED,
    Result.BARRED: ResultCode.END_USER_SERVICE_DENIED,
    Result.UNKNOWN_SUBSCRIBER: ResultCode.USER_UNKNOWN,
    Result.UNRATEABLE: ResultCode.RATING_FAILED,
    Result.UNKNOWN_SESSION: ResultCode.UNKNOWN_SESSION_ID,
    Result.SESSION_CLOSED: ResultCode.UNKNOWN_SESSION_ID,
    Result.NOTHING_TO_REFUND: ResultCode.RATING_FAILED,
    Result.OUT_OF_RANGE: ResultCode.UNABLE_TO_COMPLY,
    Result.FORGOTTEN: ResultCode.UNABLE_TO_COMPLY,
    Result.UNAVAILABLE: ResultCode.UNABLE_TO_COMPLY,
}
"""An outcome as a whole to the command's Result-Code (RFC 8506 section 9; placement as TS 32.299 has it)."""

ITEM_CODES = {
    Reason.NONE: ResultCode.SUCCESS,
    Reason.NO_CREDIT: ResultCode.CREDIT_LIMIT_REACHED,
    Reason.LIMIT_REACHED: ResultCode.CREDIT_LIMIT_REACHED,
    Reason.BARRED: ResultCode.END_USER_SERVICE_DENIED,
    Reason.UNRATEABLE: ResultCode.RATING_FAILED,
}

_UNITS = {
    Unit.SECONDS: avps.CC_TIME,
    Unit.OCTETS: avps.CC_TOTAL_OCTETS,
    Unit.EVENTS: avps.CC_SERVICE_SPECIFIC_UNITS,
}
_THRESHOLDS = {
    Unit.SECONDS: avps.TIME_QUOTA_THRESHOLD,
    Unit.OCTETS: avps.VOLUME_QUOTA_THRESHOLD,
    Unit.EVENTS: avps.UNIT_QUOTA_THRESHOLD,
}
TRIGGERS = {
    Change.ADDRESS: 1,
    Change.QOS: 2,
    Change.LOCATION: 3,
    Change.RAT: 4,
    Change.TIMEZONE: 5,
    Change.BIT_RATE: 24,
    Change.MCC: 30,
    Change.MNC: 31,
    Change.RAC: 32,
    Change.LAC: 33,
    Change.CELL: 34,
    Change.TAC: 35,
    Change.ECGI: 36,
    Change.MEDIA: 40,
    Change.NODE: 61,
    Change.ACCESS: 62,
    Change.CSG: 70,
    Change.PRESENCE: 73,
}
"""Trigger-Types (TS 32.299)."""

_MOST_THRESHOLD = 2**32 - 1
_DEFAULT_VALIDITY = 3600
_KEPT = 4096
"""Encoded AVPs kept of each kind below: quotas, validities and thresholds are the catalogue's, hence few."""


@lru_cache(maxsize=_KEPT)
def _number(avp: Avp[int], value: int) -> bytes:
    return avp.encode(value)


@lru_cache(maxsize=_KEPT)
def _units(unit: Unit, granted: int, switch: int) -> bytes:
    """Granted-Service-Unit of so many units; ``switch``: Tariff-Time-Change in seconds since 1970, 0: none."""
    parts = [_UNITS[unit].encode(granted)]
    if switch:
        parts.insert(0, avps.TARIFF_TIME_CHANGE.encode(switch))
    return avps.GRANTED_SERVICE_UNIT.encode(parts)


def write(request: CreditControlRequest, outcome: Outcome, manner: Manner) -> Answer:
    """The CCA for an outcome, without what only copies the request."""
    code = RESULT_CODES[outcome.result]
    if code is ResultCode.SUCCESS and not request.style.multiple and outcome.items:
        code = _item_code(outcome.items[0])  # one service, spoken of at command level
    if code is not ResultCode.SUCCESS:
        # RFC 8506 section 9.2: Failed-AVP is required with 5031
        failed = request.failed if code is ResultCode.RATING_FAILED else b""
        return Answer(result_code=code, failed_avp=failed, error_message=outcome.reason)
    parts = _units_and_cost(request, outcome, manner)
    if request.event.phase is Phase.OPEN:
        parts.insert(0, avps.CC_SESSION_FAILOVER.encode(manner.session_failover))
        parts.append(avps.CREDIT_CONTROL_FAILURE_HANDLING.encode(manner.failure_handling))
    elif request.event.action is Action.DEBIT and request.event.phase is Phase.EVENT:
        handling = manner.debit_failure_handling
        if handling is not DirectDebitingFailureHandling.TERMINATE_OR_BUFFER:  # that is what its absence means
            parts.append(avps.DIRECT_DEBITING_FAILURE_HANDLING.encode(handling))
    return Answer(avps=tuple(parts))


def _units_and_cost(request: CreditControlRequest, outcome: Outcome, manner: Manner) -> list[bytes]:
    event, multiple = request.event, request.style.multiple
    session = event.phase in (Phase.OPEN, Phase.UPDATE)
    parts: list[bytes] = []
    if event.action in (Action.DEBIT, Action.REFUND):
        for item in outcome.items:
            if multiple:
                parts.append(
                    avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(_service(request, item, outcome, manner.profile))
                )
            elif item.granted:
                parts.append(_granted(item, outcome))
    priced = outcome.currency in NUMERIC  # a currency without a number in ISO 4217 cannot be named here
    if (not session or request.style.cost) and event.action is not Action.CHECK_BALANCE and priced:
        parts.append(avps.COST_INFORMATION.encode(_amount(outcome.spent, outcome.currency)))
    if manner.profile.remaining_balance and priced and not outcome.on_trust:
        low = outcome.available < manner.low_balance
        parts.append(avps.LOW_BALANCE_INDICATION.encode(int(low)))
        parts.append(avps.REMAINING_BALANCE.encode(_amount(outcome.available, outcome.currency)))
    if event.action is Action.CHECK_BALANCE and outcome.enough is not None:
        result = CheckBalanceResult.ENOUGH_CREDIT if outcome.enough else CheckBalanceResult.NO_CREDIT
        parts.append(avps.CHECK_BALANCE_RESULT.encode(result))
    if session and not multiple:
        for item in outcome.items:
            if item.granted or _is_final_without_units(item):
                parts.extend(() if item.final is None else indications(item.final, manner.profile))
                parts.append(_validity(item, manner.profile))
    return parts


def _service(request: CreditControlRequest, item: ItemOutcome, outcome: Outcome, profile: Profile) -> list[bytes]:
    """One Multiple-Services-Credit-Control: grant, keys, validity, result, final units, thresholds (section 8.16)."""
    parts: list[bytes] = []
    event = request.event
    if item.granted:
        parts.append(_granted(item, outcome))
    parts.append(request.style.keys.get(item.key, b""))
    goes_on = event.phase in (Phase.OPEN, Phase.UPDATE) and (item.granted or _is_final_without_units(item))
    if goes_on:
        parts.append(_validity(item, profile))
    parts.append(_number(avps.RESULT_CODE, _item_code(item)))
    if goes_on and item.final is not None:
        parts.extend(indications(item.final, profile))
    if goes_on and item.granted:
        if item.throttle:
            parts.append(avps.FILTER_ID.encode(item.throttle))  # the gateway's name for what slows the service down
        wants_threshold = profile.thresholds and item.final is None and item.unit in _THRESHOLDS
        if wants_threshold and 0 < item.threshold < item.granted:
            parts.append(_number(_THRESHOLDS[item.unit], min(item.threshold, _MOST_THRESHOLD)))
        parts.extend(_quota_handling(item))
    if event.phase is Phase.EVENT and event.action is Action.DEBIT and item.granted:
        parts.append(avps.REFUND_INFORMATION.encode(event.session.encode()))
    return parts


def _quota_handling(item: ItemOutcome) -> list[bytes]:
    """What the client does with its quota (TS 32.299 clause 6.5). Consumption of idle time is of time quotas only."""
    parts = []
    if item.holding:
        parts.append(_number(avps.QUOTA_HOLDING_TIME, item.holding))
    if item.unit is Unit.SECONDS and item.consumption:
        parts.append(_number(avps.QUOTA_CONSUMPTION_TIME, item.consumption))
    if item.unit is Unit.SECONDS and item.periods is not None:
        kind = avps.TIME_QUOTA_TYPE.encode(int(item.periods.continuous))
        interval = avps.BASE_TIME_INTERVAL.encode(item.periods.seconds)
        parts.append(avps.TIME_QUOTA_MECHANISM.encode([kind, interval]))
    if item.changes is not None:
        types = sorted(TRIGGERS[change] for change in item.changes)
        parts.append(avps.TRIGGER.encode([avps.TRIGGER_TYPE.encode(number) for number in types]))
    return parts


def _item_code(item: ItemOutcome) -> ResultCode:
    return ResultCode.SUCCESS if _is_final_without_units(item) else ITEM_CODES[item.reason]


def _is_final_without_units(item: ItemOutcome) -> bool:
    """Redirect or restrict at once, without quota: 2001 with the indication and a Validity-Time, no 4012."""
    return not item.granted and item.final is not None and item.final.action is not FinalAction.TERMINATE


def _granted(item: ItemOutcome, outcome: Outcome) -> bytes:
    assert item.granted is not None
    if item.unit is Unit.MONEY:
        return avps.GRANTED_SERVICE_UNIT.encode([avps.CC_MONEY.encode(_amount(item.granted, outcome.currency))])
    return _units(item.unit, item.granted, item.switch // 1000)


def _validity(item: ItemOutcome, profile: Profile) -> bytes:
    seconds = item.validity or _DEFAULT_VALIDITY
    longest = profile.longest_validity
    return _number(avps.VALIDITY_TIME, min(seconds, longest) if longest else seconds)


def _amount(micro: int, currency: str) -> list[bytes]:
    """Unit-Value as Value-Digits * 10^Exponent without trailing zeros, and the Currency-Code."""
    digits, exponent = micro, -6
    while digits and digits % 10 == 0 and exponent < 0:
        digits, exponent = digits // 10, exponent + 1
    if not digits:
        exponent = 0
    value = [avps.VALUE_DIGITS.encode(digits)]
    if exponent:
        value.append(avps.EXPONENT.encode(exponent))
    code = [avps.CURRENCY_CODE.encode(NUMERIC[currency])] if currency in NUMERIC else []
    return [avps.UNIT_VALUE.encode(value), *code]
