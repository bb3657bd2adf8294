"""Credit-control requests as Open5GS's SMF writes them: each AVP in its order, with its flags and its oddities."""

from ocs.diameter import avps

HOST, REALM = "smf.epc.example.net", "example.net"
IMSI_TYPE, E164_TYPE = 1, 0
INITIAL, UPDATE, TERMINATION = 1, 2, 3
VOLUME = 1_000_000
"""What it asks for, always."""
QHT, FINAL, VALIDITY_TIME = 1, 2, 4
EVENT_TIMESTAMP = 3_900_000_000 - 2_208_988_800


def open5gs_ccr(
    session: str,
    kind: int,
    number: int,
    imsi: str,
    msisdn: str = "",
    *,
    used: tuple[int, int, int] | None = None,
    reason: int | None = None,
    unit_reason: int | None = None,
    server: str = "",
) -> tuple[bytes, ...]:
    """A CCR. ``used`` is time, uplink and downlink since the last; ``reason`` goes beside, ``unit_reason`` into it."""
    parts = [
        avps.SESSION_ID.encode(session),
        avps.ORIGIN_HOST.encode(HOST),
        avps.ORIGIN_REALM.encode(REALM),
        avps.DESTINATION_REALM.encode(REALM),
        avps.AUTH_APPLICATION_ID.encode(4),
        avps.SERVICE_CONTEXT_ID.encode("32251@3gpp.org"),
        avps.CC_REQUEST_TYPE.encode(kind),
        avps.CC_REQUEST_NUMBER.encode(number),
    ]
    if kind != INITIAL:
        parts.append(avps.DESTINATION_HOST.encode(server))
    parts.append(avps.EVENT_TIMESTAMP.encode(EVENT_TIMESTAMP))
    parts.append(_subscription(IMSI_TYPE, imsi))
    if msisdn:
        parts.append(_subscription(E164_TYPE, msisdn))
    if kind == TERMINATION:
        parts.append(avps.TERMINATION_CAUSE.encode(1))
    parts.append(avps.REQUESTED_ACTION.encode(0))
    parts.append(avps.AOC_REQUEST_TYPE.encode(1))
    if kind == INITIAL:
        parts.append(avps.MULTIPLE_SERVICES_INDICATOR.encode(0))
    parts.append(_service(kind, used, reason, unit_reason))
    parts.append(_information(kind))
    return tuple(parts)


def _subscription(kind: int, data: str) -> bytes:
    return avps.SUBSCRIPTION_ID.encode([avps.SUBSCRIPTION_ID_TYPE.encode(kind), avps.SUBSCRIPTION_ID_DATA.encode(data)])


def _service(kind: int, used: tuple[int, int, int] | None, reason: int | None, unit_reason: int | None) -> bytes:
    members = []
    if kind != TERMINATION:
        members.append(avps.REQUESTED_SERVICE_UNIT.encode([avps.CC_TOTAL_OCTETS.encode(VOLUME)]))
    if used is not None:
        time, uplink, downlink = used
        units = [] if unit_reason is None else [avps.REPORTING_REASON.encode(unit_reason)]
        units += [
            avps.CC_TIME.encode(time),
            avps.CC_INPUT_OCTETS.encode(uplink),
            avps.CC_OUTPUT_OCTETS.encode(downlink),
        ]
        members.append(avps.USED_SERVICE_UNIT.encode(units))
    if reason is not None:
        members.append(avps.REPORTING_REASON.encode(reason))
    priority = [
        avps.PRIORITY_LEVEL.encode(8),
        avps.PRE_EMPTION_CAPABILITY.encode(1),
        avps.PRE_EMPTION_VULNERABILITY.encode(1),
    ]
    members.append(
        avps.QOS_INFORMATION.encode(
            [
                avps.QOS_CLASS_IDENTIFIER.encode(9),
                avps.ALLOCATION_RETENTION_PRIORITY.encode(priority),
                avps.APN_AGGREGATE_MAX_BITRATE_UL.encode(1_000_000_000),
                avps.APN_AGGREGATE_MAX_BITRATE_DL.encode(1_000_000_000),
            ]
        )
    )
    return avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(members)


def _information(kind: int) -> bytes:
    equipment = [
        avps.USER_EQUIPMENT_INFO_TYPE.encode(0),
        avps.USER_EQUIPMENT_INFO_VALUE.encode(b"3534900698733190"),
    ]
    members = [
        avps.TGPP_CHARGING_ID.encode(1),
        *([avps.TGPP_PDP_TYPE.encode(0)] if kind == INITIAL else []),
        avps.PDP_ADDRESS.encode("10.45.0.2"),
        avps.SGSN_ADDRESS.encode("127.0.0.3"),
        avps.GGSN_ADDRESS.encode("127.0.0.4"),
        avps.CALLED_STATION_ID.encode("internet"),
        avps.TGPP_SELECTION_MODE.encode("0"),
        avps.TGPP_CHARGING_CHARACTERISTICS.encode("0800"),
        avps.TGPP_SGSN_MCC_MNC.encode("00101"),
        avps.TGPP_NSAPI.encode(b"\x05"),
        avps.TGPP_MS_TIMEZONE.encode(b"\x40\x01"),
        avps.TGPP_USER_LOCATION_INFO.encode(bytes.fromhex("8200f110000100f11000000101")),
        avps.TGPP_RAT_TYPE.encode(b"\x06"),
        avps.USER_EQUIPMENT_INFO.encode(equipment),
    ]
    return avps.SERVICE_INFORMATION.encode([avps.PS_INFORMATION.encode(members)])
