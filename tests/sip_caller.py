"""A bare SIP proxy over UDP for tests: sends a credit check and reports, returns the final answer."""

import asyncio
import itertools

from sip_credit.message import Response, parse

_branches = itertools.count(1)
PATIENCE = 10.0


class Caller(asyncio.DatagramProtocol):
    """``async with Caller(port) as caller: answer = await caller.invite("alice", "+4930...", "call-1")``."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._waiting: dict[str, asyncio.Future[Response]] = {}

    async def __aenter__(self) -> "Caller":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=("127.0.0.1", self._port))
        self._local = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, _addr: object) -> None:
        message = parse(data)
        assert isinstance(message, Response)
        if message.status == 100:
            return
        waiting = self._waiting.pop(message.via.branch, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    async def invite(self, caller: str, callee: str, call_id: str) -> Response:
        """Ask for credit; the answer is acknowledged."""
        branch, future = self._expect()
        uri = callee if callee.startswith("urn:") else f"sip:{callee}@127.0.0.1"
        head = self._head("INVITE", uri, branch, call_id, 1, f"<sip:{caller}>;tag=a-{call_id}")
        more = f"P-Asserted-Identity: <sip:{caller}>\r\nX-OCS-Supports: refresh\r\n"
        self._transport.sendto(f"{head}{more}Content-Length: 0\r\n\r\n".encode())
        answer = await asyncio.wait_for(future, PATIENCE)
        ack = self._head("ACK", uri, branch, call_id, 1, f"<sip:{caller}>;tag=a-{call_id}")
        self._transport.sendto(f"{ack}Content-Length: 0\r\n\r\n".encode())
        return answer

    async def report(self, event: str, session: str, call_id: str, milliseconds: int) -> Response:
        """Send a report as Kamailio does: out of dialog, with a Call-ID of its own."""
        branch, future = self._expect()
        head = self._head(
            "NOTIFY",
            "sip:127.0.0.1",
            branch,
            f"{call_id}-{event}-{milliseconds}",
            10,
            f"<sip:proxy@127.0.0.1>;tag={event}",
        )
        more = (
            f"Event: ocs-credit\r\nX-OCS-Event: {event}\r\nX-OCS-Session: {session}\r\nX-OCS-Call-ID: {call_id}\r\n"
            f"X-OCS-Duration-Ms: {milliseconds}\r\n"
        )
        self._transport.sendto(f"{head}{more}Content-Length: 0\r\n\r\n".encode())
        return await asyncio.wait_for(future, PATIENCE)

    def _expect(self) -> tuple[str, "asyncio.Future[Response]"]:
        branch = f"z9hG4bKtest{next(_branches)}"
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[branch] = future
        return branch, future

    def _head(self, method: str, uri: str, branch: str, call_id: str, number: int, sender: str) -> str:
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self._local};branch={branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: {sender}\r\nTo: <{uri}>\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n"
        )
