"""Damaged Diameter messages on many connections: whatever can be framed must be answered or end its own connection."""

import asyncio
import contextlib
import struct
from collections import Counter
from pathlib import Path
from random import Random

from ocs.diameter import avps
from ocs.diameter.codec import HEADER_SIZE, encode_message
from tests.fuzz.mutate import damage_diameter
from tests.gateway import (
    CLOSE,
    DATA,
    EVENT,
    OPEN,
    SMS,
    UPDATE,
    VOICE,
    call_data,
    ccr,
    octets,
    seconds,
    service,
    subscriber,
)

KAMAILIO = Path(__file__).parents[1] / "data/kamailio-5.6.3"
ALICE = "491701234567"
PATIENCE = 10.0
BATCH = 20
REQUEST = 0x80


def corpus() -> list[bytes]:
    """Good messages of every kind."""
    who, one = subscriber(ALICE), avps.CC_SERVICE_SPECIFIC_UNITS.encode(1)
    split = [avps.CC_TIME.encode(9), avps.CC_INPUT_OCTETS.encode(1000), avps.CC_OUTPUT_OCTETS.encode(5000)]
    money = avps.CC_MONEY.encode(
        [
            avps.UNIT_VALUE.encode([avps.VALUE_DIGITS.encode(5), avps.EXPONENT.encode(-2)]),
            avps.CURRENCY_CODE.encode(978),
        ]
    )
    ps = avps.PS_INFORMATION.encode([avps.PDP_ADDRESS.encode("10.45.0.7"), avps.CALLED_STATION_ID.encode("internet")])
    data = avps.SERVICE_INFORMATION.encode([ps])
    proxy = avps.PROXY_INFO.encode([avps.PROXY_HOST.encode("dra"), avps.PROXY_STATE.encode(b"1")])
    action = avps.REQUESTED_ACTION.encode
    refunded = service(300, wanted=[one], more=[avps.REFUND_INFORMATION.encode(b"f;3")])
    bodies = [
        ccr("f;1", OPEN, 0, who, service(10, wanted=()), service(20, wanted=()), data, proxy),
        ccr("f;1", UPDATE, 1, who, service(10, wanted=(), used=[octets(1000)]), data),
        ccr("f;1", UPDATE, 2, who, service(None, wanted=[octets(1_000_000)], used=split), data),
        ccr("f;1", CLOSE, 3, who, service(10, used=[octets(1000)]), avps.TERMINATION_CAUSE.encode(1)),
        ccr("f;2", OPEN, 0, who, service(100, wanted=[seconds(60)]), call_data("493012345678"), context=VOICE),
        ccr("f;3", EVENT, 0, who, action(0), service(300, wanted=[one]), context=SMS),
        ccr("f;4", EVENT, 0, who, action(1), service(300, wanted=[one]), context=SMS),
        ccr("f;7", EVENT, 0, who, action(1), refunded, context=SMS),
        ccr("f;8", UPDATE, 1, *rarely_seen(), data),
        ccr("f;5", EVENT, 0, who, action(2), avps.REQUESTED_SERVICE_UNIT.encode([money]), context=DATA),
        ccr("f;6", EVENT, 0, who, action(3), avps.SERVICE_IDENTIFIER.encode(1), context="balance@ocs.example.net"),
    ]
    head = (avps.ORIGIN_HOST.encode("f"), avps.ORIGIN_REALM.encode("example.net"))
    return [
        *(encode_message(0xC0, 272, 4, 1, 1, body) for body in bodies),
        *(bytes.fromhex(path.read_text()) for path in sorted(KAMAILIO.glob("*.hex"))),
        encode_message(0x80, 280, 0, 1, 1, head),
        encode_message(0x40, 258, 4, 1, 1, (avps.SESSION_ID.encode("f;1"), avps.RESULT_CODE.encode(2001), *head)),
    ]


