"""Backup and restore, rehearsed: a copy taken under load becomes a server whose books close."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from ocs.backup import NoBackup, backup
from tests.house import House

ALREADY = 100
"""Top-ups acknowledged before the backup begins: all of them must be in it."""


def top_up(url: str, account: str, acknowledged: list[int], enough: threading.Event, stop: threading.Event) -> None:
    """One cent after the other."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        while not stop.is_set():
            number = len(acknowledged)
            key = {"Idempotency-Key": f"k{number}"}
            answer = client.post(f"{url}/v1/accounts/{account}/topups", json={"amount": "0.01"}, headers=key)
            assert answer.status_code == 201
            acknowledged.append(number)
            if len(acknowledged) == ALREADY:
                enough.set()


def test_a_copy_taken_under_load_is_a_whole_server(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    enough, stop = threading.Event(), threading.Event()
    (tmp_path / "first").mkdir()
    with House(tmp_path / "first") as house:
        account = house.open_account("491703330001", "0")
        url = f"http://127.0.0.1:{house.ports['http']}"
        load = threading.Thread(target=top_up, args=(url, account, acknowledged, enough, stop))
        load.start()
        assert enough.wait(60)
        command = [sys.executable, "-m", "ocs", "--directory", str(tmp_path / "first" / "var"), "backup"]
        copy = tmp_path / "copy"
        done = subprocess.run([*command, str(copy)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        again = subprocess.run([*command, str(copy)], capture_output=True, text=True, check=False)
        assert again.returncode == 1, "a backup is never written over"
        stop.set()
        load.join()
        assert house.audit()["balanced"] is True
    (tmp_path / "second").mkdir()
    shutil.copytree(copy, tmp_path / "second" / "var")
    with House(tmp_path / "second") as restored:
        balance = restored.money(account)["balance"]
        assert ALREADY * 10_000 <= balance <= len(acknowledged) * 10_000
        assert restored.money("alice")["balance"] == 10_000_000
        assert restored.audit()["balanced"] is True
        topups = [entry for entry in restored.entries(account) if entry["cause"] == "topup"]
        assert len(topups) * 10_000 == balance
        restored.post(f"/v1/accounts/{account}/topups", {"amount": "1.00"})
        assert restored.money(account)["balance"] == balance + 1_000_000


def test_without_an_embedded_store_there_is_nothing_to_copy(tmp_path: Path) -> None:
    with pytest.raises(NoBackup, match="no embedded store runs here"):
        backup(tmp_path / "nothing", tmp_path / "copy")
