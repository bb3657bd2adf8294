"""TMF654 v4.0.0 as TM Forum publishes it: its swagger and its collection of requests.

Facts of shape, not the documents: which members each create request has, which of them and of the answers are
mandatory, the values of the enumerations and the examples of single members. The two differ in what is a list.
"""

import json
from typing import Any

import httpx
import pytest

from tests.ocs.http.http_desk import ALICE, Desk

BASE = "/tmf-api/prepayBalanceManagement/v4"
JSON = {"Content-Type": "application/json;charset=utf-8"}
"""What the specification consumes and produces."""

EXTENSIBLE = {
    "@baseType": "ResourceSpecification",
    "@schemaLocation": "https://mycsp.com:8080/tmf-api/schema/Resource/LogicalResourceSpecification.schema.json",
    "@type": "LogicalResourceSpecification",
}
"""The examples of the members that everything extensible has."""


def quantity(amount: float, units: str = "EUR") -> dict[str, Any]:
    return {"amount": amount, "units": units}


def ref(id: str, **more: Any) -> dict[str, Any]:
    return EXTENSIBLE | {"id": id, "href": f"https://mycsp.com:8080/{id}", "name": id, "@referredType": "Any"} | more


BUCKET, NUMBER, OTHER = ref("alice"), ref("number-1", value="491701234567"), ref("number-2", value="491709999999")
PARTY = ref("alice", description="Account", status="active")
PERSON = ref("agent-7", role="agent")
PERIOD = {"startDateTime": "1985-04-12T23:20:50.52Z", "endDateTime": "1985-04-12T23:20:50.52Z"}

IMPACT = EXTENSIBLE | {
    "bucket": BUCKET, "name": "Main", "description": "", "amountBefore": quantity(1), "amountAfter": quantity(2),
    "requestedDate": "1994-08-01T14:06:32.222Z", "confirmationDate": "1982-12-20T15:45:54.904Z",
    "item": [EXTENSIBLE | {"name": "", "description": "", "itemType": "", "reason": "", "amount": quantity(1)}],
}  # fmt: skip

COMMON = EXTENSIBLE | {
    "description": "of the request", "reason": "why", "amount": quantity(1), "usageType": "monetary", "bucket": BUCKET,
    "channel": ref("1"), "requestor": PERSON,
}  # fmt: skip
IN_SWAGGER = COMMON | {"logicalResource": [NUMBER], "product": [ref("5")], "validFor": PERIOD}
IN_COLLECTION = COMMON | {
    "logicalResource": NUMBER, "product": ref("5"), "partyAccount": PARTY, "relatedParty": [PERSON, PERSON],
    "impactedBucket": [IMPACT, IMPACT], "status": "created", "requestedDate": "1972-12-26T15:17:20.274Z",
    "confirmationDate": "1978-10-02T10:57:47.019Z",
}  # fmt: skip
TOP_UP = {"isAutoTopup": False, "paymentMethod": ref("8")}
ADJUSTMENT = {"adjustType": "oneTime"}
TRANSFER = {
    "costOwner": "originator", "receiver": ref("bob", role="receiver"), "receiverBucket": ref("bob"),
    "receiverBucketUsageType": "monetary", "receiverLogicalResource": OTHER, "receiverProduct": ref("6"),
}  # fmt: skip

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "swagger: TopupBalance_Create": (
        "topupBalance",
        IN_SWAGGER | TOP_UP | {"partyAccount": PARTY, "balanceTopup": ref("1", role="parent")},
    ),
    "swagger: AdjustBalance_Create": ("adjustBalance", IN_SWAGGER | ADJUSTMENT),
    "swagger: TransferBalance_Create": (
        "transferBalance",
        IN_SWAGGER | TRANSFER | {"transferCost": {"unit": "EUR", "value": 0.1}},
    ),
    "collection: Creates a TopupBalance": (
        "topupBalance",
        IN_COLLECTION | TOP_UP | {"payment": ref("9"), "relatedTopupBalance": ref("1", role="parent")},
    ),
    "collection: Creates a AdjustBalance": ("adjustBalance", IN_COLLECTION | ADJUSTMENT),
    "collection: Creates a TransferBalance": (
        "transferBalance",
        IN_COLLECTION | TRANSFER | {"transferCost": quantity(0.1), "receiverPartyAccount": ref("bob")},
    ),
}

