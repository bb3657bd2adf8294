"""Every change an operator asks for leaves a line, refused ones too, with numbers masked and no secret in it."""

import json
import logging
from pathlib import Path

import pytest

from balances.memory import MemoryLedger
from ocs import logs
from ocs.http.auth import Role, new_token
from ocs.http.settings import HttpSettings
from tests.ocs.http.http_desk import ALICE, Desk


async def test_says_who_did_what_and_what_came_of_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    token, line = new_token(Role.OPERATE, "helpdesk")
    (tmp_path / "tokens").write_text(line)
    desk = Desk(MemoryLedger(), HttpSettings(host="0.0.0.0", tokens=str(tmp_path / "tokens")))
    handlers = list(logging.getLogger().handlers)
    logs.set_up("json", "error")
    try:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k-1"}
        await desk.client.post("/v1/accounts", json=ALICE | {"id": "e491701234567"}, headers=headers)
        await desk.client.get("/v1/accounts", headers=headers)
        body = {"amount": "5", "reason": "x"}
        await desk.client.post("/v1/accounts/e491701234567/adjustments", json=body, headers=headers)
        await desk.client.post("/v1/accounts", json=ALICE, headers={"Authorization": "Bearer guessed-secret"})
    finally:
        logging.getLogger().handlers[:] = handlers
        await desk.client.aclose()
    said = capfd.readouterr().err
    told = [json.loads(line) for line in said.splitlines() if "operator action" in line]
    assert [(one["caller"], one["method"], one["status"]) for one in told] == [
        ("helpdesk", "POST", 201),
        ("helpdesk", "POST", 403),
        ("-", "POST", 401),
    ]
    assert told[0]["key"] == "k-1"
    assert token not in said
    assert "guessed-secret" not in said
    assert "491701234567" not in said
