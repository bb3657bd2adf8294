"""The application on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from balances.ledger import Audit
from balances.memory import MemoryLedger
from ocs.http.server import HttpServer
from tests.ocs.http.http_desk import Desk


def listening() -> socket.socket:
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    one.listen()
    return one


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[tuple[HttpServer, int]]:
    bound = listening()
    server = HttpServer(desk.app)
    await server.start(bound)
    try:
        yield server, bound.getsockname()[1]
    finally:
        await server.stop()


async def test_served_on_a_socket_that_was_bound_before(quick: Desk) -> None:
    async with served(quick) as (_, port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        await client.post(
            "/v1/accounts", json={"id": "a", "plan": "prepaid-basic", "currency": "EUR", "identities": []}
        )
        path = "/v1/accounts/a/topups"
        first = await client.post(path, json={"amount": "1"}, headers={"Idempotency-Key": "k"})
        again = await client.post(path, json={"amount": "1"}, headers={"Idempotency-Key": "k"})
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.content == again.content
        assert "server" not in first.headers


async def test_a_session_id_with_a_slash_survives_the_way(quick: Desk) -> None:
    async with served(quick) as (_, port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.get("/v1/sessions/a%2Fb@c")
        assert answer.status_code == 404
        assert "'a/b@c'" in answer.json()["detail"]


async def test_the_end_waits_for_open_requests() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    class Slow(MemoryLedger):
        async def probe(self) -> None:
            entered.set()
            await leave.wait()

    async with served(Desk(Slow())) as (server, port), httpx.AsyncClient() as client:
        asking = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/readyz"))
        await entered.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.05)
        leave.set()
        assert (await asking).status_code == 200
        await asyncio.wait_for(stopping, 5)


async def test_too_large_and_broken_requests_disturb_nobody(quick: Desk) -> None:
    async with served(quick) as (_, port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        headers = {"Content-Type": "application/json"}
        assert (await client.post("/v1/accounts", content=b" " * 1_000_000, headers=headers)).status_code == 413
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x00\x01 nonsense\r\n\r\n")
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /v1/accounts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b'Content-Length: 100\r\n\r\n{"id": "half"'
        )
        await writer.drain()
        writer.close()
        assert (await client.get("/v1/accounts")).json()["accounts"] == []
        assert (await client.get("/readyz")).status_code == 200


async def test_a_client_that_says_nothing_or_never_ends_is_not_waited_for(
    quick: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocs.http.punctual.PATIENCE", 0.3)
    head = b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    async with served(quick) as (_, port):
        for said in (b"", b"GET /healthz HT", head, head + b'{"id'):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            trickle = asyncio.create_task(_trickle(writer)) if said else None
            async with asyncio.timeout(20):
                assert b"200" not in await reader.read()
            if trickle:
                trickle.cancel()
            writer.close()


async def _trickle(writer: asyncio.StreamWriter) -> None:
    """An octet now and then, as those do who mean to hold a connection."""
    while True:
        await asyncio.sleep(0.05)
        writer.write(b" ")


async def test_a_client_that_waits_for_its_answer_is_let_wait(quick: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocs.http.punctual.PATIENCE", 0.3)
    slow = quick.house.ledger.audit

    async def audit() -> Audit:
        await asyncio.sleep(1.0)
        return await slow()

    quick.house.ledger.audit = audit
    async with served(quick) as (_, port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/v1/audit")).json()["balanced"] is True


async def test_a_client_that_does_not_read_is_cut_off_and_holds_no_stream(
    quick: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocs.http.punctual.PATIENCE", 0.3)
    monkeypatch.setattr("ocs.http.events.EVERY", 0.0)
    async with served(quick) as (_, port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for path in (b"/openapi.json", b"/v1/events"):
            with socket.socket() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                slow.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(slow, ("127.0.0.1", port))
                await loop.sock_sendall(slow, b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path * 200)
                async with asyncio.timeout(20):
                    while not await _is_reset(slow):
                        assert (await client.get("/healthz")).status_code == 200
        async with asyncio.timeout(5):
            while quick.house.feed._listeners:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def _is_reset(sock: socket.socket) -> bool:
    """Has the other side ended it? Asked without reading anything."""
    await asyncio.sleep(0.05)
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