MANDATORY_IN_REQUESTS = {
    "topupBalance": {"amount", "usageType", "bucket", "partyAccount"},
    "adjustBalance": {"amount", "usageType", "bucket"},
    "transferBalance": {
        "reason", "receiverLogicalResource", "channel", "logicalResource", "amount", "usageType", "bucket",
        "receiverBucket", "receiverBucketUsageType",
    },
}  # fmt: skip
MANDATORY_IN_ANSWERS = {
    "topupBalance": {"status"},
    "adjustBalance": {"status"},
    "transferBalance": {
        "href", "id", "reason", "receiverLogicalResource", "channel", "logicalResource", "status",
    },
    "accumulatedBalance": {"bucket", "name", "totalBalance"},
    "bucket": set(),
}  # fmt: skip
REFERENCES = {"bucket", "channel", "partyAccount", "receiverBucket", "receiverLogicalResource"}
"""Members of answers that are references: what is referred to has an id."""


@pytest.fixture(autouse=True)
async def accounts(desk: Desk) -> None:
    await desk.open()
    await desk.top_up("5.00")
    identity = {"type": "e164", "value": "491709999999"}
    assert (await desk.post("/v1/accounts", ALICE | {"id": "bob", "identities": [identity]})).status_code == 201


async def post(desk: Desk, resource: str, body: dict[str, Any]) -> httpx.Response:
    return await desk.client.post(f"{BASE}/{resource}", content=json.dumps(body), headers=JSON)


def check(resource: str, answer: dict[str, Any]) -> None:
    """Has it the mandatory members, with values of their kind?"""
    assert MANDATORY_IN_ANSWERS[resource] <= answer.keys()
    assert answer.get("status", "completed") in ("created", "failed", "cancelled", "completed", "active")
    assert answer.get("usageType", "monetary") in ("monetary", "voice", "data", "sms", "other")
    for name in ("amount", "remainingValue", "reservedValue", "totalBalance"):
        assert answer.get(name, {"amount": 0, "units": ""}).keys() == {"amount", "units"}
    for name in REFERENCES & answer.keys():
        listed = answer[name] if isinstance(answer[name], list) else [answer[name]]
        assert all(one["id"] for one in listed)
    assert all(one["id"] for one in answer.get("logicalResource", ()))


@pytest.mark.parametrize("published", REQUESTS)
async def test_each_published_create_request_is_done(desk: Desk, published: str) -> None:
    resource, body = REQUESTS[published]
    done = await post(desk, resource, body)
    assert done.status_code == 201, done.text
    assert done.headers["content-type"].startswith("application/json")
    check(resource, done.json())
    moved = {"topupBalance": "6.00", "adjustBalance": "6.00", "transferBalance": "3.90"}[resource]
    assert (await desk.get("/v1/accounts/alice"))["money"]["balance"] == moved
    (read,) = [one for one in await desk.get(f"{BASE}/{resource}?partyAccount.id=alice") if one["reason"] == "why"]
    assert read == done.json()
    check(resource, read)


@pytest.mark.parametrize("published", REQUESTS)
async def test_the_mandatory_members_alone_will_do(desk: Desk, published: str) -> None:
    resource, body = REQUESTS[published]
    least = {name: member for name, member in body.items() if name in MANDATORY_IN_REQUESTS[resource]}
    assert least.keys() == MANDATORY_IN_REQUESTS[resource]
    done = await post(desk, resource, least)
    assert done.status_code == 201, done.text


@pytest.mark.parametrize("resource", ["bucket", "accumulatedBalance"])
async def test_what_is_read_has_the_mandatory_members(desk: Desk, resource: str) -> None:
    page = await desk.client.get(f"{BASE}/{resource}", params={"fields": "", "offset": 0, "limit": 10})
    assert page.headers["x-result-count"] == str(len(page.json())) == "2"
    for one in page.json():
        check(resource, one)
        assert await desk.get(one["href"]) == one


@pytest.mark.parametrize(
    ("resource", "wrong"),
    [
        *[("topupBalance", {"recurringPeriod": period}) for period in ("weekly", "fortnightly", "monthly")],
        ("topupBalance", {"numberOfPeriods": 3, "isAutoTopup": True}),
        *[("topupBalance", {"usageType": usage}) for usage in ("voice", "data", "sms", "other")],
        ("adjustBalance", {"adjustType": "recurring"}),
        ("transferBalance", {"costOwner": "receiver"}),
    ],
)
async def test_a_published_value_that_means_what_we_do_not_do_is_refused(
    desk: Desk, resource: str, wrong: dict[str, Any]
) -> None:
    (body,) = [body for name, (kind, body) in REQUESTS.items() if kind == resource and name.startswith("swagger")]
    refused = await post(desk, resource, body | wrong)
    assert refused.status_code == 422
    error = refused.json()
    assert error["code"]
    assert error["reason"]
    assert (await desk.get("/v1/accounts/alice"))["money"]["balance"] == "5.00"
