"""Whatever comes in, a described answer goes out, and nothing breaks."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.memory import MemoryLedger
from ocs.http.app import OPERATIONS
from ocs.http.house import Operation
from tests.ocs.http.http_desk import ALICE, Desk

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
NEARLY = {
    "AccountCreate": ALICE | {"id": "bob", "credit_limit": "1", "parent": "alice"},
    "AccountPatch": {"plan": "prepaid-basic", "status": "active", "credit_limit": "1", "identities": []},
    "TopUpCreate": {"amount": "1.00", "reference": "x"},
    "AdjustmentCreate": {"amount": "-1.00", "reason": "x"},
    "BucketCreate": {"offer": "data-1gb"},
    "PriceCreate": {"service": {"kind": "voice", "called": "49"}, "units": 1, "unit": "seconds", "account": "alice"},
    "CatalogueCreate": {"files": {"a.toml": ""}, "comment": "x"},
    "PortabilityPut": {"numbers": {"491701234567": None}},
    "PublicationCreate": {"comment": "x"},
    "LiftCreate": {"reference": "x"},
    "BatchCreate": {"id": "b", "count": 1, "amount": "1.00", "currency": "EUR"},
    "BatchPatch": {"state": "active"},
    "VoucherRedeem": {"code": "0000000000000000"},
    "TopupBalanceCreate": {"amount": {"amount": 1, "units": "EUR"}, "bucket": {"id": "alice"}, "voucher": ""},
    "AdjustBalanceCreate": {"amount": {"amount": 1.5}, "bucket": {"id": "alice"}, "reason": "x"},
    "TransferBalanceCreate": {"amount": {"amount": 1}, "bucket": {"id": "alice"}, "receiverBucket": {"id": "bob"}},
    "AlertsPut": {"thresholds": ["1.00"], "auto_topup": {"below": "1.00", "amount": "5.00"}},
    "LoanCreate": {"reference": "x"},
    "SubscriptionCreate": {"offer": "data-1gb"},
    "TransferCreate": {"to": "bob", "amount": "1.00", "reference": "x"},
}
WITH_BODY = [row for row in OPERATIONS if row.body]


@pytest.mark.parametrize("row", WITH_BODY, ids=lambda row: row.path)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_json_gets_a_described_answer(row: Operation, data: st.DataObject) -> None:
    body = data.draw(JSON)
    if data.draw(st.booleans()):
        known = NEARLY[row.body.__name__]
        name = data.draw(st.sampled_from(sorted(known)) | st.text(max_size=5))
        body = known | {name: data.draw(JSON)}
    key = data.draw(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=130))
    content = json.dumps(body).encode()

    async def ask() -> None:
        desk = Desk(MemoryLedger())
        await desk.open()
        answer = await desk.client.request(
            row.method,
            row.path.replace("{account}", "alice"),
            content=content,
            headers={"Content-Type": "application/json", "Idempotency-Key": key},
        )
        described = (await desk.get("/openapi.json"))["paths"][row.path][row.method.lower()]["responses"]
        assert answer.status_code < 500
        assert str(answer.status_code) in described
        kind = answer.headers["content-type"]
        assert kind in described[str(answer.status_code)]["content"]
        assert (await desk.ledger.audit()).balanced

    asyncio.run(ask())


@pytest.mark.parametrize(
    "row", [row for row in OPERATIONS if row.method == "GET" and not row.events], ids=lambda row: row.path
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.text(max_size=30), query=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_any_path_and_query_gets_an_answer(row: Operation, name: str, query: dict[str, str]) -> None:
    name = name.encode("utf-8", "replace").decode()

    async def ask() -> None:
        desk = Desk(MemoryLedger())
        path = row.path
        for parameter in ("{account}", "{session}", "{version}", "{number}", "{batch}", "{id}"):
            path = path.replace(parameter, "".join(f"%{octet:02X}" for octet in name.encode()) or "x")
        answer = await desk.client.get(
            path, params={key.encode("utf-8", "replace"): value for key, value in query.items()}
        )
        assert answer.status_code in (200, 404, 409, 422)

    asyncio.run(ask())
