"""Is a request what its command's grammar allows? The first thing found wrong is raised (RFC 6733 sections 7 and 7.1).

Strict where money depends on it, liberal where real gateways differ: see the constants.
"""

import struct
from enum import StrEnum
from typing import Any, Final

from ocs.diameter import avps
from ocs.diameter.codes import CCRequestType, Command, ResultCode
from ocs.diameter.dictionary import AVPS, COMMANDS, FRAME, MANDATORY_FLAG, Avp, Grammar, Rule
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Group, Message, inside

MAX_OCCURRENCES: Final = 1000
"""Of one AVP that may be repeated: the bound on the work a single request can ask for."""

REPEATABLE: Final = frozenset(
    avp.key for avp in (avps.ORIGIN_HOST, avps.ORIGIN_REALM, avps.DESTINATION_HOST, avps.DESTINATION_REALM)
)
"""Kamailio repeats them when configured with its own; the first one counts."""

NOT_REQUIRED: Final = frozenset((avps.AUTH_APPLICATION_ID.key, avps.HOST_IP_ADDRESS.key))
"""Kamailio sends the one inside Vendor-Specific-Application-Id only, and the header says the application too; the other
it leaves out of a CER whenever two of its processes race, and would then stay away for its Tc of 30 s."""

UNEXAMINED: Final = frozenset((avps.SERVICE_INFORMATION.key, avps.QOS_INFORMATION.key))
"""Groups in which every vendor adds its own AVPs, with M or without: rating takes out of them what it knows."""

SERVER_ONLY: Final[tuple[Avp[Any], ...]] = (
    avps.RESULT_CODE,
    avps.GRANTED_SERVICE_UNIT,
    avps.FINAL_UNIT_INDICATION,
    avps.COST_INFORMATION,
    avps.CHECK_BALANCE_RESULT,
)
"""What a CCR never has at command level (RFC 8506 section 3.1)."""

DECISIVE: Final[tuple[Avp[int], ...]] = (avps.CC_REQUEST_TYPE, avps.REQUESTED_ACTION)
"""What money depends on: an unknown value is refused even where the M flag is missing."""

_NOT_OF_CLIENTS: Final = frozenset(avp.key for avp in SERVER_ONLY)

_WORD = struct.Struct(">I")
_INT = struct.Struct(">i")


class Unknown(StrEnum):
    """What to do with an AVP that no dictionary knows and that has the M flag."""

    REFUSE = "refuse"
    IGNORE = "ignore"


def check_request(request: Message, unknown: Unknown = Unknown.REFUSE) -> None:
    """Raise RemoteError unless the request obeys its command's grammar."""
    if request.malformed is not None:
        raise request.malformed
    grammar = COMMANDS.get((request.command, True))
    if grammar is None:
        raise RemoteError(ResultCode.COMMAND_UNSUPPORTED, f"command {request.command} is not known")
    _check_members(request, grammar, unknown)
    request.get(avps.SESSION_ID)
    if request.command == Command.CREDIT_CONTROL:
        _check_credit_control(request)


def _check_members(group: Group, grammar: Grammar, unknown: Unknown) -> None:
    rules, index, buffer, values = grammar.rules, group.index, group.buffer, group.values
    for key, where in index.items():
        rule = rules.get(key)
        if rule is None:
            if key not in AVPS and unknown is Unknown.REFUSE:
                _refuse_mandatory(group, key)
        elif where.__class__ is int:
            # Most AVPs are plain numbers of the right length, or text, of which any length goes: no more to do.
            if rule.quick is not None:
                try:
                    word, value = rule.quick(buffer, where + 4)
                except struct.error:  # too short, at the message's end
                    word = value = 0
                if word & FRAME == rule.frame and (not rule.avp.values or value in rule.avp.values):
                    values[key] = value
                else:
                    _check_value(group, rule.avp, where, unknown)
            elif rule.frame is not None:
                if _WORD.unpack_from(buffer, where + 4)[0] & FRAME != rule.frame:
                    _check_value(group, rule.avp, where, unknown)
            elif rule.avp.grammar is not None:
                _check_value(group, rule.avp, where, unknown)
        else:
            _check_repeated(group, rule, where, unknown)  # type: ignore[arg-type]
    if not grammar.keys <= index.keys():
        for rule in grammar.required:
            if rule.avp.key not in index and rule.avp.key not in NOT_REQUIRED:
                raise RemoteError(ResultCode.MISSING_AVP, f"{rule.avp.name} is missing", rule.avp.example())


def _check_repeated(group: Group, rule: Rule, positions: list[int], unknown: Unknown) -> None:
    maximum = rule.maximum or MAX_OCCURRENCES
    if len(positions) > maximum and rule.avp.key not in REPEATABLE:
        raise RemoteError(
            ResultCode.AVP_OCCURS_TOO_MANY_TIMES,
            f"{rule.avp.name} occurs {len(positions)} times",
            group.octets(positions[maximum]),
        )
    for position in positions:
        _check_value(group, rule.avp, position, unknown)


def _refuse_mandatory(group: Group, key: int) -> None:
    for position in group.positions(key):
        if group.flags(position) & MANDATORY_FLAG:
            raise RemoteError(
                ResultCode.AVP_UNSUPPORTED, f"AVP {key & 0xFFFFFFFF} is not known", group.octets(position)
            )


def _check_value(group: Group, avp: Avp[Any], position: int, unknown: Unknown) -> None:
    size = avp.type.size
    if size is not None:
        word = _WORD.unpack_from(group.buffer, position + 4)[0]
        header = 12 if word & 0x80000000 else 8
        if (word & 0xFFFFFF) - header != size:
            raise avp.wrong_length(group.buffer, position)
        if (
            avp.values
            and _INT.unpack_from(group.buffer, position + header)[0] not in avp.values
            and word & MANDATORY_FLAG << 24
        ):
            raise RemoteError(ResultCode.INVALID_AVP_VALUE, f"{avp.name} has no such value", group.octets(position))
    elif avp.grammar is not None and avp.key not in UNEXAMINED:
        member = group.at(avp, position)
        group.values.setdefault(avp.key, member)
        try:
            _check_members(member, avp.grammar, unknown)
        except RemoteError as error:
            raise inside(avp, error) from None


def _check_credit_control(request: Message) -> None:
    if not _NOT_OF_CLIENTS.isdisjoint(request.index):
        avp = next(avp for avp in SERVER_ONLY if avp in request)
        raise RemoteError(ResultCode.AVP_NOT_ALLOWED, f"{avp.name} in a request", request.raw(avp)[0])
    for decisive in DECISIVE:
        value = request.get(decisive)
        if value is not None and value not in decisive.values:
            name = decisive.name
            raise RemoteError(ResultCode.INVALID_AVP_VALUE, f"{name} has no such value", request.raw(decisive)[0])
    if request.get(avps.CC_REQUEST_TYPE) == CCRequestType.EVENT_REQUEST and avps.REQUESTED_ACTION not in request:
        raise RemoteError(
            ResultCode.MISSING_AVP, "an EVENT_REQUEST needs Requested-Action", avps.REQUESTED_ACTION.example()
        )
