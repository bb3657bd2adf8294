"""The charging server as its own process, and what its HTTP API says of it."""

import json
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from tests.interop.network import DIAMETER, HTTP, SIP, Network
from tests.interop.programs import Program, wait_until

ROOT = Path(__file__).parents[2]
ORIGIN_HOST = "ocs.example.net"
ORIGIN_REALM = "example.net"
SECOND = Decimal("0.001")
"""Price of a second of a call, in the sample plan."""
SLICE = 10
"""Seconds of a SIP call reserved at once, so that a test sees a second slice soon."""


class Daemon:
    """``ocs serve`` on a network of its own; data outlive ``stop`` and ``start``."""

    def __init__(self, network: Network, directory: Path, **settings: str) -> None:
        self._directory = directory
        self._environment = {
            "OCS_DAEMON__DIRECTORY": str(directory / "var"),
            "OCS_DIAMETER__HOST": network.server,
            "OCS_DIAMETER__PORT": str(DIAMETER),
            "OCS_DIAMETER__ORIGIN_HOST": ORIGIN_HOST,
            "OCS_DIAMETER__ORIGIN_REALM": ORIGIN_REALM,
            "OCS_SIP_CREDIT__HOST": network.server,
            "OCS_SIP_CREDIT__PORT": str(SIP),
            "OCS_SIP_CREDIT__SLICE": str(SLICE),
            "OCS_HTTP__HOST": network.server,
            "OCS_HTTP__PORT": str(HTTP),
            **settings,
        }
        self.address = network.server
        self._api = httpx.Client(base_url=f"http://{network.server}:{HTTP}", timeout=10, trust_env=False)
        self._program: Program | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [sys.executable, "-c", "from ocs.cli import main; main()", "serve"]
        command += ["--config", str(ROOT / "config.toml")]
        if "OCS_CHARGING__CATALOGUE" not in self._environment:
            command.append("--sample")
        program = self._program = Program("ocs", command, self._directory, self._environment)
        ports = self._directory / "var" / "ports.json"

        def ready() -> bool:
            return ports.exists() and json.loads(ports.read_text() or "{}").get("pid") == program.process.pid

        program.wait_until("ports.json", ready)

    def stop(self) -> int | None:
        """Stop it as an operator does; the exit status."""
        program, self._program = self._program, None
        return program.stop() if program else None

    def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        program, self._program = self._program, None
        assert program is not None
        program.process.kill()
        program.process.wait(15)

    def freeze(self) -> None:
        """Let it stand still: it hears and says nothing."""
        assert self._program is not None
        self._program.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._program is not None
        self._program.process.send_signal(signal.SIGCONT)

    @contextmanager
    def frozen_store(self) -> Iterator[None]:
        """Let the store alone stand still: what it is asked waits until it goes on."""
        assert self._program is not None
        pid = self._program.process.pid
        [store] = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        os.kill(store, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(store, signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        self._api.close()

    def account(self, number: str, money: str, **identities: str) -> str:
        """A new prepaid account with this E.164 number (no plus) and so much money; its id."""
        names = [{"type": "e164", "value": number}] + [{"type": k, "value": v} for k, v in identities.items()]
        account = f"account-{number}"
        body = {"id": account, "plan": "prepaid-basic", "currency": "EUR", "identities": names}
        self._post("/v1/accounts", body)
        if money != "0":
            self.top_up(account, money)
        return account

    def top_up(self, account: str, money: str) -> None:
        self._post(f"/v1/accounts/{account}/topups", {"amount": money, "reference": "test"})

    def show(self, account: str) -> dict[str, Any]:
        return self._get(f"/v1/accounts/{account}")

    def money(self, account: str) -> dict[str, str]:
        """``balance``, ``reserved``, ``available``, ``overrun`` as decimal strings."""
        money: dict[str, str] = self.show(account)["money"]
        return money

    def settled(self, account: str) -> dict[str, Decimal]:
        """The account's money, once no session holds any of it."""
        wait_until("the end of all sessions", lambda: not self.show(account)["sessions"])
        return {name: Decimal(value) for name, value in self.money(account).items()}

    def entries(self, account: str) -> list[dict[str, Any]]:
        """The account's ledger, oldest first."""
        found: list[dict[str, Any]] = self._get(f"/v1/accounts/{account}/entries")["entries"]
        return found

    def open_peers(self) -> set[str]:
        """Origin-Hosts of the Diameter peers that are connected."""
        peers = self._get("/v1/peers")["peers"]
        return {peer["name"] for peer in peers if peer["door"] == "diameter" and "OPEN" in peer["state"].upper()}

    def turned_away(self) -> int:
        """How many requests the SIP door has answered 503 so far."""
        codes = self._get("/v1/overview")["doors"].get("sip", {}).get("codes", {})
        return int(codes.get("503", 0))

    def audit(self) -> dict[str, Any]:
        return self._get("/v1/audit")

    def _get(self, path: str) -> dict[str, Any]:
        answer = self._api.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = self._api.post(path, json=body, headers={"Idempotency-Key": uuid.uuid4().hex})
        assert answer.status_code == 201, answer.text
