"""The embedded store as real processes: kept data, left-over stores, long paths, death and rebirth."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import uvloop

from balances.embedded import EmbeddedStore, StoreFailed
from balances.link import Link


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="ocs-") as name:
        yield Path(name) / "store"


async def ask(store, *command):
    link = Link(store.url)
    await link.open()
    try:
        return await link.call(*command)
    finally:
        await link.close()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_data_is_kept_over_restarts(directory):
    first = EmbeddedStore(directory)
    await first.start()
    pid = first.pid
    await ask(first, "SET", "k", "v")
    await first.stop()
    assert not alive(pid)
    second = EmbeddedStore(directory)
    await second.start()
    assert await ask(second, "GET", "k") == b"v"
    await second.stop()


async def test_runs_as_money_needs_it(directory):
    store = EmbeddedStore(directory, fsync="always")
    await store.start()
    try:
        for key, value in {
            "appendonly": b"yes",
            "appendfsync": b"always",
            "save": b"",
            "maxmemory-policy": b"noeviction",
            "port": b"0",
        }.items():
            assert await ask(store, "CONFIG", "GET", key) == [key.encode(), value]
        assert store.pid
        assert os.getsid(store.pid) != os.getsid(0), "Ctrl-C must not reach it"
    finally:
        await store.stop()


START_AND_PRINT = """
import asyncio, sys
from pathlib import Path
from balances.embedded import EmbeddedStore
async def main():
    store = EmbeddedStore(Path(sys.argv[1]))
    await store.start()
    print(store.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def state(pid):
    """``Z`` for a process that ended and that nobody has asked for, empty for one that is gone."""
    return subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True).stdout[:1]


@pytest.fixture
def killed_daemon(directory):
    """The process id of a store whose daemon got SIGKILL."""
    daemon = subprocess.Popen([sys.executable, "-c", START_AND_PRINT, str(directory)], stdout=subprocess.PIPE)
    with daemon:
        assert daemon.stdout
        orphan = int(daemon.stdout.readline())
        daemon.kill()
    return orphan


@pytest.mark.parametrize("hung", [False, True])
async def test_the_store_of_a_killed_daemon_is_ended_and_its_data_found(directory, killed_daemon, hung, monkeypatch):
    monkeypatch.setattr("balances.embedded._STOP", 0.3)
    orphan = killed_daemon
    store = EmbeddedStore(directory)
    await ask(store, "SET", "k", "v")
    assert alive(orphan)
    if hung:
        os.kill(orphan, signal.SIGSTOP)
    await store.start()
    try:
        assert store.pid != orphan
        assert await ask(store, "GET", "k") == b"v"
        assert state(orphan) in ("", "Z")
    finally:
        await store.stop()


async def test_a_store_that_dies_is_started_again_with_its_data(directory):
    store = EmbeddedStore(directory)
    link = Link(await store.start())
    await link.open()
    try:
        await link.call("SET", "k", "v")
        first = store.pid
        assert first
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(10):
            while store.pid in (first, None) or not link.connected:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await link.call("GET", "k") == b"v"
    finally:
        await link.close()
        await store.stop()


async def test_a_directory_too_deep_for_a_socket(directory):
    deep = directory / ("d" * 60) / ("e" * 60)
    first = EmbeddedStore(deep)
    await first.start()
    await ask(first, "SET", "k", "v")
    path = Path(first.url.removeprefix("unix://"))
    assert EmbeddedStore(deep).url == first.url, "whoever comes later finds it"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await first.stop()
    assert not path.parent.exists()
    second = EmbeddedStore(deep)
    await second.start()
    assert await ask(second, "GET", "k") == b"v"
    await second.stop()


async def test_damaged_data_stops_the_start_with_the_reason(directory):
    store = EmbeddedStore(directory)
    await store.start()
    await ask(store, "SET", "k", "v")
    await store.stop()
    for path in (directory / "appendonlydir").glob("*.incr.aof"):
        path.write_bytes(b"*3\r\nnonsense\r\n" * 10)
    with pytest.raises(StoreFailed, match=r"(?i)bad file format"):
        await store.start()


def test_starts_under_uvloop(directory):
    async def main():
        store = EmbeddedStore(directory)
        await store.start()
        await ask(store, "SET", "k", "v")
        await store.stop()
        assert store.pid is None

    uvloop.run(main())


async def test_a_store_that_cannot_be_started_for_a_while_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = EmbeddedStore(tmp_path)
    await store.start()
    try:
        killed = store.pid
        assert killed is not None
        lock = tmp_path / "lock"
        lock.unlink()
        lock.mkdir()  # opening it fails as it does without descriptors
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(10):
            while "does not start" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        lock.rmdir()
        async with asyncio.timeout(10):
            while store.pid in (None, killed):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        link = Link(store.url)
        await link.open()
        assert await link.call("PING") == b"PONG"
        await link.close()
    finally:
        await store.stop()
