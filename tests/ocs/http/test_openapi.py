"""The OpenAPI document: everything there is, and nothing else."""

import re
from collections.abc import Iterator
from typing import Any

from starlette.routing import Route

from balances.ledger import Phase
from ocs.http import page
from tests.ocs.http.http_desk import ALICE, Desk

STATIC = {*page.FILES, "/openapi.json"}


async def test_every_route_is_described_and_every_description_is_a_route(quick: Desk) -> None:
    document = await quick.get("/openapi.json")
    described = {(method.upper(), path) for path, row in document["paths"].items() for method in row}
    served = {
        (method, re.sub(r":path}", "}", route.path))
        for route in quick.app.routes
        if isinstance(route, Route) and route.path not in STATIC
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert described == served
    promised = {
        ("POST", "/v1/accounts"), ("GET", "/v1/accounts"), ("GET", "/v1/accounts/{account}"),
        ("PATCH", "/v1/accounts/{account}"), ("POST", "/v1/accounts/{account}/topups"),
        ("POST", "/v1/accounts/{account}/adjustments"), ("POST", "/v1/accounts/{account}/buckets"),
        ("GET", "/v1/accounts/{account}/entries"), ("GET", "/v1/sessions"), ("GET", "/v1/sessions/{session}"),
        ("POST", "/v1/sessions/{session}/abort"), ("GET", "/v1/peers"), ("GET", "/v1/audit"), ("POST", "/v1/price"),
        ("GET", "/metrics"), ("GET", "/healthz"), ("GET", "/readyz"),
    }  # fmt: skip
    assert promised <= described


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


async def test_every_reference_leads_somewhere(quick: Desk) -> None:
    document = await quick.get("/openapi.json")
    found = set(references(document))
    assert found
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    ids = [one["operationId"] for row in document["paths"].values() for one in row.values()]
    assert len(ids) == len(set(ids))


async def test_changes_say_that_they_want_a_key(quick: Desk) -> None:
    document = await quick.get("/openapi.json")
    keyed = {
        path.rpartition("/")[2]
        for path, row in document["paths"].items()
        for one in row.values()
        if any("IdempotencyKey" in parameter.get("$ref", "") for parameter in one["parameters"])
    }
    posted = {"topups", "adjustments", "buckets", "lift", "loans", "subscriptions", "transfers", "vouchers"}
    assert keyed == {*posted, "{offer}"}


async def test_answers_have_exactly_the_described_members(desk: Desk) -> None:
    document = await desk.get("/openapi.json")
    await desk.open()
    await desk.top_up("10.00")
    await desk.post("/v1/accounts/alice/buckets", {"offer": "data-1gb"}, "g1")
    await desk.charge(Phase.OPEN, wanted=10_000_000)
    await desk.books.refresh()

    def check(schema: dict[str, Any], value: Any) -> None:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if isinstance(value, dict) and "properties" in schema:
            assert set(value) == set(schema["properties"])
            for name, member in value.items():
                check(schema["properties"][name], member)
        elif isinstance(value, list):
            for member in value:
                check(schema["items"], member)
        elif "pattern" in schema:
            assert re.search(schema["pattern"], value)

    paths = ["/v1/accounts", "/v1/sessions", "/v1/peers", "/v1/audit", "/v1/overview", "/healthz", "/readyz"]
    for path in paths:
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        check(schema, await desk.get(path))
    entries = document["paths"]["/v1/accounts/{account}/entries"]["get"]["responses"]["200"]
    check(entries["content"]["application/json"]["schema"], await desk.get("/v1/accounts/alice/entries"))
    request = document["components"]["schemas"]["AccountCreate"]
    assert set(ALICE) <= set(request["properties"])
    assert request["additionalProperties"] is False
