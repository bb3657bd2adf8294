"""A bare Diameter client for tests that must control every octet: what is sent, when, and what comes back."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from ocs.diameter import avps
from ocs.diameter.codec import HEADER_SIZE, encode_message
from ocs.diameter.codes import Command
from ocs.diameter.message import Group, Message

HOST, REALM = "gw.epc.example.net", "epc.example.net"
DATA, VOICE, SMS = "32251@3gpp.org", "32260@3gpp.org", "32274@3gpp.org"
OPEN, UPDATE, CLOSE, EVENT = 1, 2, 3, 4
PATIENCE = 10.0


def subscriber(e164: str) -> bytes:
    """A Subscription-Id."""
    return avps.SUBSCRIPTION_ID.encode([avps.SUBSCRIPTION_ID_TYPE.encode(0), avps.SUBSCRIPTION_ID_DATA.encode(e164)])


def octets(number: int) -> bytes:
    return avps.CC_TOTAL_OCTETS.encode(number)


def seconds(number: int) -> bytes:
    return avps.CC_TIME.encode(number)


def service(
    rating_group: int | None,
    *,
    wanted: Iterable[bytes] | None = None,
    used: Iterable[bytes] | None = None,
    more: Iterable[bytes] = (),
) -> bytes:
    """A Multiple-Services-Credit-Control; ``wanted`` () is an empty Requested-Service-Unit, None is none."""
    parts = []
    if wanted is not None:
        parts.append(avps.REQUESTED_SERVICE_UNIT.encode(wanted))
    if used is not None:
        parts.append(avps.USED_SERVICE_UNIT.encode(used))
    if rating_group is not None:
        parts.append(avps.RATING_GROUP.encode(rating_group))
    return avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([*parts, *more])


def call_data(called: str) -> bytes:
    """Service-Information of a call."""
    party = avps.CALLED_PARTY_ADDRESS.encode(f"tel:+{called}")
    ims = avps.IMS_INFORMATION.encode([avps.ROLE_OF_NODE.encode(0), avps.NODE_FUNCTIONALITY.encode(6), party])
    return avps.SERVICE_INFORMATION.encode([ims])


def ccr(
    session: str, kind: int, number: int, *parts: bytes, context: str = DATA, realm: str = "example.net"
) -> tuple[bytes, ...]:
    """The AVPs of a CCR."""
    return (
        avps.SESSION_ID.encode(session),
        avps.ORIGIN_HOST.encode(HOST),
        avps.ORIGIN_REALM.encode(REALM),
        avps.DESTINATION_REALM.encode(realm),
        avps.AUTH_APPLICATION_ID.encode(4),
        avps.SERVICE_CONTEXT_ID.encode(context),
        avps.CC_REQUEST_TYPE.encode(kind),
        avps.CC_REQUEST_NUMBER.encode(number),
        *parts,
    )


class Gateway:
    """One connection to the server. ``async with Gateway(host, port) as gateway: await gateway.ask(ccr(...))``.

    ``applications``: Auth-Application-Ids of the capabilities exchange. What the server asks waits in ``requests``.
    """

    def __init__(self, host: str, port: int, identity: str = HOST, applications: Iterable[int] = (4,)) -> None:
        self.identity = identity
        self.requests: asyncio.Queue[Message] = asyncio.Queue()
        self.cea: Message | None = None
        self._applications = tuple(applications)
        self._address = (host, port)
        self._ids = 0
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Gateway":
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        self._pump = asyncio.create_task(self._read())
        cea = await self.send(
            Command.CAPABILITIES_EXCHANGE,
            (
                avps.ORIGIN_HOST.encode(self.identity),
                avps.ORIGIN_REALM.encode(REALM),
                avps.HOST_IP_ADDRESS.encode("127.0.0.1"),
                avps.VENDOR_ID.encode(0),
                avps.PRODUCT_NAME.encode("test"),
                *(avps.AUTH_APPLICATION_ID.encode(application) for application in self._applications),
            ),
            application=0,
            flags=0x80,
        )
        self.cea = cea
        assert cea.get(avps.RESULT_CODE) == 2001
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pump:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def ask(self, parts: Iterable[bytes], end_to_end: int | None = None, flags: int = 0xC0) -> Message:
        """Send a CCR and return its CCA."""
        return await self.send(Command.CREDIT_CONTROL, parts, 4, flags, end_to_end)

    async def send(
        self, command: int, parts: Iterable[bytes], application: int, flags: int, end_to_end: int | None = None
    ) -> Message:
        """Send any request and return its answer; ConnectionError if the connection ends before."""
        if self._pump is not None and self._pump.done():
            raise ConnectionError("the connection has ended")
        self._ids += 1
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[self._ids] = answer
        self._writer.write(
            encode_message(flags, command, application, self._ids, end_to_end or 0x1000 + self._ids, parts)
        )
        return await asyncio.wait_for(answer, PATIENCE)

    async def asked(self, patience: float = PATIENCE) -> Message:
        """The server's next request; TimeoutError if none comes."""
        return await asyncio.wait_for(self.requests.get(), patience)

    def reply(self, request: Message, code: int = 2001, *parts: bytes) -> None:
        """Answer a request of the server."""
        head = [avps.SESSION_ID.encode(request.require(avps.SESSION_ID)), avps.RESULT_CODE.encode(code)]
        head += [avps.ORIGIN_HOST.encode(self.identity), avps.ORIGIN_REALM.encode(REALM)]
        ids = request.hop_by_hop, request.end_to_end
        self._writer.write(encode_message(0x40, request.command, request.application, *ids, [*head, *parts]))

    def _live(self, watchdog: Message) -> None:
        parts = avps.RESULT_CODE.encode(2001), avps.ORIGIN_HOST.encode(self.identity), avps.ORIGIN_REALM.encode(REALM)
        ids = watchdog.hop_by_hop, watchdog.end_to_end
        self._writer.write(encode_message(0, Command.DEVICE_WATCHDOG, 0, *ids, parts))

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(HEADER_SIZE)
                body = await self._reader.readexactly(int.from_bytes(head[1:4], "big") - HEADER_SIZE)
                message = Message(head + body)
                if message.command == Command.DEVICE_WATCHDOG and message.is_request:
                    self._live(message)
                    continue
                if message.is_request:
                    self.requests.put_nowait(message)
                    continue
                answer = self._waiting.pop(message.hop_by_hop, None)
                if answer is not None and not answer.done():
                    answer.set_result(message)
        except (OSError, EOFError) as error:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionError(str(error)))


def body(answer: Message) -> bytes:
    """What a replayed answer has to repeat: everything but the header."""
    return bytes(answer)[HEADER_SIZE:]


def result(answer: Message) -> int:
    found = answer.get(avps.RESULT_CODE)
    assert found is not None
    return found


def services(answer: Message) -> dict[int | None, Group]:
    """The answered services by rating group."""
    return {found.get(avps.RATING_GROUP): found for found in answer.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)}


def granted(group: Group) -> int | None:
    """Granted octets, seconds or units of a service."""
    units = group.get(avps.GRANTED_SERVICE_UNIT)
    if units is None:
        return None
    values: list[Any] = [units.get(avp) for avp in (avps.CC_TOTAL_OCTETS, avps.CC_TIME, avps.CC_SERVICE_SPECIFIC_UNITS)]
    return next((value for value in values if value is not None), None)