def rarely_seen() -> list[bytes]:
    """What few clients send."""
    identity = avps.SUBSCRIPTION_ID_EXTENSION.encode([avps.SUBSCRIPTION_ID_E164.encode(ALICE)])
    device = avps.USER_EQUIPMENT_INFO_EXTENSION.encode([avps.USER_EQUIPMENT_INFO_IMEI.encode(b"35209900123456")])
    parameter = [avps.SERVICE_PARAMETER_TYPE.encode(1), avps.SERVICE_PARAMETER_VALUE.encode(b"x")]
    envelope = [avps.ENVELOPE_START_TIME.encode(1_768_471_200), octets(1000)]
    parts = [
        avps.REQUESTED_SERVICE_UNIT.encode([]),
        *(
            avps.USED_SERVICE_UNIT.encode(
                [avps.REPORTING_REASON.encode(3), avps.TARIFF_CHANGE_USAGE.encode(when), octets(9)]
            )
            for when in (0, 1, 2)
        ),
        avps.RATING_GROUP.encode(10),
        avps.TRIGGER.encode([avps.TRIGGER_TYPE.encode(4)]),
        avps.ENVELOPE.encode(envelope),
    ]
    return [
        avps.CC_SUB_SESSION_ID.encode(7),
        identity,
        avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(parts),
        avps.SERVICE_PARAMETER_INFO.encode(parameter),
        device,
    ]


class Attacker:
    """One connection after another under one identity."""

    def __init__(self, port: int, name: str, random: Random, counts: Counter[str]) -> None:
        self._port, self._name, self._random, self._counts = port, name, random, counts
        self._corpus = corpus()
        head = (avps.ORIGIN_HOST.encode(name), avps.ORIGIN_REALM.encode("example.net"))
        self._goodbye = (*head, avps.DISCONNECT_CAUSE.encode(0))
        self._ids = 0
        self.hung: list[bytes] = []
        """Messages that got no answer on a connection that stayed open."""

    async def run(self, end: float) -> None:
        """Until the loop's time is ``end``."""
        while asyncio.get_running_loop().time() < end:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._counts["diameter connections"] += 1
            with contextlib.suppress(OSError, EOFError):
                await self._attack(reader, writer, end)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _attack(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, end: float) -> None:
        writer.write(encode_message(0x80, 257, 0, 1, 1, self._introduction()))
        await asyncio.wait_for(_receive(reader), PATIENCE)
        while asyncio.get_running_loop().time() < end:
            expected: dict[int, bytes] = {}
            for _ in range(BATCH):
                data = self._input()
                writer.write(data)
                self._counts["diameter inputs"] += 1
                if not is_framed(data):
                    return  # nobody can tell where the next message begins
                if data[4] & REQUEST:
                    expected[int.from_bytes(data[12:16], "big")] = data
            try:
                async with asyncio.timeout(PATIENCE):
                    while expected:
                        answer = await _receive(reader)
                        self._counts["diameter messages back"] += 1
                        if not answer[4] & REQUEST:
                            expected.pop(int.from_bytes(answer[12:16], "big"), None)
            except TimeoutError:
                self.hung.extend(expected.values())
                return

    def _input(self) -> bytes:
        chance = self._random.random()
        if chance < 0.001:
            return self._random.randbytes(self._random.randrange(4, 400))
        if chance < 0.002:
            return damage_diameter(encode_message(0x80, 282, 0, 1, 1, self._goodbye), self._random)
        self._ids += 1
        data = bytearray(damage_diameter(self._random.choice(self._corpus), self._random))
        data[12:16] = struct.pack(">I", self._ids)
        return bytes(data)

    def _introduction(self) -> tuple[bytes, ...]:
        return (
            avps.ORIGIN_HOST.encode(self._name),
            avps.ORIGIN_REALM.encode("example.net"),
            avps.HOST_IP_ADDRESS.encode("127.0.0.1"),
            avps.VENDOR_ID.encode(0),
            avps.PRODUCT_NAME.encode("fuzz"),
            avps.AUTH_APPLICATION_ID.encode(4),
        )


def is_framed(data: bytes) -> bool:
    """One message, neither more nor less."""
    true = len(data) >= HEADER_SIZE and int.from_bytes(data[1:4], "big") == len(data)
    return true and data[0] == 1 and len(data) % 4 == 0


async def _receive(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(int.from_bytes(head[1:4], "big") - 4)
