"""What every request passes: media type, size, JSON, types; and that each mistake is said as a problem."""

import httpx
import pytest

from balances.ledger import Address, Unavailable
from balances.memory import MemoryLedger
from tests.ocs.http.http_desk import ALICE, Desk, problem


class Away(MemoryLedger):
    """A store that gives no answer."""

    async def address(self, account: str) -> Address | None:
        raise Unavailable("no answer")

    async def probe(self) -> None:
        raise Unavailable("no answer")


class Broken(MemoryLedger):
    async def address(self, account: str) -> Address | None:
        raise ZeroDivisionError


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/accounts/", "/v1/accounts/a/b", "/v2/accounts", "//"])
async def test_there_is_nothing_elsewhere(quick: Desk, path: str) -> None:
    problem(await quick.client.get(f"http://localhost:8080{path}"), 404, "not-found")


async def test_methods_that_a_path_has_not(quick: Desk) -> None:
    answer = await quick.client.delete("/v1/accounts")
    problem(answer, 405, "method-not-allowed")
    assert {name.strip() for name in answer.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}
    problem(await quick.client.post("/healthz"), 405, "method-not-allowed")
    problem(await quick.client.get("/v1/sessions/x/abort"), 404, "no-such-session")


@pytest.mark.parametrize("body", [b"", b"{", b"[1,", b"\xff", b'{"id": "a"} x', b"nul"])
async def test_what_is_not_json(quick: Desk, body: bytes) -> None:
    answer = await quick.client.post("/v1/accounts", content=body, headers={"Content-Type": "application/json"})
    problem(answer, 400, "malformed-json")


async def test_deeply_nested_json_is_only_a_mistake(quick: Desk) -> None:
    body = b'{"id": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    answer = await quick.client.post("/v1/accounts", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"plan": 1}, "#/plan"),
        ({"identities": [{"type": "e164", "value": "1"}, {"type": "e164", "value": 2}]}, "#/identities/1/value"),
        ({"identities": [{"type": "e164"}]}, "#/identities/0/value"),
        ({"identities": {}}, "#/identities"),
        ({"identities": [{"type": "e164", "value": "1", "no": 0}]}, "#/identities/0/no"),
        ({"a~b/c": 1}, "#/a~0b~1c"),
        ({"currency": "euro"}, "#/currency"),
    ],
)
async def test_a_wrong_member_is_pointed_at(quick: Desk, change: dict[str, object], pointer: str) -> None:
    details = problem(await quick.post("/v1/accounts", ALICE | change), 422, "invalid-request")
    assert [error["pointer"] for error in details["errors"]] == [pointer]
    assert details["errors"][0]["detail"]


async def test_a_body_that_is_no_object(quick: Desk) -> None:
    details = problem(await quick.post("/v1/accounts", []), 422, "invalid-request")
    assert details["errors"][0]["pointer"] == "#"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
async def test_only_json_is_read(quick: Desk, media_type: str) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await quick.client.post("/v1/accounts", content=b"{}", headers=headers)
    problem(answer, 415, "unsupported-media-type")


async def test_json_may_name_its_charset(quick: Desk) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = await quick.client.post("/v1/accounts", content=b"{}", headers=headers)
    problem(answer, 422, "invalid-request")


async def test_a_body_too_large_is_not_read_to_its_end(quick: Desk) -> None:
    read = 0

    async def endless() -> object:
        nonlocal read
        while read < 10_000_000:
            read += 16_384
            yield b" " * 16_384

    answer = await quick.client.post("/v1/accounts", content=endless(), headers={"Content-Type": "application/json"})
    problem(answer, 413, "body-too-large")
    assert read < 1_000_000


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("nothing=1", "nothing"),
        ("limit=", "limit"),
    ],
)
async def test_a_wrong_parameter_is_named(quick: Desk, query: str, parameter: str) -> None:
    details = problem(await quick.client.get(f"/v1/accounts?{query}"), 422, "invalid-request")
    assert details["errors"][0]["parameter"] == parameter


async def test_a_parameter_given_twice_is_no_choice(quick: Desk) -> None:
    problem(await quick.client.get("/v1/accounts?limit=1&limit=2"), 422, "invalid-request")


async def test_a_store_that_is_away_leaves_the_outcome_unknown() -> None:
    desk = Desk(Away())
    answer = await desk.top_up("1.00")
    problem(answer, 503, "outcome-unknown")
    assert answer.headers["retry-after"] == "1"


async def test_a_mistake_of_the_server_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(Broken())
    details = problem(await desk.client.get("/v1/accounts/alice"), 500, "internal-error")
    assert "Zero" not in str(details)
    assert "ZeroDivisionError" in caplog.text


async def test_head_is_answered_as_get(quick: Desk) -> None:
    assert (await quick.client.head("/healthz")).status_code == 200
    assert (await quick.client.head("/v1/audit")).status_code == 200


async def test_answers_are_not_kept_by_caches(quick: Desk) -> None:
    for answer in (await quick.client.get("/v1/audit"), await quick.client.get("/nothing")):
        assert answer.headers["cache-control"] == "no-store"


async def test_the_page_loads_nothing_from_elsewhere(quick: Desk) -> None:
    page = await quick.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in ("page.css", "page.js", "parts.js"):
        part: httpx.Response = await quick.client.get(f"/{name}")
        assert part.status_code == 200
        assert "http://" not in part.text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in part.text
