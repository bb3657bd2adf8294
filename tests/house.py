"""The charging server as its own process on free ports, and its HTTP API."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

from balances.money import parse_amount

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0


class House:
    """``ocs serve`` over a directory of its own, which outlives it. Killed and started again at will."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        self._log = directory / "ocs.log"
        self._environment = {
            **os.environ,
            "OCS_DAEMON__DIRECTORY": str(directory / "var"),
            "OCS_DIAMETER__PORT": "0",
            "OCS_SIP_CREDIT__PORT": "0",
            "OCS_HTTP__PORT": "0",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.ports: dict[str, int] = {}
        self._api = httpx.Client(timeout=30, trust_env=False)

    def __enter__(self) -> "House":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._api.close()

    def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [
            str(Path(sys.executable).with_name("ocs")),
            "serve",
            "--config",
            str(ROOT / "config.toml"),
        ]
        if "OCS_CHARGING__CATALOGUE" not in self._environment:
            command.append("--sample")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, cwd=ROOT, stdout=log, stderr=log)
        path = self.directory / "var" / "ports.json"
        end = time.monotonic() + PATIENCE
        while True:
            assert self._process.poll() is None, f"ocs ended:\n{self.said}"
            if path.exists():
                ports = json.loads(path.read_text() or "{}")
                if ports.get("pid") == self._process.pid:
                    break
            assert time.monotonic() < end, f"ocs is not ready:\n{self.said}"
            time.sleep(0.02)
        self.ports = ports
        self._api.base_url = httpx.URL(f"http://127.0.0.1:{ports['http']}")

    def kill(self) -> None:
        """SIGKILL, as the kernel does when memory runs out."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)
        self._process = None

    def stop(self) -> int | None:
        """SIGTERM; the exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"ocs does not stop:\n{self.said}") from None

    @property
    def said(self) -> str:
        """The end of its log."""
        return self.whole_log[-4000:]

    @property
    def whole_log(self) -> str:
        return self._log.read_text()

    def open_account(self, e164: str, money: str, sip: str | None = None) -> str:
        """A new account of the sample plan with this number and money; its id."""
        identities = [{"type": "e164", "value": e164}]
        if sip:
            identities.append({"type": "sip", "value": sip})
        self.post(
            "/v1/accounts",
            {"id": f"a{e164}", "plan": "prepaid-basic", "currency": "EUR", "identities": identities},
        )
        if parse_amount(money):
            self.post(f"/v1/accounts/a{e164}/topups", {"amount": money, "reference": "test"})
        return f"a{e164}"

    def money(self, account: str) -> dict[str, int]:
        """Micro-units of ``balance``, ``reserved``, ``available``, ``overrun``."""
        found = self.get(f"/v1/accounts/{account}")["money"]
        return {name: parse_amount(amount) for name, amount in found.items()}

    def entries(self, account: str) -> list[dict[str, Any]]:
        """The whole ledger of an account."""
        entries: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self.get(f"/v1/accounts/{account}/entries", after=after, limit=1000)["entries"]
            if not page:
                return entries
            entries += page
            after = page[-1]["id"]

    def audit(self) -> dict[str, Any]:
        return self.get("/v1/audit")

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self._api.get(path, params=query)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def patch(self, path: str, body: dict[str, Any]) -> None:
        answer = self._api.patch(path, json=body)
        assert answer.status_code == 200, answer.text

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._api.post(path, json=body, headers={"Idempotency-Key": uuid.uuid4().hex})
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found


def run_ocs(house: House, *arguments: str, code: int = 0, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The command line beside a running house: it must end with this code, and never with a traceback."""
    variables = {**os.environ, "OCS_DAEMON__DIRECTORY": str(house.directory / "var"), **environment}
    command = [sys.executable, "-m", "ocs", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done
