"""Digest authentication of proxies (RFC 8760), proven over the wire."""

from typing import Any

import pytest

from sip_credit import digest
from sip_credit.digest import Digest, Verdict, read_credentials, response
from sip_credit.message import Request, Response, cancel
from sip_credit.settings import Peer, Settings

House = Any  # the fixture's class lives in conftest, which is no module to import from

PASSWORDS = {"kam": "open sesame"}


@pytest.mark.rfc("7616", "3.9.1")
@pytest.mark.parametrize(
    ("algorithm", "proof"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_the_rfc(algorithm: str, proof: str) -> None:
    said = {
        "realm": "http-auth@example.org",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "uri": "/dir/index.html",
    }
    assert response(algorithm, "Mufasa", "Circle of Life", "GET", said) == proof


def prove(request: Request, challenge: str, count: int = 1, **wrong: str) -> Request:
    """The request again with credentials for one challenge, as a proxy sends it: with the next number and branch."""
    offered = read_credentials(challenge)
    said = {
        "username": "kam",
        "realm": offered["realm"],
        "nonce": offered["nonce"],
        "uri": request.uri,
        "cnonce": "c0ffee",
        "nc": f"{count:08x}",
        "qop": "auth",
        "algorithm": offered["algorithm"],
    } | {name: value for name, value in wrong.items() if name != "password"}
    proof = response(offered["algorithm"], "kam", wrong.get("password", "open sesame"), request.method, said)
    bare = {"nc", "qop", "algorithm"}
    parts = [f"{name}={value}" if name in bare else f'{name}="{value}"' for name, value in said.items()]
    text = f'Digest {", ".join(parts)}, response="{wrong.get("response", proof)}"'
    headers = [
        (name, value.replace("branch=z9hG4bK", f"branch=z9hG4bKd{count}") if name == "Via" else value)
        for name, value in request.headers
    ]
    headers = [(name, f"{1 + count} {request.method}" if name == "CSeq" else value) for name, value in headers]
    return Request(request.method, request.uri, [*headers, ("Authorization", text)])


def challenges(answer: Response) -> list[str]:
    assert answer.status == 401
    return answer.headers.all("WWW-Authenticate")


@pytest.fixture
async def guarded(house: House) -> House:
    peer = Peer(digest=tuple(PASSWORDS.items()))
    await house.restart(Settings(port=0, realm="credit", peers=(peer,), nonce_lifetime=300))
    await house.open("1.00")
    return house


@pytest.mark.rfc("8760", "2.4")
@pytest.mark.parametrize("choice", [0, 1])
async def test_a_check_is_challenged_then_served(guarded: House, choice: int) -> None:
    invite = guarded.invite()
    offered = challenges(await guarded.proxy.ask(invite))
    assert [read_credentials(one)["algorithm"] for one in offered] == ["SHA-256", "MD5"]
    assert all(read_credentials(one)["qop"] == "auth" for one in offered)
    assert guarded.gate.events == []
    assert (await guarded.proxy.ask(prove(invite, offered[choice]))).status == 302
    assert len(guarded.gate.events) == 1


async def test_reports_are_challenged_too(guarded: House) -> None:
    invite = guarded.invite()
    [first, _] = challenges(await guarded.proxy.ask(invite))
    await guarded.proxy.ask(prove(invite, first))
    stop = guarded.report("stop", 2000)
    [fresh, _] = challenges(await guarded.proxy.ask(stop))
    assert await guarded.money() == (0, 60)
    assert (await guarded.proxy.ask(prove(stop, fresh))).status == 200
    assert await guarded.money() == (2, 0)


@pytest.mark.rfc("3261", "22.1")
async def test_probes_and_cancels_are_not_challenged(guarded: House) -> None:
    assert (await guarded.proxy.ask(guarded.request("OPTIONS", "o"))).status == 200
    assert (await guarded.proxy.ask(cancel(guarded.invite()))).status == 481


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "guess"},
        {"response": "0" * 64},
        {"response": "\xff"},
        {"username": "other"},
        {"realm": "elsewhere"},
        {"uri": "sip:+1900@h"},
        {"qop": "auth-int"},
        {"nc": "1"},
        {"nc": "zzzzzzzz"},
        {"algorithm": "SHA-512"},
        {"nonce": "1-2"},
        {"cnonce": ""},
    ],
)
async def test_what_proves_nothing_is_challenged_again(guarded: House, wrong: dict[str, str]) -> None:
    invite = guarded.invite()
    [offered, _] = challenges(await guarded.proxy.ask(invite))
    again = challenges(await guarded.proxy.ask(prove(invite, offered, **wrong)))
    assert "stale" not in read_credentials(again[0])
    assert guarded.gate.events == []


@pytest.mark.rfc("7616", "3.4")
async def test_a_recorded_request_cannot_be_sent_again(guarded: House) -> None:
    invite = guarded.invite()
    [offered, _] = challenges(await guarded.proxy.ask(invite))
    assert (await guarded.proxy.ask(prove(invite, offered, 2))).status == 302
    for count in (2, 1):
        other = prove(guarded.invite("call-2"), offered, count)
        assert read_credentials(challenges(await guarded.proxy.ask(other))[0])["stale"] == "true"
    assert (await guarded.proxy.ask(prove(guarded.invite("call-3"), offered, 3))).status == 302


@pytest.mark.rfc("7616", "3.3")
async def test_an_old_nonce_is_stale(guarded: House) -> None:
    invite = guarded.invite()
    [offered, _] = challenges(await guarded.proxy.ask(invite))
    guarded.later(301)
    assert read_credentials(challenges(await guarded.proxy.ask(prove(invite, offered)))[0])["stale"] == "true"


def test_what_is_remembered_is_bounded_and_forgotten_nonces_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "REMEMBERED", 2)
    salts = iter(range(100))
    judge = Digest("r", b"secret", 300, lambda: f"{next(salts):016x}")
    request = Request("INVITE", "sip:a@b", [("Via", "x"), ("CSeq", "1 INVITE")])

    def ask(challenge: str, now: int) -> Verdict:
        return judge.judge(prove(request, challenge), PASSWORDS, now)

    offered = [judge.challenge(now)[0][1] for now in (10, 11, 12)]
    assert [ask(challenge, 12) for challenge in offered] == [Verdict.GOOD] * 3
    assert [ask(challenge, 12) for challenge in offered] == [Verdict.STALE] * 3
    assert ask(judge.challenge(9)[0][1], 12) is Verdict.STALE  # as old as one that was forgotten
    assert ask(judge.challenge(13)[0][1], 12) is Verdict.STALE  # from tomorrow
    assert ask(Digest("r", b"other", 300, lambda: "0" * 16).challenge(12)[0][1], 12) is Verdict.STALE
