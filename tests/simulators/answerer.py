"""A charging server of a few lines that answers what it is told to: it exercises clients and charges nothing."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from diameter.message import Message
from diameter.message.avp import grouped

from simulators.credit import SUCCESS, Answer, KeyGrant, Request, RequestType

GRANT = 1_000


def granting(request: Request, granted: int = GRANT, **terms: Any) -> Answer:
    """Grant every key that wants quota the same; acknowledge the others."""
    keys = tuple(
        KeyGrant(key=report.key, granted=granted if report.wanted is not None else None, **terms)
        for report in request.keys
    )
    return Answer(result=SUCCESS, keys=keys if request.type is not RequestType.TERMINATION else ())


class DiameterAnswerer:
    """Listens on a free port, remembers what comes, and answers once or as often as asked."""

    def __init__(self, decide: Callable[[Any], int] = lambda _message: SUCCESS) -> None:
        self.received: list[Any] = []
        self.connections = 0
        self.port = 0
        self.capabilities_result = SUCCESS
        self.mute = False
        self.writers: list[asyncio.StreamWriter] = []
        self._decide = decide

    async def __aenter__(self) -> "DiameterAnswerer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()

    def requests(self, code: int = 272) -> list[Any]:
        return [message for message in self.received if message.header.command_code == code]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(4)
                data = head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
                message: Any = Message.from_bytes(data)
                self.received.append(message)
                if message.header.is_request and not (self.mute and message.header.command_code == 272):
                    writer.write(self._answer(message).as_bytes())

    def _answer(self, request: Any) -> Message:
        answer: Any = request.to_answer()
        answer.origin_host, answer.origin_realm = b"ocs.example.net", b"example.net"
        answer.result_code = SUCCESS
        if request.header.command_code == 257:
            answer.result_code = self.capabilities_result
            answer.host_ip_address = ["127.0.0.1"]
            answer.vendor_id, answer.product_name, answer.auth_application_id = 0, "answerer", [4]
        if request.header.command_code == 272:
            answer.session_id = request.session_id
            answer.cc_request_type, answer.cc_request_number = request.cc_request_type, request.cc_request_number
            answer.result_code = self._decide(request)
            for mscc in request.multiple_services_credit_control:
                granted = None
                if mscc.requested_service_unit is not None:
                    granted = grouped.GrantedServiceUnit(cc_total_octets=GRANT)
                answer.add_multiple_services_credit_control(
                    granted_service_unit=granted, rating_group=mscc.rating_group, result_code=SUCCESS
                )
        return answer
