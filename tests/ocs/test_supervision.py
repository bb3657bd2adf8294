"""What systemd hears of the daemon."""

import asyncio
import os
import socket
from pathlib import Path

from ocs.supervision import Supervisor
from tests.house import House


def listening(path: Path) -> socket.socket:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.bind(str(path))
    one.settimeout(30)
    return one


def test_the_daemon_says_when_it_is_ready_alive_and_stopping(tmp_path: Path) -> None:
    with listening(tmp_path / "notify") as systemd:
        with House(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000") as house:
            first = systemd.recv(1000).decode().split("\n")
            assert first == ["READY=1", f"MAINPID={house.ports['pid']}"]
            assert [systemd.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        heard = set()
        while b"STOPPING=1" not in heard:
            heard.add(systemd.recv(1000))
        assert heard <= {b"WATCHDOG=1", b"STOPPING=1"}


async def test_nobody_is_told_where_nobody_asks() -> None:
    supervisor = Supervisor({})
    supervisor.tell("READY=1")
    assert supervisor.watchdog == 0


def test_a_watchdog_for_another_process_is_not_ours() -> None:
    assert Supervisor({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog == 0
    assert Supervisor({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}).watchdog == 1


async def test_a_supervisor_that_is_gone_disturbs_nothing(tmp_path: Path) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "none"), "WATCHDOG_USEC": "10000"})
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.05)
    assert not running.done()
    running.cancel()
