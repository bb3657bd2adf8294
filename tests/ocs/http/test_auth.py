"""Tokens, roles, and requests that a browser was tricked into."""

from pathlib import Path

import httpx
import pytest

from balances.memory import MemoryLedger
from ocs.http.app import OPERATIONS
from ocs.http.auth import Role, TokenFileError, new_token, parse_tokens
from ocs.http.settings import HttpSettings, is_loopback
from tests.ocs.http.http_desk import ALICE, Desk, problem


@pytest.fixture
def tokens(tmp_path: Path) -> dict[Role, str]:
    made = {role: new_token(role, f"{role.name.lower()}er") for role in Role}
    lines = ["# who may do what", "", *(line + "   # a comment" for _, line in made.values())]
    (tmp_path / "tokens").write_text("\n".join(lines))
    return {role: token for role, (token, _) in made.items()}


@pytest.fixture
def guarded(tmp_path: Path, tokens: dict[Role, str]) -> Desk:
    return Desk(MemoryLedger(), HttpSettings(host="0.0.0.0", tokens=str(tmp_path / "tokens")))


async def ask(
    desk: Desk, token: str | None, method: str = "GET", path: str = "/v1/audit", **more: object
) -> httpx.Response:
    headers = {"Idempotency-Key": "k"} | ({"Authorization": f"Bearer {token}"} if token is not None else {})
    return await desk.client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]


async def test_without_a_valid_token_nothing_is_told(guarded: Desk) -> None:
    for token in (None, "", "wrong", "x" * 10_000):
        answer = await ask(guarded, token)
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
    basic = await guarded.client.get("/v1/audit", headers={"Authorization": "Basic eDp5"})
    problem(basic, 401, "unauthenticated")


async def test_every_call_of_the_api_is_guarded(guarded: Desk) -> None:
    for row in OPERATIONS:
        path = row.path.replace("{account}", "a").replace("{session}", "s")
        answer = await guarded.client.request(row.method, path)
        expected = 401 if row.path.startswith(("/v1/", "/tmf-api/")) else 200
        assert answer.status_code == expected, row.path


async def test_each_role_may_do_what_the_lower_ones_may(guarded: Desk, tokens: dict[Role, str]) -> None:
    adjustment = {"amount": "1", "reason": "x"}
    for role, token in tokens.items():
        assert (await ask(guarded, token)).status_code == 200
        opened = await ask(guarded, token, "POST", "/v1/accounts", json=ALICE | {"id": role.name, "identities": []})
        assert opened.status_code == (201 if role >= Role.OPERATE else 403)
        adjusted = await ask(guarded, token, "POST", f"/v1/accounts/{role.name}/adjustments", json=adjustment)
        assert adjusted.status_code == (201 if role >= Role.ADMIN else 403)


async def test_a_refused_role_learns_which_it_takes(guarded: Desk, tokens: dict[Role, str]) -> None:
    answer = await ask(guarded, tokens[Role.READ], "POST", "/v1/accounts/alice/topups", json={"amount": "1"})
    assert "operate" in problem(answer, 403, "forbidden")["detail"]


def test_tokens_are_kept_as_hashes_only() -> None:
    token, line = new_token(Role.ADMIN, "ops")
    assert token not in line
    [parsed] = parse_tokens(line)
    assert (parsed.role, parsed.name) == (Role.ADMIN, "ops")


@pytest.mark.parametrize(
    "line", ["read ops", "boss ops " + "0" * 64, "read ops xyz", "read ops 00", "read a b " + "0" * 64]
)
def test_a_line_that_is_no_token_is_named(line: str) -> None:
    with pytest.raises(TokenFileError, match="line 2"):
        parse_tokens(f"# tokens\n{line}\n")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example:8080"}, 403),
        ({"Host": "localhost:8080", "Origin": "http://localhost:8080"}, 200),
        ({"Host": "localhost:8080", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost:8080", "Origin": "null"}, 403),
    ],
)
async def test_without_tokens_other_sites_get_nothing(quick: Desk, headers: dict[str, str], status: int) -> None:
    assert (await quick.client.get("/v1/audit", headers=headers)).status_code == status


async def test_with_tokens_the_site_does_not_matter(guarded: Desk, tokens: dict[Role, str]) -> None:
    headers = {"Host": "ocs.example.net", "Authorization": f"Bearer {tokens[Role.READ]}", "Origin": "https://x.example"}
    assert (await guarded.client.get("/v1/audit", headers=headers)).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "example.net"])
def test_being_open_is_only_for_loopback(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        HttpSettings(host=host, auth="off")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    assert HttpSettings(host=host, auth="off").auth == "off"


def test_tokens_need_their_file() -> None:
    with pytest.raises(ValueError, match="tokens"):
        HttpSettings(auth="tokens")


async def test_a_token_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    settings = HttpSettings(tokens=str(path))
    with pytest.raises(FileNotFoundError):
        Desk(MemoryLedger(), settings)
    for content in (b"boss ops 00", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(TokenFileError, match=str(path)):
            Desk(MemoryLedger(), settings)
