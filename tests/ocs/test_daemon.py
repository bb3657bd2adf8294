"""The daemon as a real process: start, drain, forced end, crash and restart, wrong settings, workers."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from balances.journal_files import read_journal
from tests.house import ROOT, House
from tests.servers import valkey

WORKERS = {"OCS_DAEMON__WORKERS": "2"}


@pytest.fixture
def house(tmp_path):
    with House(tmp_path) as house:
        yield house


def alive(pid):
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return state not in ("", "Z")


def store_pid(house):
    return int((house.directory / "var" / "store" / "pid").read_text())


def eventually(condition, patience=20.0):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def serve(directory, *options, **settings):
    """Run ``ocs serve`` to its end; for starts that fail."""
    environment = {**os.environ, "OCS_DAEMON__DIRECTORY": str(directory), **settings}
    command = [sys.executable, "-m", "ocs", "serve", *options]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_says_where_it_listens_and_serves_there(house):
    ports = json.loads((house.directory / "var" / "ports.json").read_text())
    assert set(ports) == {"diameter", "sip", "http", "pid"}
    for door in ("diameter", "sip", "http"):
        socket.create_connection(("127.0.0.1", ports[door]), timeout=5).close()
    assert house.get("/readyz") == {"status": "ready", "reasons": []}


def test_opens_the_sample_accounts_once(house):
    assert house.get("/v1/accounts/alice")["money"]["balance"] == "10.00"
    assert house.get("/v1/accounts", identity="imsi:262011234567891")["accounts"][0]["id"] == "bob"
    house.post("/v1/accounts/alice/topups", {"amount": "1.00", "reference": "x"})
    house.stop()
    house.start()
    assert house.get("/v1/accounts/alice")["money"]["balance"] == "11.00"
    assert house.audit()["balanced"] is True


def test_ends_in_order_on_sigterm(house):
    store = store_pid(house)
    assert house.stop() == 0
    assert not (house.directory / "var" / "ports.json").exists()
    assert not alive(store)
    assert "draining" in house.said
    assert "rror" not in house.said


def test_a_second_signal_ends_it_at_once_and_the_store_with_it(house):
    store, process = store_pid(house), house._process
    with socket.create_connection(("127.0.0.1", house.ports["http"])) as slow:
        slow.sendall(
            b"POST /v1/price HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
        )
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        eventually(lambda: "draining" in house.said)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    eventually(lambda: not alive(store))
    house._process = None
    house.start()
    assert house.get("/v1/accounts/alice")["money"]["balance"] == "10.00"


def test_a_store_of_somebody_else_gets_no_sample_accounts_and_is_left_running(tmp_path):
    with valkey() as url, House(tmp_path, OCS_BALANCES__URL=url) as house:
        assert house.get("/v1/accounts")["accounts"] == []
        account = house.open_account("491701110002", "1.00")
        house.stop()
        house.start()
        assert house.money(account)["balance"] == 1_000_000
        assert not (tmp_path / "var" / "store").exists()


@pytest.mark.parametrize("settings", [{}, WORKERS], ids=["one process", "workers"])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path, settings):
    with House(tmp_path, **settings) as house:
        account = house.open_account("491701110001", "0")
        acknowledged = []
        stopped = threading.Event()

        def top_up():
            url = f"http://127.0.0.1:{house.ports['http']}/v1/accounts/{account}/topups"
            with httpx.Client(trust_env=False) as client:
                for number in range(10_000):
                    if stopped.is_set():
                        return
                    try:
                        answer = client.post(
                            url, json={"amount": "0.01", "reference": ""}, headers={"Idempotency-Key": f"k{number}"}
                        )
                    except httpx.HTTPError:
                        return
                    if answer.status_code == 201:
                        acknowledged.append(number)

        thread = threading.Thread(target=top_up)
        thread.start()
        eventually(lambda: len(acknowledged) >= 50)
        left_over = store_pid(house)
        house.kill()
        stopped.set()
        thread.join()
        assert alive(left_over), "the store outlives a killed daemon, and is found again"
        house.start()
        assert not alive(left_over)
        balance = house.money(account)["balance"]
        assert balance - 10_000 * len(acknowledged) in (0, 10_000), "one may have been done and not acknowledged"
        entries = [entry for entry in house.entries(account) if entry["cause"] == "topup"]
        assert len(entries) == balance // 10_000
        assert house.audit()["balanced"] is True
        journal = house.directory / "var" / "journal"
        wanted = {entry["id"] for entry in entries}

        def journalled():
            return [entry.id for entry in read_journal(journal) if entry.account == account and entry.cause == "topup"]

        eventually(lambda: len(journalled()) >= len(wanted))
        assert sorted(journalled()) == sorted(wanted), "each exactly once, though the journal was cut off too"


def test_two_daemons_do_not_share_a_directory(house):
    second = serve(house.directory / "var", OCS_DIAMETER__PORT="0", OCS_SIP_CREDIT__PORT="0", OCS_HTTP__PORT="0")
    assert second.returncode == 1
    assert f"another daemon runs on this directory (pid {house.ports['pid']})" in second.stderr
    assert house.get("/readyz")["status"] == "ready"


def test_an_address_in_use_stops_the_start_with_the_reason(house, tmp_path):
    port = str(house.ports["diameter"])
    failed = serve(tmp_path / "other", OCS_DIAMETER__PORT=port, OCS_SIP_CREDIT__PORT="0", OCS_HTTP__PORT="0")
    assert failed.returncode == 1
    assert f"127.0.0.1:{port} (stream): Address already in use" in failed.stderr


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"OCS_BALANCES__URL": "redis+sentinel://h"}, "name of the service"),
        ({"OCS_BALANCES__URL": "unix:///nowhere/at.all", "OCS_BALANCES__PATIENCE": "0.2"}, "unix:///nowhere/at.all"),
        ({"OCS_CHARGING__CATALOGUE": "/nowhere"}, "/nowhere"),
        ({"OCS_DIAMETER__PROT": "1"}, "has no key 'prot'"),
    ],
)
def test_what_cannot_work_stops_the_start_with_the_reason(tmp_path, settings, reason):
    ports = {"OCS_DIAMETER__PORT": "0", "OCS_SIP_CREDIT__PORT": "0", "OCS_HTTP__PORT": "0"}
    failed = serve(tmp_path / "var", **ports, **settings)
    assert failed.returncode == 1
    assert reason in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / "var" / "ports.json").exists()


def worker_pids(house):
    parent = str(house.ports["pid"])
    rows = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True).stdout.splitlines()
    found = (row.split(None, 2) for row in rows)
    return [int(row[0]) for row in found if row[1] == parent and "ocs.workers" in row[2]]


def test_workers_serve_are_replaced_and_drain(tmp_path):
    with House(tmp_path, **WORKERS) as house:
        workers = worker_pids(house)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        eventually(lambda: len(set(worker_pids(house)) - {workers[0]}) == 2)
        eventually(lambda: house._api.get("/readyz").status_code == 200)
        for _ in range(20):  # whichever worker the kernel chooses
            with socket.create_connection(("127.0.0.1", house.ports["sip"]), timeout=5) as client:
                client.sendall(
                    b"OPTIONS sip:ocs SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n"
                    b"From: <sip:p@example.net>;tag=1\r\nTo: <sip:ocs@example.net>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
                    b"Content-Length: 0\r\n\r\n"
                )
                assert client.recv(4096).startswith(b"SIP/2.0 200 ")
        answered = 'ocs_requests_total{door="sip",result="ok",type="options"} 20.0'
        eventually(
            lambda: answered in house._api.get("/metrics").text.splitlines()
        )  # workers settle ten times a second
        assert [peer["name"] for peer in house.get("/v1/peers")["peers"]] == ["proxy"], "asked of all, told once"
        survivors = worker_pids(house)
        assert house.stop() == 0
        assert not any(map(alive, survivors))


def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    with House(tmp_path, **WORKERS) as house:
        workers = worker_pids(house)
        house.kill()
        eventually(lambda: not any(map(alive, workers)))
        house.start()


def test_opens_as_many_files_as_it_may_in_its_workers_too(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard - 1), hard))
    try:
        with House(tmp_path, **WORKERS) as house:
            pid = house._process.pid
            listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
            children = [int(child) for child in listed.split()]
            assert len(children) >= 3
            for process in (pid, *children):
                assert resource.prlimit(process, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
